//! softmax and log_softmax along a dimension; the maximum is subtracted, so finite inputs stay finite.

use super::{Rule, elements, f32s, only_f32, same};
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// Softmax or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Softmax {
    /// The dimension that sums to 1.
    pub dim: usize,
    /// Give the logarithm.
    pub log: bool,
}

impl Rule for Softmax {
    const NAME: &'static str = "softmax";

    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { Self::NAME }
    }

    fn names() -> Vec<&'static str> {
        vec![Self::NAME, "log_softmax"]
    }

    fn attributes(&self) -> String {
        format!("dim {}", self.dim)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = only_f32(inputs)?;
        input.shape.axis(self.dim)?;
        Ok(vec![input.clone()])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}

/// `grad_output, output` to `grad_input`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SoftmaxBackward(pub Softmax);

impl Rule for SoftmaxBackward {
    const NAME: &'static str = "softmax_backward";

    fn name(&self) -> &'static str {
        if self.0.log { "log_softmax_backward" } else { Self::NAME }
    }

    fn names() -> Vec<&'static str> {
        vec![Self::NAME, "log_softmax_backward"]
    }

    fn attributes(&self) -> String {
        self.0.attributes()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, output] = f32s(inputs)?;
        same("output", grad, output)?;
        grad.shape.axis(self.0.dim)?;
        Ok(vec![grad.clone()])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.0.dim > 0
    }
}
