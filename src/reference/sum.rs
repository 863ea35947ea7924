//! Sums over dimensions.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::Sum;
use crate::tensor::TensorType;

impl Define for Sum {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(&self.dims, inputs, outputs)])
    }
}

fn forward(dims: &[usize], inputs: &[&Array], outputs: &[TensorType]) -> Vec<f64> {
    let shape = &inputs[0].ty.shape;
    let mut output = vec![0.0; outputs[0].shape.elements()];
    for (index, value) in inputs[0].data.iter().enumerate() {
        let (mut rest, mut at, mut stride) = (index, 0, 1);
        for d in (0..shape.len()).rev() {
            if !dims.contains(&d) {
                at += rest % shape[d] * stride;
                stride *= shape[d];
            }
            rest /= shape[d];
        }
        output[at] += value;
    }
    output
}
