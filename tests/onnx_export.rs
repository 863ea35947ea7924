//! Graphs in ONNX files: what is in them, and what the official checker and ONNX Runtime say of them.
#![cfg(feature = "onnx")]

mod onnx;

use onnx::{check_with_python, networks};
use wgrad::onnx::ExportOptions;

/// Networks with so many parameters that their files are hundreds of megabytes.
const LARGE: [&str; 3] = ["alexnet", "vgg11-bn", "vgg16-bn"];

#[test]
fn networks_of_images() {
    let options = ExportOptions::default();
    let samples = networks::images(&options, |name| !LARGE.contains(&name)).expect("they export");
    check_with_python("networks of images", &samples);
}
