//! Pools, and back from them.

use super::Module;
use super::dropouts::stream;
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops;
use crate::shape::Pair;
use std::convert::identity;

macro_rules! pools {
    ($($(#[$doc:meta])* $layer:ident($size:ty): $method:ident $(, $with_indices:ident)?;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer(pub ops::$layer);

        impl $layer {
            /// A window that steps by its own size.
            pub fn new(kernel_size: $size) -> Self {
                Self(ops::$layer::new(kernel_size))
            }

            $(
            /// The maxima and the indices they came from, as PyTorch's layer gives them with `return_indices`.
            ///
            /// # Errors
            /// As [`Module::forward`].
            pub fn forward_with_indices(&self, input: &Tensor) -> Result<(Tensor, Tensor)> {
                input.$with_indices(self.0)
            }
            )?
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$method(self.0)
            }
        })*
    };
}

pools! {
    /// A max pool of lines; see [`ops::MaxPool1d`].
    MaxPool1d(usize): max_pool1d, max_pool1d_with_indices;

    /// A max pool; see [`ops::MaxPool2d`].
    MaxPool2d(impl Into<Pair>): max_pool2d, max_pool2d_with_indices;

    /// An average pool of lines; see [`ops::AvgPool1d`].
    AvgPool1d(usize): avg_pool1d;

    /// An average pool; see [`ops::AvgPool2d`].
    AvgPool2d(impl Into<Pair>): avg_pool2d;
}

macro_rules! adaptive {
    ($($(#[$doc:meta])* $layer:ident($size:ty, $new:ty, $into:path): $method:ident $(, $with_indices:ident)?;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer(pub $size);

        impl $layer {
            /// So many windows; 1 is the global pool.
            pub fn new(output_size: $new) -> Self {
                Self($into(output_size))
            }

            $(
            /// The maxima and the indices they came from, as PyTorch's layer gives them with `return_indices`.
            ///
            /// # Errors
            /// As [`Module::forward`].
            pub fn forward_with_indices(&self, input: &Tensor) -> Result<(Tensor, Tensor)> {
                input.$with_indices(self.0)
            }
            )?
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$method(self.0)
            }
        })*
    };
}

adaptive! {
    /// The means of so many windows over lines; see [`Tensor::adaptive_avg_pool1d`].
    AdaptiveAvgPool1d(usize, usize, identity): adaptive_avg_pool1d;

    /// The means of so many windows along height and width; see [`Tensor::adaptive_avg_pool2d`].
    AdaptiveAvgPool2d(Pair, impl Into<Pair>, Into::into): adaptive_avg_pool2d;

    /// The maxima of so many windows over lines; see [`Tensor::adaptive_max_pool1d`].
    AdaptiveMaxPool1d(usize, usize, identity): adaptive_max_pool1d, adaptive_max_pool1d_with_indices;

    /// The maxima of so many windows along height and width; see [`Tensor::adaptive_max_pool2d`].
    AdaptiveMaxPool2d(Pair, impl Into<Pair>, Into::into): adaptive_max_pool2d, adaptive_max_pool2d_with_indices;
}

/// A max pool of windows at random distances, drawn anew for each image and channel in each run, in evaluation too, as in
/// PyTorch; see [`ops::FractionalMaxPool2d`].
#[derive(Debug, Clone)]
pub struct FractionalMaxPool2d(pub ops::FractionalMaxPool2d);

impl FractionalMaxPool2d {
    /// A pool of so many windows.
    pub fn new(kernel_size: impl Into<Pair>, output_size: impl Into<Pair>) -> Self {
        Self(ops::FractionalMaxPool2d::new(kernel_size, output_size))
    }

    /// A pool whose output has these fractions of the input's rows and columns, between 0 and 1.
    pub fn of_ratio(kernel_size: impl Into<Pair>, output_ratio: [f64; 2]) -> Self {
        Self(ops::FractionalMaxPool2d::of_ratio(kernel_size, output_ratio))
    }

    /// The maxima and the indices they came from, as PyTorch's layer gives them with `return_indices`.
    ///
    /// # Errors
    /// As [`Module::forward`].
    pub fn forward_with_indices(&self, input: &Tensor) -> Result<(Tensor, Tensor)> {
        let shape = input.shape();
        let images = if let [n, _, _, _] = shape[..] { n } else { 1 };
        let channels = shape.len().checked_sub(3).and_then(|at| shape.get(at)).copied().unwrap_or(1);
        let samples = input.graph().uniform([images, channels, 2], stream(input))?;
        input.fractional_max_pool2d_with_indices(self.0, &samples)
    }
}

impl Module for FractionalMaxPool2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_with_indices(input).map(|(maxima, _)| maxima)
    }
}

macro_rules! norms {
    ($($(#[$doc:meta])* $layer:ident($size:ty): $method:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer(pub ops::$layer);

        impl $layer {
            /// The norm of power `norm_type`, of a window that steps by its own size.
            pub fn new(norm_type: f32, kernel_size: $size) -> Self {
                Self(ops::$layer::new(norm_type, kernel_size))
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$method(self.0)
            }
        })*
    };
}

norms! {
    /// A pool of norms of lines; see [`Tensor::lp_pool1d`].
    LPPool1d(usize): lp_pool1d;

    /// A pool of norms; see [`Tensor::lp_pool2d`].
    LPPool2d(impl Into<Pair>): lp_pool2d;
}

macro_rules! unpools {
    ($($(#[$doc:meta])* $layer:ident($size:ty, $into:path): $method:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $layer(pub ops::$layer);

        impl $layer {
            /// Back from a window that steps by its own size.
            pub fn new(kernel_size: $size) -> Self {
                Self(ops::$layer::new(kernel_size))
            }

            /// The maxima where `indices` say that they came from, in zeros.
            ///
            /// # Errors
            /// When the shapes do not fit.
            pub fn forward(&self, input: &Tensor, indices: &Tensor) -> Result<Tensor> {
                input.$method(indices, self.0, None)
            }

            /// As [`Self::forward`], of an output of this size.
            ///
            /// # Errors
            /// When the shapes do not fit, or the size is a stride or more from the usual one.
            pub fn forward_to(
                &self,
                input: &Tensor,
                indices: &Tensor,
                output_size: $size,
            ) -> Result<Tensor> {
                input.$method(indices, self.0, Some($into(output_size)))
            }
        })*
    };
}

unpools! {
    /// Lines of what a max pool left; see [`Tensor::max_unpool1d`].
    MaxUnpool1d(usize, identity): max_unpool1d;

    /// Images of what a max pool left; see [`Tensor::max_unpool2d`].
    MaxUnpool2d(impl Into<Pair>, Into::into): max_unpool2d;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    #[test]
    fn layers_pool_and_go_back() -> Result<()> {
        let graph = Graph::new();
        let (image, line) = (graph.input("image", [2, 3, 8, 9])?, graph.input("line", [3, 9])?);
        let shape = |y: Tensor| y.shape().to_vec();
        assert_eq!(shape(MaxPool1d::new(2).forward(&line)?), [3, 4]);
        assert_eq!(shape(AvgPool1d::new(3).forward(&line)?), [3, 3]);
        assert_eq!(shape(AvgPool2d::new((2, 3)).forward(&image)?), [2, 3, 4, 3]);
        assert_eq!(shape(AdaptiveAvgPool1d::new(4).forward(&line)?), [3, 4]);
        assert_eq!(shape(AdaptiveAvgPool2d::new((3, 1)).forward(&image)?), [2, 3, 3, 1]);
        assert_eq!(shape(AdaptiveMaxPool1d::new(4).forward(&line)?), [3, 4]);
        assert_eq!(shape(AdaptiveMaxPool2d::new(1).forward(&image)?), [2, 3, 1, 1]);
        assert_eq!(shape(LPPool1d::new(2.0, 3).forward(&line)?), [3, 3]);
        assert_eq!(
            shape(LPPool2d(ops::LPPool2d::new(2.0, 2).ceil_mode(true)).forward(&image)?),
            [2, 3, 4, 5]
        );
        assert_eq!(shape(FractionalMaxPool2d::new(2, (3, 4)).forward(&image)?), [2, 3, 3, 4]);
        let (maxima, indices) = FractionalMaxPool2d::of_ratio(2, [0.5, 0.5]).forward_with_indices(&image)?;
        assert_eq!((shape(maxima), shape(indices)), (vec![2, 3, 4, 4], vec![2, 3, 4, 4]));
        let (maxima, indices) = MaxPool2d::new(2).forward_with_indices(&image)?;
        assert_eq!(shape(MaxUnpool2d::new(2).forward(&maxima, &indices)?), [2, 3, 8, 8]);
        assert_eq!(shape(MaxUnpool2d::new(2).forward_to(&maxima, &indices, (8, 9))?), [2, 3, 8, 9]);
        let (maxima, indices) = MaxPool1d::new(2).forward_with_indices(&line)?;
        assert_eq!(shape(MaxUnpool1d::new(2).forward_to(&maxima, &indices, 9)?), [3, 9]);
        Ok(())
    }
}
