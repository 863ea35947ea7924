//! Layers that move elements: other shapes, padding, upsampling, sliding blocks.

use super::Module;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{self, Interpolate, InterpolateMode, Pad};
use crate::shape::Pair;

/// The input itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity;

impl Module for Identity {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.clone())
    }
}

/// One dimension as several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unflatten {
    dim: i64,
    sizes: Vec<usize>,
}

impl Unflatten {
    /// Dimension `dim` as these sizes, whose product it is.
    pub fn new(dim: i64, sizes: &[usize]) -> Self {
        Self { dim, sizes: sizes.to_vec() }
    }
}

impl Module for Unflatten {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.unflatten(self.dim, &self.sizes)
    }
}

/// The layer of [`Tensor::interpolate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Upsample(pub Interpolate);

impl Upsample {
    /// `factor` times as large along each dimension behind the channels, by repeated elements.
    pub fn new(factor: f64) -> Self {
        Self(Interpolate::scale_factor(&[factor]))
    }

    /// Sets the mode.
    #[must_use]
    pub fn mode(self, mode: InterpolateMode) -> Self {
        Self(self.0.mode(mode))
    }

    /// Sets whether corners are aligned.
    #[must_use]
    pub fn align_corners(self, align_corners: bool) -> Self {
        Self(self.0.align_corners(align_corners))
    }
}

impl Module for Upsample {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.interpolate(&self.0)
    }
}

macro_rules! shuffles {
    ($($layer:ident: $function:ident, $factor:ident;)*) => {
        $(#[doc = concat!("The layer of [`Tensor::", stringify!($function), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $layer {
            $factor: usize,
        }

        impl $layer {
            /// Blocks of this many rows and columns.
            pub fn new($factor: usize) -> Self {
                Self { $factor }
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$function(self.$factor)
            }
        })*
    };
}

shuffles! {
    PixelShuffle: pixel_shuffle, upscale_factor;
    PixelUnshuffle: pixel_unshuffle, downscale_factor;
}

/// The layer of [`Tensor::unfold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfold(pub ops::Unfold);

impl Module for Unfold {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.unfold(self.0)
    }
}

/// The layer of [`Tensor::fold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    output_size: Pair,
    blocks: ops::Unfold,
}

impl Fold {
    /// An image of `output_size` from these blocks.
    pub fn new(output_size: impl Into<Pair>, blocks: ops::Unfold) -> Self {
        Self { output_size: output_size.into(), blocks }
    }
}

impl Module for Fold {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.fold(self.output_size, self.blocks)
    }
}

/// Elements around each side of `N / 2` dimensions, in PyTorch's order: left, right, and for images top, bottom. Negative
/// ones cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides<const N: usize>([i64; N]);

macro_rules! sides {
    ($($integer:ty),*) => {
        $(impl<const N: usize> From<$integer> for Sides<N> {
            /// The same on all sides.
            fn from(all: $integer) -> Self {
                Self([i64::try_from(all).unwrap_or(i64::MAX); N])
            }
        }

        impl<const N: usize> From<[$integer; N]> for Sides<N> {
            fn from(sides: [$integer; N]) -> Self {
                Self(sides.map(|side| i64::try_from(side).unwrap_or(i64::MAX)))
            }
        })*
    };
}

sides!(i32, i64, usize);

/// Padding behind `channels` leading dimensions, with a batch or without.
fn padded<const N: usize>(layer: &str, input: &Tensor, sides: Sides<N>, mode: Pad) -> Result<Tensor> {
    let (shape, spatial) = (input.shape(), N / 2);
    let fits = [spatial + 1, spatial + 2].contains(&shape.len());
    let expected = format!("{} or {} dimensions", spatial + 1, spatial + 2);
    Mismatch::check(fits, expected, format!("shape {shape}"))
        .map_err(|m| Error::op(layer, &input.graph().label(), m))?;
    input.pad(&sides.0, mode)
}

macro_rules! pads {
    ($($layer:ident: $sides:literal, $mode:expr, $words:literal;)*) => {
        $(#[doc = concat!("Padding with ", $words, "; see [`Pad`].")]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $layer(Sides<$sides>);

        impl $layer {
            /// The same number on all sides, or one each, in PyTorch's order.
            pub fn new(padding: impl Into<Sides<$sides>>) -> Self {
                Self(padding.into())
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                padded(stringify!($layer), input, self.0, $mode)
            }
        })*
    };
}

pads! {
    ZeroPad1d: 2, Pad::Constant(0.0), "zeros, of `(N, C, L)` or `(C, L)`";
    ZeroPad2d: 4, Pad::Constant(0.0), "zeros, of `(N, C, H, W)` or `(C, H, W)`";
    ReflectionPad1d: 2, Pad::Reflect, "reflected elements, of `(N, C, L)` or `(C, L)`";
    ReflectionPad2d: 4, Pad::Reflect, "reflected elements, of `(N, C, H, W)` or `(C, H, W)`";
    ReplicationPad1d: 2, Pad::Replicate, "the elements at the edges, of `(N, C, L)` or `(C, L)`";
    ReplicationPad2d: 4, Pad::Replicate, "the elements at the edges, of `(N, C, H, W)` or `(C, H, W)`";
    CircularPad1d: 2, Pad::Circular, "the elements of the other end, of `(N, C, L)` or `(C, L)`";
    CircularPad2d: 4, Pad::Circular, "the elements of the other end, of `(N, C, H, W)` or `(C, H, W)`";
}

macro_rules! constant_pads {
    ($($layer:ident: $sides:literal, $words:literal;)*) => {
        $(#[doc = concat!("Padding with a number, of ", $words, "; see [`Pad`].")]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $layer {
            sides: Sides<$sides>,
            value: f32,
        }

        impl $layer {
            /// The same number of elements on all sides, or one each, in PyTorch's order, all of `value`.
            pub fn new(padding: impl Into<Sides<$sides>>, value: f32) -> Self {
                Self { sides: padding.into(), value }
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                padded(stringify!($layer), input, self.sides, Pad::Constant(self.value))
            }
        })*
    };
}

constant_pads! {
    ConstantPad1d: 2, "`(N, C, L)` or `(C, L)`";
    ConstantPad2d: 4, "`(N, C, H, W)` or `(C, H, W)`";
}
