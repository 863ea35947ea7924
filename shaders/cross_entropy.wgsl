// cross_entropy: loss[o,i] = log sum(exp(x)) - (1 - e) x[target] - e / C sum(x), x = logits[o,:,i], e the smoothing
//
// {{ "A workgroup of " ~ lanes if lanes > 1 else "An invocation" }} computes one row of C classes. A row whose target is ignored has loss 0 and does not
// count. Maximum and logarithm of the sum relative to it are kept apart: of their sum nothing could be subtracted that
// is large. A row with a NaN, with inf, or of -inf alone has loss and logarithm NaN.
//
// logits ({{ outer }}, C = {{ length }}, {{ inner }}), target (u32), loss and counted ({{ outer }}, {{ inner }}), saved ({{ outer }}, {{ inner }}, 2)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}
{% include "common/row.wgsl" %}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
// The maximum and the logarithm of each row.
@group(0) @binding(3) var<storage, read_write> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> counted: array<f32>;
// The first row whose target is neither a class nor ignored.
@group(0) @binding(5) var<storage, read_write> bad_row: atomic<u32>;

@compute @workgroup_size({{ lanes * rows }})
fn cross_entropy(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = row_of(flat_group(workgroup), lane.x);
  let own = lane_of(lane.x);
  if (row >= {{ outer * inner }}u) { return; }
  let base = row_base(row);
  let position = {{ first_row }}u + row;
  let label = labels[position];
  var highest = nan_as_inf(logits[base]);
  for (var l = own; l < LENGTH; l += LANES) { highest = max(highest, nan_as_inf(logits[base + l * INNER])); }
  highest = join_max(own, highest);
  // Relative to the maximum, so that nothing large cancels.
  var exponentials = 0.0;
  var sum = 0.0;
  var chosen = 0.0;
  for (var l = own; l < LENGTH; l += LANES) {
    let x = logits[base + l * INNER] - highest;
    exponentials += exp_clamped(x);
    sum += x;
    chosen += select(0.0, x, l == label);
  }
  let shift = nan_unless_finite(log(join_sum(own, exponentials)), highest);
  let picked = join_sum(own, chosen);
{% if smoothing > 0 %}
  let spread = join_sum(own, sum);
{% endif %}
  if (own == 0u) {
    let matched = select(0.0, 1.0, label < LENGTH);
    // The maximum was taken out of all three parts; where it does not cancel, it is put back.
    let kept = highest * (1.0 - {{ one_minus_smoothing }} * matched{{ " - " ~ smoothing_literal if smoothing > 0 else "" }});
    let value = shift - {{ one_minus_smoothing }} * picked{{ " - " ~ smoothing_per_class ~ " * spread" if smoothing > 0 else "" }} + {{ "select(kept, 0.0, label < LENGTH)" }};
{% if ignore is not none %}
    let ignored = label == {{ ignore }}u;
{% else %}
    let ignored = false;
{% endif %}
    if (label >= LENGTH && !ignored) { atomicMin(&bad_row, {{ rows_before }}u + row); }
    loss[position] = select(value, 0.0, ignored);
    saved[{{ first_pair }}u + 2u * row] = highest;
    saved[{{ first_pair }}u + 2u * row + 1u] = shift;
    counted[position] = select(1.0, 0.0, ignored);
  }
}
