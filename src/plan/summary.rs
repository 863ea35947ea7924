//! What a graph is made of, layer by layer: shapes, parameters, operations.

use crate::graph::{GraphData, Node, ValueId};
use crate::ops::{Op, Role, State};
use crate::shape::Shape;
use std::collections::HashSet;
use std::fmt;

/// A layer: the nodes of one label that follow one another, or all steps of an unrolled cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its scope, such as `features.0`; empty for what stands in none.
    pub name: String,
    /// Its ops in order, each once, and the floating-point operations of each.
    pub ops: Vec<(&'static str, u64)>,
    /// What its last node gives.
    pub output: Shape,
    /// The elements of the parameters that it is the first to read.
    pub parameters: u64,
}

impl Layer {
    /// The floating-point operations of a run.
    pub fn flops(&self) -> u64 {
        self.ops.iter().map(|op| op.1).sum()
    }

    /// The ops that compute, or all where none does, joined.
    fn words(&self) -> String {
        let working: Vec<_> = self.ops.iter().filter(|op| op.1 > 0).map(|op| op.0).collect();
        let all = || self.ops.iter().map(|op| op.0).collect();
        let names: Vec<&str> = if working.is_empty() { all() } else { working };
        let more = names.len().saturating_sub(MOST);
        let rest = if more > 0 { format!(", {more} more") } else { String::new() };
        names[..names.len() - more].join(", ") + &rest
    }
}

/// Ops of a layer that are named.
const MOST: usize = 3;

/// A graph, layer by layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// In the order in which they compute.
    pub layers: Vec<Layer>,
    /// The elements of all parameters, each counted once.
    pub parameters: u64,
    /// The elements of other states that are saved with the model: running statistics.
    pub buffers: u64,
}

impl Summary {
    /// The floating-point operations of a run: a multiplication and an addition are two. Taps in the padding count.
    pub fn flops(&self) -> u64 {
        self.layers.iter().map(Layer::flops).sum()
    }

    /// Those of one op in all layers.
    pub fn flops_of(&self, op: &str) -> u64 {
        let ops = self.layers.iter().flat_map(|layer| &layer.ops);
        ops.filter(|(name, _)| *name == op).map(|(_, flops)| flops).sum()
    }
}

/// The layers of what computes `outputs` and the graph's updates, as the graph has them: before any fusion.
///
/// ```
/// use wgrad::{Graph, nn::{self, Module}, plan::summary};
///
/// let graph = Graph::new();
/// let logits = nn::simple_cnn().forward(&graph.input("image", [1, 1, 28, 28])?)?;
/// let summary = graph.with(|data| summary(data, &[logits.id()]));
/// assert_eq!(summary.parameters, 421_642);
/// assert_eq!(summary.layers[0].name, "features.0");
/// println!("{summary}");
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn summary(graph: &GraphData, outputs: &[ValueId]) -> Summary {
    let mut summary = Summary::default();
    let mut read = HashSet::new();
    for (node, needed) in graph.nodes.iter().zip(graph.reachable(outputs)) {
        if !needed {
            continue;
        }
        match &node.op {
            Op::State(State { role, ty, .. }) => match role {
                Role::Parameter => summary.parameters += ty.shape.elements() as u64,
                Role::Buffer => summary.buffers += ty.shape.elements() as u64,
                Role::Optimizer | Role::Metric => {}
            },
            Op::Input(_) | Op::Constant(_) | Op::Table(_) => {}
            // Every op that computes.
            _ => add(&mut summary.layers, node, graph, &mut read),
        }
    }
    summary
}

/// The label without the step of an unrolled cell, and whether there was one.
fn unstepped(label: &str) -> (&str, bool) {
    let step = label.rsplit_once("t=").filter(|(_, step)| step.parse::<usize>().is_ok());
    step.map_or((label, false), |(layer, _)| (layer.trim_end(), true))
}

/// Adds a node to its layer, which is the last one unless the node is one step of many.
fn add(layers: &mut Vec<Layer>, node: &Node, graph: &GraphData, read: &mut HashSet<ValueId>) {
    let (name, stepped) = unstepped(&node.label);
    let last = layers.len().saturating_sub(1);
    let of_name = |(position, layer): (usize, &Layer)| {
        (layer.name == name && (stepped || position == last)).then_some(position)
    };
    let position = layers.iter().enumerate().rev().find_map(of_name).unwrap_or_else(|| {
        let (output, name) = (Shape::from([]), name.to_owned());
        layers.push(Layer { name, ops: Vec::new(), output, parameters: 0 });
        layers.len() - 1
    });
    let Some(layer) = layers.get_mut(position) else { return };
    let types = |ids: &[ValueId]| ids.iter().map(|&id| graph.ty(id)).collect::<Vec<_>>();
    let flops = node.op.flops(&types(&node.inputs), &types(&node.outputs));
    match layer.ops.iter_mut().find(|(op, _)| *op == node.op.name()) {
        Some((_, all)) => *all += flops,
        None => layer.ops.push((node.op.name(), flops)),
    }
    if let Some(&output) = node.outputs.first() {
        layer.output = graph.ty(output).shape.clone();
    }
    for &input in &node.inputs {
        // Every state but a parameter is none of the layer's size.
        if let Op::State(State { role: Role::Parameter, ty, .. }) = &graph.producer(input).op
            && read.insert(input)
        {
            layer.parameters += ty.shape.elements() as u64;
        }
    }
}

/// A whole number with a comma after every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |(position, digit): (usize, char)| {
        let here = position > 0 && (digits.len() - position).is_multiple_of(3);
        if here { format!(",{digit}") } else { String::from(digit) }
    };
    digits.chars().enumerate().map(comma).collect()
}

/// Operations in the unit that suits them.
fn flops(number: u64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (size, unit) = units.into_iter().find(|unit| number as f64 >= unit.0).unwrap_or((1.0, ""));
    if unit.is_empty() { number.to_string() } else { format!("{:.2} {unit}", number as f64 / size) }
}

impl fmt::Display for Summary {
    /// A line a layer, then the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |layer: &Layer| {
            let name = if layer.name.is_empty() { "-".to_owned() } else { layer.name.clone() };
            let numbers = [grouped(layer.parameters), flops(layer.flops())];
            let [parameters, flops] = numbers;
            [name, layer.words(), layer.output.to_string(), parameters, flops]
        };
        let head = ["layer", "op", "output", "parameters", "FLOPs"].map(str::to_owned);
        let totals = [String::from("total"), String::new(), String::new()];
        let [total, a, b] = totals;
        let last = [total, a, b, grouped(self.parameters), flops(self.flops())];
        let rows: Vec<_> = [head].into_iter().chain(self.layers.iter().map(row)).chain([last]).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [name, op, output, parameters, flops] = [0, 1, 2, 3, 4].map(width);
        for [a, b, c, d, e] in &rows {
            writeln!(f, "{a:name$}  {b:op$}  {c:output$}  {d:>parameters$}  {e:>flops$}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::ops::Init;

    #[test]
    fn parameters_are_counted_once_and_steps_are_one_layer() -> crate::Result<()> {
        let graph = Graph::new();
        let mut x = graph.input("x", [2, 3])?;
        for step in 0..4 {
            let next = || x.matmul(&graph.parameter("cell.w", [3, 3], Init::Zeros)?)?.tanh();
            x = graph.scoped("cell", || graph.stepped(step, next))?;
        }
        let unused = graph.parameter("unused", [100], Init::Zeros)?;
        graph.scoped("away", || unused.relu())?;
        let y = graph.scoped("head", || x.relu())?;
        let summary = graph.with(|data| summary(data, &[y.id()]));
        let names: Vec<_> = summary.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!((names, summary.parameters), (vec!["cell", "head"], 9));
        assert_eq!((summary.layers[0].parameters, summary.layers[1].parameters), (9, 0));
        assert_eq!(summary.flops_of("matmul"), 4 * 2 * 2 * 3 * 3);
        assert_eq!(summary.layers[1].output, Shape::from([2, 3]));
        Ok(())
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (number, words) in [(0, "0"), (999, "999"), (1000, "1,000"), (11_689_512, "11,689,512")] {
            assert_eq!(grouped(number), words);
        }
        assert_eq!(
            (flops(12), flops(1_500), flops(3_628_146_688)),
            ("12".into(), "1.50 k".into(), "3.63 G".into())
        );
    }
}
