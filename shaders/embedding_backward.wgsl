// embedding_backward: grad_weight[v,d] = sum of grad_output[n,d] over the n with index[n] = v, in the order of n
//
// A workgroup of {{ lanes }} owns row v and {{ lanes }} {{ "vec4" if vec4 else "elements" }} of it, one an invocation; all look at the same index, so
// that a branch is taken by all or none. Gathered in a fixed order, so no atomics and the same bits every time.
//
// grad_output ({{ count }}, D), indices ({{ count }}), grad_weight ({{ rows }}, D){{ " from row " ~ first_row ~ " on" if first_row > 0 }}; D = {{ width }} {{ "vec4" if vec4 else "elements" }}
{% include "common/group.wgsl" %}
{% set element = "vec4<f32>" if vec4 else "f32" %}

@group(0) @binding(0) var<storage, read> grad_output: array<{{ element }}>;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> grad_weight: array<{{ element }}>;
// The first index that the table lacks.
@group(0) @binding(3) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size({{ lanes }})
fn embedding_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let group = flat_group(workgroup);
  if (group >= {{ groups }}u) { return; }
  let row = group / {{ tiles }}u;
  let v = {{ first_row }}u + row;
  let d = group % {{ tiles }}u * {{ lanes }}u + lane.x;
  let column = min(d, {{ width - 1 }}u);
  // One invocation of all looks for indices that no row has.
  let looks = v == 0u && d == 0u;
  var sum = {{ element }}();
  for (var n = 0u; n < {{ count }}u; n++) {
    let index = indices[n];
    if (index == v) { sum += grad_output[n * {{ width }}u + column]; }
    if (looks && index >= {{ rows }}u) { atomicMin(&bad_row, n); }
  }
  if (d < {{ width }}u) { grad_weight[row * {{ width }}u + d] = sum; }
}
