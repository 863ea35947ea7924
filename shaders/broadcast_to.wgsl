// broadcast_to: output[i] = input[i without the stretched dimensions]
//
// An invocation copies {{ "four neighbouring elements" if unit == 4 else "one element" }}, a workgroup 64; stretched dimensions have stride 0.
//
// input (any shape that stretches), output ({{ elements }}{{ " fours" if unit == 4 }})
{% include "common/group.wgsl" %}
{% if unit == 4 %}
{% include "common/four.wgsl" %}
{% endif %}
{% set word = "Four" if unit == 4 else "f32" %}
@group(0) @binding(0) var<storage, read> input: array<{{ word if side.input else "f32" }}>;
@group(0) @binding(1) var<storage, read_write> output: array<{{ word }}>;

@compute @workgroup_size(64)
fn broadcast_to(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
{% if unit == 4 and not side.input %}
  output[{{ at.output }}] = to_four(vec4<f32>(input[{{ at.input }}]));
{% else %}
  output[{{ at.output }}] = input[{{ at.input }}];
{% endif %}
}
