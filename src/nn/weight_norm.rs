//! Weight normalisation of a layer.

use super::Module;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;

/// A layer whose parameter `weight` is `g v / ||v||`, with a length for each of its first dimension (Salimans and Kingma,
/// 2016): PyTorch's `torch.nn.utils.parametrizations.weight_norm`.
///
/// Parameters `parametrizations.weight.original0 (out, 1, ..)`, the lengths `g`, and `parametrizations.weight.original1`, the
/// directions `v`, besides the layer's others. `v` begins as the layer's weight does, `g` as its rows' lengths, so that the
/// weight is the same at first. Where a row of `v` is 0 the weight is NaN, as in PyTorch.
#[derive(Debug, Clone)]
pub struct WeightNorm<L>(pub L);

impl<L: Module> Module for WeightNorm<L> {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph();
        let (output, asked) = graph.weight_normed(|| self.0.forward(input));
        let output = output?;
        let mismatch = Mismatch::check(asked, "a layer with a parameter 'weight'", "a layer without");
        mismatch.map_err(|m| Error::op("WeightNorm", &graph.label(), m))?;
        Ok(output)
    }
}
