//! Networks out of ONNX files and into them.

pub(crate) mod proto;
