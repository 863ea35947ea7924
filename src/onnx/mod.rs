//! Networks out of ONNX files and into them.
//!
//! A file is read by [`Model::read`], looked at ([`Model::operators`], [`Model::inputs`], [`Model::unsupported`]) and built by
//! [`Model::import`] or, over tensors of a graph that there is, by [`Model::forward`]. What comes out is an ordinary graph: it
//! can be trained, planned, measured and held to the reference. Its initialisers are parameters under their names and begin
//! with the file's values, so a program compiled over it has them.
//!
//! The other way, [`export()`] writes what outputs of a graph compute, in evaluation form, and [`export_any_batch`] for any
//! number of examples.

mod array;
mod element;
mod export;
mod external;
mod import;
mod model;
mod network;
pub(crate) mod proto;
mod stream;
#[cfg(test)]
mod tests;

pub use array::Array;
pub use element::ElementType;
pub use export::{
    ExportGraph, ExportOptions, Exported, ExportedPort, export, export_any_batch, not_exported,
};
pub use import::{ImportOptions, Imported, Port, PortValue};
pub use model::{Declared, Dimension, Model, NEWEST_OPSET, Unsupported};
pub use network::{Head, Network};

/// The operators that are read, in the order of the alphabet.
pub fn operators() -> Vec<&'static str> {
    import::operators::names()
}
