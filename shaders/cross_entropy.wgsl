// cross_entropy: loss[o,i] = logsumexp(x) - (1 - e) x[target] - e / C sum(x), x = logits[o,:,i], e the smoothing
//
// A workgroup of {{ lanes }} computes one row of C classes. A row whose target is ignored has loss 0 and does not
// count.
//
// logits ({{ outer }}, C = {{ length }}, {{ inner }}), target (u32), loss, logsumexp and counted ({{ outer }}, {{ inner }})
{% include "common/group.wgsl" %}
{% include "common/row.wgsl" %}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> logsumexp: array<f32>;
@group(0) @binding(4) var<storage, read_write> counted: array<f32>;

@compute @workgroup_size({{ lanes }})
fn cross_entropy(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let row = flat_group(workgroup);
  if (row >= {{ groups }}u) { return; }
  let base = row_base(row);
  let label = labels[row];
  var highest = logits[base];
  for (var l = lane.x; l < LENGTH; l += LANES) { highest = max(highest, logits[base + l * INNER]); }
  highest = join_max(lane.x, highest);
  // Relative to the maximum, so that nothing large cancels.
  var exponentials = 0.0;
  var sum = 0.0;
  var chosen = 0.0;
  for (var l = lane.x; l < LENGTH; l += LANES) {
    let x = logits[base + l * INNER] - highest;
    exponentials += exp(max(x, -87.0));
    sum += x;
    chosen += select(0.0, x, l == label);
  }
  let shift = log(join_sum(lane.x, exponentials));
  let picked = join_sum(lane.x, chosen);
{% if smoothing > 0 %}
  let spread = join_sum(lane.x, sum);
{% endif %}
  if (lane.x == 0u) {
    let matched = select(0.0, 1.0, label < LENGTH);
    // The maximum was taken out of all three parts; where it does not cancel, it is put back.
    let kept = highest * (1.0 - {{ one_minus_smoothing }} * matched{{ " - " ~ smoothing_literal if smoothing > 0 else "" }});
    let value = shift - {{ one_minus_smoothing }} * picked{{ " - " ~ smoothing_per_class ~ " * spread" if smoothing > 0 else "" }} + {{ "select(kept, 0.0, label < LENGTH)" }};
{% if ignore is not none %}
    let ignored = label == {{ ignore }}u;
{% else %}
    let ignored = false;
{% endif %}
    loss[row] = select(value, 0.0, ignored);
    logsumexp[row] = highest + shift;
    counted[row] = select(1.0, 0.0, ignored);
  }
}
