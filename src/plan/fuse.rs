//! Fusion: element-wise functions are applied where their input is computed, instead of in a pass of their own.
//!
//! A node joins the group of the node that computes its input when that value has no other reader and the group's
//! kernel can apply an epilogue. The other operand of a joined node becomes an input of the group, which runs at
//! the place of its last node. A reshape between the two joins as well: element by element, both shapes are alike.

use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::kernels::{Epilogue, EpilogueStep, takes_epilogue};
use crate::ops::Op;
use crate::tensor::TensorType;

/// Other operands a group may read: with a convolution's own four bindings this stays within what every
/// adapter allows.
const MOST_OPERANDS: usize = 3;

/// Nodes that one kernel computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// The node whose op is lowered, then those applied to its output and the reshapes between them.
    pub(super) nodes: Vec<NodeId>,
    /// What is applied.
    pub(super) epilogue: Epilogue,
    /// The first node's inputs, then the other operands of the epilogue.
    pub(super) inputs: Vec<ValueId>,
    /// What is stored.
    pub(super) outputs: Vec<ValueId>,
}

/// An element-wise node that runs on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfused {
    /// Its op.
    pub op: &'static str,
    /// Its layer.
    pub label: String,
    /// Why no other kernel computes it too.
    pub why: String,
}

/// The needed nodes in groups, in an order in which they can run, and the element-wise nodes that joined none.
/// `outputs` must be stored.
pub(super) fn fuse(graph: &GraphData, outputs: &[ValueId], needed: &[bool]) -> (Vec<Group>, Vec<Unfused>) {
    let readers = readers(graph, outputs, needed);
    let mut groups: Vec<Group> = Vec::new();
    let mut unfused = Vec::new();
    let mut group_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let mut why: Vec<String> = Vec::new();
        let joined = candidates(node, graph).into_iter().find_map(|(through, other)| {
            let (source, reshapes) = behind_reshapes(node.inputs[through], graph);
            let group = group_of[graph.values[source].node]?;
            let between = reshapes.iter().map(|&id| graph.nodes[id].inputs[0]);
            let stored = between.chain([node.inputs[through]]).find(|&value| readers[value] > 1);
            let refused = refusal(&groups[group], stored, other, graph);
            why.extend(refused.clone());
            refused.is_none().then_some((group, reshapes, other))
        });
        if joined.is_none() && is_elementwise(node) {
            let stretched = || "an operand is broadcast".to_owned();
            let why = why.into_iter().next().unwrap_or_else(stretched);
            unfused.push(Unfused { op: node.op.name(), label: node.label.clone(), why });
        }
        let place = match joined {
            Some((group, reshapes, other)) => {
                for reshape in reshapes {
                    group_of[reshape].iter().for_each(|&alone| groups[alone].nodes.clear());
                    groups[group].nodes.push(reshape);
                }
                join(&mut groups[group], id, node, other);
                group
            }
            None => {
                let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
                groups.push(Group { nodes: vec![id], epilogue: Epilogue::default(), inputs, outputs });
                groups.len() - 1
            }
        };
        group_of[id] = Some(place);
    }
    groups.retain(|group| !group.nodes.is_empty());
    groups.sort_by_key(|group| group.nodes.last().copied());
    (groups, unfused)
}

fn is_elementwise(node: &Node) -> bool {
    matches!(node.op, Op::Unary(_) | Op::UnaryBackward(_) | Op::Binary(_))
}

/// How often each value is read; one that must be stored counts as read by others.
pub(super) fn readers(graph: &GraphData, outputs: &[ValueId], needed: &[bool]) -> Vec<usize> {
    let mut readers = vec![0; graph.values.len()];
    for (_, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        node.inputs.iter().for_each(|&v| readers[v] += 1);
    }
    for value in outputs.iter().copied().chain(graph.updates.iter().flat_map(|&(s, v)| [s, v])) {
        readers[value] += 2;
    }
    readers
}

/// The inputs of an element-wise node through which it could join a group, each with its other operand.
fn candidates(node: &Node, graph: &GraphData) -> Vec<(usize, Option<usize>)> {
    let same_shape = || graph.ty(node.inputs[0]) == graph.ty(node.inputs[1]);
    if let Op::Unary(_) = node.op {
        vec![(0, None)]
    } else if let Op::UnaryBackward(_) = node.op {
        vec![(0, Some(1))]
    } else if matches!(node.op, Op::Binary(_)) && same_shape() {
        vec![(0, Some(1)), (1, Some(0))]
    } else {
        vec![]
    }
}

/// The value that reshapes give other shapes until it is `value`, and those reshapes, in order.
fn behind_reshapes(mut value: ValueId, graph: &GraphData) -> (ValueId, Vec<NodeId>) {
    let mut reshapes = Vec::new();
    while let Op::Reshape { .. } = graph.producer(value).op {
        reshapes.push(graph.values[value].node);
        value = graph.producer(value).inputs[0];
    }
    reshapes.reverse();
    (value, reshapes)
}

/// Why the kernel of `group` cannot apply one more function to its output, of which `stored` has other readers; `None`
/// where it can.
fn refusal(
    group: &Group,
    stored: Option<ValueId>,
    other: Option<usize>,
    graph: &GraphData,
) -> Option<String> {
    let base = &graph.nodes[group.nodes[0]];
    let types: Vec<&TensorType> = base.inputs.iter().map(|&v| graph.ty(v)).collect();
    let operands = group.inputs.len() - base.inputs.len() + usize::from(other.is_some());
    if !takes_epilogue(&base.op, &types) {
        Some(match base.op {
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } => "it reads memory only".to_owned(),
            _ => format!("{} stores its output as it is", base.op.name()),
        })
    } else if let Some(stored) = stored {
        Some(format!("the output of {} is needed elsewhere too", graph.producer(stored).op.name()))
    } else {
        (operands > MOST_OPERANDS).then(|| format!("{} reads {MOST_OPERANDS} other operands", base.op.name()))
    }
}

fn join(group: &mut Group, id: NodeId, node: &Node, other: Option<usize>) {
    let place = group.inputs.len();
    group.inputs.extend(other.map(|i| node.inputs[i]));
    let step = if let Op::Unary(function) = node.op {
        EpilogueStep::Unary(function)
    } else if let Op::UnaryBackward(function) = node.op {
        EpilogueStep::UnaryBackward { function, saved: place }
    } else if let Op::Binary(function) = node.op {
        EpilogueStep::Binary { function, other: place, swapped: other == Some(0) }
    } else {
        return; // candidates() names no other op
    };
    group.epilogue.0.push(step);
    group.nodes.push(id);
    group.outputs.clone_from(&node.outputs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use crate::graph::Tensor;
    use crate::ops::Conv2d;

    /// The ops of each group, of a graph whose outputs are these.
    fn groups(outputs: &[&Tensor]) -> Vec<String> {
        let ids: Vec<ValueId> = outputs.iter().map(|t| t.id()).collect();
        outputs[0].graph().with(|data| {
            let names = |group: &Group| {
                let names: Vec<_> = group.nodes.iter().map(|&id| data.nodes[id].op.name()).collect();
                names.join("+")
            };
            let (all, _) = fuse(data, &ids, &data.reachable(&ids));
            all.iter().map(names).filter(|n| n != "input").collect()
        })
    }

    fn conv(graph: &Graph) -> (Tensor, Tensor) {
        let x = graph.input("x", [1, 2, 6, 6]).unwrap();
        let w = graph.input("w", [2, 2, 3, 3]).unwrap();
        (x.conv2d(&w, None, Conv2d::default().padding(1)).unwrap(), x)
    }

    #[test]
    fn a_chain_joins_the_convolution_that_feeds_it() {
        let (y, x) = conv(&Graph::new());
        let z = y.relu().unwrap().add(&x).unwrap().scale(2.0).unwrap();
        assert_eq!(groups(&[&z]), ["conv2d+relu+add+scale"]);
    }

    #[test]
    fn a_value_with_another_reader_is_stored() {
        let (y, _) = conv(&Graph::new());
        let z = y.relu().unwrap();
        assert_eq!(groups(&[&y, &z]), ["conv2d", "relu"], "y is an output");
        let gate = y.sigmoid().unwrap();
        assert_eq!(groups(&[&y.mul(&gate).unwrap()]), ["conv2d", "sigmoid+mul"], "y is read twice");
        assert_eq!(groups(&[&z.mul(&z).unwrap()]), ["conv2d+relu", "mul"], "a square reads its input twice");
    }

    #[test]
    fn the_other_operand_is_computed_first() {
        let graph = Graph::new();
        let ((y, x), w) = (conv(&graph), graph.input("w", [2, 2, 3, 3]).unwrap());
        let later = x.conv2d(&w, None, Conv2d::default().padding(1)).unwrap();
        // y waits for what is added to it.
        assert_eq!(groups(&[&y.sub(&later.tanh().unwrap()).unwrap()]), ["conv2d+tanh", "conv2d+sub"]);
    }

    #[test]
    fn a_chain_goes_through_reshapes() -> crate::Result<()> {
        let (y, _) = conv(&Graph::new());
        let other = y.graph().input("other", [12, 6])?;
        let z = y.relu()?.reshape([2, 36])?.flatten(0)?.reshape([12, 6])?.mul(&other)?;
        assert_eq!(groups(&[&z]), ["conv2d+relu+reshape+reshape+reshape+mul"]);
        let last = z.reshape([72])?;
        assert_eq!(groups(&[&last])[1..], ["reshape"], "nothing to compute behind it: a view");
        let reshaped = y.reshape([72])?;
        assert_eq!(groups(&[&reshaped.relu()?, &y]), ["conv2d", "reshape", "relu"], "y is an output");
        assert_eq!(
            groups(&[&reshaped.relu()?, &reshaped]),
            ["conv2d", "reshape", "relu"],
            "the reshape is one"
        );
        Ok(())
    }

    #[test]
    fn broadcasting_ends_a_chain() {
        let graph = Graph::new();
        let (y, _) = conv(&graph);
        let bias = graph.input("b", [2, 1, 1]).unwrap();
        assert_eq!(groups(&[&y.add(&bias).unwrap().relu().unwrap()]), ["conv2d", "add", "relu"]);
    }
}
