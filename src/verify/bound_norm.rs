//! Bounds of normalisation.
//!
//! A mean is a sum of deviations from one of its numbers, a variance a mean of squares of deviations: what they may be off
//! by follows from how far the numbers lie from their mean, not from how far from 0. A mean is rounded once more where
//! it is stored, and this error, as that of all operands, goes on through what reads it.

use super::estimates::Estimate;
use super::rounding::{Errors, U, each, largest, sum_error, ulp, unit};
use crate::error::{Error, Mismatch, Result};
use crate::ops::{Norm, NormApply, NormBackward, NormOver, NormStatistics, NormSums, Running};
use crate::reference::{Array, NormPlaces};
use crate::shape::Shape;

const TINY: f64 = f32::MIN_POSITIVE as f64;

fn positions(norm: &Norm, shape: &Shape) -> Result<NormPlaces> {
    NormPlaces::of(norm, shape).map_err(fail)
}

fn fail(mismatch: Mismatch) -> Error {
    Error::op("norm", "", mismatch)
}

fn count(norm: &Norm, shape: &Shape) -> Result<f64> {
    Ok(norm.count(norm.sizes(shape).map_err(fail)?) as f64)
}

/// What `1 / sqrt(variance + eps)` may be off by, for a variance within an error.
fn rstd_error(variance: f64, error: f64, eps: f32) -> f64 {
    let inside = variance + f64::from(eps);
    let of = |inside: f64| if inside > 0.0 { 1.0 / inside.sqrt() } else { f64::INFINITY };
    let (rstd, error) = (of(inside), error + 2.0 * U * inside);
    (of(inside - error) - rstd).max(rstd - of(inside + error)) + 4.0 * ulp(rstd)
}

/// Of each group: the mean and the largest distance from the mean, and the mean and largest error of the input.
struct Spread {
    mean: Vec<f64>,
    largest: Vec<f64>,
    error: Vec<f64>,
    largest_error: Vec<f64>,
}

fn spread(input: &Estimate, at: &[usize], mean: &[f64], count: f64) -> Spread {
    let zeros = || vec![0.0f64; mean.len()];
    let mut spread = Spread { mean: zeros(), largest: zeros(), error: zeros(), largest_error: zeros() };
    for (i, &group) in at.iter().enumerate() {
        let (distance, error) = ((input.array.data[i] - mean[group]).abs(), input.error_at(i));
        spread.mean[group] += distance / count;
        spread.error[group] += error / count;
        spread.largest[group] = spread.largest[group].max(distance);
        spread.largest_error[group] = spread.largest_error[group].max(error);
    }
    spread
}

pub(super) fn statistics(
    op: &NormStatistics,
    inputs: &[&Estimate],
    outputs: &[Array],
) -> Result<Vec<Errors>> {
    let shape = &inputs[0].array.ty.shape;
    let (at, count) = (positions(&op.norm, shape)?.statistic, count(&op.norm, shape)?);
    // The parts that are joined are far fewer than the numbers.
    let growth = (2.0 * (count + 2.0)).min(8.0 + count.sqrt());
    if !op.norm.centered {
        let zero = vec![0.0; outputs[0].data.len()];
        let errors = spread(inputs[0], &at, &zero, count);
        return Ok(vec![each(&outputs[0], |g, rstd| {
            let square = 1.0 / (rstd * rstd) - f64::from(op.eps);
            let passed_on = 2.0 * errors.largest[g] * errors.error[g] + errors.largest_error[g].powi(2);
            rstd_error(square, U * growth * square + passed_on + TINY, op.eps)
        })]);
    }
    let (mean, variance) = (&outputs[0].data, &outputs[2].data);
    let spread = spread(inputs[0], &at, mean, count);
    let inside = |g: usize| U * growth * (spread.mean[g] + spread.largest[g]) + spread.error[g] + TINY;
    let of_mean = |g: usize| inside(g) + 2.0 * U * mean[g].abs();
    let of_variance = |g: usize| {
        let error = inside(g) + spread.largest_error[g];
        U * growth * variance[g] + 2.0 * error * variance[g].sqrt() + error * error + TINY
    };
    let mut errors = vec![
        each(&outputs[0], |g, _| of_mean(g)),
        each(&outputs[1], |g, _| rstd_error(variance[g], of_variance(g), op.eps)),
        each(&outputs[2], |g, _| of_variance(g)),
    ];
    if let Some(Running { momentum }) = op.running {
        let share = momentum.map_or(1.0 / (inputs[3].array.data[0] + 1.0), f64::from);
        let follow = |old: &Estimate, g: usize, new: f64, error: f64| {
            let magnitude = (1.0 - share).abs() * old.array.data[g].abs() + share.abs() * new.abs();
            (1.0 - share).abs() * old.error_at(g) + share.abs() * error + 6.0 * U * magnitude
        };
        let unbiased = count / (count - 1.0);
        errors.push(each(&outputs[3], |g, _| follow(inputs[1], g, mean[g], of_mean(g))));
        let of_var = |g: usize| follow(inputs[2], g, unbiased * variance[g], unbiased * of_variance(g));
        errors.push(each(&outputs[4], |g, _| of_var(g)));
        errors.push(None);
    }
    Ok(errors)
}

/// A magnitude, and that with what its error may add.
#[derive(Clone, Copy)]
struct Within(f64, f64);

impl Within {
    fn of(value: f64, error: f64) -> Self {
        Self(value.abs(), value.abs() + error)
    }

    fn at(estimate: &Estimate, i: usize) -> Self {
        Self::of(estimate.array.data[i], estimate.error_at(i))
    }

    fn times(self, other: Self) -> Self {
        Self(self.0 * other.0, self.1 * other.1)
    }

    fn error(self) -> f64 {
        self.1 - self.0
    }
}

/// What normalisation reads of each element, with errors.
struct Operands<'a> {
    positions: NormPlaces,
    input: &'a Estimate,
    mean: Option<&'a Estimate>,
    scale: &'a Estimate,
    eps: Option<f32>,
    weight: Option<&'a Estimate>,
}

impl<'a> Operands<'a> {
    fn new(
        norm: &Norm,
        eps: Option<f32>,
        input: &'a Estimate,
        statistics: &[&'a Estimate],
        weight: Option<&'a Estimate>,
    ) -> Result<Self> {
        let mean = statistics.first().copied().filter(|_| norm.centered);
        let scale = statistics[usize::from(norm.centered)];
        Ok(Self { positions: positions(norm, &input.array.ty.shape)?, input, mean, scale, eps, weight })
    }

    /// The distance from the mean, which is rounded.
    fn centered(&self, i: usize) -> Within {
        let at = self.positions.statistic[i];
        let (mean, error) = self.mean.map_or((0.0, 0.0), |mean| (mean.array.data[at], mean.error_at(at)));
        let distance = self.input.array.data[i] - mean;
        Within::of(distance, self.input.error_at(i) + error + U * distance.abs())
    }

    fn rstd(&self, i: usize) -> Within {
        let at = self.positions.statistic[i];
        let (value, error) = (self.scale.array.data[at], self.scale.error_at(at));
        match self.eps {
            None => Within::of(value, error),
            Some(eps) => Within::of(1.0 / (value + f64::from(eps)).sqrt(), rstd_error(value, error, eps)),
        }
    }

    fn weight(&self, i: usize) -> Within {
        self.weight.map_or(Within(1.0, 1.0), |weight| Within::at(weight, self.positions.weight[i]))
    }
}

pub(super) fn apply(op: &NormApply, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let (statistics, parameters) = inputs[1..].split_at(1 + usize::from(op.norm.centered));
    let weight = parameters.first().copied().filter(|_| op.weight);
    let bias = parameters.last().filter(|_| op.bias);
    let operands = Operands::new(&op.norm, op.eps, inputs[0], statistics, weight)?;
    Ok(each(output, |i, v| {
        let product = operands.centered(i).times(operands.rstd(i)).times(operands.weight(i));
        let bias = bias.map_or(0.0, |bias| bias.error_at(operands.positions.weight[i]));
        product.error() + 4.0 * U * product.1 + bias + 2.0 * ulp(v) + TINY
    }))
}

pub(super) fn sums(op: &NormSums, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let (statistics, parameters) = inputs[2..].split_at(1 + usize::from(op.norm.centered));
    let weight = parameters.first().copied();
    let operands = Operands::new(&op.norm, op.eps, inputs[1], statistics, weight)?;
    let to = match (op.parameters, op.norm.over) {
        (true, _) => &operands.positions.weight,
        (false, NormOver::Last(_)) => &operands.positions.statistic,
        (false, NormOver::Batch | NormOver::Groups(_)) => &operands.positions.plane,
    };
    let terms = to.len() / outputs[0].data.len().max(1);
    let error = |i: usize| Within::at(inputs[0], i).times(operands.weight(i));
    let product = |i: usize| error(i).times(operands.centered(i)).times(operands.rstd(i));
    let added = |term: &dyn Fn(usize) -> Within| {
        let mut sums = vec![Within(0.0, 0.0); outputs[0].data.len()];
        for (i, &position) in to.iter().enumerate() {
            let (sum, term) = (&mut sums[position], term(i));
            *sum = Within(sum.0 + term.0, sum.1 + term.1);
        }
        sums
    };
    let bound = |sums: &[Within], output: &Array| {
        each(output, |j, v| sums[j].error() + sum_error(sums[j].1, terms, v) + 4.0 * U * sums[j].1)
    };
    let products = bound(&added(&product), &outputs[outputs.len() - 1]);
    if !op.norm.centered {
        return Ok(vec![products]);
    }
    let errors = added(&error);
    let exact = inputs[0].error.is_none() && weight.is_none_or(|weight| weight.error.is_none());
    let units = unit(&inputs[0].array) + weight.map_or(0, |weight| unit(&weight.array));
    let most = Array { ty: outputs[0].ty.clone(), data: errors.iter().map(|sum| sum.1).collect() };
    let whole = exact && largest(&most) <= f64::powi(2.0, 24 + units);
    Ok(vec![if whole { None } else { bound(&errors, &outputs[0]) }, products])
}

pub(super) fn backward(op: &NormBackward, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let kinds = 1 + usize::from(op.norm.centered);
    let (statistics, rest) = inputs[2..].split_at(kinds);
    let (sums, parameters) = rest.split_at(kinds);
    let operands = Operands::new(&op.norm, None, inputs[1], statistics, parameters.first().copied())?;
    let count = count(&op.norm, &inputs[1].array.ty.shape)?;
    let of_batch = op.norm.over == NormOver::Batch;
    Ok(each(output, |i, v| {
        let (at, weight, rstd) = (operands.positions.statistic[i], operands.weight(i), operands.rstd(i));
        let factor = if of_batch { weight } else { Within(1.0, 1.0) };
        let share = |sum: &Estimate| {
            let Within(value, most) = Within::at(sum, at).times(factor);
            Within(value / count, most / count)
        };
        let mut terms = vec![weight.times(Within::at(inputs[0], i))];
        terms.push(share(sums[kinds - 1]).times(operands.centered(i)).times(rstd));
        terms.extend(sums.first().filter(|_| op.norm.centered).map(|sum| share(sum)));
        let all = terms.into_iter().fold(Within(0.0, 0.0), |a, b| Within(a.0 + b.0, a.1 + b.1)).times(rstd);
        all.error() + 8.0 * U * all.1 + 2.0 * ulp(v) + TINY
    }))
}
