//! Other shapes of the same elements, and elements repeated.

use super::{Differentiate, elementwise::unbroadcast};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{BroadcastTo, Reshape};
use crate::shape::Shape;

impl Tensor {
    /// The same elements under another shape.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.one(Reshape { shape: shape.into() }, &[self])
    }

    /// All dimensions from `start_dim` on as one; `flatten(1)` keeps the batch.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn flatten(&self, start_dim: usize) -> Result<Tensor> {
        flatten(self, start_dim)
    }

    /// Repeats the elements along stretched and new leading dimensions.
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

fn flatten(x: &Tensor, start_dim: usize) -> Result<Tensor> {
    let shape = x.shape();
    if start_dim >= shape.len() {
        let mismatch =
            Mismatch::new(format!("start_dim below the rank {}", shape.len()), start_dim.to_string());
        return Err(Error::op("flatten", &x.graph().scoped_name(""), mismatch));
    }
    let mut dims = shape[..start_dim].to_vec();
    dims.push(shape[start_dim..].iter().product());
    x.reshape(dims)
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
