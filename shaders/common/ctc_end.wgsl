// The logarithm of the probability of a sample's labels, from alpha (N, T, 2 S + 1): of its last two states after its last step.
fn log_likelihood(n: u32, length: u32, count: u32) -> f32 {
  let nothing = log_of_zero(n);
  if (length == 0u) { return select(nothing, 0.0, count == 0u); }
  let end = (n * STEPS + length - 1u) * STATES + 2u * count;
  if (count == 0u) { return alpha[end]; }
  return log_sum(alpha[end], alpha[end - 1u], nothing);
}
