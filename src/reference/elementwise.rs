//! Element-wise functions, broadcast: the formulas are those of the rows in [`crate::functions`].

use super::broadcast_to::source;
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::Elementwise;
use crate::tensor::TensorType;

impl Define for Elementwise {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs, outputs)])
    }
}

fn forward(function: &Elementwise, inputs: &[&Array], outputs: &[TensorType]) -> Vec<f64> {
    let to = &outputs[0].shape;
    let mut operands = vec![0.0; inputs.len()];
    let mut element = |i: usize| {
        for (operand, input) in operands.iter_mut().zip(inputs) {
            let same = input.ty.shape == *to;
            *operand = input.data[if same { i } else { source(i, &input.ty.shape, to) }];
        }
        function.evaluate(&operands)
    };
    (0..to.elements()).map(&mut element).collect()
}
