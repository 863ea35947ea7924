//! A GPU compute engine on wgpu that trains convolutional and recurrent networks on any GPU.
//!
//! ```text
//! nn, optim, data, train  ->  graph + ops  ->  plan  ->  exec (wgpu)
//!                                   |            |
//!                              reference      kernels + shaders
//! ```
pub mod bench;
pub mod data;
mod dtype;
mod error;
pub mod exec;
mod files;
pub mod graph;
pub mod kernels;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod plan;
pub mod random;
pub mod reference;
pub mod shape;
mod tensor;
pub mod train;
pub mod verify;

pub use dtype::DType;
pub use error::{Error, Mismatch, Result};
pub use exec::{AdapterReport, Backend, Device, Executable, Parameters, Pending, adapters};
pub use files::write_atomically;
pub use graph::{Graph, Tensor};
pub use plan::{Memory, Plan};
pub use shape::Shape;
pub use tensor::{HostTensor, TensorType};
