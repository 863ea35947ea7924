// sgd: g += decay p; v = momentum v + g; p -= lr v {{ "(nesterov: lr (g + momentum v))" if nesterov else "" }}
//
// An invocation updates one vec4 in place, a workgroup 64. Buffers are padded to whole vec4; the
// length is the binding's, so that one pipeline serves every parameter.
//
// param, grad{{ ", velocity" if momentum else "" }} (of one size), lr (1)
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> lr: array<f32>;
{% if momentum %}
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4<f32>>;
{% endif %}

@compute @workgroup_size(64)
fn sgd(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= arrayLength(&param)) { return; }
  let p = param[i];
  let g = grad[i]{{ " + " ~ weight_decay ~ " * p" if decays else "" }};
{% if momentum %}
  let v = {{ momentum_literal }} * velocity[i] + g;
  velocity[i] = v;
{% if nesterov %}
  param[i] = p - lr[0] * (g + {{ momentum_literal }} * v);
{% else %}
  param[i] = p - lr[0] * v;
{% endif %}
{% else %}
  param[i] = p - lr[0] * g;
{% endif %}
}
