//! Weight normalisation of a layer.

use super::Module;
use crate::Dim;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;

/// A layer whose parameter `weight` is `g v / ||v||`, with a length for each position along one of its dimensions, the first
/// unless
/// told otherwise, or one length of all (Salimans and Kingma, 2016): PyTorch's `torch.nn.utils.parametrizations.weight_norm`.
///
/// Parameters `parametrizations.weight.original0`, the lengths `g`, `(out, 1, ..)` for the first dimension and a scalar where
/// there is one, and `parametrizations.weight.original1`, the directions `v`, besides the layer's others. `v` begins as the
/// layer's weight does, `g` as its lengths, so that the weight is the same at first. Where a direction is 0 the weight is NaN,
/// as in PyTorch.
#[derive(Debug, Clone)]
pub struct WeightNorm<L> {
    layer: L,
    dim: Option<Dim>,
}

impl<L> WeightNorm<L> {
    /// A length for each position along the first dimension of the weight.
    pub fn new(layer: L) -> Self {
        Self { layer, dim: Some(Dim::from(0)) }
    }

    /// A length for each position along this dimension of the weight. From the last with negative numbers, -1 too, which
    /// PyTorch takes for no dimension.
    #[must_use]
    pub fn dim(self, dim: impl Into<Dim>) -> Self {
        Self { dim: Some(dim.into()), ..self }
    }

    /// One length of the whole weight: PyTorch's `dim = None`.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { dim: None, ..self }
    }
}

impl<L: Module> Module for WeightNorm<L> {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph();
        let (output, asked) = graph.weight_normed(self.dim, || self.layer.forward(input));
        let output = output?;
        let mismatch = Mismatch::check(asked, "a layer with a parameter 'weight'", "a layer without");
        mismatch.map_err(|m| Error::op("WeightNorm", &graph.label(), m))?;
        Ok(output)
    }
}
