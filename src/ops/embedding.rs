//! embedding: rows of a table by index. `output[n,d] = weight[index[n],d]`.
//!
//! Indices are `u32`; the graph cannot see their values. One that the table lacks gives a row of zeros and takes no
//! gradient, and the next run or read of the program fails, naming the row: see [`Op::index_range`].

use super::{Op, count, dims, f32s, same};
use crate::dtype::DType;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

fn output(weight: &TensorType, indices: &TensorType) -> Result<TensorType, Mismatch> {
    let [_, width] = dims(weight, "weight (num_embeddings, embedding_dim)")?;
    Mismatch::check(indices.dtype == DType::U32, "u32 indices", indices.to_string())?;
    let mut shape = indices.shape.to_vec();
    shape.push(width);
    Ok(TensorType::f32(shape))
}

/// What indices must be.
pub(super) fn index_range(weight: &Shape) -> Option<String> {
    weight.first().map(|rows| format!("indices below {rows}"))
}

pub(super) fn infer(inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [weight, indices] = count(inputs)?;
    f32s::<1>(&[weight])?;
    Ok(vec![output(weight, indices)?])
}

pub(super) fn infer_backward(weight: &Shape, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [grad, indices] = count(inputs)?;
    let weight = TensorType::f32(weight.clone());
    same("grad_output", &output(&weight, indices)?, grad)?;
    Ok(vec![weight])
}

/// Each row of the table gathers the errors of the places that showed it.
pub(super) fn gradient(flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("embedding")?;
    let rule = || {
        let op = Op::EmbeddingBackward { weight: flow.inputs[0].shape() };
        grad.graph().apply(op, &[grad, &flow.inputs[1]]).map(|mut out| out.remove(0))
    };
    Ok(vec![flow.wants(0, rule)?, None])
}

/// The map is linear: its derivative is the look-up.
pub(super) fn gradient_backward(flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("embedding_backward")?;
    Ok(vec![flow.wants(0, || grad.embedding(&flow.inputs[1]))?, None])
}
