//! The same elements at other positions: the error goes back where they came from.

use super::Differentiate;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{Concat, Narrow, NarrowBackward, Permute, Split};
use crate::{Dim, Dims};

impl Tensor {
    /// Tensors one after the other along `dim`.
    ///
    /// # Errors
    /// When there are none or they differ in another dimension.
    #[doc(alias = "cat")]
    pub fn concat(tensors: &[&Tensor], dim: impl Into<Dim>) -> Result<Tensor> {
        match tensors {
            [] => Err(Error::op("concat", "", Mismatch::new("at least one tensor", "none"))),
            [first, others @ ..] => {
                let dim = first.dim("concat", dim)?;
                if others.is_empty() { Ok((*first).clone()) } else { first.one(Concat { dim }, tensors) }
            }
        }
    }

    /// Tensors of one shape side by side along a new dimension `dim` of the result.
    ///
    /// # Errors
    /// When there are none, their shapes differ, or the result has no such dimension.
    pub fn stack(tensors: &[Tensor], dim: impl Into<Dim>) -> Result<Tensor> {
        let Some(first) = tensors.first() else {
            return Err(Error::op("stack", "", Mismatch::new("at least one tensor", "none")));
        };
        let dim = dim.into().of(first.shape().len() + 1).map_err(first.refused("stack"))?;
        let wide = |t: &Tensor| {
            let shape = t.shape();
            let same = shape == first.shape();
            let mismatch = || Mismatch::new(format!("tensors of shape {}", first.shape()), shape.to_string());
            if same { t.unsqueeze(dim) } else { Err(t.refused("stack")(mismatch())) }
        };
        let wide = tensors.iter().map(wide).collect::<Result<Vec<_>>>()?;
        Tensor::concat(&wide.iter().collect::<Vec<_>>(), dim)
    }

    /// Slices of these sizes along `dim`.
    ///
    /// # Errors
    /// When the sizes do not add up to the dimension.
    pub fn split(&self, dim: impl Into<Dim>, sizes: &[usize]) -> Result<Vec<Tensor>> {
        let dim = self.dim("split", dim)?;
        self.graph.apply(Split { dim, sizes: sizes.to_vec() }, &[self])
    }

    /// The slices along `dim`, which is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn unbind(&self, dim: impl Into<Dim>) -> Result<Vec<Tensor>> {
        let dim = self.dim("unbind", dim)?;
        let shape = self.shape();
        let [_, length, _] = shape.axis(dim).map_err(self.refused("unbind"))?;
        self.split(dim, &vec![1; length])?.iter().map(|part| part.squeeze(dim)).collect()
    }

    /// `length` positions along `dim`, from `start` on.
    ///
    /// # Errors
    /// When the range is empty or leaves the dimension.
    pub fn narrow(&self, dim: impl Into<Dim>, start: usize, length: usize) -> Result<Tensor> {
        let dim = self.dim("narrow", dim)?;
        self.one(Narrow { dim, start, length }, &[self])
    }

    /// The dimensions in another order: dimension `i` of the result is `dims[i]` of this.
    ///
    /// # Errors
    /// When `dims` is no permutation of the dimensions.
    pub fn permute<D: Into<Dim> + Copy>(&self, dims: &[D]) -> Result<Tensor> {
        let dims = dims.iter().map(|&dim| self.dim("permute", dim)).collect::<Result<_>>()?;
        self.one(Permute { dims }, &[self])
    }

    /// Two dimensions exchanged.
    ///
    /// # Errors
    /// When one does not exist.
    pub fn transpose(&self, a: impl Into<Dim>, b: impl Into<Dim>) -> Result<Tensor> {
        let (a, b) = (self.dim("transpose", a)?, self.dim("transpose", b)?);
        let mut dims: Vec<usize> = (0..self.shape().len()).collect();
        if a != b {
            dims.swap(a, b);
        }
        self.permute(&dims)
    }

    /// Dimension `source` moved to position `destination`, or several, each to the position of the same number; the others keep
    /// their order: `x.movedim(1, -1)`, `x.movedim([0, 1], [2, 0])`.
    ///
    /// # Errors
    /// When one does not exist or is named twice, or there are not as many positions as dimensions.
    #[doc(alias = "moveaxis")]
    pub fn movedim(&self, source: impl Into<Dims>, destination: impl Into<Dims>) -> Result<Tensor> {
        let (op, rank) = ("movedim", self.shape().len());
        let positions = |dims: Dims| dims.in_order(rank).map_err(self.refused(op));
        let (from, to) = (positions(source.into())?, positions(destination.into())?);
        let expected = format!("as many positions as dimensions, {}", from.len());
        Mismatch::check(from.len() == to.len(), expected, to.len().to_string()).map_err(self.refused(op))?;
        let mut others = (0..rank).filter(|d| !from.contains(d));
        let at = |position: usize| to.iter().position(|&p| p == position).and_then(|i| from.get(i)).copied();
        let dims: Vec<usize> =
            (0..rank).filter_map(|position| at(position).or_else(|| others.next())).collect();
        self.permute(&dims)
    }
}

impl Differentiate for Concat {
    /// The error, cut into the inputs' parts.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let sizes: Vec<usize> = flow.inputs.iter().map(|t| t.shape()[self.dim]).collect();
        let parts = flow.grad("concat")?.split(self.dim, &sizes)?;
        Ok(parts.into_iter().map(Some).collect())
    }
}

impl Differentiate for Split {
    /// The errors of the parts, one after the other; zero for a part that the loss does not depend on.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let part = |(grad, output): (&Option<Tensor>, &Tensor)| match grad {
            Some(grad) => Ok(grad.clone()),
            None => output.graph().scalar_of(output.ty().dtype, 0.0)?.broadcast_to(output.shape()),
        };
        let parts: Vec<Tensor> = flow.grads.iter().zip(flow.outputs).map(part).collect::<Result<_>>()?;
        Ok(vec![Some(Tensor::concat(&parts.iter().collect::<Vec<_>>(), self.dim)?)])
    }
}

impl Differentiate for Narrow {
    /// The error where it was taken from, zero elsewhere: the error itself where all was taken.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("narrow")?;
        if grad.shape() == flow.inputs[0].shape() {
            return Ok(vec![Some(grad.clone())]);
        }
        let rule = || {
            let op = NarrowBackward { dim: self.dim, start: self.start, input: flow.inputs[0].shape() };
            grad.one(op, &[grad])
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}

impl Differentiate for NarrowBackward {
    /// The map is linear: its derivative is narrow.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, length) = (flow.grad("narrow_backward")?, flow.inputs[0].shape()[self.dim]);
        Ok(vec![flow.wants(0, || grad.narrow(self.dim, self.start, length))?])
    }
}

impl Differentiate for Permute {
    /// The inverse permutation.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("permute")?;
        let mut inverse = vec![0; self.dims.len()];
        self.dims.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        Ok(vec![flow.wants(0, || grad.permute(&inverse))?])
    }
}
