//! Bounds of the CTC loss.

use super::estimates::Estimate;
use super::rounding::{CLAMPED, Errors, U, each, ulp};
use crate::error::Result;
use crate::reference::Array;

/// What a sum of three exponentials and its logarithm may be off by, beside the rounding of what it is relative to.
const LOG_SUM: f64 = 3e-6;

/// The largest finite magnitude.
fn largest(array: &Array) -> f64 {
    array.data.iter().filter(|v| v.is_finite()).fold(0.0, |most, v| most.max(v.abs()))
}

/// The error of logarithms after all steps, each of which adds a log-probability to a sum of exponentials: none magnifies the
/// error of those before.
fn of_steps(log_probs: &Estimate, alpha: &Array) -> f64 {
    let steps = log_probs.array.ty.shape[0] as f64;
    steps * (log_probs.largest_error() + LOG_SUM + 3.0 * ulp(largest(alpha)))
}

/// Losses, alpha, and lengths, which are exact.
pub(super) fn forward(inputs: &[&Estimate], outputs: &[Array]) -> Vec<Errors> {
    let error = of_steps(inputs[0], &outputs[1]);
    let finite = |v: f64, error: f64| if v.is_finite() { error } else { 0.0 };
    let loss = |v: f64| error + LOG_SUM + ulp(v);
    vec![
        // Where nothing fits the loss is 0 or infinite, whatever is rounded.
        each(&outputs[0], |_, v| finite(v, loss(v))),
        each(&outputs[1], |_, v| finite(v, error)),
        None,
    ]
}

/// A sum of exponentials of alpha, beta and the loss, none of which is negative, times the error.
pub(super) fn backward(inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (grad, log_probs, alpha) = (inputs[0], inputs[1], inputs[5]);
    let shape = &output.ty.shape;
    let (batch, classes) = (shape[1], shape[2]);
    let logarithm = alpha.largest_error() + 2.0 * of_steps(log_probs, &alpha.array);
    let states = alpha.array.ty.shape[2] as f64;
    // Exponentials down to -87, of a sum of three rounded logarithms.
    let relative = (logarithm + 4.0 * ulp(largest(&alpha.array)) + 200.0 * U).exp_m1() + (states + 4.0) * U;
    Ok(each(output, |i, v| {
        let n = i / classes % batch;
        let g = grad.array.data[n].abs();
        if v == 0.0 && g == 0.0 {
            return 0.0;
        }
        v.abs() * relative + grad.error_at(n) * (1.0 + relative) + g * states * CLAMPED + ulp(v)
    }))
}
