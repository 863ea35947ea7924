//! Element-wise functions of two tensors, broadcast by NumPy's rule.

use super::{Rule, count, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// An element-wise function of two tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
}

impl Rule for Binary {
    const NAME: &'static str = "binary";

    fn name(&self) -> &'static str {
        Binary::name(self)
    }

    fn names() -> Vec<&'static str> {
        Binary::all().iter().map(Binary::name).collect()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [a, b] = f32s(inputs)?;
        Ok(vec![TensorType::f32(a.shape.broadcast(&b.shape)?)])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn rowwise(&self, inputs: &[TensorType]) -> bool {
        inputs[0] == inputs[1]
    }
}

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
