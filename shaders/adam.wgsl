// adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr (m / c1) / (sqrt(v / c2) + eps), c = 1 - b^step
//
// An invocation updates one vec4 in place, a workgroup 64; workgroups are dealt out to the parameters in order.
// c = -expm1(step ln(b)) keeps its digits at every step. Buffers are padded to whole vec4; lengths are the bindings',
// so that one pipeline serves parameters of all sizes.
//
// lr (1), step (1, u32); of each parameter grad, param, exp_avg, exp_avg_sq (of one size)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> step_count: array<u32>;
{% for n in range(count) %}
@group(0) @binding({{ 2 + n * 4 }}) var<storage, read> grad{{ n }}: array<vec4<f32>>;
@group(0) @binding({{ 3 + n * 4 }}) var<storage, read_write> param{{ n }}: array<vec4<f32>>;
@group(0) @binding({{ 4 + n * 4 }}) var<storage, read_write> exp_avg{{ n }}: array<vec4<f32>>;
@group(0) @binding({{ 5 + n * 4 }}) var<storage, read_write> exp_avg_sq{{ n }}: array<vec4<f32>>;
{% endfor %}
{% for n in range(count) %}

fn update{{ n }}(i: u32) {
  if (i >= arrayLength(&param{{ n }})) { return; }
  let t = f32(step_count[0]);
  let correction1 = {{ "-expm1(t * " ~ ln_beta1 ~ ")" if beta1 > 0 else "1.0" }};
  let correction2 = {{ "-expm1(t * " ~ ln_beta2 ~ ")" if beta2 > 0 else "1.0" }};
  let rate = lr[0];
{% if decoupled %}
  let p = param{{ n }}[i] * (1.0 - rate * {{ weight_decay }});
  let g = grad{{ n }}[i];
{% else %}
  let p = param{{ n }}[i];
  let g = grad{{ n }}[i]{{ " + " ~ weight_decay ~ " * p" if decays else "" }};
{% endif %}
  let m = fma(vec4<f32>({{ one_minus_beta1 }}), g, {{ beta1_literal }} * exp_avg{{ n }}[i]);
  let v = fma({{ one_minus_beta2 }} * g, g, {{ beta2_literal }} * exp_avg_sq{{ n }}[i]);
  exp_avg{{ n }}[i] = m;
  exp_avg_sq{{ n }}[i] = v;
  param{{ n }}[i] = p - rate * (m / correction1) / (sqrt(v / correction2) + {{ eps }});
}
{% endfor %}

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
{% include "common/parameters.wgsl" %}
}
