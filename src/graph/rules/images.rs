//! Lines and images with and without a batch, as the ops of images take them.

use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::Op;

/// A tensor as a batch of images `(N, C, H, W)`; lines are images of one row.
pub(super) struct Images {
    pub(super) tensor: Tensor,
    /// Whether there was a batch.
    batched: bool,
    /// Dimensions behind the channels: 1 or 2.
    spatial: usize,
}

impl Images {
    /// `(N, C, L)` or `(C, L)` for one dimension behind the channels, `(N, C, H, W)` or `(C, H, W)` for two.
    pub(super) fn new(x: &Tensor, op: &str, spatial: usize) -> Result<Self> {
        let rank = x.ranked(op, spatial)?;
        let batched = rank == spatial + 2;
        let image = if batched { x.clone() } else { x.unsqueeze(0)? };
        let tensor = if spatial == 1 { image.unsqueeze(2)? } else { image };
        Ok(Self { tensor, batched, spatial })
    }

    /// Refuses by the name that was called what an op does not take.
    pub(super) fn check(&self, op: &str, of: impl Into<Op>) -> Result<()> {
        let of: Op = of.into();
        of.infer(&[&self.tensor.ty()]).map(|_| ()).map_err(self.tensor.refused(op))
    }

    /// What an op of two outputs makes of them.
    pub(super) fn two(&self, of: impl Into<Op>) -> Result<(Tensor, Tensor)> {
        let mut outputs = self.tensor.graph.apply(of, &[&self.tensor])?;
        let second = outputs.remove(1);
        Ok((self.back(&outputs.remove(0))?, self.back(&second)?))
    }

    /// Images `(N, K, OH, OW)` with the dimensions that the tensor had.
    pub(super) fn back(&self, images: &Tensor) -> Result<Tensor> {
        let lines = if self.spatial == 1 { images.squeeze(2)? } else { images.clone() };
        if self.batched { Ok(lines) } else { lines.squeeze(0) }
    }
}

impl Tensor {
    /// That there are so many dimensions behind the channels, with or without a batch. Gives all.
    pub(super) fn ranked(&self, op: &str, spatial: usize) -> Result<usize> {
        let rank = self.shape().len();
        let fits = [spatial + 1, spatial + 2].contains(&rank);
        let expected = format!("{} or {} dimensions", spatial + 1, spatial + 2);
        Mismatch::check(fits, expected, rank.to_string()).map_err(self.refused(op))?;
        Ok(rank)
    }
}
