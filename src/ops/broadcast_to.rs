//! broadcast_to: elements repeated along stretched and new leading dimensions.

use super::{binary::unbroadcast, only_f32};
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
