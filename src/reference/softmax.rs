//! softmax and log_softmax along a dimension.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Softmax, SoftmaxBackward};
use crate::tensor::TensorType;

use crate::shape::Shape;

impl Define for Softmax {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs)?])
    }
}

impl Define for SoftmaxBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.0, inputs)?])
    }
}

/// The sizes before, at and after a dimension.
pub(super) fn sizes(shape: &Shape, dim: usize) -> Result<[usize; 3], Mismatch> {
    shape.axis(dim)
}

/// The position of element `l` of row `row`.
pub(super) fn element(row: usize, l: usize, length: usize, inner: usize) -> usize {
    (row / inner * length + l) * inner + row % inner
}

/// The maximum of a row, and the logarithm of the sum of exponentials of what its elements are below it. Their sum has
/// no digits of the logarithm left where the maximum is large. NaN where the row has a NaN, inf, or -inf alone.
pub(super) fn logsumexp(row: &[f64]) -> (f64, f64) {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (highest, row.iter().map(|x| (x - highest).exp()).sum::<f64>().ln())
}

/// Maps each row of `arrays` to a row of the output.
fn rows(dim: usize, arrays: &[&Array], map: impl Fn(&[Vec<f64>]) -> Vec<f64>) -> Result<Vec<f64>, Mismatch> {
    let shape = &arrays[0].ty.shape;
    let [outer, length, inner] = sizes(shape, dim)?;
    let mut output = vec![0.0; shape.elements()];
    for row in 0..outer * inner {
        let read =
            |a: &&Array| (0..length).map(|l| a.data[element(row, l, length, inner)]).collect::<Vec<_>>();
        let result = map(&arrays.iter().map(read).collect::<Vec<_>>());
        for (l, value) in result.into_iter().enumerate() {
            output[element(row, l, length, inner)] = value;
        }
    }
    Ok(output)
}

fn forward(s: &Softmax, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    rows(s.dim, inputs, |x| {
        let (highest, log_sum) = logsumexp(&x[0]);
        let logarithm = |v: &f64| v - highest - log_sum;
        x[0].iter().map(|v| if s.log { logarithm(v) } else { logarithm(v).exp() }).collect()
    })
}

/// softmax: `y ((g - c) - sum((g - c) y))` with `c = sum(g y)`, which is `y (g - c)` where the `y` add up to 1, and keeps its
/// digits
/// where rounded ones do not; log_softmax: `g - exp(y) sum(g)`.
fn backward(s: &Softmax, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    rows(s.dim, inputs, |x| {
        let (g, y) = (&x[0], &x[1]);
        let pairs = g.iter().zip(y);
        if s.log {
            let total: f64 = g.iter().sum();
            pairs.map(|(g, y)| g - y.exp() * total).collect()
        } else {
            let total: f64 = pairs.clone().map(|(g, y)| g * y).sum();
            let left: f64 = pairs.clone().map(|(g, y)| (g - total) * y).sum();
            pairs.map(|(g, y)| y * ((g - total) - left)).collect()
        }
    })
}
