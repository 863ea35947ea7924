//! The same elements in other places: the error goes back where they came from.

use super::Differentiate;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{Concat, Narrow, NarrowBackward, Permute, Split};

impl Tensor {
    /// Tensors one after the other along `dim`.
    ///
    /// # Errors
    /// When there are none or they differ in another dimension.
    #[doc(alias = "cat")]
    pub fn concat(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
        concat(tensors, dim)
    }

    /// Tensors of one shape side by side along a new dimension `dim`.
    ///
    /// # Errors
    /// When there are none, their shapes differ, or `dim` is above their rank.
    pub fn stack(tensors: &[Tensor], dim: usize) -> Result<Tensor> {
        stack(tensors, dim)
    }

    /// Runs of these sizes along `dim`.
    ///
    /// # Errors
    /// When the sizes do not add up to the dimension.
    pub fn split(&self, dim: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
        self.graph.apply(Split { dim, sizes: sizes.to_vec() }, &[self])
    }

    /// The slices along `dim`, which is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn unbind(&self, dim: usize) -> Result<Vec<Tensor>> {
        unbind(self, dim)
    }

    /// `length` positions along `dim`, from `start` on.
    ///
    /// # Errors
    /// When the range is empty or leaves the dimension.
    #[doc(alias = "slice")]
    pub fn narrow(&self, dim: usize, start: usize, length: usize) -> Result<Tensor> {
        self.one(Narrow { dim, start, length }, &[self])
    }

    /// The dimensions in another order: dimension `i` of the result is `dims[i]` of this.
    ///
    /// # Errors
    /// When `dims` is no permutation of the dimensions.
    pub fn permute(&self, dims: &[usize]) -> Result<Tensor> {
        self.one(Permute { dims: dims.to_vec() }, &[self])
    }

    /// Two dimensions exchanged.
    ///
    /// # Errors
    /// When one does not exist.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Tensor> {
        transpose(self, a, b)
    }
}

fn concat(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
    match tensors {
        [] => Err(Error::op("concat", "", Mismatch::new("at least one tensor", "none"))),
        [one] => Ok((*one).clone()),
        [first, ..] => first.one(Concat { dim }, tensors),
    }
}

fn transpose(x: &Tensor, a: usize, b: usize) -> Result<Tensor> {
    let rank = x.shape().len();
    if a.max(b) >= rank {
        let mismatch = Mismatch::new(format!("dimensions below the rank {rank}"), format!("{a} and {b}"));
        return Err(Error::op("transpose", &x.graph().scoped_name(""), mismatch));
    }
    let mut dims: Vec<usize> = (0..rank).collect();
    dims.swap(a, b);
    x.permute(&dims)
}

/// The slices along `dim`, which is dropped.
fn unbind(x: &Tensor, dim: usize) -> Result<Vec<Tensor>> {
    let shape = x.shape();
    let [_, length, _] = shape.axis(dim).map_err(|m| Error::op("unbind", &x.graph().scoped_name(""), m))?;
    let mut rest = shape.to_vec();
    rest.remove(dim);
    x.split(dim, &vec![1; length])?.iter().map(|part| part.reshape(rest.clone())).collect()
}

/// Tensors of one shape along a new dimension `dim`.
fn stack(tensors: &[Tensor], dim: usize) -> Result<Tensor> {
    let wide = tensors.iter().map(|t| {
        let mut dims = t.shape().to_vec();
        if dim > dims.len() {
            let mismatch = Mismatch::new(format!("a dimension of at most {}", dims.len()), dim.to_string());
            return Err(Error::op("stack", &t.graph().scoped_name(""), mismatch));
        }
        dims.insert(dim, 1);
        t.reshape(dims)
    });
    let wide = wide.collect::<Result<Vec<_>>>()?;
    concat(&wide.iter().collect::<Vec<_>>(), dim)
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
            None => output.graph().scalar(0.0)?.broadcast_to(output.shape()),
        };
        let parts: Vec<Tensor> = flow.grads.iter().zip(flow.outputs).map(part).collect::<Result<_>>()?;
        Ok(vec![Some(Tensor::concat(&parts.iter().collect::<Vec<_>>(), self.dim)?)])
    }
}

impl Differentiate for Narrow {
    /// The error where it was taken from, zero elsewhere.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("narrow")?;
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
