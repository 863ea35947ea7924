//! Bounds of the ops that work on rows, and of the optimizers.

use super::estimates::Estimate;
use super::rounding::{CLAMPED, Errors, U, each, largest, run, ulp, unit};
use crate::error::{Error, Result};
use crate::ops::{Op, Softmax, softmax::axis};
use crate::reference::{Array, Precision, eval};

/// Absolute error of a log-probability `v`.
fn log_probability(v: f64) -> f64 {
    4e-6 * (1.0 + v.abs())
}

/// A logarithm within 4e-6 (1 + |ref|), its exponential within the same, relatively.
pub(super) fn softmax(log: bool, input: &Estimate, output: &Array) -> Errors {
    let passed_on = 2.0 * input.largest_error();
    each(output, |i, v| {
        if log {
            return log_probability(v) + passed_on;
        }
        if input.array.data[i] == f64::NEG_INFINITY {
            // What is masked out is 0, not nearly so.
            return 0.0;
        }
        let logarithm = v.max(f64::MIN_POSITIVE).ln();
        v * (log_probability(logarithm) + passed_on) + CLAMPED
    })
}

/// For each element of `array`, the sum of `term` over its row along dimension `dim`.
fn row_sums(array: &Array, dim: usize, term: impl Fn(usize) -> f64) -> Result<Vec<f64>> {
    let sizes = axis(&array.ty.shape, dim).map_err(|m| Error::op("softmax", "", m))?;
    let [_, length, inner] = sizes;
    let row = |i: usize| i / (length * inner) * inner + i % inner;
    let mut sums = vec![0.0; array.data.len() / length.max(1)];
    (0..array.data.len()).for_each(|i| sums[row(i)] += term(i));
    Ok((0..array.data.len()).map(|i| sums[row(i)]).collect())
}

/// softmax: `y (g - sum(g y))`; log_softmax: `g - exp(y) sum(g)`.
pub(super) fn softmax_backward(s: &Softmax, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (g, y) = (inputs[0], inputs[1]);
    let length = output.ty.shape[s.dim] as f64;
    let growth = U * (8.0 + 4.0 * length.sqrt());
    let value = |i: usize| if s.log { 1.0 } else { y.array.data[i].abs() };
    let slack = |i: usize| if s.log { 0.0 } else { y.error_at(i) };
    let magnitude = row_sums(output, s.dim, |i| (g.array.data[i].abs() + g.error_at(i)) * value(i))?;
    let passed_on = row_sums(output, s.dim, |i| g.error_at(i) * value(i) + g.array.data[i].abs() * slack(i))?;
    let signed = row_sums(output, s.dim, |i| g.array.data[i])?;
    Ok(each(output, |i, v| {
        let (y, e) = (y.array.data[i], y.error_at(i));
        let sum = growth * magnitude[i] + passed_on[i];
        if s.log {
            let p = y.exp();
            let relative = (6.0 + 2.0 * y.abs()) * U + e;
            return g.error_at(i) + p * (sum + relative * signed[i].abs()) + 2.0 * ulp(v) + CLAMPED;
        }
        let inside = g.array.data[i].abs() + magnitude[i];
        y.abs() * (sum + g.error_at(i) + 4.0 * U * inside) + e * inside + 2.0 * ulp(v) + CLAMPED
    }))
}

/// Losses and logarithms of sums: relative 1e-5 and what cancels near 0; maxima and which rows count: exact.
pub(super) fn cross_entropy(inputs: &[&Estimate], outputs: &[Array]) -> Vec<Errors> {
    let passed_on = 2.0 * inputs[0].largest_error();
    let loss = |output: &Array| each(output, |_, v| 1e-5 * v.abs() + 4e-6 + passed_on);
    // Of what is saved every other number is a maximum.
    let sum = |v: f64| 1e-5 * v.abs() + 4e-6;
    let saved = each(&outputs[1], |i, v| passed_on + if i % 2 == 0 { 0.0 } else { sum(v) });
    vec![loss(&outputs[0]), saved, None]
}

/// `grad * (softmax(x) - (1 - e) onehot(target) - e / C)`.
pub(super) fn cross_entropy_backward(inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (g, x, saved) = (inputs[0], inputs[1], inputs[3]);
    let shape = &output.ty.shape;
    let [_, classes, inner] = axis(shape, 1).map_err(|m| Error::op("cross_entropy", "", m))?;
    let row = |i: usize| i / (classes * inner) * inner + i % inner;
    Ok(each(output, |i, v| {
        let (grad, r) = (g.array.data[row(i)].abs(), row(i));
        let logarithm = x.array.data[i] - saved.array.data[2 * r] - saved.array.data[2 * r + 1];
        let saved = saved.error_at(2 * r) + saved.error_at(2 * r + 1);
        let relative = log_probability(logarithm) + x.error_at(i) + saved;
        let probability = logarithm.exp() * relative.exp();
        // Of what is masked out nothing is left; else the factor is at most 1, and so is its rounding.
        let masked = logarithm == f64::NEG_INFINITY;
        let factor = if masked { 4.0 * U } else { probability * relative + 4.0 * U + CLAMPED };
        if v == 0.0 && grad == 0.0 { 0.0 } else { grad * factor + g.error_at(r) * 1.1 + 2.0 * ulp(v) }
    }))
}

/// All inputs by their absolute values, the learning rate negative: the sum of the terms' magnitudes.
fn magnitudes(op: &Op, inputs: &[&Estimate], subtracted: bool) -> Result<Vec<Array>> {
    let mut arrays: Vec<Array> = inputs.iter().map(|e| e.upper()).collect();
    if subtracted {
        arrays[2].data.iter_mut().for_each(|lr| *lr = -*lr);
    }
    eval(op, &arrays.iter().collect::<Vec<_>>(), Precision::F64)
}

/// Exact where powers of two make it so, else a few roundings of the terms.
pub(super) fn sgd(op: &Op, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let Op::Sgd(o) = op else { return Ok(vec![None; outputs.len()]) };
    let sums = magnitudes(op, inputs, true)?;
    let constant = |value: f32| {
        let scalar = Array { ty: crate::TensorType::f32([]), data: vec![f64::from(value)] };
        unit(&scalar)
    };
    let (param, grad, lr) = (unit(&inputs[0].array), unit(&inputs[1].array), unit(&inputs[2].array));
    let decayed = if o.weight_decay == 0.0 { grad } else { grad.min(param + constant(o.weight_decay)) };
    let velocity = inputs.get(3).map_or(decayed, |v| decayed.min(unit(&v.array) + constant(o.momentum)));
    let ahead = if o.nesterov { velocity + constant(o.momentum) } else { velocity };
    let units = [param.min(lr + ahead.min(decayed)), velocity];
    let exact = inputs.iter().all(|e| e.error.is_none());
    let bound = |(i, output): (usize, &Array)| {
        if exact && largest(&sums[i]) <= f64::powi(2.0, 24 + units[i]) {
            return None;
        }
        each(output, |j, _| 6.0 * U * sums[i].data[j])
    };
    Ok(outputs.iter().enumerate().map(bound).collect())
}

/// The update within 2e-6 of its terms, the averages within a few roundings of theirs.
pub(super) fn adam(op: &Op, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let sums = magnitudes(op, inputs, false)?;
    let mut still: Vec<Array> = inputs.iter().map(|e| e.upper()).collect();
    still[2].data.fill(0.0);
    // With learning rate 0 nothing moves: the difference is the update.
    let before = run(op, &still)?;
    let update = |j: usize| (sums[0].data[j] - before.data[j]).abs();
    let param = each(&outputs[0], |j, v| 2e-6 * update(j) + 2.0 * ulp(v).max(ulp(inputs[0].array.data[j])));
    let average = |i: usize| each(&outputs[i], |j, _| 6.0 * U * sums[i].data[j]);
    Ok(vec![param, average(1), average(2)])
}
