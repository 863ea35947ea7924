//! Reductions over dimensions.

use super::Differentiate;
use super::sum::with_ones;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Reduce, ReduceBackward, ReduceKind};
use crate::{Dim, Dims};

impl Tensor {
    /// The product over `dims`, over all with `()`; with `keepdim` they stay with size 1.
    ///
    /// Its gradient is the product of the others, also where some are 0.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn prod(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Prod, dims, keepdim)
    }

    /// The largest element over `dims`, over all with `()`, NaN if there is one; with `keepdim` they stay with size 1.
    ///
    /// Equal elements share the gradient evenly; [`Tensor::max_dim`] gives all to the first.
    ///
    /// # Errors
    /// As [`Tensor::prod`].
    pub fn amax(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Amax, dims, keepdim)
    }

    /// The smallest element over `dims`, as [`Tensor::amax`].
    ///
    /// # Errors
    /// As [`Tensor::prod`].
    pub fn amin(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Amin, dims, keepdim)
    }

    /// The variance over `dims`, over all with `()`: the squared differences from the mean, added up and divided by their
    /// number less `correction` (PyTorch's default is 1); with `keepdim` the dimensions stay with size 1.
    ///
    /// # Errors
    /// As [`Tensor::prod`], or when the correction is not below the number of elements.
    pub fn var(&self, dims: impl Into<Dims>, correction: usize, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Var { correction }, dims, keepdim)
    }

    /// The square root of [`Tensor::var`]; its derivative is 0 where it is 0, as PyTorch's.
    ///
    /// # Errors
    /// As [`Tensor::var`].
    pub fn std(&self, dims: impl Into<Dims>, correction: usize, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Std { correction }, dims, keepdim)
    }

    /// `sum(|x|^p)^(1/p)` over `dims`, over all with `()`: 2 for the Euclidean norm, infinite for the largest or smallest
    /// magnitude, 0 for how many are not 0; with `keepdim` the dimensions stay with size 1.
    ///
    /// The derivative at the origin is 0, as PyTorch's.
    ///
    /// # Errors
    /// As [`Tensor::prod`], or when `p` is NaN.
    #[doc(alias = "vector_norm")]
    pub fn norm(&self, p: f32, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Norm { p }, dims, keepdim)
    }

    /// `log(sum(exp(x)))` over `dims`, over all with `()`, for elements of any magnitude; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// As [`Tensor::prod`].
    pub fn logsumexp(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::LogSumExp, dims, keepdim)
    }

    /// 1 where any element over `dims`, over all with `()`, is not 0, else 0; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// As [`Tensor::prod`].
    pub fn any(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::Any, dims, keepdim)
    }

    /// 1 where no element over `dims`, over all with `()`, is 0, else 0; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// As [`Tensor::prod`].
    pub fn all(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.reduced(ReduceKind::All, dims, keepdim)
    }

    /// The index of the smallest element along `dim`, the first of equals, of the first NaN if there is one; the dimension
    /// is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn argmin(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        self.reduced(ReduceKind::Argmin, dim.into(), false)
    }

    fn reduced(&self, kind: ReduceKind, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let mut dims = self.dims(kind.name(), dims)?;
        let shape = self.shape();
        let kept = with_ones(&shape, &dims);
        let mut own = self.clone();
        if shape.is_empty() {
            // A scalar is taken for one of a dimension.
            (own, dims) = (self.reshape([1])?, vec![0]);
        }
        let result = own.one(Reduce { kind, dims }, &[&own])?;
        if keepdim { result.reshape(kept) } else { Ok(result) }
    }
}

impl Differentiate for Reduce {
    /// The error times the derivative by each element, one node: see [`ReduceBackward`].
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        if !self.kind.has_gradient() {
            return Ok(vec![None]);
        }
        let grad = flow.grad(self.kind.name())?;
        let rule = || {
            let mut inputs = vec![grad, &flow.inputs[0]];
            inputs.extend(flow.outputs);
            grad.one(ReduceBackward(self.clone()), &inputs)
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}
