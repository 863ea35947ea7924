// sgd: g += decay p; v = momentum v + g; p -= lr v {{ "(nesterov: lr (g + momentum v))" if nesterov else "" }}
//
// An invocation updates one vec4 in place, a workgroup 64; workgroups are dealt out to the parameters in order.
// Buffers are padded to whole vec4; lengths are the bindings', so that one pipeline serves parameters of all sizes.
//
// lr (1); of each parameter grad, param{{ ", velocity" if momentum else "" }} (of one size)
{% include "common/group.wgsl" %}
{# Bindings of a parameter. #}
{% set own = 3 if momentum else 2 %}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
{% for n in range(count) %}
@group(0) @binding({{ 1 + n * own }}) var<storage, read> grad{{ n }}: array<vec4<f32>>;
@group(0) @binding({{ 2 + n * own }}) var<storage, read_write> param{{ n }}: array<vec4<f32>>;
{% if momentum %}
@group(0) @binding({{ 3 + n * own }}) var<storage, read_write> velocity{{ n }}: array<vec4<f32>>;
{% endif %}
{% endfor %}
{% for n in range(count) %}

fn update{{ n }}(i: u32) {
  if (i >= arrayLength(&param{{ n }})) { return; }
  let p = param{{ n }}[i];
  let g = grad{{ n }}[i]{{ " + " ~ weight_decay ~ " * p" if decays else "" }};
{% if momentum %}
  let v = {{ momentum_literal }} * velocity{{ n }}[i] + g;
  velocity{{ n }}[i] = v;
{% if nesterov %}
  param{{ n }}[i] = p - lr[0] * (g + {{ momentum_literal }} * v);
{% else %}
  param{{ n }}[i] = p - lr[0] * v;
{% endif %}
{% else %}
  param{{ n }}[i] = p - lr[0] * g;
{% endif %}
}
{% endfor %}

@compute @workgroup_size(64)
fn sgd(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
{% include "common/parameters.wgsl" %}
}
