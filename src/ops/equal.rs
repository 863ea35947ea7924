//! equal: where indices agree.

use super::{Rule, count, elements, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// `u32, u32` of one shape to `f32` 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Equal;

impl Rule for Equal {
    const NAME: &'static str = "equal";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [a, b] = count(inputs)?;
        Mismatch::check(a.dtype == DType::U32, "u32 operands", a.to_string())?;
        same("second operand", a, b)?;
        Ok(vec![TensorType::f32(a.shape.clone())])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }
}
