//! Dropout: linear, and its own adjoint.

use super::Differentiate;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::Dropout;

impl Tensor {
    /// In training, zero with probability `p`, else `x / (1 - p)`, drawn anew each run from the stream `seed`;
    /// in an evaluation graph the tensor itself.
    ///
    /// # Errors
    /// When `p` is not from 0 to below 1.
    pub fn dropout(&self, p: f32, seed: u32) -> Result<Tensor> {
        build(self, p, seed)
    }
}

fn apply(x: &Tensor, counter: &Tensor, options: Dropout) -> Result<Tensor> {
    x.one(options, &[x, counter])
}

/// In an evaluation graph the input itself.
fn build(x: &Tensor, p: f32, seed: u32) -> Result<Tensor> {
    let graph = x.graph();
    if !(0.0..1.0).contains(&p) {
        let mismatch = Mismatch::new("p from 0 to below 1", p.to_string());
        return Err(Error::op("dropout", &graph.label(), mismatch));
    }
    if p == 0.0 || !graph.is_training() {
        return Ok(x.clone());
    }
    apply(x, &graph.random_counter()?, Dropout { p, seed })
}

impl Differentiate for Dropout {
    /// The map is linear and its own adjoint: the error through the same dropout.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("dropout")?;
        Ok(vec![flow.wants(0, || apply(grad, &flow.inputs[1], *self))?, None])
    }
}
