// equal: output[i] = 1 where a[i] == b[i], else 0
//
// An invocation compares one element, a workgroup 64.
//
// a, b (u32) and output (f32), {{ elements }} each
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn equal(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  output[{{ at.output }}] = select(0.0, 1.0, a[{{ at.a }}] == b[{{ at.b }}]);
}
