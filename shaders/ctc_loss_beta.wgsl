// ctc_loss_beta: beta[n,t,s] = log(sum of exp(beta[n,t+1,r] + log_probs[t+1,n,c(r)])) over the states r = s, s + 1, s + 2
//
// The last one only where its label is neither a blank nor c(s); after the last step the last two states have probability
// 1. A workgroup of {{ lanes }} computes one sample, from its last step on, an invocation every {{ lanes }}th state. -inf behind the
// sample's last state and last step.
//
// log_probs (T, N, C), targets (N, S), lengths (N), beta (N, T, 2 S + 1)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> log_probs: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> input_lengths: array<u32>;
@group(0) @binding(3) var<storage, read> target_lengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> beta: array<f32>;
{% include "common/ctc.wgsl" %}
{% include "common/ctc_states.wgsl" %}

// The logarithm of the probability of going on to a state after step t, whose next step begins at `next`.
fn onward(n: u32, t: u32, s: u32, next: u32) -> f32 {
  let c = class_of(n, s);
  if (c >= CLASSES) { return log_of_zero(n); }
  return beta[next + s] + log_probs[((t + 1u) * BATCH + n) * CLASSES + c];
}

fn go(n: u32, t: u32, s: u32, states: u32) -> f32 {
  let nothing = log_of_zero(n);
  let next = (n * STEPS + t + 1u) * STATES;
  var one = nothing;
  var two = nothing;
  if (s + 1u < states) { one = onward(n, t, s + 1u, next); }
  if (s + 2u < states && skips(n, s + 2u)) { two = onward(n, t, s + 2u, next); }
  return log_sum(onward(n, t, s, next), one, two);
}

@compute @workgroup_size({{ lanes }})
fn ctc_loss_beta(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let n = flat_group(workgroup);
  if (n >= BATCH) { return; }
  let length = min(input_lengths[n], STEPS);
  let states = 2u * min(target_lengths[n], LABELS) + 1u;
  for (var back = {{ outer_first }}u; back < {{ outer_last }}u; back++) {
    let t = STEPS - 1u - back;
    for (var k = {{ inner_first }}u; k < {{ inner_last }}u; k++) {
      let s = k * {{ lanes }}u + lane.x;
      if (s < STATES) {
        var value = log_of_zero(n);
        if (s < states && t + 1u == length) {
          value = select(value, 0.0, s + 2u >= states);
        } else if (s < states && t < length) {
          value = go(n, t, s, states);
        }
        beta[(n * STEPS + t) * STATES + s] = value;
      }
    }
    storageBarrier();
  }
}
