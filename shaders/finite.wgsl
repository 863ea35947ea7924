// finite: the positions of the first NaN, inf and -inf of a tensor, where there are any
//
// An invocation looks at one number, a workgroup at 64; what is not finite is seen by its bits.
//
// input ({{ elements }}), first (NaN, inf, -inf; 4), of which all bits are ones where there is none
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> first: array<atomic<u32>, 4>;

@compute @workgroup_size(64)
fn finite(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ elements }}u) { return; }
  let bits = input[i];
  if ((bits & 0x7f800000u) != 0x7f800000u) { return; }
  let infinite = (bits & 0x007fffffu) == 0u;
  atomicMin(&first[select(0u, 1u + (bits >> 31u), infinite)], {{ before }}u + i);
}
