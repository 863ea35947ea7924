//! Where indices agree.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::Equal;
use crate::tensor::TensorType;

impl Define for Equal {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![equal(inputs)])
    }
}

fn equal(inputs: &[&Array]) -> Vec<f64> {
    inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| f64::from(u8::from(a == b))).collect()
}
