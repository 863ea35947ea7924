// ctc_loss: loss[n] = -log(exp(alpha[n,t,2 l]) + exp(alpha[n,t,2 l - 1])), t the sample's last step, l its labels
//
// An invocation computes one sample, a workgroup 64. Labels that do not fit into the steps have loss {{ "0" if zero_infinity else "inf" }}.
//
// alpha (N, T, 2 S + 1), lengths, loss and divisors (N)
{% include "common/group.wgsl" %}
{% include "common/math.wgsl" %}

@group(0) @binding(0) var<storage, read> input_lengths: array<u32>;
@group(0) @binding(1) var<storage, read> target_lengths: array<u32>;
@group(0) @binding(2) var<storage, read> alpha: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
// The target lengths, at least 1.
@group(0) @binding(4) var<storage, read_write> divisors: array<f32>;
{% include "common/ctc.wgsl" %}
{% include "common/ctc_end.wgsl" %}

@compute @workgroup_size(64)
fn ctc_loss(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  let n = flat_group(workgroup) * 64u + lane.x;
  if (n >= BATCH) { return; }
  let count = min(target_lengths[n], LABELS);
  let likelihood = log_likelihood(n, min(input_lengths[n], STEPS), count);
{% if zero_infinity %}
  loss[n] = select(-likelihood, 0.0, is_log_of_zero(likelihood));
{% else %}
  loss[n] = -likelihood;
{% endif %}
  divisors[n] = f32(max(count, 1u));
}
