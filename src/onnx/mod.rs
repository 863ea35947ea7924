//! Networks out of ONNX files and into them.

mod export;
pub(crate) mod proto;

pub use export::{ExportOptions, Exported, Network, Port, export, export_any_batch, not_exported};
