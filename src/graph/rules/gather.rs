//! Elements by index along a dimension, and what is made of them.

use super::Differentiate;
use crate::Dim;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{Argsort, Gather, Pad, Scatter, ScatterAdd};

impl Tensor {
    /// `output[o,l,i] = self[o, index[o,l,i], i]` along `dim`, for a `u32` index whose other dimensions are no larger than
    /// this tensor's.
    ///
    /// An index beyond the dimension gives 0, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When there is no such dimension, or the index is not `u32` or larger.
    pub fn gather(&self, dim: impl Into<Dim>, index: &Tensor) -> Result<Tensor> {
        let at = self.dim("gather", dim)?;
        if self.shape().is_empty() {
            let (x, shape) = (self.reshape([1])?, index.shape());
            return x.one(Gather { dim: at }, &[&x, &index.flatten(0)?])?.reshape(shape);
        }
        let x = self.corner(&index.shape(), Some(at))?;
        x.one(Gather { dim: at }, &[&x, index])
    }

    /// This tensor with `source[o,l,i]` added at `[o, index[o,l,i], i]` along `dim`, in the order of `l`: the same bits on
    /// each run. The index may be smaller than the source, of which the rest is left out, and than this but along `dim`.
    ///
    /// An index beyond the dimension adds nothing, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When there is no such dimension, or the index is not `u32` or larger than the source or, but along `dim`, than this.
    pub fn scatter_add(&self, dim: impl Into<Dim>, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = self.dim("scatter_add", dim)?;
        if self.shape().is_empty() {
            return self.reshape([1])?.scatter_add(dim, &index.flatten(0)?, &source.flatten(0)?)?.reshape([]);
        }
        let (shape, of) = (self.shape(), index.shape());
        let size = shape.get(dim).copied().unwrap_or(1);
        let within = |d: usize| of[d] <= source.shape()[d] && (d == dim || of[d] <= shape[d]);
        let ranks = shape.len() == of.len() && of.len() == source.shape().len();
        let expected =
            || format!("an index within a source of {} and {shape} but for dimension {dim}", source.shape());
        Mismatch::check(ranks && (0..of.len()).all(within), expected(), of.to_string())
            .map_err(self.refused("scatter_add"))?;
        let sums = source.corner(&of, None)?.scattered(dim, index, size)?;
        let behind: Vec<i64> = sums
            .shape()
            .iter()
            .zip(&shape[..])
            .rev()
            .flat_map(|(&few, &all)| [0, (all - few) as i64])
            .collect();
        if sums.shape() == shape {
            self.add(&sums)
        } else {
            self.add(&sums.pad(&behind, Pad::Constant(0.0))?)
        }
    }

    /// The elements within these sizes, but along a dimension that stays whole.
    fn corner(&self, sizes: &[usize], whole: Option<usize>) -> Result<Tensor> {
        sizes.iter().enumerate().try_fold(self.clone(), |x, (d, &size)| {
            let larger = x.shape().len() == sizes.len() && x.shape()[d] > size && whole != Some(d);
            if larger { x.narrow(d, 0, size) } else { Ok(x) }
        })
    }

    /// This tensor with `source[o,l,i]` at `[o, index[o,l,i], i]` along `dim`: the last in the order of `l`, where
    /// there are several. Each of these has the whole gradient of the position, as in PyTorch.
    ///
    /// An index beyond the dimension changes nothing, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When there is no such dimension, index and source differ in shape, or differ from this but along `dim`.
    pub fn scatter(&self, dim: impl Into<Dim>, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let dim = self.dim("scatter", dim)?;
        let size = self.shape().get(dim).copied().unwrap_or(1);
        let replaced = source.scatter_set(dim, index, size)?;
        if replaced.shape() != self.shape() {
            let expected = format!("a source of {} but for dimension {dim}", self.shape());
            return Err(self.refused("scatter")(Mismatch::new(expected, source.shape().to_string())));
        }
        let ones = self.graph.scalar_of(source.ty().dtype, 1.0)?.broadcast_to(source.shape())?;
        ones.scatter_set(dim, index, size)?.select(&replaced, self)
    }

    /// The last by index, in zeros.
    pub(super) fn scatter_set(&self, dim: usize, index: &Tensor, size: usize) -> Result<Tensor> {
        self.one(Scatter { dim, size }, &[self, index])
    }

    /// The sums by index alone.
    pub(super) fn scattered(&self, dim: usize, index: &Tensor, size: usize) -> Result<Tensor> {
        self.one(ScatterAdd { dim, size }, &[self, index])
    }

    /// The largest elements along `dim`, which is dropped, and their indices, the first of equals; NaN, if there is one. The
    /// gradient goes to that element alone.
    ///
    /// # Errors
    /// When there is no such dimension.
    #[doc(alias = "max")]
    pub fn max_dim(&self, dim: impl Into<Dim>) -> Result<(Tensor, Tensor)> {
        let dim = dim.into();
        self.chosen("max_dim", dim, self.argmax(dim)?)
    }

    /// The smallest elements along `dim` and their indices, as [`Tensor::max_dim`].
    ///
    /// # Errors
    /// When there is no such dimension.
    #[doc(alias = "min")]
    pub fn min_dim(&self, dim: impl Into<Dim>) -> Result<(Tensor, Tensor)> {
        let dim = dim.into();
        self.chosen("min_dim", dim, self.argmin(dim)?)
    }

    fn chosen(&self, op: &str, dim: Dim, index: Tensor) -> Result<(Tensor, Tensor)> {
        let dim = self.dim(op, dim)?;
        let own = if self.shape().is_empty() { self.reshape([1])? } else { self.clone() };
        let values = own.gather(dim, &index.unsqueeze(dim)?)?.squeeze(dim)?;
        Ok((values, index))
    }

    /// The elements along `dim` in order and the indices where they were, equal ones in the order in which they lie: at most
    /// 1024. NaN is larger than all numbers.
    ///
    /// # Errors
    /// When there is no such dimension or it is longer.
    pub fn sort(&self, dim: impl Into<Dim>, descending: bool) -> Result<(Tensor, Tensor)> {
        let dim = self.dim("sort", dim)?;
        self.ordered(dim, descending, None)
    }

    /// The `k` largest elements along `dim`, or with `largest` false the smallest, the best first, and their indices; the
    /// first of equals: of at most 1024. NaN is larger than all numbers.
    ///
    /// # Errors
    /// When there is no such dimension, it is longer, or has fewer than `k` elements.
    pub fn topk(&self, k: usize, dim: impl Into<Dim>, largest: bool) -> Result<(Tensor, Tensor)> {
        let dim = self.dim("topk", dim)?;
        self.ordered(dim, largest, Some(k))
    }

    /// The indices of the elements along `dim` in order, as [`Tensor::sort`] gives them.
    ///
    /// # Errors
    /// As [`Tensor::sort`].
    pub fn argsort(&self, dim: impl Into<Dim>, descending: bool) -> Result<Tensor> {
        let dim = self.dim("argsort", dim)?;
        self.ordered(dim, descending, None).map(|(_, indices)| indices)
    }

    fn ordered(&self, dim: usize, descending: bool, k: Option<usize>) -> Result<(Tensor, Tensor)> {
        let shape = self.shape();
        let k = k.unwrap_or_else(|| shape.get(dim).copied().unwrap_or(1));
        let own = if shape.is_empty() { self.reshape([1])? } else { self.clone() };
        let index = own.one(Argsort { dim, descending, k }, &[&own])?;
        let values = own.gather(dim, &index)?;
        if shape.is_empty() { Ok((values.reshape([])?, index.reshape([])?)) } else { Ok((values, index)) }
    }

    /// For indices `(..)`, `u32`: `(.., num_classes)` with 1 at the index, else 0.
    ///
    /// # Errors
    /// When this is not `u32` or there are no classes.
    pub fn one_hot(&self, num_classes: usize) -> Result<Tensor> {
        let rank = self.shape().len();
        let index = self.unsqueeze(rank)?;
        let ones = self.graph.scalar(1.0)?.broadcast_to(index.shape())?;
        ones.scattered(rank, &index, num_classes)
    }

    /// `value` where `mask`, which is broadcast, is not 0, else this.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn masked_fill(&self, mask: &Tensor, value: f32) -> Result<Tensor> {
        mask.select(&self.graph.scalar_of(self.ty().dtype, value)?, self)
    }
}

impl Differentiate for Gather {
    /// Each element takes the errors of the positions that show it.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("gather")?;
        let rule = || grad.scattered(self.dim, &flow.inputs[1], flow.inputs[0].shape()[self.dim]);
        Ok(vec![flow.wants(0, rule)?, None])
    }
}

impl Differentiate for Scatter {
    /// The look-up, as in PyTorch: also for an element that another one has replaced.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("scatter")?;
        Ok(vec![flow.wants(0, || grad.gather(self.dim, &flow.inputs[1]))?, None])
    }
}

impl Differentiate for ScatterAdd {
    /// The map is linear: its derivative is the look-up.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("scatter_add")?;
        Ok(vec![flow.wants(0, || grad.gather(self.dim, &flow.inputs[1]))?, None])
    }
}
