//! equal: where indices agree.

use super::{count, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

pub(super) fn infer(inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [a, b] = count(inputs)?;
    Mismatch::check(a.dtype == DType::U32, "u32 operands", a.to_string())?;
    same("second operand", a, b)?;
    Ok(vec![TensorType::f32(a.shape.clone())])
}
