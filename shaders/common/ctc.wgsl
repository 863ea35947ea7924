// Sizes of the CTC loss, and sums of logarithms of probabilities.
const STEPS = {{ steps }}u;
const BATCH = {{ batch }}u;
const CLASSES = {{ classes }}u;
const LABELS = {{ labels }}u;
const STATES = {{ 2 * labels + 1 }}u;
const BLANK = {{ blank }}u;

// The logarithm of 0; a constant would be no valid WGSL.
fn log_of_zero(bits: u32) -> f32 {
  return bitcast<f32>((bits | 0xffffffffu) & 0xff800000u);
}

fn is_log_of_zero(x: f32) -> bool {
  return bitcast<u32>(x) == 0xff800000u;
}

// log(exp(a) + exp(b) + exp(c)): -inf where all three are, NaN where one is.
fn log_sum(a: f32, b: f32, c: f32) -> f32 {
  if (is_nan(a) | is_nan(b) | is_nan(c)) { return nan_from(bitcast<u32>(a)); }
  let most = max(a, max(b, c));
  if (is_log_of_zero(most)) { return most; }
  return most + log(exp_bounded(a - most) + exp_bounded(b - most) + exp_bounded(c - most));
}
