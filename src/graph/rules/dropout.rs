//! Dropout: linear, and its own adjoint.

use super::Differentiate;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::Dropout;

/// What is dropped together, and what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Single elements, for 0.
    Elements,
    /// Whole channels of `(N, C, ..)`, for 0.
    Channels,
    /// Single elements, for selu's limit.
    Alpha,
    /// Whole channels, for selu's limit.
    AlphaChannels,
}

/// Minus selu's limit for small numbers, `scale * alpha`.
const ALPHA: f64 = 1.758_099_340_847_376_6;

impl Tensor {
    /// In training, zero with probability `p`, else `x / (1 - p)`, drawn anew each run from the stream `seed`;
    /// in an evaluation graph the tensor itself.
    ///
    /// # Errors
    /// When `p` is not from 0 to 1.
    pub fn dropout(&self, p: f32, seed: u32) -> Result<Tensor> {
        self.drop_out("dropout", Dropped::Elements, p, seed)
    }

    /// [`Tensor::dropout`] of whole channels of `(N, C, L)` or `(C, L)`.
    ///
    /// # Errors
    /// When `p` is not from 0 to 1, or there are other dimensions.
    pub fn dropout1d(&self, p: f32, seed: u32) -> Result<Tensor> {
        match self.shape()[..] {
            [_, _] => self.unsqueeze(0)?.drop_out("dropout1d", Dropped::Channels, p, seed)?.squeeze(0),
            [_, _, _] => self.drop_out("dropout1d", Dropped::Channels, p, seed),
            _ => {
                Err(self.refused("dropout1d")(Mismatch::new("(N, C, L) or (C, L)", self.shape().to_string())))
            }
        }
    }

    /// [`Tensor::dropout`] of whole channels of `(N, C, H, W)` or, as PyTorch has it, `(N, C, L)`.
    ///
    /// # Errors
    /// When `p` is not from 0 to 1, or there are other dimensions.
    pub fn dropout2d(&self, p: f32, seed: u32) -> Result<Tensor> {
        let (fits, got) = ([3, 4].contains(&self.shape().len()), self.shape().to_string());
        Mismatch::check(fits, "(N, C, H, W) or (N, C, L)", got).map_err(self.refused("dropout2d"))?;
        self.drop_out("dropout2d", Dropped::Channels, p, seed)
    }

    /// Dropout that keeps mean and variance of what [`Tensor::selu`] gives: in training, an element becomes selu's limit
    /// `-1.7581` with probability `p`, then all are scaled and moved (Klambauer and others, 2017).
    ///
    /// # Errors
    /// When `p` is not from 0 to 1.
    pub fn alpha_dropout(&self, p: f32, seed: u32) -> Result<Tensor> {
        self.drop_out("alpha_dropout", Dropped::Alpha, p, seed)
    }

    /// [`Tensor::alpha_dropout`] of whole channels of `(N, C, ..)`.
    ///
    /// # Errors
    /// When `p` is not from 0 to 1, or there are no channels.
    pub fn feature_alpha_dropout(&self, p: f32, seed: u32) -> Result<Tensor> {
        let (fits, got) = (self.shape().len() >= 2, self.shape().to_string());
        Mismatch::check(fits, "(N, C, ..)", got).map_err(self.refused("feature_alpha_dropout"))?;
        self.drop_out("feature_alpha_dropout", Dropped::AlphaChannels, p, seed)
    }

    /// In an evaluation graph the input itself.
    fn drop_out(&self, op: &str, what: Dropped, p: f32, seed: u32) -> Result<Tensor> {
        Mismatch::check((0.0..=1.0).contains(&p), "p from 0 to 1", p.to_string())
            .map_err(self.refused(op))?;
        if p == 0.0 || !self.graph.is_training() {
            return Ok(self.clone());
        }
        if p == 1.0 {
            return self.scale(0.0);
        }
        self.dropped(what, Dropout { p, seed }, &self.graph.random_counter()?)
    }

    /// What is left, drawn by this counter.
    pub(crate) fn dropped(&self, what: Dropped, options: Dropout, counter: &Tensor) -> Result<Tensor> {
        let mut shape = self.shape().to_vec();
        match what {
            Dropped::Elements => return apply(self, counter, options),
            Dropped::Channels | Dropped::AlphaChannels => shape.iter_mut().skip(2).for_each(|size| *size = 1),
            Dropped::Alpha => {}
        }
        let kept = apply(&self.graph.ones(shape)?, counter, options)?;
        if what == Dropped::Channels {
            return self.mul(&kept);
        }
        let p = f64::from(options.p);
        let a = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
        let moved = self.scale(a as f32)?.add(ALPHA * a * p)?;
        kept.select(moved, ALPHA * a * (p - 1.0))
    }
}

fn apply(x: &Tensor, counter: &Tensor, options: Dropout) -> Result<Tensor> {
    x.one(options, &[x, counter])
}

impl Differentiate for Dropout {
    /// The map is linear and its own adjoint: the error through the same dropout.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("dropout")?;
        Ok(vec![flow.wants(0, || apply(grad, &flow.inputs[1], *self))?, None])
    }
}
