// binary: output[i] = a[i] {{ operator }} b[i], broadcast
//
// An invocation computes one element, a workgroup 64; stretched dimensions have stride 0.
//
// a, b (each broadcast to the output), output ({{ elements }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn binary(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  output[{{ at.output }}] = a[{{ at.a }}] {{ operator }} b[{{ at.b }}];
}
