//! argmax along a dimension; the first of equals. The first NaN, if there is one, is the largest, as in PyTorch.

use super::{Rule, elements, only_f32};
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// The index of the maximum along a dimension, which is dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Argmax {
    /// The dimension.
    pub dim: usize,
}

impl Rule for Argmax {
    const NAME: &'static str = "argmax";

    fn attributes(&self) -> String {
        format!("dim {}", self.dim)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = only_f32(inputs)?;
        input.shape.axis(self.dim)?;
        let mut dims = input.shape.to_vec();
        dims.remove(self.dim);
        Ok(vec![TensorType::u32(dims)])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}
