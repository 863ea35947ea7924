// softmax: output[o,l,i] = {{ "input[o,l,i] - log(sum_m exp(input[o,m,i]))" if log else "exp(input[o,l,i]) / sum_m exp(input[o,m,i])" }}
//
{% if lanes > 1 %}
// A workgroup of {{ lanes }} computes one row of length L: lane l takes every {{ lanes }}th element, a tree in
// workgroup memory joins them.
{% else %}
// An invocation computes one row of length L, a workgroup {{ rows }}.
{% endif %}
// The maximum is subtracted first, so finite input gives finite output, and -inf among
// finite input gives 0. A row with a NaN, with inf, or of -inf alone is NaN throughout, as PyTorch has it.
//
// input and output ({{ outer }}, L = {{ length }}, {{ inner }})
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/row.wgsl" %}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size({{ lanes * rows }})
fn softmax(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = row_of(flat_group(workgroup), lane.x);
  let own = lane_of(lane.x);
  if (row >= {{ outer * inner }}u) { return; }
  let base = row_base(row);
  var highest = nan_as_inf(input[base]);
  for (var l = own; l < LENGTH; l += LANES) { highest = max(highest, nan_as_inf(input[base + l * INNER])); }
  highest = join_max(own, highest);
  var part = 0.0;
  for (var l = own; l < LENGTH; l += LANES) { part += exp_clamped(input[base + l * INNER] - highest); }
  let total = join_sum(own, part);
{% if log %}
  let shift = nan_unless_finite(log(total), highest);
  for (var l = own; l < LENGTH; l += LANES) { output[base + l * INNER] = (input[base + l * INNER] - highest) - shift; }
{% else %}
  let divisor = nan_unless_finite(total, highest);
  for (var l = own; l < LENGTH; l += LANES) {
    output[base + l * INNER] = exp_clamped(input[base + l * INNER] - highest) / divisor;
  }
{% endif %}
}
