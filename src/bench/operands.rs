//! The values a measured node reads: data of the case, or what earlier nodes compute of it.

use crate::error::{Error, Result};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::ops::{self, Op};
use crate::reference::{Array, Precision, eval};
use crate::tensor::{HostTensor, TensorType};
use crate::verify::{Case, Input, first_value};
use std::collections::HashMap;

/// Elements of a forward pass that the reference computes for the backward pass; they are repeated.
const SAVED_ELEMENTS: usize = 1 << 20;

/// The value of an operand.
pub(super) fn operand(case: &Case, graph: &GraphData, value: ValueId) -> Result<HostTensor> {
    let (node, ty) = (graph.producer(value), graph.ty(value));
    if let Op::Input(ops::Input { name, .. }) = &node.op {
        return input(case, name)?.data();
    }
    let saved =
        Reference { case, graph, rows: rows(graph, node), known: HashMap::new() }.value(value)?.to_host()?;
    let bytes = saved.as_bytes().iter().copied().cycle().take(ty.bytes() as usize).collect::<Vec<_>>();
    HostTensor::from_bytes(ty, &bytes)
}

fn input<'a>(case: &'a Case, name: &str) -> Result<&'a Input> {
    let found = case.inputs.iter().find(|input| input.tensor.name().as_deref() == Some(name));
    found.ok_or_else(|| Error::argument(name, "an input of the case", "none"))
}

/// Rows of the first dimension that are enough of what a node computes; all of them where it does not work row
/// by row.
fn rows(graph: &GraphData, node: &Node) -> usize {
    let types: Vec<TensorType> = node.inputs.iter().map(|&v| graph.ty(v).clone()).collect();
    let given = node.inputs.iter().all(|&v| matches!(graph.producer(v).op, Op::Input(_)));
    if !given || !node.op.rowwise(&types) {
        return usize::MAX;
    }
    let first = types[0].shape[0].max(1);
    let largest = types.iter().map(|ty| ty.shape.elements()).max().unwrap_or(1);
    (SAVED_ELEMENTS / (largest / first).max(1)).clamp(1, first)
}

/// What the reference computes of the first `rows` of all inputs, each node once.
struct Reference<'a> {
    case: &'a Case,
    graph: &'a GraphData,
    rows: usize,
    known: HashMap<NodeId, Vec<Array>>,
}

impl Reference<'_> {
    fn value(&mut self, value: ValueId) -> Result<Array> {
        let id = self.graph.values[value].node;
        let node = &self.graph.nodes[id];
        if !self.known.contains_key(&id) {
            let results = self.node(node)?;
            self.known.insert(id, results);
        }
        let position = node.outputs.iter().position(|&v| v == value).unwrap_or(0);
        Ok(self.known[&id][position].clone())
    }

    fn node(&mut self, node: &Node) -> Result<Vec<Array>> {
        match &node.op {
            Op::Input(ops::Input { name, .. }) => {
                Ok(vec![Array::from_host(&input(self.case, name)?.rows(self.rows)?)])
            }
            Op::State(ops::State { name, ty, init, .. }) => Ok(vec![first_value(name, ty, init)]),
            // All that reads something is computed by the reference.
            op => {
                let inputs = node.inputs.iter().map(|&v| self.value(v)).collect::<Result<Vec<_>>>()?;
                eval(op, &inputs.iter().collect::<Vec<_>>(), Precision::F32)
            }
        }
    }
}
