//! dropout: `output = input / (1 - p)` where a random bit says so, else 0.
//!
//! The random numbers are Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", 2011) of the element's number and a counter on the device under the key
//! `(seed, 0)`: the same bits on every backend, a new draw each run, and the backward pass draws again what
//! the forward pass drew instead of saving a mask.

use super::{Op, count, f32s, same};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a dropout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The share of elements that become 0, from 0 to below 1; PyTorch's default is 0.5.
    pub p: f32,
    /// Which stream of random numbers: two layers want two.
    pub seed: u32,
}

impl Dropout {
    /// An element is dropped where its 32 random bits are below this.
    pub(crate) fn threshold(&self) -> u32 {
        (f64::from(self.p) * 2f64.powi(32)) as u32
    }

    /// What kept elements are multiplied with, so that the mean stays.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (1.0 - self.p)
    }
}

impl fmt::Display for Dropout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p {} seed {}", self.p, self.seed)
    }
}

pub(super) fn infer(options: &Dropout, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let p = options.p;
    Mismatch::check((0.0..1.0).contains(&p), "p from 0 to below 1", p.to_string())?;
    let [input, counter] = count(inputs)?;
    f32s::<1>(&[input])?;
    same("counter", &TensorType::u32([]), counter)?;
    Ok(vec![input.clone()])
}

/// The map is linear and its own adjoint: the error through the same dropout.
pub(super) fn gradient(options: &Dropout, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("dropout")?;
    Ok(vec![flow.wants(0, || apply(grad, &flow.inputs[1], *options))?, None])
}

fn apply(x: &Tensor, counter: &Tensor, options: Dropout) -> Result<Tensor> {
    x.graph().apply(Op::Dropout(options), &[x, counter]).map(|mut out| out.remove(0))
}

/// In an evaluation graph the input itself.
pub(crate) fn build(x: &Tensor, p: f32, seed: u32) -> Result<Tensor> {
    let graph = x.graph();
    if !(0.0..1.0).contains(&p) {
        let mismatch = Mismatch::new("p from 0 to below 1", p.to_string());
        return Err(Error::op("dropout", &graph.scoped_name(""), mismatch));
    }
    if p == 0.0 || !graph.is_training() {
        return Ok(x.clone());
    }
    apply(x, &graph.random_counter()?, Dropout { p, seed })
}
