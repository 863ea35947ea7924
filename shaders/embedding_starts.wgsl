// embedding_starts: starts[v] = how many indices are smaller than v
//
// An invocation owns one v up to the number of rows, where the last row's run ends, and searches by halves.
//
// sorted ({{ count }} pairs of an index and its position), starts ({{ rows }} + 1)
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> sorted: array<vec2<u32>>;
@group(0) @binding(1) var<storage, read_write> starts: array<u32>;

@compute @workgroup_size(64)
fn embedding_starts(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let v = flat_group(workgroup) * 64u + lane.x;
  if (v > {{ rows }}u) { return; }
  var low = 0u;
  var high = {{ count }}u;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (sorted[middle].x < v) { low = middle + 1u; } else { high = middle; }
  }
  starts[v] = low;
}
