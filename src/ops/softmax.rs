//! softmax and log_softmax along a dimension; the maximum is subtracted, so finite inputs stay finite.

use super::{Op, f32s, only_f32, same};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// Softmax or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Softmax {
    /// The dimension that sums to 1.
    pub dim: usize,
    /// Give the logarithm.
    pub log: bool,
}

impl Softmax {
    pub(super) fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    pub(super) fn backward_name(&self) -> &'static str {
        if self.log { "log_softmax_backward" } else { "softmax_backward" }
    }
}

/// `(outer, length, inner)`: the sizes before, at and after `dim`.
pub(crate) fn axis(shape: &Shape, dim: usize) -> Result<[usize; 3], Mismatch> {
    let rank = shape.len();
    Mismatch::check(dim < rank, format!("a dimension below the rank {rank}"), format!("dim {dim}"))?;
    Ok([shape[..dim].iter().product(), shape[dim], shape[dim + 1..].iter().product()])
}

pub(crate) fn build(x: &Tensor, softmax: Softmax) -> Result<Tensor> {
    x.graph().apply(Op::Softmax(softmax), &[x]).map(|mut out| out.remove(0))
}

pub(super) fn infer(softmax: &Softmax, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let input = only_f32(inputs)?;
    axis(&input.shape, softmax.dim)?;
    Ok(vec![input.clone()])
}

pub(super) fn infer_backward(softmax: &Softmax, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [grad, output] = f32s(inputs)?;
    same("output", grad, output)?;
    axis(&grad.shape, softmax.dim)?;
    Ok(vec![grad.clone()])
}

/// softmax: `y (g - sum(g y))`; log_softmax: `g - exp(y) sum(g)`.
pub(super) fn gradient(softmax: &Softmax, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad(softmax.name())?;
    let rule = || {
        grad.graph()
            .apply(Op::SoftmaxBackward(*softmax), &[grad, &flow.outputs[0]])
            .map(|mut out| out.remove(0))
    };
    Ok(vec![flow.wants(0, rule)?])
}
