//! Elements by index along a dimension, their sums, and their order.

use super::softmax::{element, sizes};
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Argsort, Gather, Scatter, ScatterAdd};
use crate::tensor::TensorType;
use std::cmp::Ordering;

/// The first index that is not below `size`.
fn out_of_range(index: &Array, size: usize) -> Option<usize> {
    index.data.iter().position(|&index| index >= size as f64)
}

impl Define for Gather {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let [_, length, inner] = sizes(&inputs[0].ty.shape, self.dim)?;
        let [outer, count, _] = sizes(&inputs[1].ty.shape, self.dim)?;
        let mut output = vec![0.0; inputs[1].data.len()];
        for row in 0..outer * inner {
            for l in 0..count {
                let at = element(row, l, count, inner);
                let index = inputs[1].data[at] as usize;
                if index < length {
                    output[at] = inputs[0].data[element(row, index, length, inner)];
                }
            }
        }
        Ok(vec![output])
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(inputs[1], inputs[0].ty.shape[self.dim])
    }
}

/// Zeros, with each element put in its place by index, in the order of the indices.
fn placed(
    inputs: &[&Array],
    outputs: &[TensorType],
    dim: usize,
    size: usize,
    put: impl Fn(&mut f64, f64),
) -> Result<Vec<Vec<f64>>, Mismatch> {
    let [outer, count, inner] = sizes(&inputs[0].ty.shape, dim)?;
    let mut output = vec![0.0; outputs[0].shape.elements()];
    for row in 0..outer * inner {
        for l in 0..count {
            let at = element(row, l, count, inner);
            let index = inputs[1].data[at] as usize;
            if index < size {
                put(&mut output[element(row, index, size, inner)], inputs[0].data[at]);
            }
        }
    }
    Ok(vec![output])
}

impl Define for ScatterAdd {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        placed(inputs, outputs, self.dim, self.size, |position, value| *position += value)
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(inputs[1], self.size)
    }
}

impl Define for Scatter {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        placed(inputs, outputs, self.dim, self.size, |position, value| *position = value)
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(inputs[1], self.size)
    }
}

/// NaN is larger than all numbers.
fn order(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

impl Define for Argsort {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let [outer, length, inner] = sizes(&inputs[0].ty.shape, self.dim)?;
        let mut output = vec![0.0; outputs[0].shape.elements()];
        for row in 0..outer * inner {
            let value = |l: usize| inputs[0].data[element(row, l, length, inner)];
            let mut positions: Vec<usize> = (0..length).collect();
            positions.sort_by(|&a, &b| {
                let ascending = order(value(a), value(b));
                if self.descending { ascending.reverse() } else { ascending }
            });
            for (l, position) in positions.into_iter().take(self.k).enumerate() {
                output[element(row, l, self.k, inner)] = position as f64;
            }
        }
        Ok(vec![output])
    }
}
