// cast_: output[i] = input[i] in another type
//
// An invocation casts one vec4, a workgroup 64; buffers are padded to whole vec4.
//
// input and output (any shape), {{ vec4s }} vec4
{% include "common/group.wgsl" %}
{% include "common/four.wgsl" %}
{% if to == "u32" %}
{% include "common/nan.wgsl" %}
{% endif %}

@group(0) @binding(0) var<storage, read> input: array<{{ "Four" if from == "f32" else "vec4<u32>" }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ "Four" if to == "f32" else "vec4<u32>" }}>;
{% if to == "u32" and from == "f32" %}

// What lies between the number and 0; the largest for a larger one, 0 for NaN.
fn whole(x: f32) -> u32 {
  let inside = select(0.0, x, (x > 0.0) & (x < 4294967296.0) & !is_nan(x));
  return select(u32(inside), 0xffffffffu, (x >= 4294967296.0) & !is_nan(x));
}
{% endif %}

@compute @workgroup_size(64)
fn cast_(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ vec4s }}u) { return; }
  {% if from == to %}
  output[i] = input[i];
  {% elif to == "u32" %}
  let x = four(input[i]);
  output[i] = vec4<u32>(whole(x[0]), whole(x[1]), whole(x[2]), whole(x[3]));
  {% else %}
  output[i] = to_four(vec4<f32>(input[i]));
  {% endif %}
}
