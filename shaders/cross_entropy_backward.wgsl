// cross_entropy_backward: grad_logits[o,c,i] = g[o,i] (exp((x - saved[o,i,0]) - saved[o,i,1]) - (1 - e) [c = target] - e / C)
//
// An invocation computes one logit, a workgroup 64. Ignored rows are 0.
//
// grad_loss and target ({{ outer }}, {{ inner }}), saved ({{ outer }}, {{ inner }}, 2), logits and grad_logits ({{ outer }}, C = {{ length }}, {{ inner }})
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_loss: array<f32>;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_logits: array<f32>;

@compute @workgroup_size(64)
fn cross_entropy_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ outer * length * inner }}u) { return; }
  let at = {{ first_element }}u + i;
  let own = i / {{ length * inner }}u * {{ inner }}u + i % {{ inner }}u;
  let row = {{ first_row }}u + own;
  let pair = {{ first_pair }}u + 2u * own;
  let class_index = i / {{ inner }}u % {{ length }}u;
  let label = labels[row];
  // Of two numbers that are at most 0: there is nothing to clamp above.
  let probability = exp_bounded((logits[at] - saved[pair]) - saved[pair + 1u]);
  let wanted = select(0.0, {{ one_minus_smoothing }}, class_index == label){{ " + " ~ smoothing_per_class if smoothing > 0 else "" }};
{% if ignore is not none %}
  grad_logits[at] = select(grad_loss[row] * (probability - wanted), 0.0, label == {{ ignore }}u);
{% else %}
  grad_logits[at] = grad_loss[row] * (probability - wanted);
{% endif %}
}
