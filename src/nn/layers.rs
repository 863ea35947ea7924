//! The layers.

use super::Module;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{Elementwise, Init};
use crate::random::Rng;
use crate::shape::Shape;

/// How a weight is initialised, from its shape.
pub(super) type WeightInit = fn(&Shape) -> Init;

/// A linear layer: `(.., in_features)` to `(.., out_features)`.
///
/// Parameters `weight (out_features, in_features)` and `bias (out_features)`, initialised as PyTorch does.
#[derive(Debug, Clone)]
pub struct Linear {
    in_features: usize,
    out_features: usize,
    bias: bool,
    init: WeightInit,
    bias_init: WeightInit,
}

impl Linear {
    /// With bias.
    pub fn new(in_features: usize, out_features: usize) -> Self {
        let (init, bias_init) = (Init::torch_weight as WeightInit, Init::torch_bias as WeightInit);
        Self { in_features, out_features, bias: true, init, bias_init }
    }

    /// Sets whether there is a bias.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Sets how the weight begins.
    #[must_use]
    pub fn init(self, init: WeightInit) -> Self {
        Self { init, ..self }
    }

    /// Sets how the bias begins, from the shape of the weight.
    #[must_use]
    pub fn bias_init(self, bias_init: WeightInit) -> Self {
        Self { bias_init, ..self }
    }
}

impl Module for Linear {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = Shape::from([self.out_features, self.in_features]);
        let bias = self.bias.then_some(self.out_features);
        let (weight, bias) = weight_and_bias(input, &shape, bias, [self.init, self.bias_init])?;
        input.linear(&weight, bias.as_ref())
    }
}

/// The parameter `weight` of a shape, and `bias` of so many numbers where it is wanted.
pub(super) fn weight_and_bias(
    input: &Tensor,
    shape: &Shape,
    bias: Option<usize>,
    [init, bias_init]: [WeightInit; 2],
) -> Result<(Tensor, Option<Tensor>)> {
    let graph = input.graph();
    let weight = graph.parameter(&graph.scoped_name("weight"), shape.clone(), init(shape))?;
    let of = |numbers: usize| graph.parameter(&graph.scoped_name("bias"), [numbers], bias_init(shape));
    Ok((weight, bias.map(of).transpose()?))
}

/// An activation: `Activation(Elementwise::relu())`.
#[derive(Debug, Clone)]
pub struct Activation(pub Elementwise);

impl Module for Activation {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.elementwise(self.0, &[])
    }
}

/// All dimensions but the batch as one.
#[derive(Debug, Clone, Default)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.flatten(1)
    }
}

/// A table of vectors: indices `(..)` to `(.., embedding_dim)`.
///
/// Parameter `weight (num_embeddings, embedding_dim)`, standard normal as PyTorch's.
#[derive(Debug, Clone)]
pub struct Embedding {
    num_embeddings: usize,
    embedding_dim: usize,
    padding_idx: Option<usize>,
}

impl Embedding {
    /// A row for each of `num_embeddings` indices.
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Self {
        Self { num_embeddings, embedding_dim, padding_idx: None }
    }

    /// Sets a row that is 0 at first and takes no gradient.
    #[must_use]
    pub fn padding_idx(self, padding_idx: impl Into<Option<usize>>) -> Self {
        Self { padding_idx: padding_idx.into(), ..self }
    }
}

impl Module for Embedding {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph();
        let table = |init| {
            graph.parameter(&graph.scoped_name("weight"), [self.num_embeddings, self.embedding_dim], init)
        };
        match self.padding_idx {
            Some(padding_idx) => {
                table(Init::PaddedNormal { padding_idx })?.embedding_padded(input, padding_idx)
            }
            None => table(Init::Normal { mean: 0.0, std: 1.0 })?.embedding(input),
        }
    }
}

/// In training, zeros with probability `p`, drawn anew each run; in an evaluation graph
/// ([`Graph::set_training`](crate::Graph::set_training)) the input itself.
#[derive(Debug, Clone)]
pub struct Dropout {
    p: f32,
}

impl Dropout {
    /// PyTorch's default `p` is 0.5.
    pub fn new(p: f32) -> Self {
        Self { p }
    }
}

impl Module for Dropout {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        // The stream is the layer's name, so that layers draw apart.
        let seed = Rng::named(0, &input.graph().scoped_name("dropout")).next_u64() as u32;
        input.dropout(self.p, seed)
    }
}
