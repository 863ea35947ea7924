//! Positions of maxima, the first of equals. NaN is larger than all numbers.

use super::softmax::{element, sizes};
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::Argmax;
use crate::tensor::TensorType;

impl Define for Argmax {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self.dim, inputs)?])
    }
}

fn forward(dim: usize, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let [outer, length, inner] = sizes(&inputs[0].ty.shape, dim)?;
    let mut output = Vec::with_capacity(outer * inner);
    for row in 0..outer * inner {
        let mut best = 0;
        for l in 1..length {
            let value = |l| inputs[0].data[element(row, l, length, inner)];
            let largest = value(best).is_nan();
            if !largest && (value(l) > value(best) || value(l).is_nan()) {
                best = l;
            }
        }
        output.push(best as f64);
    }
    Ok(output)
}
