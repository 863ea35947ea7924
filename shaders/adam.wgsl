// adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr (m / c1) / (sqrt(v / c2) + eps), c = 1 - b^step
//
// An invocation updates one vec4 in place, a workgroup 64. c = -expm1(step ln(b)) keeps its digits at every
// step. Buffers are padded to whole vec4; the
// length is the binding's, so that one pipeline serves every parameter.
//
// param, grad, exp_avg, exp_avg_sq (of one size), lr (1), step (1, u32)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
@group(0) @binding(3) var<storage, read> step_count: array<u32>;
@group(0) @binding(4) var<storage, read_write> exp_avg: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> exp_avg_sq: array<vec4<f32>>;

@compute @workgroup_size(64)
fn adam(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= arrayLength(&param)) { return; }
  let t = f32(step_count[0]);
  let correction1 = {{ "-expm1(t * " ~ ln_beta1 ~ ")" if beta1 > 0 else "1.0" }};
  let correction2 = {{ "-expm1(t * " ~ ln_beta2 ~ ")" if beta2 > 0 else "1.0" }};
  let rate = lr[0];
{% if decoupled %}
  let p = param[i] * (1.0 - rate * {{ weight_decay }});
  let g = grad[i];
{% else %}
  let p = param[i];
  let g = grad[i]{{ " + " ~ weight_decay ~ " * p" if decays else "" }};
{% endif %}
  let m = fma(vec4<f32>({{ one_minus_beta1 }}), g, {{ beta1_literal }} * exp_avg[i]);
  let v = fma({{ one_minus_beta2 }} * g, g, {{ beta2_literal }} * exp_avg_sq[i]);
  exp_avg[i] = m;
  exp_avg_sq[i] = v;
  param[i] = p - rate * (m / correction1) / (sqrt(v / correction2) + {{ eps }});
}
