//! Normalisation layers.

use super::Module;
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{RunningStatistics, Tensor};
use crate::ops::{Init, Role};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// What batch and instance norm have in common: channels, and what is kept of them.
#[derive(Debug, Clone)]
struct Channels {
    num_features: usize,
    eps: f32,
    momentum: Option<f32>,
    affine: bool,
    track_running_stats: bool,
}

impl Channels {
    fn new(num_features: usize, affine: bool, track_running_stats: bool) -> Self {
        Self { num_features, eps: 1e-5, momentum: Some(0.1), affine, track_running_stats }
    }

    /// Refuses an input of other channels, or of a rank that `ranks` does not list.
    fn check(&self, input: &Tensor, layer: &str, ranks: &[usize], expected: &str) -> Result<()> {
        let shape = input.shape();
        let fits = ranks.contains(&shape.len()) && shape[1] == self.num_features;
        let expected = || format!("an input {expected} of C = {} channels", self.num_features);
        let mismatch = Mismatch::check(fits, expected(), format!("shape {shape}"));
        mismatch.map_err(|m| Error::op(layer, &input.graph().label(), m))
    }

    fn parameters(&self, input: &Tensor) -> Result<[Option<Tensor>; 2]> {
        weight_and_bias(input, &[self.num_features], [self.affine, self.affine])
    }

    /// The running mean and variance and the count of batches, in this order.
    fn buffers(&self, input: &Tensor) -> Result<[Tensor; 3]> {
        let graph = input.graph();
        let state =
            |name: &str, ty: TensorType, init| graph.state(&graph.scoped_name(name), ty, init, Role::Buffer);
        let of_channels = || TensorType::f32([self.num_features]);
        let count = TensorType { shape: Shape::from([]), dtype: DType::U32 };
        Ok([
            state("running_mean", of_channels(), Init::Zeros)?,
            state("running_var", of_channels(), Init::Constant(1.0))?,
            state("num_batches_tracked", count, Init::Zeros)?,
        ])
    }

    fn batch_norm(&self, input: &Tensor) -> Result<Tensor> {
        let [weight, bias] = self.parameters(input)?;
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        if !self.track_running_stats {
            return input.batch_norm(weight, bias, self.eps);
        }
        let [mean, var, count] = &self.buffers(input)?;
        if !input.graph().is_training() {
            return input.batch_norm_given(mean, var, weight, bias, self.eps);
        }
        let running = RunningStatistics { mean, var, num_batches_tracked: count };
        input.batch_norm_tracked(running, self.momentum, weight, bias, self.eps)
    }

    fn instance_norm(&self, input: &Tensor) -> Result<Tensor> {
        let [weight, bias] = self.parameters(input)?;
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        if !self.track_running_stats {
            return input.instance_norm(weight, bias, self.eps);
        }
        // As in PyTorch, the count of batches is kept and never grows.
        let [mean, var, _] = &self.buffers(input)?;
        if !input.graph().is_training() {
            return input.batch_norm_given(mean, var, weight, bias, self.eps);
        }
        let momentum = self.momentum.unwrap_or(0.0);
        input.instance_norm_tracked([mean, var], momentum, weight, bias, self.eps)
    }
}

/// Parameters `weight`, ones at first, and `bias`, zeros, where they are wanted.
fn weight_and_bias(input: &Tensor, shape: &[usize], wanted: [bool; 2]) -> Result<[Option<Tensor>; 2]> {
    let graph = input.graph();
    let parameter = |name: &str, wanted: bool, init| {
        wanted.then(|| graph.parameter(&graph.scoped_name(name), shape, init)).transpose()
    };
    Ok([parameter("weight", wanted[0], Init::Constant(1.0))?, parameter("bias", wanted[1], Init::Zeros)?])
}

macro_rules! of_channels {
    ($($(#[$doc:meta])* $layer:ident: $norm:ident, $tracked:literal, $ranks:expr, $inputs:literal;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer(Channels);

        impl $layer {
            /// With PyTorch's defaults.
            pub fn new(num_features: usize) -> Self {
                Self(Channels::new(num_features, $tracked, $tracked))
            }

            /// Sets what is added to the variance; 1e-5.
            #[must_use]
            pub fn eps(self, eps: f32) -> Self {
                Self(Channels { eps, ..self.0 })
            }

            /// Sets the fraction of the newest statistics in the running ones; 0.1.
            #[must_use]
            pub fn momentum(self, momentum: impl Into<Option<f32>>) -> Self {
                Self(Channels { momentum: momentum.into(), ..self.0 })
            }

            /// Sets whether there are `weight` and `bias`.
            #[must_use]
            pub fn affine(self, affine: bool) -> Self {
                Self(Channels { affine, ..self.0 })
            }

            /// Sets whether running statistics are kept for evaluation.
            #[must_use]
            pub fn track_running_stats(self, track_running_stats: bool) -> Self {
                Self(Channels { track_running_stats, ..self.0 })
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                self.0.check(input, stringify!($layer), &$ranks, $inputs)?;
                self.0.$norm(input)
            }
        })*
    };
}

of_channels! {
    /// Batch norm of `(N, C)` or `(N, C, L)`: see [`BatchNorm2d`].
    BatchNorm1d: batch_norm, true, [2, 3], "(N, C) or (N, C, L)";

    /// Batch norm of `(N, C, H, W)`: by the mean and variance of each channel in training, by running ones in an evaluation
    /// graph ([`Graph::set_training`](crate::Graph::set_training)).
    ///
    /// Parameters `weight` and `bias (C)`, ones and zeros at first; buffers `running_mean` and `running_var (C)`, zeros and
    /// ones, and `num_batches_tracked`. At the end of each training run `running = (1 - momentum) running + momentum new`, of
    /// the variance divided by the count less 1; with momentum `None` they are averages over all batches. Without running
    /// statistics evaluation is as training. A layer that runs twice in a graph cannot keep any.
    BatchNorm2d: batch_norm, true, [4], "(N, C, H, W)";

    /// Instance norm of `(N, C, L)`: see [`InstanceNorm2d`].
    InstanceNorm1d: instance_norm, false, [3], "(N, C, L)";

    /// Instance norm of `(N, C, H, W)`: by the mean and variance of each channel of each sample.
    ///
    /// By default without parameters and buffers, which are else those of [`BatchNorm2d`]; running statistics follow the means
    /// over the samples, with momentum `None` not at all, and are what an evaluation graph uses.
    InstanceNorm2d: instance_norm, false, [4], "(N, C, H, W)";
}

/// Group norm of `(N, C, ..)`: by the mean and variance of each run of `C / num_groups` channels of each sample.
///
/// Parameters `weight` and `bias (C)`, ones and zeros at first.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    num_groups: usize,
    num_channels: usize,
    eps: f32,
    affine: bool,
}

impl GroupNorm {
    /// With eps 1e-5, weight and bias.
    pub fn new(num_groups: usize, num_channels: usize) -> Self {
        Self { num_groups, num_channels, eps: 1e-5, affine: true }
    }

    /// Sets what is added to the variance.
    #[must_use]
    pub fn eps(self, eps: f32) -> Self {
        Self { eps, ..self }
    }

    /// Sets whether there are `weight` and `bias`.
    #[must_use]
    pub fn affine(self, affine: bool) -> Self {
        Self { affine, ..self }
    }
}

impl Module for GroupNorm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let fits = shape.len() >= 2 && shape[1] == self.num_channels;
        let expected = || format!("an input (N, C, ..) of C = {} channels", self.num_channels);
        Mismatch::check(fits, expected(), format!("shape {shape}"))
            .map_err(|m| Error::op("GroupNorm", &input.graph().label(), m))?;
        let [weight, bias] = weight_and_bias(input, &[self.num_channels], [self.affine, self.affine])?;
        input.group_norm(self.num_groups, weight.as_ref(), bias.as_ref(), self.eps)
    }
}

/// Layer norm: by mean and variance over the last dimensions, which are `normalized_shape`.
///
/// Parameters `weight` and `bias` of that shape, ones and zeros at first.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    normalized_shape: Vec<usize>,
    eps: f32,
    elementwise_affine: bool,
    bias: bool,
}

impl LayerNorm {
    /// With eps 1e-5, weight and bias.
    pub fn new(normalized_shape: impl Into<Shape>) -> Self {
        let normalized_shape = normalized_shape.into().to_vec();
        Self { normalized_shape, eps: 1e-5, elementwise_affine: true, bias: true }
    }

    /// Sets what is added to the variance.
    #[must_use]
    pub fn eps(self, eps: f32) -> Self {
        Self { eps, ..self }
    }

    /// Sets whether there are parameters.
    #[must_use]
    pub fn elementwise_affine(self, elementwise_affine: bool) -> Self {
        Self { elementwise_affine, ..self }
    }

    /// Sets whether there is a bias among the parameters.
    #[must_use]
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }
}

impl Module for LayerNorm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let wanted = [self.elementwise_affine, self.elementwise_affine && self.bias];
        let [weight, bias] = weight_and_bias(input, &self.normalized_shape, wanted)?;
        input.layer_norm(&self.normalized_shape, weight.as_ref(), bias.as_ref(), self.eps)
    }
}

/// RMS norm: divided by the root of the mean square over the last dimensions, which are `normalized_shape`.
///
/// Parameter `weight` of that shape, ones at first.
#[derive(Debug, Clone)]
pub struct RMSNorm {
    normalized_shape: Vec<usize>,
    eps: f32,
    elementwise_affine: bool,
}

impl RMSNorm {
    /// With a weight; what is added to the mean square is the distance of 1 to the next f32, as PyTorch's `eps=None` has it.
    pub fn new(normalized_shape: impl Into<Shape>) -> Self {
        let normalized_shape = normalized_shape.into().to_vec();
        Self { normalized_shape, eps: f32::EPSILON, elementwise_affine: true }
    }

    /// Sets what is added to the mean square.
    #[must_use]
    pub fn eps(self, eps: f32) -> Self {
        Self { eps, ..self }
    }

    /// Sets whether there is a weight.
    #[must_use]
    pub fn elementwise_affine(self, elementwise_affine: bool) -> Self {
        Self { elementwise_affine, ..self }
    }
}

impl Module for RMSNorm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let [weight, _] = weight_and_bias(input, &self.normalized_shape, [self.elementwise_affine, false])?;
        input.rms_norm(&self.normalized_shape, weight.as_ref(), self.eps)
    }
}

/// Local response norm of `(N, C, ..)`: see [`Tensor::local_response_norm`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm {
    size: usize,
    alpha: f32,
    beta: f32,
    k: f32,
}

impl LocalResponseNorm {
    /// Over `size` channels, with alpha 1e-4, beta 0.75 and k 1.
    pub fn new(size: usize) -> Self {
        Self { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }

    /// Sets the factor of the mean square.
    #[must_use]
    pub fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// Sets the exponent.
    #[must_use]
    pub fn beta(self, beta: f32) -> Self {
        Self { beta, ..self }
    }

    /// Sets what is added.
    #[must_use]
    pub fn k(self, k: f32) -> Self {
        Self { k, ..self }
    }
}

impl Module for LocalResponseNorm {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.local_response_norm(self.size, self.alpha, self.beta, self.k)
    }
}
