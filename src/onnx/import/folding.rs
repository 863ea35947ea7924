//! What does not depend on the inputs is computed while the graph is built.

use super::node::Node;
use super::operators::Operator;
use super::{Value, host};
use crate::error::Result;
use crate::graph::Graph;
use crate::onnx::array::Array;
use crate::reference::{Array as Computed, Interpreter, Precision};
use std::collections::HashMap;

/// Elements up to which a value is computed here; larger ones are left to the device.
const MOST: usize = 1 << 22;

/// Whether it is known and is not to be trained.
fn is_fixed(value: &Value) -> bool {
    matches!(value, Value::Known(array) if array.parameter.is_none())
}

/// Adds the node to the graph, or computes it where everything is known.
pub(super) fn run(node: &Node<'_>, operator: &Operator) -> Result<Vec<Value>> {
    let fixed = node.inputs.iter().flatten().all(is_fixed);
    if fixed && !operator.control {
        if let Some(found) = host::evaluate(node)? {
            return Ok(found);
        }
        if let Some(found) = aside(node, operator)? {
            return Ok(found);
        }
    }
    if operator.control {
        return (operator.build)(node);
    }
    node.graph.scoped(node.label, || (operator.build)(node))
}

/// Builds the node in a graph of its own and computes it; `None` where that is too large.
fn aside(node: &Node<'_>, operator: &Operator) -> Result<Option<Vec<Value>>> {
    let graph = Graph::new();
    graph.set_training(node.graph.is_training());
    let alone = Node { graph: &graph, ..node.clone() };
    let found = (operator.build)(&alone)?;
    let runs: Vec<_> = found
        .iter()
        .filter_map(|value| if let Value::Run(t, _) = value { Some(t.id()) } else { None })
        .collect();
    let large = graph.with(|data| {
        data.values.iter().any(|value| value.ty.shape.elements() > MOST)
            || data.nodes.iter().any(|n| n.op.leaf_name().is_some())
    });
    if large {
        return Ok(None);
    }
    let interpreter = Interpreter::new(graph.with(Clone::clone), &runs, Precision::F32);
    let computed = interpreter.run(&HashMap::new(), &mut HashMap::new())?;
    let value = |value: Value| match value {
        Value::Known(_) => Ok(value),
        Value::Run(tensor, element) => {
            let host = computed.get(&tensor.id()).map(Computed::to_host);
            let host = host.ok_or_else(|| node.fail("a value of each output", "fewer"))??;
            Array::computed(element, host).map(Value::Known).map_err(node.refuse())
        }
    };
    found.into_iter().map(value).collect::<Result<Vec<_>>>().map(Some)
}
