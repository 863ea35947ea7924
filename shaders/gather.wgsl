// gather: output[o,l,i] = input[o, index[o,l,i], i], 0 for an index beyond the dimension
//
// An invocation copies one element, a workgroup 64.
//
// input (O, {{ length }}, {{ inner }}), index and output (O, {{ count }}, {{ inner }})
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
// The first index that is beyond the dimension.
@group(0) @binding(3) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let at = flat_group(workgroup) * 64u + lane.x;
  if (at >= {{ elements }}u) { return; }
  let index = positions[{{ first_index }}u + at];
  let known = index < {{ length }}u;
  if (!known) { atomicMin(&bad_row, {{ before }}u + at); }
  let seen = {{ first_input }}u + (at / {{ count * inner }}u * {{ length }}u + select(0u, index, known)) * {{ inner }}u + at % {{ inner }}u;
  output[{{ first_output }}u + at] = select(0.0, input[seen], known);
}
