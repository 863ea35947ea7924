//! Runs a graph op by op, without fusing anything.

use super::{Array, Precision, eval};
use crate::error::{Error, Result};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::ops::{self, Op};
use crate::tensor::TensorType;
use std::collections::HashMap;

/// Is shown a node, what it read and what it gave.
pub type Watch<'a> = &'a mut dyn FnMut(&Node, &[&Array], &[Array]);

/// A graph, ready to be evaluated op by op.
#[derive(Debug)]
pub struct Interpreter {
    graph: GraphData,
    outputs: Vec<ValueId>,
    needed: Vec<bool>,
    /// The last node that reads each value; `None` for what must outlive the run.
    last_use: Vec<Option<NodeId>>,
    precision: Precision,
}

impl Interpreter {
    /// Evaluates what `outputs` and the graph's updates need.
    pub fn new(graph: GraphData, outputs: &[ValueId], precision: Precision) -> Self {
        let needed = graph.reachable(outputs);
        let mut last_use: Vec<Option<NodeId>> = graph.values.iter().map(|v| Some(v.node)).collect();
        for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
            node.inputs.iter().for_each(|&v| last_use[v] = Some(id));
        }
        for value in outputs.iter().copied().chain(graph.updates.iter().map(|u| u.1)) {
            last_use[value] = None;
        }
        Self { graph, outputs: outputs.to_vec(), needed, last_use, precision }
    }

    /// The graph.
    pub fn graph(&self) -> &GraphData {
        &self.graph
    }

    /// Evaluates the graph, then writes the new values of the states, all at once. Gives the outputs.
    ///
    /// # Errors
    /// When an input or a state is missing or of another type.
    pub fn run(
        &self,
        inputs: &HashMap<String, Array>,
        states: &mut HashMap<String, Array>,
    ) -> Result<HashMap<ValueId, Array>> {
        self.run_watched(inputs, states, &mut |_, _, _| ())
    }

    /// As [`Interpreter::run`]; `watch` is shown each node with what it read and what it gave, in order.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub fn run_watched(
        &self,
        inputs: &HashMap<String, Array>,
        states: &mut HashMap<String, Array>,
        watch: Watch<'_>,
    ) -> Result<HashMap<ValueId, Array>> {
        let mut values: HashMap<ValueId, Array> = HashMap::new();
        for (id, node) in self.graph.nodes.iter().enumerate().filter(|(id, _)| self.needed[*id]) {
            let missing = || Error::argument(node.op.name(), "inputs computed before it", "one that was not");
            let read = node.inputs.iter().map(|v| values.get(v).ok_or_else(missing));
            let read = read.collect::<Result<Vec<_>>>()?;
            let results = match &node.op {
                Op::Input(ops::Input { name, ty }) => vec![find(inputs, "input", name, ty)?],
                Op::State(ops::State { name, ty, .. }) => vec![find(states, "state", name, ty)?],
                // All that reads something is evaluated.
                op => eval(op, &read, self.precision)?,
            };
            watch(node, &read, &results);
            values.extend(node.outputs.iter().copied().zip(results));
            for value in node.inputs.iter().chain(&node.outputs) {
                if self.last_use[*value] == Some(id) {
                    values.remove(value);
                }
            }
        }
        for (state, new) in &self.graph.updates {
            if let (Some(name), Some(value)) = (self.graph.producer(*state).op.leaf_name(), values.get(new)) {
                states.insert(name.to_owned(), value.clone());
            }
        }
        Ok(self.outputs.iter().filter_map(|v| values.get(v).map(|a| (*v, a.clone()))).collect())
    }
}

fn find(held: &HashMap<String, Array>, what: &str, name: &str, ty: &TensorType) -> Result<Array> {
    match held.get(name) {
        Some(value) if value.ty == *ty => Ok(value.clone()),
        Some(value) => {
            Err(Error::argument(&format!("{what} '{name}'"), ty.to_string(), value.ty.to_string()))
        }
        None => Err(Error::argument(&format!("{what} '{name}'"), ty.to_string(), "nothing")),
    }
}
