//! Reductions over dimensions, and their gradients.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Reduce, ReduceBackward, ReduceKind};
use crate::tensor::TensorType;

/// For each result the positions of the elements that become it, in order.
fn rows(reduce: &Reduce, input: &Array) -> Vec<Vec<usize>> {
    let shape = &input.ty.shape;
    let results = shape.elements() / reduce.count(shape).max(1);
    let mut rows = vec![Vec::new(); results];
    for index in 0..input.data.len() {
        let (mut rest, mut at, mut stride) = (index, 0, 1);
        for d in (0..shape.len()).rev() {
            if !reduce.dims.contains(&d) {
                at += rest % shape[d] * stride;
                stride *= shape[d];
            }
            rest /= shape[d];
        }
        rows[at].push(index);
    }
    rows
}

/// The first of the best, where `beats(a, b)` says that `a` is better than `b`; the first NaN is better than all.
fn best(row: &[f64], beats: impl Fn(f64, f64) -> bool) -> usize {
    let mut best = 0;
    for (i, &value) in row.iter().enumerate().skip(1) {
        let held = row[best];
        if !held.is_nan() && (value.is_nan() || beats(value, held)) {
            best = i;
        }
    }
    best
}

fn larger(a: f64, b: f64) -> bool {
    a > b
}

fn smaller(a: f64, b: f64) -> bool {
    a < b
}

fn ties(row: &[f64], extreme: f64) -> f64 {
    row.iter().filter(|&&v| v == extreme).count() as f64
}

/// Variance, and the mean's distance from the first element.
fn spread(row: &[f64], correction: usize) -> [f64; 2] {
    let count = row.len() as f64;
    let offset = row.iter().map(|v| v - row[0]).sum::<f64>() / count;
    let squares = row.iter().map(|v| (v - row[0] - offset).powi(2)).sum::<f64>();
    [squares / (count - correction as f64), offset]
}

fn norm(row: &[f64], p: f32) -> Vec<f64> {
    let magnitudes: Vec<f64> = row.iter().map(|v| v.abs()).collect();
    if p.is_infinite() {
        let extreme = magnitudes[best(&magnitudes, if p > 0.0 { larger } else { smaller })];
        return vec![extreme, ties(&magnitudes, extreme)];
    }
    let p = f64::from(p);
    if p == 0.0 {
        return vec![row.iter().filter(|&&v| v != 0.0).count() as f64];
    }
    vec![magnitudes.iter().map(|v| v.powf(p)).sum::<f64>().powf(1.0 / p)]
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let most = row[best(row, larger)];
    if !most.is_finite() {
        return most;
    }
    most + row.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}

/// The result of a row, and what is saved beside it.
fn reduced(kind: ReduceKind, row: &[f64]) -> Vec<f64> {
    let truth = |value: bool| vec![f64::from(u8::from(value))];
    match kind {
        ReduceKind::Prod => {
            let others = row.iter().filter(|&&v| v != 0.0).product();
            let zeros = row.iter().filter(|&&v| v == 0.0).count().min(2);
            vec![row.iter().product(), others, zeros as f64]
        }
        ReduceKind::Amax => vec![row[best(row, larger)], ties(row, row[best(row, larger)])],
        ReduceKind::Amin => vec![row[best(row, smaller)], ties(row, row[best(row, smaller)])],
        ReduceKind::Argmin => vec![best(row, smaller) as f64],
        ReduceKind::Var { correction } => spread(row, correction).to_vec(),
        ReduceKind::Std { correction } => {
            let [variance, offset] = spread(row, correction);
            vec![variance.sqrt(), offset]
        }
        ReduceKind::Norm { p } => norm(row, p),
        ReduceKind::LogSumExp => vec![log_sum_exp(row)],
        ReduceKind::Any => truth(row.iter().any(|&v| v != 0.0)),
        ReduceKind::All => truth(row.iter().all(|&v| v != 0.0)),
    }
}

impl Define for Reduce {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let mut results = vec![Vec::new(); outputs.len()];
        for row in rows(self, inputs[0]) {
            let row: Vec<f64> = row.iter().map(|&i| inputs[0].data[i]).collect();
            results.iter_mut().zip(reduced(self.kind, &row)).for_each(|(to, value)| to.push(value));
        }
        Ok(results)
    }
}

fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { 0.0 } else { x.signum() }
}

/// The derivative of a norm by an element `x`, 0 at the origin.
fn norm_slope(x: f64, norm: f64, saved: &[f64], p: f32) -> f64 {
    if let [ties] = saved {
        return if x.abs() == norm { sign(x) / ties } else { 0.0 };
    }
    match f64::from(p) {
        0.0 => 0.0,
        1.0 => sign(x),
        _ if norm == 0.0 || x == 0.0 => 0.0,
        2.0 => x / norm,
        p => sign(x) * (x.abs() / norm).powf(p - 1.0),
    }
}

/// The derivative of a result by element `x` of the row, the first of which is `first`.
fn slope(reduce: &Reduce, count: usize, x: f64, first: f64, result: f64, saved: &[f64]) -> f64 {
    let spread = |correction: usize| {
        let distance = x - first - saved[0];
        distance / (count as f64 - correction as f64)
    };
    match reduce.kind {
        ReduceKind::Prod => match (saved[1], x == 0.0) {
            (0.0, _) => saved[0] / x,
            (1.0, true) => saved[0],
            // Another one is 0.
            _ => 0.0,
        },
        ReduceKind::Amax | ReduceKind::Amin if result.is_nan() => f64::NAN,
        ReduceKind::Amax | ReduceKind::Amin => {
            if x == result {
                1.0 / saved[0]
            } else {
                0.0
            }
        }
        ReduceKind::Var { correction } => 2.0 * spread(correction),
        ReduceKind::Std { .. } if result == 0.0 => 0.0,
        ReduceKind::Std { correction } => spread(correction) / result,
        ReduceKind::Norm { p } => norm_slope(x, result, saved, p),
        ReduceKind::LogSumExp => (x - result).exp(),
        // They have no gradient.
        ReduceKind::Argmin | ReduceKind::Any | ReduceKind::All => 0.0,
    }
}

impl Define for ReduceBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let [grad, input, output, saved @ ..] = inputs else {
            return Err(Mismatch::new("grad_output, input and output", inputs.len().to_string()));
        };
        let mut grad_input = vec![0.0; input.data.len()];
        for (i, row) in rows(&self.0, input).into_iter().enumerate() {
            let saved: Vec<f64> = saved.iter().map(|array| array.data[i]).collect();
            for &at in &row {
                let (x, first) = (input.data[at], input.data[row[0]]);
                let slope = slope(&self.0, row.len(), x, first, output.data[i], &saved);
                grad_input[at] = grad.data[i] * slope;
            }
        }
        Ok(vec![grad_input])
    }
}
