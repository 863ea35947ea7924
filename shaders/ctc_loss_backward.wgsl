// ctc_loss_backward: grad_log_probs[t,n,c] = -g[n] sum of exp(alpha[n,t,s] + beta[n,t,s] + loss[n]) over the states s of class c
//
// An invocation computes one element, a workgroup 64. 0 behind a sample's last step{{ ", and where its labels do not fit" if zero_infinity else "; NaN where its labels do not fit" }}.
//
// g and lengths (N), targets (N, S), alpha and beta (N, T, 2 S + 1), grad_log_probs (T, N, C)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> grad_loss: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> input_lengths: array<u32>;
@group(0) @binding(3) var<storage, read> target_lengths: array<u32>;
@group(0) @binding(4) var<storage, read> alpha: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_log_probs: array<f32>;
{% include "common/ctc.wgsl" %}
{% include "common/ctc_states.wgsl" %}
{% include "common/ctc_end.wgsl" %}

// The probability, given the labels, of a state at a step.
fn share(at: u32, likelihood: f32) -> f32 {
  return exp_bounded(alpha[at] + beta[at] - likelihood);
}

@compute @workgroup_size(64)
fn ctc_loss_backward(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let i = flat_group(workgroup) * 64u + lane.x;
  if (i >= {{ steps * batch * classes }}u) { return; }
  let c = i % CLASSES;
  let n = i / CLASSES % BATCH;
  let t = i / (CLASSES * BATCH);
  let length = min(input_lengths[n], STEPS);
  let count = min(target_lengths[n], LABELS);
  let likelihood = log_likelihood(n, length, count);
  let first = (n * STEPS + t) * STATES;
  var sum = 0.0;
{% if zero_infinity %}
  if (t < length && !is_log_of_zero(likelihood)) {
{% else %}
  if (t < length) {
{% endif %}
    for (var label = 0u; label <= count; label++) {
      if (c == BLANK) { sum += share(first + 2u * label, likelihood); }
      if (label < count && class_of(n, 2u * label + 1u) == c) { sum += share(first + 2u * label + 1u, likelihood); }
    }
  }
  grad_log_probs[i] = -grad_loss[n] * sum;
}
