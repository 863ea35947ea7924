// sum_partials: output[i] = sum_p partials[p,i], in the order of p
//
// An invocation adds one element, a workgroup 64: the second pass of sums that were split.
//
// partials ({{ count }}, {{ elements }}), output ({{ elements }})
{% include "common/group.wgsl" %}

const ELEMENTS = {{ elements }}u;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn sum_partials(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= ELEMENTS) { return; }
  var total = 0.0;
  for (var p = 0u; p < {{ count }}u; p++) {
    total += partials[p * ELEMENTS + i];
  }
  output[i] = total;
}
