//! Bounds of the ops that move elements, and of recurrent layers.

use super::estimates::Estimate;
use super::rounding::{Errors, each, run, ulp};
use crate::error::Result;
use crate::ops::Op;
use crate::reference::{Array, Precision, eval};

/// Elements that are copied, each with the error it had; what an index chooses is chosen alike.
pub(super) fn moved(op: &Op, inputs: &[&Estimate], outputs: usize) -> Result<Vec<Errors>> {
    if inputs.iter().all(|e| e.error.is_none()) {
        return Ok(vec![None; outputs]);
    }
    let errors: Vec<Array> = inputs.iter().map(|e| e.error_array()).collect();
    let moved = eval(op, &errors.iter().collect::<Vec<_>>(), Precision::F64)?;
    Ok(moved.into_iter().map(|array| Some(array.data)).collect())
}

/// One multiplication by a factor that is the same everywhere.
pub(super) fn dropout(op: &Op, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let passed_on = run(op, &[inputs[0].error_array(), inputs[1].array.clone()])?;
    Ok(each(output, |i, v| if v == 0.0 { 0.0 } else { passed_on.data[i] + ulp(v) }))
}

fn root_mean_square(array: &Array) -> f64 {
    let sum: f64 = array.data.iter().map(|v| v * v).sum();
    (sum / array.data.len().max(1) as f64).sqrt()
}

/// Errors grow with the depth of the sums over units and steps; relative to an element and to its tensor, of
/// whose other elements it is a sum. `passes` is 1 for the forward pass and 2 for the way back.
pub(super) fn recurrent(passes: f64, inputs: &[&Estimate], outputs: &[Array]) -> Vec<Errors> {
    let (steps, hidden) = (inputs[0].array.ty.shape[0], inputs[1].array.ty.shape[1]);
    let depth = ((hidden * steps + 1) as f64).log2().ceil();
    let relative = |e: &&Estimate| e.largest_error() / root_mean_square(&e.array).max(f64::MIN_POSITIVE);
    let passed_on: f64 = inputs.iter().map(relative).sum();
    let growth = 4.0 * passes * depth * f64::powi(2.0, -23) + passed_on;
    let bound = |output: &Array| {
        let mean = root_mean_square(output);
        each(output, |_, v| growth * (v.abs() + mean))
    };
    outputs.iter().map(bound).collect()
}
