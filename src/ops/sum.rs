//! sum over dimensions.

use super::{Op, only_f32};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

pub(super) fn infer(dims: &[usize], inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let input = only_f32(inputs)?;
    let rank = input.shape.len();
    let valid = dims.iter().all(|&d| d < rank) && dims.windows(2).all(|w| w[0] < w[1]);
    Mismatch::check(
        valid,
        format!("ascending dimensions below the rank {rank}, each once"),
        format!("{dims:?}"),
    )?;
    let kept = (0..rank).filter(|d| !dims.contains(d)).map(|d| input.shape[d]);
    Ok(vec![TensorType::f32(kept.collect::<Vec<_>>())])
}

/// `shape` with size 1 at `dims`.
fn with_ones(shape: &Shape, dims: &[usize]) -> Shape {
    let size = |d: usize| if dims.contains(&d) { 1 } else { shape[d] };
    (0..shape.len()).map(size).collect::<Vec<_>>().into()
}

pub(crate) fn build(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    let mut dims = dims.to_vec();
    dims.sort_unstable();
    let sum = if dims.is_empty() {
        x.clone()
    } else {
        x.graph().apply(Op::Sum { dims: dims.clone() }, &[x])?.remove(0)
    };
    if keepdim { sum.reshape(with_ones(&x.shape(), &dims)) } else { Ok(sum) }
}

/// The error repeated along the summed dimensions.
pub(super) fn gradient(dims: &[usize], flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, shape) = (flow.grad("sum")?, flow.inputs[0].shape());
    Ok(vec![flow.wants(0, || grad.reshape(with_ones(&shape, dims))?.broadcast_to(shape.clone()))?])
}
