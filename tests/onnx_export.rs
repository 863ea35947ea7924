//! Graphs in ONNX files: what the importer makes of them, and what the official checker and ONNX Runtime say of them, where
//! they are installed.
#![cfg(feature = "onnx")]

mod onnx_samples;

use onnx_samples::{Near, Sample, check_with_importer, check_with_python, layers, networks, ops};
use std::collections::BTreeSet;
use wgrad::nn::{Images, Module};
use wgrad::onnx::{ExportGraph, ExportOptions, export, export_any_batch};
use wgrad::ops::Op;
use wgrad::{Graph, Result, Tensor};

/// Sums of a recurrent layer are added up in another order, and composed functions round oftener.
const CLOSE: Near = Near::Share(1e-5);

/// Networks that come back with the same bits: all but those with recurrent layers.
fn bits(name: &str) -> Near {
    let recurrent = ["rows", "crnn", "gru", "lstm", "rnn", "forecast", "text"];
    if recurrent.iter().any(|part| name.contains(part)) { CLOSE } else { Near::Bits }
}

/// Networks with so many parameters that their files are hundreds of megabytes.
const LARGE: [&str; 3] = ["alexnet", "vgg11-bn", "vgg16-bn"];

#[test]
fn networks_of_images() {
    let options = ExportOptions::default();
    let samples = networks::images(&options, |name| !LARGE.contains(&name)).expect("they export");
    check_with_importer("networks of images", &samples, bits);
    check_with_python("networks of images", &samples);
}

#[test]
fn large_networks_of_images() {
    for large in LARGE {
        let samples = networks::images(&ExportOptions::default(), |name| name == large).expect("it exports");
        check_with_importer(large, &samples, bits);
        check_with_python(large, &samples);
    }
}

#[test]
fn networks_of_signals_texts_and_pictures() {
    let samples = networks::others(&ExportOptions::default()).expect("they export");
    check_with_importer("other networks", &samples, bits);
    check_with_python("other networks", &samples);
}

#[test]
fn layers_at_several_opsets() {
    let mut samples: Vec<Sample> = Vec::new();
    for opset in [13, 17, 21, 23] {
        let options = ExportOptions::default().opset(opset);
        let found = layers::all(&options).expect("they export");
        let named = found.into_iter().chain(layers::built_for_training(&options).expect("they export"));
        samples.extend(named.map(|s| Sample { name: format!("{} at opset {opset}", s.name), ..s }));
    }
    check_with_importer("layers", &samples, |_| CLOSE);
    check_with_python("layers", &samples);
}

/// Why a result of a case has no file, in parts of the words: no operator gives it, or none before an opset.
const REASONS: [&str; 10] = [
    "a gradient",
    "a part of training",
    "what its gradient reads",
    "what their gradient reads",
    "the cells of all its steps",
    "a mask made of lengths",
    "windows at random distances",
    "a loss over alignments",
    "the positions of its maxima",
    "opset 16 or later",
];

#[test]
fn every_op_and_function_is_exported_or_refused_for_a_reason() {
    let (mut samples, mut unexpected) = (Vec::new(), Vec::new());
    for opset in [13, 18, 24] {
        let tried = ops::all(&ExportOptions::default().opset(opset)).expect("cases");
        println!("opset {opset}: {} cases", tried.samples.len());
        for (line, why) in tried.refused.iter().filter(|(line, _)| line.contains('=')) {
            if !REASONS.iter().any(|reason| why.contains(reason)) {
                unexpected.push(format!("opset {opset}: {line}: {why}"));
            }
        }
        // Of a line the op; states are what networks have and cases have not.
        let refused = tried.refused.keys().filter_map(|line| line.split(' ').next());
        let exported = tried.exported.iter().map(String::as_str);
        let known: BTreeSet<&str> = exported.chain(refused).chain(["state"]).collect();
        let missing: Vec<&str> = Op::names().into_iter().filter(|name| !known.contains(name)).collect();
        if !missing.is_empty() {
            unexpected.push(format!("neither exported nor refused at opset {opset}: {missing:?}"));
        }
        samples.extend(tried.samples);
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    // What is stored as f16 there, of 11 bits and fewer near 0, is computed in f32 here.
    let near = |name: &str| if name.contains("f16") { Near::Share(1e-2) } else { CLOSE };
    check_with_importer("ops and functions", &samples, near);
    check_with_python("ops and functions", &samples);
}

/// A network of the zoo for so many images.
fn network(name: &str, batch: usize) -> Result<(Graph, Tensor, Tensor)> {
    let layers = (wgrad::nn::model(name)?.build)(&Images { shape: [1, 16, 16], classes: 5 })?;
    let graph = Graph::new();
    graph.set_training(false);
    let image = graph.input("image", [batch, 1, 16, 16])?;
    let logits = layers.forward(&image)?;
    Ok((graph, image, logits))
}

#[test]
fn any_number_of_examples() -> Result<()> {
    let options = ExportOptions::default();
    let mut samples = Vec::new();
    for name in ["simple-cnn", "lenet", "mlp", "lstm-rows", "gru-rows", "resnet18", "mobilenet-v2"] {
        let ((a, _, two), (b, _, three), (c, image, five)) =
            (network(name, 2)?, network(name, 3)?, network(name, 5)?);
        let of = onnx_samples::sample(name, &c, &[("logits", &five)], &[&image], 1, &options)?;
        let [two, three] = [[("logits", &two)], [("logits", &three)]];
        let [two, three] =
            [ExportGraph { graph: &a, outputs: &two }, ExportGraph { graph: &b, outputs: &three }];
        let model = export_any_batch(two, three, "batch", &|name| of.parameters.get(name), &options)?;
        assert_eq!(model.inputs[0].to_string(), "image float32 (batch, 1, 16, 16)");
        assert_eq!(model.outputs[0].to_string(), "logits float32 (batch, 5)");
        samples.push(Sample { model, ..of });
    }
    check_with_importer("networks for any number of examples", &samples, bits);
    check_with_python("networks for any number of examples", &samples);
    Ok(())
}

#[test]
fn what_depends_on_the_number_of_examples_is_refused() -> Result<()> {
    let of = |batch: usize| {
        let graph = Graph::new();
        let x = graph.input("x", [batch, 3])?;
        let y = graph.scoped("share", || x.scale(1.0 / batch as f32))?;
        Ok::<_, wgrad::Error>((graph, y))
    };
    let ((a, two), (b, three)) = (of(2)?, of(3)?);
    let none = |_: &str| -> Result<wgrad::HostTensor> { unreachable!("no states") };
    let [two, three] = [[("y", &two)], [("y", &three)]];
    let (two, three) = (ExportGraph { graph: &a, outputs: &two }, ExportGraph { graph: &b, outputs: &three });
    let options = ExportOptions::default();
    let error = export_any_batch(two, three, "batch", &none, &options).expect_err("a share of each example");
    assert!(error.to_string().contains("share"), "{error}");
    assert!(export(two, &none, &options).is_ok());
    Ok(())
}
