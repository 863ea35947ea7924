//! Sums, means and the places of maxima.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Argmax, Sum};
use crate::shape::Shape;

impl Tensor {
    /// The sum over `dims`; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn sum(&self, dims: &[usize], keepdim: bool) -> Result<Tensor> {
        build(self, dims, keepdim)
    }

    /// The mean of all elements, a scalar.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn mean(&self) -> Result<Tensor> {
        let shape = self.shape();
        let dims: Vec<usize> = (0..shape.len()).collect();
        // A division: the reciprocal of the count would be rounded once more.
        self.sum(&dims, false)?.div(&self.graph.scalar(shape.elements() as f32)?)
    }

    /// The index of the largest element along `dim`, the first of equals; the dimension is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn argmax(&self, dim: usize) -> Result<Tensor> {
        self.one(Argmax { dim }, &[self])
    }
}

/// `shape` with size 1 at `dims`.
fn with_ones(shape: &Shape, dims: &[usize]) -> Shape {
    let size = |d: usize| if dims.contains(&d) { 1 } else { shape[d] };
    (0..shape.len()).map(size).collect::<Vec<_>>().into()
}

fn build(x: &Tensor, dims: &[usize], keepdim: bool) -> Result<Tensor> {
    let mut dims = dims.to_vec();
    dims.sort_unstable();
    let sum = if dims.is_empty() { x.clone() } else { x.one(Sum { dims: dims.clone() }, &[x])? };
    if keepdim { sum.reshape(with_ones(&x.shape(), &dims)) } else { Ok(sum) }
}

impl Differentiate for Sum {
    /// The error repeated along the summed dimensions.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, shape) = (flow.grad("sum")?, flow.inputs[0].shape());
        Ok(vec![flow.wants(0, || grad.reshape(with_ones(&shape, &self.dims))?.broadcast_to(shape.clone()))?])
    }
}
