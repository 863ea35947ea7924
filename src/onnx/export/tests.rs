//! What is in a file, read back.

use super::functions::text;
use super::{ExportGraph, ExportOptions, Exported, export};
use crate::functions::{Accuracy, Function};
use crate::graph::{Graph, Tensor};
use crate::nn::{Dropout, Linear, Lstm, Module, Sequential, simple_cnn};
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::ops::{CtcLoss, Init};
use crate::{Device, HostTensor, Parameters, Result};
use prost::Message;
use std::collections::HashSet;

/// A graph's outputs in a file, with first values.
fn written(graph: &Graph, outputs: &[(&str, &Tensor)], options: &ExportOptions) -> Result<Exported> {
    let parameters = Parameters::new(&Device::cpu(), 0);
    let tensors: Vec<&Tensor> = outputs.iter().map(|(_, tensor)| *tensor).collect();
    parameters.compile(graph, &tensors)?;
    export(ExportGraph { graph, outputs }, &|name| parameters.get(name), options)
}

/// The graph of a file, in which every name is one thing's and everything is there before it is read.
fn sound(model: &Exported, opset: i64) -> GraphProto {
    let model = ModelProto::decode(&model.bytes[..]).unwrap();
    assert_eq!(model.opset_import[0].version, Some(opset));
    let graph = model.graph.unwrap();
    let mut known: HashSet<String> = HashSet::new();
    let leaves = graph.input.iter().filter_map(|input| input.name.clone());
    for name in leaves.chain(graph.initializer.iter().filter_map(|tensor| tensor.name.clone())) {
        assert!(known.insert(name.clone()), "{name} twice");
    }
    let mut nodes = HashSet::new();
    for node in &graph.node {
        assert!(nodes.insert(node.name.clone().unwrap()), "{node:?} is called as another");
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            assert!(known.contains(input), "{input} is read before it is there");
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            assert!(known.insert(output.clone()), "{output} twice");
        }
    }
    assert!(graph.output.iter().all(|output| known.contains(output.name.as_ref().unwrap())));
    graph
}

fn operators(graph: &GraphProto) -> Vec<&str> {
    graph.node.iter().filter_map(|node| node.op_type.as_deref()).collect()
}

#[test]
fn names_are_kept() -> Result<()> {
    for opset in [13, 24] {
        let graph = Graph::new();
        let image = graph.input("image", [2, 1, 28, 28])?;
        let logits = simple_cnn().forward(&image)?;
        let options = ExportOptions::default().opset(opset).note("key", "value");
        let model = written(&graph, &[("logits", &logits)], &options)?;
        let graph = sound(&model, opset);
        let keys = ["features.0", "features.3", "classifier.1", "classifier.3"];
        let keys: Vec<String> =
            keys.iter().flat_map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]).collect();
        assert_eq!(model.states, keys);
        assert_eq!(model.inputs[0].to_string(), "image float32 (2, 1, 28, 28)");
        assert_eq!(model.outputs[0].to_string(), "logits float32 (2, 10)");
        let names: Vec<&str> = graph.node.iter().filter_map(|node| node.name.as_deref()).collect();
        assert!(names.contains(&"features.0") && names.contains(&"classifier.3"), "{names:?}");
        let expected =
            ["Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Reshape", "Gemm", "Relu", "Gemm"];
        assert_eq!(operators(&graph), expected);
    }
    Ok(())
}

#[test]
fn outputs_are_called_as_they_are_asked_for() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [2, 3])?;
    let w = graph.parameter("w", [2, 3], Init::Zeros)?;
    let y = x.mul(&w)?;
    let outputs = [("y", &y), ("again", &y), ("given", &x), ("weight", &w)];
    let model = written(&graph, &outputs, &ExportOptions::default())?;
    let file = sound(&model, 17);
    assert_eq!(operators(&file), ["Mul", "Identity", "Identity", "Identity"]);
    let names: Vec<_> = file.output.iter().filter_map(|output| output.name.as_deref()).collect();
    assert_eq!(names, ["y", "again", "given", "weight"]);
    for taken in ["x", "w", ""] {
        let error = written(&graph, &[(taken, &y)], &ExportOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("'{taken}'")), "{error}");
    }
    let error = written(&graph, &[("y", &y)], &ExportOptions::default().opset(12)).unwrap_err();
    assert!(error.to_string().contains("13 to 24"), "{error}");
    Ok(())
}

#[test]
fn dropout_is_gone_and_layers_are_one_operator() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [4, 2, 3])?;
    let read = graph.scoped("rnn", || Lstm::new(3, 5).num_layers(2).dropout(0.5).forward(&x))?;
    let net = Sequential::new().add(Dropout::new(0.5)).add(Linear::new(5, 2));
    let y = graph.scoped("head", || net.forward(&read))?;
    let model = written(&graph, &[("y", &y)], &ExportOptions::default())?;
    let file = sound(&model, 17);
    assert_eq!(model.operators.get("LSTM"), Some(&2));
    assert_eq!(model.operators.get("Gemm"), Some(&1), "{:?}", operators(&file));
    assert!(model.states.contains(&"rnn.weight_hh_l1".to_owned()), "{:?}", model.states);
    assert!(!model.states.iter().any(|name| name.contains("random")), "{:?}", model.states);
    Ok(())
}

#[test]
fn what_has_no_operator_is_refused_by_name_and_layer() -> Result<()> {
    let graph = Graph::new();
    let x = graph.input("x", [5, 2, 4])?;
    let targets = graph.input_u32("targets", [2, 3])?;
    let lengths = [graph.input_u32("steps", [2])?, graph.input_u32("letters", [2])?];
    let loss = graph.scoped("speech", || {
        x.log_softmax(2)?.ctc_loss(&targets, &lengths[0], &lengths[1], CtcLoss::default(), Default::default())
    })?;
    let error = written(&graph, &[("loss", &loss)], &ExportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("ctc_loss 'speech") && error.contains("no operator"), "{error}");
    let own = Function::build("export_own").value("x + x", |x, _| 2.0 * x[0], Accuracy::Rounded).finish()?;
    let y = graph.scoped("mine", || x.apply_function(&own, &[]))?;
    let error = written(&graph, &[("y", &y)], &ExportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("export_own 'mine'") && error.contains("of your own"), "{error}");
    let slope = x.tanh()?.sum((), false)?.gradients(&[&x])?;
    let error = written(&graph, &[("y", &slope[0])], &ExportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("tanh_backward") && error.contains("gradient"), "{error}");
    Ok(())
}

#[test]
fn a_state_without_a_value_is_refused() -> Result<()> {
    let graph = Graph::new();
    let w = graph.parameter("w", [2], Init::Zeros)?.relu()?;
    let network = [("y", &w)];
    let network = ExportGraph { graph: &graph, outputs: &network };
    let other = |_: &str| HostTensor::from_f32([3], vec![0.0; 3]);
    let error = export(network, &other, &ExportOptions::default()).unwrap_err().to_string();
    assert!(error.contains("'w'") && error.contains("(2)") && error.contains("(3)"), "{error}");
    Ok(())
}

#[test]
fn every_function_has_a_row() {
    for function in Function::all() {
        assert!(text(function.name(), 13).is_some(), "{}", function.name());
    }
}
