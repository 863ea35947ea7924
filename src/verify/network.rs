//! A whole network: every node on the values that really flow into it, and the compiled program from end to end.

use super::adapter::Adapter;
use super::case::Case;
use super::data::{Input, Values};
use super::estimates::Estimate;
use super::line::Line;
use super::oracle::first_value;
use super::trial::{Effort, Outcome, Verdict, held};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphData, Node, NodeId, Tensor, ValueId};
use crate::ops::{self, Op};
use crate::platform::block_on;
use crate::reference::{Array, Interpreter, Precision};
use crate::tensor::{HostTensor, TensorType};
use std::collections::HashMap;
use std::fmt;

/// A network with the values that it is given. The reference computes it node by node, each value rounded as a device stores
/// it; what flows into a node is then what the node is tried on, with the effort of a [`Case`] and held to the same bounds.
///
/// ```
/// use wgrad::verify::{Adapter, Effort, Network, Verdict};
/// use wgrad::{Graph, HostTensor};
///
/// # fn main() -> wgrad::Result<()> {
/// let graph = Graph::new();
/// let x = graph.input("x", [2, 3])?;
/// let y = x.mul(&x)?.softmax(1)?;
/// let values = HostTensor::from_f32([2, 3], vec![0.5, -1.0, 2.0, 0.25, 3.0, -0.125])?;
/// let network = Network::new(&graph, &[("y", &y)], &[(x, values)])?;
/// assert_eq!(network.sites().len(), 2);
/// let Ok(adapter) = Adapter::open(None, None) else { return Ok(()) }; // no GPU here
/// network.hold(&[&adapter], Effort::quick(), u64::MAX, &mut |_site, _adapter, found| {
///     assert!(matches!(found, Ok(outcome) if outcome.verdict == Verdict::Pass));
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Network {
    pub(super) graph: Graph,
    pub(super) outputs: Vec<(String, Tensor)>,
    /// Of inputs and of states.
    pub(super) values: HashMap<String, Array>,
}

/// A node of a network that computes something.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its position in the graph.
    pub node: NodeId,
    /// Its op.
    pub op: &'static str,
    /// The op's attributes, empty where it has none.
    pub attributes: String,
    /// The layer that it belongs to; may be empty.
    pub label: String,
    /// What it reads.
    pub inputs: Vec<TensorType>,
    /// What it gives.
    pub outputs: Vec<TensorType>,
    /// Its floating-point operations.
    pub flops: u64,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} {}", self.node, self.op)?;
        if !self.label.is_empty() {
            write!(f, " '{}'", self.label)?;
        }
        if !self.attributes.is_empty() {
            write!(f, " {}", self.attributes)?;
        }
        let inputs: Vec<String> = self.inputs.iter().map(|ty| ty.shape.to_string()).collect();
        write!(f, " of {}", inputs.join(", "))
    }
}

impl Network {
    /// The outputs, by name, of a graph whose inputs have these values, and whose states have their first ones, of seed 0.
    ///
    /// # Errors
    /// When a value has another type than its input, or an output is of another graph.
    pub fn new(graph: &Graph, outputs: &[(&str, &Tensor)], inputs: &[(Tensor, HostTensor)]) -> Result<Self> {
        graph.owns("network", &outputs.iter().map(|(_, output)| *output).collect::<Vec<_>>())?;
        let states = graph.with(|data| {
            let first = |node: &Node| match &node.op {
                Op::State(ops::State { name, ty, init, .. }) => {
                    Some((name.clone(), first_value(name, ty, init)))
                }
                // No other op keeps a value.
                _ => None,
            };
            data.nodes.iter().filter_map(first).collect()
        });
        let outputs = outputs.iter().map(|&(name, output)| (name.to_owned(), output.clone())).collect();
        let network = Self { graph: graph.clone(), outputs, values: states };
        inputs.iter().try_fold(network, |network, (tensor, value)| {
            network.value(&tensor.name().unwrap_or_default(), value)
        })
    }

    /// Gives an input or a state another value.
    ///
    /// # Errors
    /// When there is none of this name, or it is of another type.
    pub fn value(mut self, name: &str, value: &HostTensor) -> Result<Self> {
        let found = self.graph.with(|data| {
            let leaf = data.nodes.iter().find(|node| node.op.leaf_name() == Some(name));
            leaf.map(|node| node.op.leaf_type())
        });
        let ty = found.ok_or_else(|| Error::argument("value", "the name of an input or a state", name))?;
        if ty != value.ty() {
            let what = format!("the value of '{name}'");
            return Err(Error::argument(&what, ty.to_string(), value.ty().to_string()));
        }
        self.values.insert(name.to_owned(), Array::from_host(value));
        Ok(self)
    }

    pub(super) fn ids(&self) -> Vec<ValueId> {
        self.outputs.iter().map(|(_, output)| output.id()).collect()
    }

    /// The nodes that are tried, in the order in which they are computed: those that read something and that the outputs or
    /// a state's new value need.
    pub fn sites(&self) -> Vec<Site> {
        self.graph.with(|data| {
            let needed = data.reachable(&self.ids());
            let computing = data.nodes.iter().enumerate().filter(|(id, _)| needed[*id]);
            computing
                .filter(|(_, node)| !node.inputs.is_empty())
                .map(|(id, node)| site(data, id, node))
                .collect()
        })
    }

    /// Tries every node on every adapter, one after the other; `see` is called with the node, the adapter's index among them,
    /// and what came of it, or how the device failed there. A device that failed is not asked again. A node of more than
    /// `most_flops` floating-point operations is skipped: the reference computes each several times.
    ///
    /// # Errors
    /// When a value is missing, or the reference refuses a node.
    pub fn hold(&self, adapters: &[&Adapter], effort: Effort, most_flops: u64, see: See<'_>) -> Result<()> {
        let data = self.graph.with(Clone::clone);
        let round = Round::new(adapters, effort, most_flops);
        self.walk(data, &self.ids(), &|_| true, round, see)
    }

    /// As [`Network::hold`], but only these nodes are computed, however large, and only what they need is computed.
    ///
    /// # Errors
    /// As [`Network::hold`].
    pub fn hold_some(
        &self,
        nodes: &[NodeId],
        adapters: &[&Adapter],
        effort: Effort,
        see: See<'_>,
    ) -> Result<()> {
        let mut data = self.graph.with(Clone::clone);
        data.updates.clear();
        let found = nodes.iter().filter_map(|&node| data.nodes.get(node));
        let wanted: Vec<ValueId> = found.flat_map(|node| node.outputs.clone()).collect();
        let round = Round::new(adapters, effort, u64::MAX);
        self.walk(data, &wanted, &|node| nodes.contains(&node), round, see)
    }

    fn walk(
        &self,
        data: GraphData,
        outputs: &[ValueId],
        wanted: &dyn Fn(NodeId) -> bool,
        mut round: Round<'_>,
        see: See<'_>,
    ) -> Result<()> {
        let interpreter = Interpreter::new(data, outputs, Precision::F32);
        let mut refused = None;
        let mut watch = |node: &Node, read: &[&Array], _: &[Array]| {
            let id = node.outputs.first().map_or(0, |&value| interpreter.graph().values[value].node);
            if read.is_empty() || refused.is_some() || !wanted(id) {
                return;
            }
            let site = site(interpreter.graph(), id, node);
            match round.node(node, read, &site) {
                Ok(found) => found.into_iter().enumerate().for_each(|(number, one)| see(&site, number, one)),
                Err(error) => refused = Some(error),
            }
        };
        interpreter.run_watched(&self.values, &mut self.values.clone(), &mut watch)?;
        refused.map_or(Ok(()), Err)
    }
}

/// Called with a node, an adapter's index, and what came of the node there, or how the device failed.
pub type See<'a> = &'a mut dyn FnMut(&Site, usize, std::result::Result<Outcome, String>);

fn site(data: &GraphData, node: NodeId, of: &Node) -> Site {
    let types = |ids: &[ValueId]| ids.iter().map(|&v| data.ty(v).clone()).collect::<Vec<_>>();
    let (inputs, outputs) = (types(&of.inputs), types(&of.outputs));
    let flops = of.op.flops(&inputs.iter().collect::<Vec<_>>(), &outputs.iter().collect::<Vec<_>>());
    let (op, attributes, label) = (of.op.name(), of.op.attributes(), of.label.clone());
    Site { node, op, attributes, label, inputs, outputs, flops }
}

/// The adapters, and how nodes are tried on them.
struct Round<'a> {
    adapters: &'a [&'a Adapter],
    effort: Effort,
    most_flops: u64,
    /// Why each adapter is asked no more.
    lost: Vec<Option<String>>,
}

impl<'a> Round<'a> {
    fn new(adapters: &'a [&'a Adapter], effort: Effort, most_flops: u64) -> Self {
        Self { adapters, effort, most_flops, lost: vec![None; adapters.len()] }
    }

    /// A node on each adapter.
    fn node(
        &mut self,
        node: &Node,
        read: &[&Array],
        site: &Site,
    ) -> Result<Vec<std::result::Result<Outcome, String>>> {
        let skipped = |reason: String| Ok(Outcome { verdict: Verdict::Skipped(reason), ..Outcome::new(&[]) });
        if site.flops > self.most_flops {
            let giga = |flops: u64| flops as f64 / 1e9;
            let reason = format!("{:.1} GFLOP, more than {:.1}", giga(site.flops), giga(self.most_flops));
            return Ok(vec![skipped(reason); self.adapters.len()]);
        }
        let case = Case::of_node(node, read)?;
        let expected: Vec<Estimate> = case.expected()?;
        let effort = self.effort;
        let on = |(adapter, lost): (&&Adapter, &mut Option<String>)| {
            if let Some(reason) = lost {
                return skipped(reason.clone());
            }
            block_on("verify::run_async", held(&case, &expected, *adapter, effort, None)).map_err(|error| {
                *lost = Some(format!("the device failed before: {error}"));
                error.to_string()
            })
        };
        Ok(self.adapters.iter().zip(&mut self.lost).map(on).collect())
    }
}

impl Case {
    /// A node on the values that flow into it.
    fn of_node(node: &Node, read: &[&Array]) -> Result<Self> {
        let line = Line { op: node.op.name().to_owned(), fields: Vec::new() };
        let mut case = Self::of_flow(&line);
        let mut tensors: HashMap<ValueId, Tensor> = HashMap::new();
        for (&value, array) in node.inputs.iter().zip(read) {
            if tensors.contains_key(&value) {
                continue;
            }
            let (name, shape) = (format!("input{}", tensors.len()), array.ty.shape.clone());
            let tensor = match array.ty.dtype {
                DType::F16 => case.graph.input_f16(&name, shape)?,
                DType::F32 => case.graph.input(&name, shape)?,
                DType::U32 => case.graph.input_u32(&name, shape)?,
            };
            case.inputs.push(Input::new(&tensor, Values::Given(array.to_host()?), 0));
            tensors.insert(value, tensor);
        }
        let inputs: Vec<&Tensor> = node.inputs.iter().filter_map(|value| tensors.get(value)).collect();
        let outputs = case.graph.apply(node.op.clone(), &inputs)?;
        for (number, output) in outputs.iter().enumerate() {
            let number = if number == 0 { String::new() } else { number.to_string() };
            case.output(&format!("output{number}"), output);
        }
        Ok(case)
    }
}
