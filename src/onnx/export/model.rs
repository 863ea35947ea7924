//! The whole file.

use super::batch::{Size, Sizes};
use super::context::{Exporter, States};
use super::element::{data_type, type_name};
use super::writer::{Name, Writer};
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphData, Tensor, ValueId};
use crate::onnx::proto::{
    DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::ops::{Input, Op, State};
use prost::Message;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;

/// The oldest version of the operators that is written.
const OLDEST: i64 = 13;
/// The newest.
const NEWEST: i64 = 24;
/// Bytes that a file may have: more than so many cannot be counted in it.
const MOST_BYTES: usize = i32::MAX as usize;

/// How a model is written.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// The version of the operators, 13 to 24; 17, which most runtimes know.
    pub opset: i64,
    /// The name of the graph.
    pub name: String,
    /// What the file notes besides, by name.
    pub metadata: Vec<(String, String)>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { opset: 17, name: "network".to_owned(), metadata: Vec::new() }
    }
}

impl ExportOptions {
    /// With this version of the operators.
    #[must_use]
    pub fn opset(self, opset: i64) -> Self {
        Self { opset, ..self }
    }

    /// With this name of the graph.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// With one more note.
    #[must_use]
    pub fn note(mut self, name: &str, text: &str) -> Self {
        self.metadata.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The version of the file's format in which this version of the operators came.
    fn ir_version(&self) -> i64 {
        match self.opset {
            ..=14 => 7,
            15..=18 => 8,
            19..=20 => 9,
            21..=22 => 10,
            23 => 11,
            _ => 12,
        }
    }
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedPort {
    /// Its name.
    pub name: String,
    /// The type of its elements, as a file calls it.
    pub element: &'static str,
    /// Its sizes; the number of examples, where there may be any, by its name.
    pub sizes: Vec<String>,
}

impl fmt::Display for ExportedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.element, self.sizes.join(", "))
    }
}

/// A model that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it reads.
    pub inputs: Vec<ExportedPort>,
    /// What it gives.
    pub outputs: Vec<ExportedPort>,
    /// How many nodes it has of each operator.
    pub operators: BTreeMap<String, usize>,
    /// The names of the parameters and buffers in it.
    pub states: Vec<String>,
    /// Their elements.
    pub elements: usize,
}

impl Exported {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written, or the disk is full.
    pub fn write(&self, path: &Path) -> Result<()> {
        crate::files::write_atomically(path, &self.bytes)
    }
}

/// A graph, and what of it is given, by name.
#[derive(Debug, Clone, Copy)]
pub struct ExportGraph<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The outputs, each with its name in the file.
    pub outputs: &'a [(&'a str, &'a Tensor)],
}

/// The forward pass of a graph, as it is built: for as many examples.
///
/// `states` says what each parameter and buffer holds, by its name: `&|name| parameters.get(name)`.
///
/// ```
/// use wgrad::nn::{Linear, Module};
/// use wgrad::onnx::{ExportOptions, ExportGraph, export};
/// # use wgrad::{Device, Graph, Parameters, Result};
/// # fn main() -> Result<()> {
/// let graph = Graph::new();
/// let x = graph.input("x", [2, 4])?;
/// let y = graph.scoped("fc", || Linear::new(4, 3).forward(&x))?.relu()?;
/// let parameters = Parameters::new(&Device::cpu(), 0);
/// parameters.compile(&graph, &[&y])?;
/// let network = ExportGraph { graph: &graph, outputs: &[("y", &y)] };
/// let model = export(network, &|name| parameters.get(name), &ExportOptions::default())?;
/// assert_eq!(model.states, ["fc.weight", "fc.bias"]);
/// assert_eq!(model.operators.keys().collect::<Vec<_>>(), ["Gemm", "Relu"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When an op has no form in ONNX or none in the opset, an output is of another graph, or a state has no value.
pub fn export(network: ExportGraph<'_>, states: States<'_>, options: &ExportOptions) -> Result<Exported> {
    let (data, outputs) = read(network)?;
    let sizes = Sizes::fixed(&data);
    write(&data, None, sizes, &outputs, states, options)
}

/// As [`export`], for any number of examples, which the file calls `batch`: `other` is the same network built for another
/// number of them, both above 1. What follows it is found by comparing the two.
///
/// # Errors
/// As [`export`], and when what the network computes depends on the number of examples, as a mean over them does.
pub fn export_any_batch(
    network: ExportGraph<'_>,
    other: ExportGraph<'_>,
    batch: &str,
    states: States<'_>,
    options: &ExportOptions,
) -> Result<Exported> {
    let ((data, outputs), (other, others)) = (read(network)?, read(other)?);
    if outputs != others {
        let words = |outputs: &[(Name, ValueId)]| {
            outputs.iter().map(|(name, value)| format!("{name} %{value}")).collect::<Vec<_>>().join(", ")
        };
        return Err(Error::argument("batch", format!("the outputs {}", words(&outputs)), words(&others)));
    }
    let sizes = Sizes::compared(&data, &other, batch)?;
    write(&data, Some(&other), sizes, &outputs, states, options)
}

/// The graph, and its outputs by name.
fn read(network: ExportGraph<'_>) -> Result<(GraphData, Vec<(Name, ValueId)>)> {
    let tensors: Vec<&Tensor> = network.outputs.iter().map(|(_, tensor)| *tensor).collect();
    network.graph.owns("export", &tensors)?;
    let outputs: Vec<(Name, ValueId)> =
        network.outputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.id())).collect();
    if outputs.is_empty() {
        return Err(Error::argument("outputs", "one output at least", "none"));
    }
    Ok((network.graph.with(Clone::clone), outputs))
}

fn write(
    data: &GraphData,
    other: Option<&GraphData>,
    sizes: Sizes,
    outputs: &[(Name, ValueId)],
    states: States<'_>,
    options: &ExportOptions,
) -> Result<Exported> {
    if !(OLDEST..=NEWEST).contains(&options.opset) {
        return Err(Error::argument("opset", format!("{OLDEST} to {NEWEST}"), options.opset.to_string()));
    }
    let leaves = data.nodes.iter().filter_map(|node| node.op.leaf_name().map(str::to_owned));
    let mut taken: HashSet<Name> = leaves.collect();
    for (name, _) in outputs {
        if name.is_empty() || !taken.insert(name.clone()) {
            let expected = "a name for each output that no other output, input or parameter has";
            return Err(Error::argument("outputs", expected, format!("'{name}'")));
        }
    }
    let values: Vec<ValueId> = outputs.iter().map(|(_, value)| *value).collect();
    let mut exporter = Exporter::new(data, sizes, Writer::new(options.opset, taken), states);
    exporter.write(&values, other)?;
    name_outputs(&mut exporter, outputs)?;
    prune(&mut exporter, outputs);
    finish(exporter, outputs, options)
}

/// The outputs under their names.
fn name_outputs(exporter: &mut Exporter<'_>, outputs: &[(Name, ValueId)]) -> Result<()> {
    let mut named: HashSet<&str> = HashSet::new();
    for (name, value) in outputs {
        let now = exporter.name(*value)?;
        // What is an output twice, or is an input or a parameter, is handed on.
        let same = outputs.iter().find(|(other, of)| named.contains(other.as_str()) && of == value);
        let from = same.map_or(now.as_str(), |(other, _)| other.as_str());
        let aliased = named.contains(from);
        if aliased || !exporter.to.rename(from, name) {
            exporter.to.enter(name);
            let copy = exporter.to.node("Identity", &[from], vec![]);
            exporter.to.rename(&copy, name);
        }
        named.insert(name);
        exporter.give(*value, name.clone());
    }
    Ok(())
}

/// Without nodes and constants that nothing reads.
fn prune(exporter: &mut Exporter<'_>, outputs: &[(Name, ValueId)]) {
    let mut read: HashSet<Name> = outputs.iter().map(|(name, _)| name.clone()).collect();
    let mut kept: Vec<NodeProto> = Vec::new();
    for node in std::mem::take(&mut exporter.to.nodes).into_iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            read.extend(node.input.iter().filter(|input| !input.is_empty()).cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    exporter.to.nodes = kept;
    exporter.to.initializers.retain(|tensor| tensor.name.as_ref().is_some_and(|name| read.contains(name)));
}

fn finish(exporter: Exporter<'_>, outputs: &[(Name, ValueId)], options: &ExportOptions) -> Result<Exported> {
    let data = exporter.data;
    let batch = exporter.sizes.counted.as_ref().map(|counted| counted.name.clone());
    let port = |name: &str, value: ValueId| {
        let size = |size: &Size| match (size, &batch) {
            (Size::Each(1), Some(batch)) => batch.clone(),
            (Size::Each(times), Some(batch)) => format!("{times} {batch}"),
            (Size::Fixed(size) | Size::Each(size), _) => size.to_string(),
        };
        let sizes = exporter.sizes.of(value).iter().map(size).collect();
        ExportedPort { name: name.to_owned(), element: type_name(data.ty(value).dtype), sizes }
    };
    let info = |name: &str, value: ValueId| value_info(&exporter, name, value);
    let (mut inputs, mut input_infos) = (Vec::new(), Vec::new());
    for node in &data.nodes {
        if let Op::Input(Input { name, .. }) = &node.op
            && exporter.wants(node.outputs[0])
        {
            inputs.push(port(name, node.outputs[0]));
            input_infos.push(info(name, node.outputs[0]));
        }
    }
    let is_state = |name: &Name| {
        let named = |op: &Op| matches!(op, Op::State(State { name: own, .. }) if own == name);
        data.nodes.iter().any(|node| named(&node.op))
    };
    let names = exporter.to.initializers.iter().filter_map(|tensor| tensor.name.clone());
    let states = names.filter(is_state).collect();
    let output_ports = outputs.iter().map(|(name, value)| port(name, *value)).collect();
    let output_infos = outputs.iter().map(|(name, value)| info(name, *value)).collect();
    let (operators, elements) = (exporter.to.operators(), exporter.elements);
    let graph = GraphProto {
        node: exporter.to.nodes,
        name: Some(options.name.clone()),
        initializer: exporter.to.initializers,
        input: input_infos,
        output: output_infos,
        ..GraphProto::default()
    };
    let bytes = encode(graph, options)?;
    Ok(Exported { bytes, inputs, outputs: output_ports, operators, states, elements })
}

fn encode(graph: GraphProto, options: &ExportOptions) -> Result<Vec<u8>> {
    let note = |(key, value): &(String, String)| StringStringEntryProto {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    let model = ModelProto {
        ir_version: Some(options.ir_version()),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(options.opset) }],
        producer_name: Some("wgrad".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(graph),
        metadata_props: options.metadata.iter().map(note).collect(),
        functions: Vec::new(),
    };
    let length = model.encoded_len();
    if length > MOST_BYTES {
        let expected = format!("a network whose file has at most {MOST_BYTES} bytes");
        return Err(Error::argument("export", expected, length.to_string()));
    }
    Ok(model.encode_to_vec())
}

fn value_info(exporter: &Exporter<'_>, name: &str, value: ValueId) -> ValueInfoProto {
    let dim = |size: &Size| {
        let value = match (size, &exporter.sizes.counted) {
            (Size::Each(1), Some(counted)) => Some(DimensionValue::DimParam(counted.name.clone())),
            // A multiple of the batch has no name.
            (Size::Each(_), _) => None,
            (Size::Fixed(size), _) => Some(DimensionValue::DimValue(*size as i64)),
        };
        DimensionProto { value }
    };
    let shape = TensorShapeProto { dim: exporter.sizes.of(value).iter().map(dim).collect() };
    let elem_type = Some(data_type(exporter.data.ty(value).dtype));
    let tensor = TensorTypeProto { elem_type, shape: Some(shape) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
}
