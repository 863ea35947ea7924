//! Element-wise functions of two tensors, broadcast.

use super::broadcast_to::source;
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Binary, Equal};
use crate::tensor::TensorType;

impl Define for Binary {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs, outputs)])
    }
}

impl Define for Equal {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![equal(inputs)])
    }
}

fn value(function: &Binary, a: f64, b: f64) -> f64 {
    match function {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
    }
}

fn forward(function: &Binary, inputs: &[&Array], outputs: &[TensorType]) -> Vec<f64> {
    let to = &outputs[0].shape;
    let at = |operand: &Array, i| operand.data[source(i, &operand.ty.shape, to)];
    (0..to.elements()).map(|i| value(function, at(inputs[0], i), at(inputs[1], i))).collect()
}

fn equal(inputs: &[&Array]) -> Vec<f64> {
    inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| f64::from(u8::from(a == b))).collect()
}
