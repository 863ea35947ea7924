//! dropout: `output = input / (1 - p)` where a random bit says so, else 0.
//!
//! The random numbers are Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
//! numbers: as easy as 1, 2, 3", 2011) of the element's number and a counter on the device under the key
//! `(seed, 0)`: the same bits on every backend, a new draw each run, and the backward pass draws again what
//! the forward pass drew instead of saving a mask.

use super::{Rule, count, elements, f32s, same};
use crate::error::Mismatch;
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a dropout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The fraction of elements that become 0, from 0 to below 1; PyTorch's default is 0.5.
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

impl Rule for Dropout {
    const NAME: &'static str = "dropout";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let p = self.p;
        Mismatch::check((0.0..1.0).contains(&p), "p from 0 to below 1", p.to_string())?;
        let [input, counter] = count(inputs)?;
        f32s::<1>(&[input])?;
        same("counter", &TensorType::u32([]), counter)?;
        Ok(vec![input.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }
}
