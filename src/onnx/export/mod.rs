//! A graph as an ONNX model: its forward pass in evaluation form.
//!
//! States lie in the file under their names, which are PyTorch's keys, with the values that they have; inputs and outputs have
//! the names that they are given, nodes those of their layers. What ONNX has an operator for becomes that operator: a
//! convolution with its bias, a norm with its statistics, a recurrent layer with the product of its inputs. All else is
//! composed of smaller operators; what cannot be is refused by name, with its layer.
//!
//! In evaluation form dropout gives its input and a norm that keeps running statistics goes by them, whatever the graph was
//! built for.
//!
//! What is computed is the same, its last bits need not be: a function that ONNX lacks is several operators there, each of
//! which rounds, as are group norms before opset 21; a map along a dimension that no operator is of is the product with
//! its matrix; and a recurrent layer's product is part of the layer. Sequences are of one step at least, and indices within
//! their range: what runtimes do beyond is their own affair.

mod batch;
mod context;
mod convolutions;
mod element;
mod expression;
mod forms;
mod functions;
mod indexing;
mod lines;
mod losses;
mod maps;
mod model;
mod nodes;
mod norms;
mod pools;
mod products;
mod recurrent;
mod reductions;
mod shapes;
#[cfg(test)]
mod tests;
mod writer;

pub use model::{ExportGraph, ExportOptions, Exported, ExportedPort, export, export_any_batch};
pub use nodes::not_exported;
