//! The layers.

use super::Module;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{self, Elementwise, Init};
use crate::random::Rng;
use crate::shape::{Padding, Pair, Shape};

/// How a weight is initialised, from its shape.
type WeightInit = fn(&Shape) -> Init;

/// A two-dimensional convolution: `(N, in_channels, H, W)` to `(N, out_channels, OH, OW)`.
///
/// Parameters `weight (out_channels, in_channels / groups, R, S)` and `bias (out_channels)`, initialised as
/// PyTorch does.
#[derive(Debug, Clone)]
pub struct Conv2d {
    in_channels: usize,
    out_channels: usize,
    kernel_size: Pair,
    options: ops::Conv2d,
    bias: bool,
    init: WeightInit,
    bias_init: WeightInit,
}

impl Conv2d {
    /// Stride 1, no padding, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        let options = ops::Conv2d::default();
        let (init, bias_init) = (Init::torch_weight as WeightInit, Init::torch_bias as WeightInit);
        Self { in_channels, out_channels, kernel_size, options, bias: true, init, bias_init }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { options: self.options.stride(stride), ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { options: self.options.padding(padding), ..self }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { options: self.options.dilation(dilation), ..self }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { options: self.options.groups(groups), ..self }
    }

    /// Sets whether there is a bias.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Sets how the weight begins, such as `|shape| Init::kaiming_normal(shape, 0.0)`.
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

impl Module for Conv2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        // Groups of 0 are refused by the op, which names them.
        let in_channels = self.in_channels.checked_div(self.options.groups).unwrap_or(self.in_channels);
        let shape = Shape::from([self.out_channels, in_channels, self.kernel_size.h, self.kernel_size.w]);
        let (weight, bias) = weight_and_bias(input, &shape, self.bias, [self.init, self.bias_init])?;
        input.conv2d(&weight, bias.as_ref(), self.options)
    }
}

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
        let (weight, bias) = weight_and_bias(input, &shape, self.bias, [self.init, self.bias_init])?;
        input.linear(&weight, bias.as_ref())
    }
}

fn weight_and_bias(
    input: &Tensor,
    shape: &Shape,
    with_bias: bool,
    [init, bias_init]: [WeightInit; 2],
) -> Result<(Tensor, Option<Tensor>)> {
    let graph = input.graph();
    let weight = graph.parameter(&graph.scoped_name("weight"), shape.clone(), init(shape))?;
    if !with_bias {
        return Ok((weight, None));
    }
    let bias = graph.parameter(&graph.scoped_name("bias"), [shape[0]], bias_init(shape))?;
    Ok((weight, Some(bias)))
}

/// A max pool; see [`ops::MaxPool2d`].
#[derive(Debug, Clone)]
pub struct MaxPool2d(pub ops::MaxPool2d);

impl MaxPool2d {
    /// A window that steps by its own size.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        Self(ops::MaxPool2d::new(kernel_size))
    }
}

impl Module for MaxPool2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.max_pool2d(self.0)
    }
}

/// An average pool; see [`ops::AvgPool2d`].
#[derive(Debug, Clone)]
pub struct AvgPool2d(pub ops::AvgPool2d);

impl AvgPool2d {
    /// A window that steps by its own size.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        Self(ops::AvgPool2d::new(kernel_size))
    }
}

impl Module for AvgPool2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.avg_pool2d(self.0)
    }
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
