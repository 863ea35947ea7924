//! broadcast_to: elements repeated along stretched and new leading dimensions.

use super::only_f32;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

pub(super) fn infer(shape: &Shape, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let input = only_f32(inputs)?;
    let got = || format!("{} for {shape}", input.shape);
    let fits = input.shape.broadcast(shape).is_ok_and(|result| result == *shape);
    Mismatch::check(fits, "a shape that stretches to the new one", got())?;
    Ok(vec![TensorType::f32(shape.clone())])
}

/// The error summed over the stretched dimensions.
pub(super) fn gradient(flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("broadcast_to")?;
    Ok(vec![flow.wants(0, || unbroadcast(grad, &flow.inputs[0].shape()))?])
}

/// The sum of `grad` over the dimensions along which an operand of shape `to` was stretched.
pub(super) fn unbroadcast(grad: &Tensor, to: &Shape) -> Result<Tensor> {
    let from = grad.shape();
    let lead = from.len() - to.len();
    let stretched = |&d: &usize| d < lead || (to[d - lead] == 1 && from[d] != 1);
    let dims: Vec<usize> = (0..from.len()).filter(stretched).collect();
    if dims.is_empty() {
        return if from == *to { Ok(grad.clone()) } else { grad.reshape(to.clone()) };
    }
    let sum = grad.sum(&dims, false)?;
    if sum.shape() == *to { Ok(sum) } else { sum.reshape(to.clone()) }
}
