// increment: counter[i] += 1
//
// An invocation counts one element in place, a workgroup 64.
//
// counter (u32)
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read_write> counter: array<u32>;

@compute @workgroup_size(64)
fn increment(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= arrayLength(&counter)) { return; }
  counter[i] += 1u;
}
