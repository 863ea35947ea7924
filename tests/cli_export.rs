//! `wgrad export` as a user runs it: of networks of images, of a text and of a series.
#![cfg(feature = "cli")]

mod common;
mod idx;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;
use wgrad::data;

fn ran(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

#[test]
fn a_run_becomes_a_file() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    idx::set(folder, "train", &data::digits(20, 1).expect("digits"));
    idx::set(folder, "t10k", &data::digits(10, 2).expect("digits"));
    ran(folder, "train --model lenet --data . --epochs 1 --batch-size 10 --device cpu --out cnn");
    let said = ran(folder, "export cnn --to cnn.onnx");
    for line in [
        "input    image float32 (batch, 1, 28, 28)",
        "output   logits float32 (batch, 10)",
        "nodes    12: 2 AveragePool, 2 Conv, 3 Gemm, 1 Reshape, 4 Tanh",
        "weights  10 parameters and buffers of 61706 numbers",
        "wrote    cnn.onnx: opset 17",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    assert!(fs::metadata(folder.join("cnn.onnx")).expect("a file").len() > 4 * 61_706);
    let said = ran(folder, "export cnn --to cnn.onnx --batch-size 3 --opset 21");
    assert!(said.contains("(3, 1, 28, 28)") && said.contains("opset 21"), "{said}");

    ran(folder, "forecast --epochs 1 --hidden 4 --device cpu --out series");
    let said = ran(folder, "export series --to series.onnx");
    assert!(said.contains("window float32 (batch, 28, 1)") && said.contains("1 LSTM"), "{said}");

    ran(folder, "text --steps 2 --hidden 8 --embedding 4 --cell gru --length 5 --device cpu --out words");
    let said = ran(folder, "export words --to words.onnx --steps 4 --batch-size 1");
    assert!(said.contains("tokens int64 (4, 1)") && said.contains("h_after float32 (2, 1, 8)"), "{said}");
    assert!(said.contains("2 GRU"), "{said}");
}

#[test]
fn what_cannot_be_exported_is_named() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    refused(folder, &["export", "gone", "--to", "a.onnx"], &["gone", "expected a run folder"]);
    refused(folder, &["export", "gone", "--to", "no/a.onnx"], &["--to", "no folder"]);
    refused(folder, &["export", "gone", "--to", "a.onnx", "--opset", "12"], &["--opset", "12"]);
    refused(folder, &["export", "gone", "--to", "a.onnx", "--batch-size", "0"], &["--batch-size", "dynamic"]);
    fs::create_dir(folder.join("other")).expect("a folder");
    fs::write(folder.join("other/run.json"), "{\"model\": \"forecast\"}").expect("a file");
    refused(folder, &["export", "other", "--to", "a.onnx"], &["other", "a number input"]);
    assert!(!folder.join("a.onnx").exists());
}
