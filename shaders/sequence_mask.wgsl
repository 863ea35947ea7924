// sequence_mask: mask[t,b] = 1 where t < lengths[b], else 0
//
// An invocation computes one element, a workgroup 64.
//
// lengths ({{ batch }}), mask ({{ max_length }}, {{ batch }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> lengths: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
// The first sequence that is longer than the mask.
@group(0) @binding(2) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size(64)
fn sequence_mask(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ steps * batch }}u) { return; }
  let sequence = i % {{ batch }}u;
  let length = lengths[sequence];
  if (length > {{ max_length }}u) { atomicMin(&bad_row, sequence); }
  output[i + {{ first }}u] = select(0.0, 1.0, {{ first_step }}u + i / {{ batch }}u < length);
}
