//! Sums, means and the positions of maxima.

use super::Differentiate;
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Argmax, Sum};
use crate::shape::Shape;
use crate::{Dim, Dims};

impl Tensor {
    /// The sum over `dims`, over all with `()`; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn sum(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let dims = self.dims("sum", dims)?;
        let kept = with_ones(&self.shape(), &dims);
        let sum = if dims.is_empty() { self.clone() } else { self.one(Sum { dims }, &[self])? };
        if keepdim { sum.reshape(kept) } else { Ok(sum) }
    }

    /// The mean over `dims`, over all with `()`; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// As [`Tensor::sum`].
    pub fn mean(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let (shape, dims) = (self.shape(), self.dims("mean", dims)?);
        let count: usize = dims.iter().map(|&d| shape[d]).product();
        if self.ty().dtype == DType::F16 {
            // A sum may be too large for f16 where the mean is not.
            return self.float()?.mean(&dims, keepdim)?.half();
        }
        // A division: the reciprocal of the count would be rounded once more.
        self.sum(&dims, keepdim)?.div(&self.graph.scalar(count as f32)?)
    }

    /// The index of the largest element along `dim`, the first of equals; the dimension is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn argmax(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        let dim = self.dim("argmax", dim)?;
        let own = if self.shape().is_empty() { self.reshape([1])? } else { self.clone() };
        own.one(Argmax { dim }, &[&own])
    }
}

/// `shape` with size 1 at `dims`.
pub(super) fn with_ones(shape: &Shape, dims: &[usize]) -> Shape {
    let size = |d: usize| if dims.contains(&d) { 1 } else { shape[d] };
    (0..shape.len()).map(size).collect::<Vec<_>>().into()
}

impl Differentiate for Sum {
    /// The error repeated along the summed dimensions.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, shape) = (flow.grad("sum")?, flow.inputs[0].shape());
        Ok(vec![flow.wants(0, || grad.reshape(with_ones(&shape, &self.dims))?.broadcast_to(shape.clone()))?])
    }
}
