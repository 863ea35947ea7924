// sum_partials: output[i] = sum_p partials[p,i], in the order of p
//
// An invocation adds one element, a workgroup 64: the second pass of sums that were split.
{% if last %}
// The runs are those of a weight (rows, {{ channels }}, {{ taps }}) that lie as (rows, {{ taps }}, {{ padded }}), channels last.
{% endif %}
//
// partials ({{ count }}, {{ length }}), output ({{ elements }})
{% include "common/group.wgsl" %}

const LENGTH = {{ length }}u;

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn sum_partials(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= LENGTH) { return; }
  var total = 0.0;
  for (var p = 0u; p < {{ count }}u; p++) {
    total += partials[p * LENGTH + i];
  }
  {% if last %}
  // Neighbours read neighbours, and write what is {{ taps }} apart.
  let channel = i % {{ padded }}u;
  let tap = i / {{ padded }}u % {{ taps }}u;
  if (channel < {{ channels }}u) {
    output[(i / {{ padded * taps }}u * {{ channels }}u + channel) * {{ taps }}u + tap] = total;
  }
  {% else %}
  output[i] = total;
  {% endif %}
}
