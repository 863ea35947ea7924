//! Layers of one function: activations with PyTorch's names and defaults, softmax and its relatives, PReLU.

use super::Module;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{Elementwise, Init};

/// Layers without numbers.
macro_rules! plain {
    ($($layer:ident: $function:ident;)*) => {
        $(#[doc = concat!("The layer of [`Tensor::", stringify!($function), "`].")]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $layer;

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.elementwise(Elementwise::$function(), &[])
            }
        })*
    };
}

plain! {
    ReLU: relu;
    ReLU6: relu6;
    SELU: selu;
    SiLU: silu;
    Mish: mish;
    Softsign: softsign;
    Sigmoid: sigmoid;
    LogSigmoid: log_sigmoid;
    Hardsigmoid: hardsigmoid;
    Hardswish: hardswish;
    Tanh: tanh;
    Tanhshrink: tanhshrink;
}

/// Layers with numbers that have defaults.
macro_rules! with_numbers {
    ($($(#[$doc:meta])* $layer:ident: $function:ident($($p:ident = $default:expr),*);)*) => {
        $(#[doc = concat!("The layer of [`Tensor::", stringify!($function), "`].")]
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $layer {
            $($p: f32,)*
        }

        impl Default for $layer {
            fn default() -> Self {
                Self { $($p: $default,)* }
            }
        }

        impl $layer {
            /// With PyTorch's defaults.
            pub fn new() -> Self {
                Self::default()
            }

            $(#[doc = concat!("Sets `", stringify!($p), "`; ", stringify!($default), ".")]
            #[must_use]
            #[allow(clippy::needless_update, reason = "some have one parameter")]
            pub fn $p(self, $p: f32) -> Self {
                Self { $p, ..self }
            })*
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.elementwise(Elementwise::$function($(self.$p),*), &[])
            }
        })*
    };
}

with_numbers! {
    LeakyReLU: leaky_relu(negative_slope = 0.01);
    ///
    /// As PyTorch's in evaluation, in training too: PyTorch draws slopes there.
    RReLU: rrelu(lower = 0.125, upper = 1.0 / 3.0);
    ELU: elu(alpha = 1.0);
    CELU: celu(alpha = 1.0);
    Softplus: softplus(beta = 1.0, threshold = 20.0);
    Hardtanh: hardtanh(min_val = -1.0, max_val = 1.0);
    Hardshrink: hardshrink(lambd = 0.5);
    Softshrink: softshrink(lambd = 0.5);
}

/// The layer of [`Tensor::threshold`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    threshold: f32,
    value: f32,
}

impl Threshold {
    /// `value` up to `threshold`.
    pub fn new(threshold: f32, value: f32) -> Self {
        Self { threshold, value }
    }
}

impl Module for Threshold {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.threshold(self.threshold, self.value)
    }
}

/// The layer of [`Tensor::gelu`], or of [`Tensor::gelu_tanh`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GELU {
    tanh: bool,
}

impl GELU {
    /// Through the error function.
    pub fn new() -> Self {
        Self::default()
    }

    /// Through tanh: PyTorch's `approximate='tanh'`.
    pub fn tanh() -> Self {
        Self { tanh: true }
    }
}

impl Module for GELU {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        if self.tanh { input.gelu_tanh() } else { input.gelu() }
    }
}

/// Layers along a dimension.
macro_rules! along {
    ($($layer:ident: $function:ident;)*) => {
        $(#[doc = concat!("The layer of [`Tensor::", stringify!($function), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $layer {
            dim: i64,
        }

        impl $layer {
            /// Along `dim`, from the last where it is negative.
            pub fn new(dim: i64) -> Self {
                Self { dim }
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$function(self.dim)
            }
        })*
    };
}

along! {
    Softmax: softmax;
    Softmin: softmin;
    LogSoftmax: log_softmax;
    GLU: glu;
}

impl Default for GLU {
    /// Along the last dimension.
    fn default() -> Self {
        Self::new(-1)
    }
}

/// `x` where `x > 0`, else `weight * x` (He and others, 2015): one weight, or one for each channel of `(N, C, ..)`.
///
/// Parameter `weight (num_parameters)`, 1/4 at first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PReLU {
    num_parameters: usize,
    init: f32,
}

impl Default for PReLU {
    /// One weight.
    fn default() -> Self {
        Self::new(1)
    }
}

impl PReLU {
    /// One weight, or as many as there are channels.
    pub fn new(num_parameters: usize) -> Self {
        Self { num_parameters, init: 0.25 }
    }

    /// Sets what the weights begin with.
    #[must_use]
    pub fn init(self, init: f32) -> Self {
        Self { init, ..self }
    }
}

impl Module for PReLU {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let (graph, shape) = (input.graph(), input.shape());
        let channels = shape.get(1).copied().unwrap_or(1);
        let fits = [1, channels].contains(&self.num_parameters);
        let mismatch = Mismatch::check(
            fits,
            format!("an input of {} channels", self.num_parameters),
            format!("shape {shape}"),
        );
        mismatch.map_err(|m| Error::op("PReLU", &graph.label(), m))?;
        let weight = graph.parameter(
            &graph.scoped_name("weight"),
            [self.num_parameters],
            Init::Constant(self.init),
        )?;
        if self.num_parameters == 1 {
            return input.prelu(weight.reshape([])?);
        }
        let mut wide = vec![1; shape.len() - 1];
        wide.iter_mut().take(1).for_each(|size| *size = channels);
        input.prelu(weight.reshape(wide)?)
    }
}
