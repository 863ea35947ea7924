//! Bounds of reductions over dimensions and of their gradients.

use super::estimates::Estimate;
use super::rounding::{CLAMPED, Errors, U, each, largest, run, sum_error, ulp, unit};
use crate::error::Result;
use crate::ops::{BroadcastTo, Op, Reduce, ReduceBackward, ReduceKind};
use crate::reference::Array;

/// The smallest normal f32, below which products and squares may be 0.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Roundings of a sum of so many terms, in any order.
fn growth(count: usize) -> f64 {
    let k = count as f64;
    (2.0 * (k + 2.0)).min(8.0 + 4.0 * k.sqrt())
}

/// The relative error of a power: of the logarithm, absolute near 1, times the exponent, and of the exponential.
fn power(x: f64, p: f64) -> f64 {
    let logarithm = if x > 0.0 { x.log2().abs() } else { 0.0 };
    let exponent = p.abs() * f64::powi(2.0, -21).max(6.0 * U * logarithm);
    exponent + (6.0 + 4.0 * (p * logarithm).abs()) * U
}

/// The same reduction for something else of its rows.
fn other(reduce: &Reduce, kind: ReduceKind, input: Array) -> Result<Array> {
    run(&Op::Reduce(Reduce { kind, dims: reduce.dims.clone() }), &[input])
}

/// For each result the largest distance of a row's elements from its first.
fn reach(reduce: &Reduce, input: &Array) -> Result<Vec<f64>> {
    let high = other(reduce, ReduceKind::Amax, input.clone())?.data;
    let low = other(reduce, ReduceKind::Amin, input.clone())?.data;
    // The first lies between both.
    Ok(high.iter().zip(&low).map(|(high, low)| high - low).collect())
}

fn spread(reduce: &Reduce, input: &Estimate, outputs: &[Array], correction: usize) -> Result<Vec<Errors>> {
    let count = reduce.count(&input.array.ty.shape);
    let (reach, n) = (reach(reduce, &input.array)?, count as f64);
    // Of a difference from the first element, and of a mean of such.
    let distance = |i: usize| (4.0 + n.log2()) * U * reach[i] + 2.0 * input.largest_error();
    let unbiased = n / (n - correction as f64);
    let variance = |i: usize, v: f64| {
        let (biased, e) = (v / unbiased, distance(i));
        unbiased * (growth(count) * U * biased + 2.0 * biased.sqrt() * e + e * e) + 3.0 * ulp(v) + TINY
    };
    let result = match reduce.kind {
        ReduceKind::Std { .. } => each(&outputs[0], |i, v| {
            let e = variance(i, v * v);
            (e / v.max(f64::MIN_POSITIVE)).min(e.sqrt()) + 4.0 * ulp(v)
        }),
        // The variance itself.
        _ => each(&outputs[0], variance),
    };
    // Integers close together leave nothing to round but the quotients.
    Ok(vec![result, each(&outputs[1], |i, _| distance(i) + TINY)])
}

fn norm(input: &Estimate, output: &Array, count: usize, p: f64) -> Errors {
    let n = count as f64;
    // A sum of whole numbers is exact.
    let whole = input.error.is_none() && unit(&input.array) >= 0;
    let passed_on = if p >= 1.0 { input.largest_error() * n.powf(1.0 / p) } else { f64::INFINITY };
    let passed_on = if input.error.is_none() { 0.0 } else { passed_on };
    each(output, |_, v| {
        let most = v.powf(p.max(0.0));
        let own = match p {
            0.0 => 0.0,
            1.0 if whole && v <= f64::from(1 << 24) => 0.0,
            1.0 => sum_error(v, count, v),
            2.0 if whole && most <= f64::from(1 << 24) => 4.0 * ulp(v),
            2.0 => (growth(count) / 2.0 * U) * v + 4.0 * ulp(v) + (n * TINY).sqrt(),
            p => {
                let term = power(largest(&input.array), p).max(power(v, p));
                v * ((term + growth(count) * U) / p.abs() + power(most, 1.0 / p)) + 4.0 * ulp(v)
            }
        };
        own + passed_on
    })
}

/// The errors of a reduction's result, and of what is saved beside it.
pub(super) fn forward(reduce: &Reduce, input: &Estimate, outputs: &[Array]) -> Result<Vec<Errors>> {
    let count = reduce.count(&input.array.ty.shape);
    let exact = input.error.is_none();
    let moved = |output: &Array| each(output, |_, _| input.largest_error());
    let decided = |output: &Array| each(output, |_, _| if exact { 0.0 } else { f64::INFINITY });
    Ok(match reduce.kind {
        ReduceKind::Prod => {
            let product = |output: &Array| {
                let whole = exact && unit(&input.array) >= 0;
                each(output, |_, v| match exact {
                    true if whole && v.abs() <= f64::from(1 << 24) => 0.0,
                    true => 2.0 * U * count as f64 * v.abs() + count as f64 * TINY,
                    false => f64::INFINITY,
                })
            };
            vec![product(&outputs[0]), product(&outputs[1]), decided(&outputs[2])]
        }
        ReduceKind::Amax | ReduceKind::Amin => vec![moved(&outputs[0]), decided(&outputs[1])],
        ReduceKind::Argmin | ReduceKind::Any | ReduceKind::All => vec![decided(&outputs[0])],
        ReduceKind::Var { correction } | ReduceKind::Std { correction } => {
            spread(reduce, input, outputs, correction)?
        }
        ReduceKind::Norm { p } if p.is_infinite() => vec![moved(&outputs[0]), decided(&outputs[1])],
        ReduceKind::Norm { p } => vec![norm(input, &outputs[0], count, f64::from(p))],
        ReduceKind::LogSumExp => {
            let relative = growth(count) * U + 4e-6;
            vec![each(&outputs[0], |_, v| relative + 4.0 * ulp(v) + input.largest_error())]
        }
    })
}

/// The error of each element of the gradient, which is linear in `grad_output`.
pub(super) fn backward(op: &ReduceBackward, inputs: &[&Estimate], output: &Array) -> Result<Errors> {
    let ReduceBackward(reduce) = op;
    let (grad, input, result) = (inputs[0], inputs[1], inputs[2]);
    // Results where their elements are.
    let along = |of: &Estimate, errors: bool| -> Result<Vec<f64>> {
        let shape = &input.array.ty.shape;
        let kept: Vec<usize> =
            (0..shape.len()).map(|d| if reduce.dims.contains(&d) { 1 } else { shape[d] }).collect();
        let array = if errors { of.error_array() } else { of.array.clone() };
        let ones = Array { ty: crate::TensorType::f32(kept), data: array.data };
        Ok(run(&Op::BroadcastTo(BroadcastTo { shape: shape.clone() }), &[ones])?.data)
    };
    let passed_on = match grad.error {
        None => vec![0.0; output.data.len()],
        Some(_) => {
            let mut arrays = vec![grad.error_array()];
            arrays.extend(inputs[1..].iter().map(|e| e.array.clone()));
            run(&Op::ReduceBackward(op.clone()), &arrays)?.data
        }
    };
    let (g, y, y_error) = (along(grad, false)?, along(result, false)?, along(result, true)?);
    let relative = |i: usize| y_error[i] / y[i].abs().max(f64::MIN_POSITIVE);
    let count = reduce.count(&input.array.ty.shape) as f64;
    let undecided = input.error.is_some();
    let saved_error = match inputs.get(3) {
        Some(saved) => along(saved, true)?,
        None => vec![0.0; output.data.len()],
    };
    let first = match reduce.kind {
        ReduceKind::Var { .. } | ReduceKind::Std { .. } => reach(reduce, &input.array)?,
        // They have no first element.
        _ => vec![0.0; result.array.data.len()],
    };
    let reach = along(&Estimate::exact(Array { ty: result.array.ty.clone(), data: first }), false)?;
    let distance = |i: usize| saved_error[i] + 4.0 * U * reach[i] + 2.0 * input.largest_error();
    Ok(each(output, |i, v| {
        let x = input.array.data[i];
        let own = match reduce.kind {
            ReduceKind::Prod if undecided => f64::INFINITY,
            ReduceKind::Prod => {
                let others = saved_error[i] * if v == 0.0 { 0.0 } else { v.abs() };
                let product = inputs[3].array.data.iter().fold(f64::INFINITY, |least, p| least.min(p.abs()));
                others / product.max(f64::MIN_POSITIVE) + if v == 0.0 { 0.0 } else { 4.0 * ulp(v) }
            }
            ReduceKind::Amax | ReduceKind::Amin if undecided || y_error[i] > 0.0 => f64::INFINITY,
            ReduceKind::Amax | ReduceKind::Amin if v == 0.0 || v.abs() == g[i].abs() => 0.0,
            ReduceKind::Amax | ReduceKind::Amin => 3.0 * ulp(v),
            ReduceKind::Var { correction } => {
                2.0 * g[i].abs() / (count - correction as f64) * distance(i) + 4.0 * ulp(v)
            }
            ReduceKind::Std { .. } if y[i] == 0.0 => 0.0,
            ReduceKind::Std { correction } => {
                let slope = g[i].abs() / (count - correction as f64) / y[i];
                slope * distance(i) + v.abs() * 2.0 * relative(i) + 6.0 * ulp(v)
            }
            ReduceKind::Norm { p: 0.0 } => 0.0,
            ReduceKind::Norm { .. } if undecided => f64::INFINITY,
            ReduceKind::Norm { p: 1.0 } => 0.0,
            ReduceKind::Norm { p } if p.is_infinite() && (v == 0.0 || v.abs() == g[i].abs()) => 0.0,
            ReduceKind::Norm { p } if p.is_infinite() => 3.0 * ulp(v),
            ReduceKind::Norm { .. } if v == 0.0 => 0.0,
            ReduceKind::Norm { p: 2.0 } => v.abs() * 2.0 * relative(i) + 5.0 * ulp(v),
            ReduceKind::Norm { p } => {
                let p = f64::from(p) - 1.0;
                let base = 2.0 * relative(i) + 4.0 * U;
                v.abs() * (p.abs() * base + power((x / y[i]).abs(), p)) + 5.0 * ulp(v)
            }
            ReduceKind::LogSumExp => {
                let apart = (x - y[i]).abs();
                let relative = y_error[i] + input.largest_error() + (10.0 + 6.0 * apart.min(104.0)) * U;
                v.abs() * 1.01 * relative + g[i].abs() * CLAMPED
            }
            // They have no gradient.
            ReduceKind::Argmin | ReduceKind::Any | ReduceKind::All => 0.0,
        };
        passed_on[i].abs() + own
    }))
}
