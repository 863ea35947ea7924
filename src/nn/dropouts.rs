//! Dropout of whole channels, and such that keeps selu's statistics.

use super::Module;
use crate::error::Result;
use crate::graph::Tensor;
use crate::random::Rng;

/// The stream of the layer, by its name, so that layers draw apart.
pub(super) fn stream(input: &Tensor) -> u32 {
    Rng::named(0, &input.graph().scoped_name("dropout")).next_u64() as u32
}

macro_rules! dropouts {
    ($($layer:ident: $function:ident;)*) => {
        $(#[doc = concat!("The layer of [`Tensor::", stringify!($function), "`]; in an evaluation graph")]
        /// ([`Graph::set_training`](crate::Graph::set_training)) the input itself.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $layer {
            p: f32,
        }

        impl Default for $layer {
            /// One half.
            fn default() -> Self {
                Self::new(0.5)
            }
        }

        impl $layer {
            /// PyTorch's default `p` is 0.5.
            pub fn new(p: f32) -> Self {
                Self { p }
            }
        }

        impl Module for $layer {
            fn forward(&self, input: &Tensor) -> Result<Tensor> {
                input.$function(self.p, stream(input))
            }
        })*
    };
}

dropouts! {
    Dropout1d: dropout1d;
    Dropout2d: dropout2d;
    AlphaDropout: alpha_dropout;
    FeatureAlphaDropout: feature_alpha_dropout;
}
