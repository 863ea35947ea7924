// argmax: output[o,i] = the first l with the largest input[o,l,i]
//
// An invocation scans one row of length L, a workgroup 64 rows.
//
// input ({{ outer }}, L = {{ length }}, {{ inner }}), output ({{ outer }}, {{ inner }}), u32
{% include "common/group.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn argmax(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = flat_group(workgroup) * 64u + lane.x;
  if (row >= {{ outer * inner }}u) { return; }
  let base = row / {{ inner }}u * {{ length * inner }}u + row % {{ inner }}u;
  var best = input[base];
  var index = 0u;
  for (var l = 1u; l < {{ length }}u; l++) {
    let value = input[base + l * {{ inner }}u];
    index = select(index, l, value > best);
    best = max(best, value);
  }
  output[row] = index;
}
