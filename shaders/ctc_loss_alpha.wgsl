// ctc_loss_alpha: alpha[n,t,s] = log(exp(alpha[n,t-1,s]) + exp(alpha[n,t-1,s-1]) + exp(alpha[n,t-1,s-2])) + log_probs[t,n,c(s)]
//
// The last term only where the label c(s) is neither a blank nor c(s-2); before the first step states 0 and 1 have
// probability 1. A workgroup of {{ lanes }} computes one sample, step by step, an invocation every {{ lanes }}th state. -inf behind the
// sample's last state and last step.
//
// log_probs (T, N, C), targets (N, S), lengths (N), alpha (N, T, 2 S + 1)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> log_probs: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> input_lengths: array<u32>;
@group(0) @binding(3) var<storage, read> target_lengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> alpha: array<f32>;
// The first sample with a length that is too large or a label that is no class.
@group(0) @binding(5) var<storage, read_write> bad_row: atomic<u32>;
{% include "common/ctc.wgsl" %}
{% include "common/ctc_states.wgsl" %}

// The logarithm of the probability of all ways into a state.
fn come(n: u32, t: u32, s: u32, at: u32) -> f32 {
  let nothing = log_of_zero(n);
  if (t == 0u) { return select(nothing, 0.0, s < 2u); }
  let before = at - STATES;
  let one = select(nothing, alpha[before - min(s, 1u)], s >= 1u);
  let two = select(nothing, alpha[before - min(s, 2u)], skips(n, s));
  return log_sum(alpha[before], one, two);
}

@compute @workgroup_size({{ lanes }})
fn ctc_loss_alpha(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let n = flat_group(workgroup);
  if (n >= BATCH) { return; }
  let length = min(input_lengths[n], STEPS);
  let count = min(target_lengths[n], LABELS);
  for (var t = {{ outer_first }}u; t < {{ outer_last }}u; t++) {
    for (var k = {{ inner_first }}u; k < {{ inner_last }}u; k++) {
      let s = k * {{ lanes }}u + lane.x;
      if (s < STATES) {
        let at = (n * STEPS + t) * STATES + s;
        let c = class_of(n, s);
        let within = s < 2u * count + 1u;
        let wrong = (within && c >= CLASSES) || input_lengths[n] > STEPS || target_lengths[n] > LABELS;
        if (t == 0u && wrong) { atomicMin(&bad_row, n); }
        var value = log_of_zero(n);
        if (within && t < length && c < CLASSES) {
          value = come(n, t, s, at) + log_probs[(t * BATCH + n) * CLASSES + c];
        }
        alpha[at] = value;
      }
    }
    storageBarrier();
  }
}
