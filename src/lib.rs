#![doc = include_str!("../README.md")]
//!
//! # The rules of the code
//!
//! - Imports point to the right and down in the picture above; only `exec` imports wgpu.
//! - Autodiff emits nodes, never kernels; backward ops are ordinary ops.
//! - A [`Plan`] is plain data and prints itself; a run does no shape inference, allocation, shader compilation or
//!   tuning.
//! - What the forward pass accepts the backward pass accepts, or building the graph fails with a named [`Error`].
//! - No silent CPU fallback, no float atomics.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod bench;
pub mod custom;
pub mod data;
mod dim;
mod dtype;
mod error;
pub mod exec;
mod files;
pub mod formats;
pub mod functions;
pub mod graph;
pub mod kernels;
pub mod nn;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod ops;
pub mod optim;
mod pairs;
pub mod plan;
mod platform;
pub mod random;
pub mod reference;
pub mod shape;
mod tensor;
mod tracked;
pub mod train;
pub mod updates;
pub mod verify;

pub use dim::{Dim, Dims};
pub use dtype::DType;
pub use error::{Error, Mismatch, Result};
pub use exec::{
    AdapterReport, Backend, Checkpoint, Device, Executable, Parameters, Pending, adapters, adapters_async,
};
pub use files::write_atomically;
pub use graph::{Graph, Tensor};
pub use half::f16;
pub use plan::{Memory, Plan};
pub use shape::Shape;
pub use tensor::{HostTensor, TensorType};

/// The programs of the guide, which run as tests of the documentation.
#[cfg(all(doctest, feature = "cli"))]
mod guide {
    /// An item a page, whose documentation it is.
    macro_rules! pages {
        ($($name:ident: $page:literal;)*) => {
            $(#[doc = include_str!(concat!("../docs/guide/src/", $page))] struct $name;)*
        };
    }

    pages! {
        FirstProgram: "first-program.md";
        FormulaConvolution: "formula-convolution.md";
        FormulaPooling: "formula-pooling.md";
        FormulaBackpropagation: "formula-backpropagation.md";
        FormulaRecurrent: "formula-recurrent.md";
        Images: "images.md";
        Sounds: "sounds.md";
        Texts: "texts.md";
        Series: "series.md";
        YourData: "your-data.md";
        Runs: "runs.md";
        Weights: "weights.md";
        Layer: "layer.md";
        Loss: "loss.md";
        Cell: "cell.md";
        Activation: "activation.md";
        CustomOp: "custom-op.md";
        Shaders: "shaders.md";
        Planner: "planner.md";
        ComingFromPytorch: "coming-from-pytorch.md";
    }
}
