//! argmax along a dimension; the first of equals. The first NaN, if there is one, is the largest, as in PyTorch.

use super::{only_f32, softmax::axis};
use crate::error::Mismatch;
use crate::tensor::TensorType;

pub(super) fn infer(dim: usize, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let input = only_f32(inputs)?;
    axis(&input.shape, dim)?;
    let mut dims = input.shape.to_vec();
    dims.remove(dim);
    Ok(vec![TensorType::u32(dims)])
}
