//! Other shapes of the same elements, and elements repeated.

use super::{Differentiate, elementwise::unbroadcast};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{BroadcastTo, Reshape};
use crate::shape::Shape;
use crate::{Dim, Dims};

impl Tensor {
    /// The same elements under another shape.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.one(Reshape { shape: shape.into() }, &[self])
    }

    /// All dimensions from `start_dim` on as one; `flatten(1)` keeps the batch. A scalar gives one of one element.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn flatten(&self, start_dim: impl Into<Dim>) -> Result<Tensor> {
        let (shape, first) = (self.shape(), self.dim("flatten", start_dim)?);
        let mut dims = shape[..first].to_vec();
        dims.push(shape[first..].iter().product());
        self.reshape(dims)
    }

    /// Dimension `dim` as several of these sizes, whose product it is.
    ///
    /// # Errors
    /// When there is no such dimension or the sizes have another product.
    pub fn unflatten(&self, dim: impl Into<Dim>, sizes: &[usize]) -> Result<Tensor> {
        let (mut shape, dim) = (self.shape().to_vec(), self.dim("unflatten", dim)?);
        let own = shape.get(dim).copied();
        let whole = sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size));
        let expected = format!("sizes whose product is that of dimension {dim} of {}", self.shape());
        let mismatch =
            Mismatch::check(own == Some(whole) && !sizes.is_empty(), expected, format!("{sizes:?}"));
        mismatch.map_err(self.refused("unflatten"))?;
        shape.splice(dim..=dim, sizes.iter().copied());
        self.reshape(shape)
    }

    /// This without `dims`, or with `()` without all dimensions, where they are of size 1.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn squeeze(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let (shape, dims) = (self.shape(), self.dims("squeeze", dims)?);
        let kept = (0..shape.len()).filter(|d| shape[*d] != 1 || !dims.contains(d));
        self.reshape(kept.map(|d| shape[d]).collect::<Vec<_>>())
    }

    /// A new dimension of size 1 at `dim` of the result.
    ///
    /// # Errors
    /// When the result has no such dimension.
    pub fn unsqueeze(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        let mut dims = self.shape().to_vec();
        let dim = dim.into().of(dims.len() + 1).map_err(self.refused("unsqueeze"))?;
        dims.insert(dim, 1);
        self.reshape(dims)
    }

    /// The elements repeated along dimensions of size 1 and new leading ones, as `torch.broadcast_to`.
    ///
    /// # Errors
    /// When the shape does not broadcast to `shape`.
    #[doc(alias = "expand")]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if self.shape() == shape {
            return Ok(self.clone());
        }
        self.one(BroadcastTo { shape }, &[self])
    }
}

impl Differentiate for Reshape {
    /// The error under the old shape.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("reshape")?;
        Ok(vec![flow.wants(0, || grad.reshape(flow.inputs[0].shape()))?])
    }
}

impl Differentiate for BroadcastTo {
    /// The error summed over the stretched dimensions.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("broadcast_to")?;
        Ok(vec![flow.wants(0, || unbroadcast(grad, &flow.inputs[0].shape()))?])
    }
}
