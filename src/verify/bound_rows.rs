//! Bounds of the ops that work on rows, and of the optimizers.

use super::estimates::Estimate;
use super::rounding::{CLAMPED, Errors, U, each, rounding, run, ulp};
use crate::error::{Error, Result};
use crate::ops::{NllLoss, NllLossBackward, Op, OptimizerStep, Softmax};
use crate::reference::Array;
use crate::tracked::Tracked;
use crate::updates::Given;

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
    let sizes = array.ty.shape.axis(dim).map_err(|m| Error::op("softmax", "", m))?;
    let [_, length, inner] = sizes;
    let row = |i: usize| i / (length * inner) * inner + i % inner;
    let mut sums = vec![0.0; array.data.len() / length.max(1)];
    (0..array.data.len()).for_each(|i| sums[row(i)] += term(i));
    Ok((0..array.data.len()).map(|i| sums[row(i)]).collect())
}

/// softmax: `y ((g - c) - sum((g - c) y))` with `c = sum(g y)`; log_softmax: `g - exp(y) sum(g)`.
pub(super) fn softmax_backward(s: &Softmax, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (g, y) = (inputs[0], inputs[1]);
    let length = output.ty.shape[s.dim] as f64;
    let growth = U * (8.0 + 4.0 * length.sqrt());
    if s.log {
        let magnitude = row_sums(output, s.dim, |i| g.array.data[i].abs() + g.error_at(i))?;
        let passed_on = row_sums(output, s.dim, |i| g.error_at(i))?;
        let signed = row_sums(output, s.dim, |i| g.array.data[i])?;
        return Ok(each(output, |i, v| {
            let (y, e) = (y.array.data[i], y.error_at(i));
            let sum = growth * magnitude[i] + passed_on[i];
            let relative = (6.0 + 2.0 * y.abs()) * U + e;
            g.error_at(i) + y.exp() * (sum + relative * signed[i].abs()) + 2.0 * ulp(v) + CLAMPED
        }));
    }
    let value = |i: usize| y.array.data[i].abs();
    let centre = row_sums(output, s.dim, |i| g.array.data[i] * y.array.data[i])?;
    let magnitude = row_sums(output, s.dim, |i| (g.array.data[i].abs() + g.error_at(i)) * value(i))?;
    let passed_on =
        row_sums(output, s.dim, |i| g.error_at(i) * value(i) + g.array.data[i].abs() * y.error_at(i))?;
    let off_centre = |i: usize| growth * magnitude[i] + passed_on[i];
    // What an error of the centre leaves is its product with what the outputs lack of 1.
    let sum = row_sums(output, s.dim, |i| y.array.data[i])?;
    let slack = row_sums(output, s.dim, |i| y.error_at(i))?;
    let distance = |i: usize| (g.array.data[i] - centre[i]).abs() + g.error_at(i) + off_centre(i);
    let spread = row_sums(output, s.dim, |i| distance(i) * (value(i) + y.error_at(i)))?;
    let rest = row_sums(output, s.dim, |i| g.error_at(i) * value(i) + distance(i) * y.error_at(i))?;
    Ok(each(output, |i, v| {
        let inside = distance(i) + spread[i];
        let lacking = (1.0 - sum[i]).abs() + slack[i];
        let total = growth * spread[i] + rest[i] + off_centre(i) * lacking + g.error_at(i);
        value(i) * (total + 4.0 * U * inside) + y.error_at(i) * inside + 2.0 * ulp(v) + CLAMPED
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
    let [_, classes, inner] = shape.axis(1).map_err(|m| Error::op("cross_entropy", "", m))?;
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

/// What nll_loss or its gradient makes of the errors of what it reads: a product with a weight, or a copy.
fn weighted(op: &Op, inputs: &[&Estimate]) -> Result<Vec<f64>> {
    let given = |data: Array, weight: Option<Array>| {
        run(
            op,
            &[Some(data), Some(inputs[1].array.clone()), weight].into_iter().flatten().collect::<Vec<_>>(),
        )
    };
    let weight = inputs.get(2);
    let mut all = given(inputs[0].error_array(), weight.map(|w| w.upper()))?.data;
    if let Some(weight) = weight {
        let more = given(inputs[0].magnitude(), Some(weight.error_array()))?.data;
        all.iter_mut().zip(more).for_each(|(all, more)| *all = all.abs() + more.abs());
    }
    all.iter_mut().for_each(|error| *error = error.abs());
    Ok(all)
}

/// Losses of rows: a product with a weight, where there is one; with which weight they count.
pub(super) fn nll_loss(op: &NllLoss, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let passed_on = weighted(&(*op).into(), inputs)?;
    let loss = each(&outputs[0], |i, v| passed_on[i] + if op.weight { rounding(v) } else { 0.0 });
    let weight = inputs.get(2).map_or(0.0, |weight| weight.largest_error());
    Ok(vec![loss, each(&outputs[1], |_, _| weight)])
}

/// The same of its gradient.
pub(super) fn nll_loss_backward(
    op: &NllLossBackward,
    inputs: &[&Estimate],
    output: &Array,
) -> Result<Errors> {
    let passed_on = weighted(&(*op).into(), inputs)?;
    Ok(each(output, |i, v| passed_on[i] + if op.forward.weight { rounding(v) } else { 0.0 }))
}

/// The same formula over numbers that know how far f32 may be from them.
pub(super) fn optimizer(step: &OptimizerStep, inputs: &[&Estimate], outputs: &[Array]) -> Vec<Errors> {
    let (first, kept) = (step.shared().end, step.kept());
    let number = |position: usize, i: usize| Tracked {
        value: inputs[position].array.data[i],
        error: inputs[position].error_at(i),
    };
    let mut errors = vec![Vec::with_capacity(outputs[0].data.len()); outputs.len()];
    for i in 0..outputs[0].data.len() {
        let given = Given {
            lr: number(2, 0),
            step: step.step().map_or(1.0, |position| number(position, 0).value),
            product: step.product().map(|position| number(position, 0)),
            param: number(0, i),
            grad: number(1, i),
            kept: kept
                .iter()
                .enumerate()
                .map(|(k, (position, _))| (*position, number(first + k, i)))
                .collect(),
        };
        let (param, after) = step.update.tracked(&step.options, &given);
        errors[0].push(param.error);
        kept.iter().zip(&mut errors[1..]).for_each(|((position, _), all)| all.push(after[*position].error));
    }
    outputs.iter().zip(&errors).map(|(output, errors)| each(output, |i, _| errors[i])).collect()
}
