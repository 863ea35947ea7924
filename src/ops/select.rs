//! where and sequence_mask: choices by element, and the steps that lie within each sequence.

use super::{Op, broadcast_to::unbroadcast, count, dims, f32s};
use crate::dtype::DType;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::tensor::TensorType;

pub(super) fn infer_where(inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [condition, a, b] = f32s(inputs)?;
    Ok(vec![TensorType::f32(condition.shape.broadcast(&a.shape)?.broadcast(&b.shape)?)])
}

pub(super) fn infer_mask(max_length: usize, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [lengths] = count(inputs)?;
    Mismatch::check(lengths.dtype == DType::U32, "u32 lengths", lengths.to_string())?;
    let [batch] = dims(lengths, "lengths (B)")?;
    Ok(vec![TensorType::f32([max_length, batch])])
}

/// The error goes to what was chosen.
pub(super) fn gradient_where(flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, condition) = (flow.grad("where")?, &flow.inputs[0]);
    let zero = grad.graph().scalar(0.0)?;
    let to = |g: Tensor, i: usize| unbroadcast(&g, &flow.inputs[i].shape());
    Ok(vec![
        None,
        flow.wants(1, || to(condition.select(grad, &zero)?, 1))?,
        flow.wants(2, || to(condition.select(&zero, grad)?, 2))?,
    ])
}

pub(crate) fn build(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    condition.graph().apply(Op::Where, &[condition, a, b]).map(|mut out| out.remove(0))
}
