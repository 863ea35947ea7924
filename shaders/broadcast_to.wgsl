// broadcast_to: output[i] = input[i without the stretched dimensions]
//
// An invocation copies one element, a workgroup 64; stretched dimensions have stride 0.
//
// input (any shape that stretches), output ({{ elements }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn broadcast_to(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  output[{{ at.output }}] = input[{{ at.input }}];
}
