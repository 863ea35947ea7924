//! Every op and function, from the table of cases that kernels are held to.

use super::Sample;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wgrad::functions::Part;
use wgrad::onnx::{ExportGraph, ExportOptions, Exported, export, not_exported};
use wgrad::ops::{Op, State};
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::verify::{Case, Line, table};
use wgrad::{Device, Error, HostTensor, Parameters, Result, Tensor};

/// Elements of a case's tensors, at most.
const MOST: usize = 6000;
/// Cases of an op, at most.
const OF_AN_OP: usize = 12;
/// What is not tried: numbers that are none, and those at the edges of their type, where operators may differ.
const EXTREMES: [&str; 5] = ["edges", "special", "denormals", "masked", "offset"];

/// What came of the table.
#[derive(Default)]
pub struct Tried {
    /// Those that have a file.
    pub samples: Vec<Sample>,
    /// The ops that have one.
    pub exported: BTreeSet<String>,
    /// Those that have none, each with why.
    pub refused: BTreeMap<String, String>,
}

/// Lines of the table, some of each op.
fn lines() -> Vec<Line> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut chosen = Vec::new();
    for line in table(None).expect("a table") {
        let extreme = |(key, value): &(String, String)| {
            key == "data" && EXTREMES.iter().any(|word| value.starts_with(word))
        };
        let count = counts.entry(line.op.clone()).or_default();
        if *count < OF_AN_OP && !line.fields.iter().any(extreme) {
            *count += 1;
            chosen.push(line);
        }
    }
    chosen
}

/// Whether a node is a gradient, or of training alone.
fn reason(op: &Op) -> Option<&'static str> {
    let gradient = matches!(op, Op::Elementwise(f) if f.part() != Part::Value);
    not_exported(op).or(gradient.then_some("a gradient: export the forward pass"))
}

/// Exports each case's results but gradients.
pub fn all(options: &ExportOptions) -> Result<Tried> {
    let mut tried = Tried::default();
    for line in lines() {
        let case = Case::build(&line)?;
        case.graph.with(|data| {
            for op in data.nodes.iter().map(|node| &node.op) {
                if let Some(reason) = reason(op) {
                    tried.refused.insert(op.name().to_owned(), reason.to_owned());
                }
            }
        });
        // An optimizer's results are called as its inputs are.
        let results = case.outputs.iter().filter(|(name, _)| !name.starts_with("grad_"));
        let results: Vec<(String, &Tensor)> =
            results.map(|(name, tensor)| (format!("the {name}"), tensor)).collect();
        let results: Vec<(&str, &Tensor)> =
            results.iter().map(|(name, tensor)| (name.as_str(), *tensor)).collect();
        if results.is_empty() || case.elements() > MOST {
            continue;
        }
        let mut accepted = Vec::new();
        for result in results {
            match written(&case, &[result], options) {
                Ok(_) => accepted.push(result),
                Err(error) => {
                    tried.refused.insert(format!("{line} {}", result.0), error.to_string());
                }
            }
        }
        if accepted.is_empty() {
            continue;
        }
        case.graph.with(|data| {
            let own = data.nodes.iter().filter(|node| reason(&node.op).is_none());
            tried.exported.extend(own.map(|node| node.op.name().to_owned()));
        });
        tried.samples.extend(one(&case, &accepted, options)?);
    }
    Ok(tried)
}

/// Results of a case in a file.
fn written(case: &Case, results: &[(&str, &Tensor)], options: &ExportOptions) -> Result<Exported> {
    let network = ExportGraph { graph: &case.graph, outputs: results };
    // Optimizers alone have states.
    let zeros = |name: &str| {
        let state = |op: &Op| match op {
            Op::State(State { name: own, ty, .. }) if own == name => Some(HostTensor::zeros(ty)),
            _ => None,
        };
        let found = case.graph.with(|data| data.nodes.iter().find_map(|node| state(&node.op)));
        found.ok_or_else(|| Error::argument("state", "one of the case", name))
    };
    export(network, &zeros, options)
}

/// A case in a file; without what it is expected to give where that is random.
fn one(case: &Case, results: &[(&str, &Tensor)], options: &ExportOptions) -> Result<Option<Sample>> {
    let parameters = Parameters::new(&Device::cpu(), 0);
    let model = written(case, results, options)?;
    if case.op().contains("dropout") {
        return Ok(None);
    }
    let within = |(tensor, value): (Tensor, HostTensor)| {
        let value = indices_within(case, &value)?;
        Ok((tensor.name().unwrap_or_default(), value))
    };
    let inputs: Vec<(String, HostTensor)> = case.data()?.into_iter().map(within).collect::<Result<_>>()?;
    let arrays = inputs.iter().map(|(name, value)| (name.clone(), Array::from_host(value))).collect();
    let ids: Vec<_> = results.iter().map(|(_, tensor)| tensor.id()).collect();
    let mut graph = case.graph.with(Clone::clone);
    graph.updates.clear();
    let found = Interpreter::new(graph, &ids, Precision::F32).run(&arrays, &mut HashMap::new())?;
    let outputs = results.iter().map(|(name, tensor)| {
        let value = found.get(&tensor.id()).map(Array::to_host).transpose()?;
        Ok(((*name).to_owned(), value.ok_or_else(|| Error::argument("output", "a value", "none"))?))
    });
    let outputs = outputs.collect::<Result<_>>()?;
    let name = format!("{} at opset {}", case.line, options.opset);
    Ok(Some(Sample { name, model, inputs, outputs, parameters }))
}

/// Indices that lie in the range of the ops of a case: cases have some that do not, which runtimes refuse.
fn indices_within(case: &Case, value: &HostTensor) -> Result<HostTensor> {
    let Ok(indices) = value.as_u32() else { return Ok(value.clone()) };
    let ranges = case.graph.with(|data| {
        let of = |node: &wgrad::graph::Node| {
            let types: Vec<_> = node.inputs.iter().map(|&input| data.ty(input)).collect();
            node.op.index_range(&types)
        };
        data.nodes.iter().filter_map(of).collect::<Vec<String>>()
    });
    // "indices below 5", "lengths of at most 5", "targets below 5 or 9, which is ignored"
    let numbers = |words: &String| -> Vec<u32> {
        let most = u32::from(words.contains("at most"));
        let numbers = words.split([' ', ',']).filter_map(|word| word.parse::<u32>().ok());
        numbers.map(|number| number + most).collect()
    };
    let ranges: Vec<Vec<u32>> = ranges.iter().map(numbers).collect();
    let inside = |&index: &u32| match ranges.iter().filter_map(|range| range.first()).min() {
        Some(&below) if !ranges.iter().any(|range| range[1..].contains(&index)) => index % below.max(1),
        _ => index,
    };
    HostTensor::from_u32(value.shape().clone(), indices.iter().map(inside).collect())
}
