// unary: output[i] = f(input[i]); with `backward`: grad_input[i] = grad_output[i] * f'(saved[i])
//
// An invocation computes {{ per_lane }} vec4, a workgroup of 64 a run of 64 * {{ per_lane }} vec4, striding
// by 64 so that neighbours read neighbours. Buffers are padded to whole vec4.
//
// input, grad_output, saved, output (elements); vec4s = ceil(elements / 4)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/activations.wgsl" %}
{% set f = function ~ "_value" if function in ["tanh", "sqrt"] else function %}

const VEC4S = {{ vec4s }}u;
const P = {{ parameter }};

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
{% if backward %}
@group(0) @binding(1) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
{% else %}
@group(0) @binding(1) var<storage, read_write> output: array<vec4<f32>>;
{% endif %}

@compute @workgroup_size(64)
fn unary(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= GROUPS) { return; }
  {% for j in range(per_lane) %}
  let i{{ j }} = group * {{ 64 * per_lane }}u + {{ 64 * j }}u + lane.x;
  if (i{{ j }} < VEC4S) {
    let x = input[i{{ j }}];
    {% if backward %}
    let y = saved[i{{ j }}];
    output[i{{ j }}] = vec4<f32>({{ f }}_backward(x.x, y.x, P), {{ f }}_backward(x.y, y.y, P), {{ f }}_backward(x.z, y.z, P), {{ f }}_backward(x.w, y.w, P));
    {% else %}
    output[i{{ j }}] = vec4<f32>({{ f }}(x.x, P), {{ f }}(x.y, P), {{ f }}(x.z, P), {{ f }}(x.w, P));
    {% endif %}
  }
  {% endfor %}
}
