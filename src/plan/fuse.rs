//! Fusion: element-wise functions are applied where their input is computed, or where a sum loads what they compute,
//! instead of in a pass of their own.
//!
//! A node joins the group of the node that computes its input when that value has no other reader and the group's
//! kernel can apply an epilogue. The other operand of a joined node becomes an input of the group, which runs at
//! the place of its last node. A sum joins a group of element-wise functions in the same way, and from then on it is
//! its kernel, and the functions are a prologue. A reshape between the two joins as well: element by element, both
//! shapes are alike.

use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::kernels::{self, ChainStep, Fused, takes_epilogue};
use crate::ops::Op;
use crate::tensor::TensorType;

/// Bindings of a group, which every adapter has.
const MOST_BINDINGS: usize = 7;
/// A kernel's own bindings at most: a convolution's. A sum has half as many.
const OWN_BINDINGS: usize = 4;

/// Nodes that one kernel computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// Those applied to what is loaded, the node whose op is lowered, those applied to its output; and the reshapes
    /// between them.
    pub(super) nodes: Vec<NodeId>,
    /// The place of the node whose op is lowered.
    pub(super) base: usize,
    /// What is applied.
    pub(super) fused: Fused,
    /// What the lowered op reads, then the other operands of what is applied to its output. Of an op that applies
    /// something to what it loads, first what that is computed from.
    pub(super) inputs: Vec<ValueId>,
    /// What is stored.
    pub(super) outputs: Vec<ValueId>,
}

impl Group {
    fn new(id: NodeId, node: &Node) -> Self {
        let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
        Self { nodes: vec![id], base: 0, fused: Fused::default(), inputs, outputs }
    }

    /// Where it runs: at its last node, but a sum as early as it can, since what it reads may be large.
    fn place(&self, graph: &GraphData) -> (Option<NodeId>, u8) {
        if !is_sum(self.node(graph)) {
            return (self.nodes.last().copied(), 0);
        }
        let base = self.nodes.get(self.base).copied();
        let inputs = self.inputs.iter().map(|&value| graph.values[value].node).max();
        if inputs > base { (inputs, 2) } else { (base, 1) }
    }

    /// The node whose op is lowered.
    pub(super) fn node<'a>(&self, graph: &'a GraphData) -> &'a Node {
        &graph.nodes[self.nodes[self.base]]
    }
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
            if takes_prologue(node, graph) && !may_wait(&groups[group], id, graph) {
                return None;
            }
            let between = reshapes.iter().map(|&id| graph.nodes[id].inputs[0]);
            let stored = between.chain([node.inputs[through]]).find(|&value| readers[value] > 1);
            let refused = refusal(&groups[group], stored, other.map(|i| node.inputs[i]), graph);
            why.extend(refused.clone());
            refused.is_none().then_some((group, reshapes, other))
        });
        if joined.is_none() && is_elementwise(node) {
            let stretched = || "an operand is broadcast".to_owned();
            let why = why.into_iter().next().unwrap_or_else(stretched);
            unfused.push((id, Unfused { op: node.op.name(), label: node.label.clone(), why }));
        }
        let place = match joined {
            Some((group, reshapes, other)) => {
                for reshape in reshapes {
                    group_of[reshape].iter().for_each(|&alone| groups[alone].nodes.clear());
                    groups[group].nodes.push(reshape);
                }
                join(&mut groups[group], id, other, graph);
                group
            }
            None => {
                groups.push(Group::new(id, node));
                groups.len() - 1
            }
        };
        group_of[id] = Some(place);
    }
    // A sum behind it may have taken it in.
    unfused
        .retain(|&(id, _)| group_of[id].is_some_and(|group| groups[group].nodes[groups[group].base] == id));
    groups.retain(|group| !group.nodes.is_empty());
    groups.sort_by_key(|group| group.place(graph));
    (groups, unfused.into_iter().map(|(_, unfused)| unfused).collect())
}

/// Each needed node alone, as if no kernel could apply another's function.
pub(super) fn apart(graph: &GraphData, needed: &[bool]) -> (Vec<Group>, Vec<Unfused>) {
    let nodes = graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]);
    let alone = nodes.clone().filter(|(_, node)| is_elementwise(node)).map(|(_, node)| Unfused {
        op: node.op.name(),
        label: node.label.clone(),
        why: "nothing is fused".to_owned(),
    });
    (nodes.clone().map(|(id, node)| Group::new(id, node)).collect(), alone.collect())
}

fn is_sum(node: &Node) -> bool {
    matches!(node.op, Op::Sum { .. })
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

/// The inputs through which a node could join a group, each with its other operand.
fn candidates(node: &Node, graph: &GraphData) -> Vec<(usize, Option<usize>)> {
    let same_shape = || graph.ty(node.inputs[0]) == graph.ty(node.inputs[1]);
    if matches!(node.op, Op::Unary(_)) || takes_prologue(node, graph) {
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

/// Whether the kernel of a node loads each element once and in order, so that it can apply functions to them.
fn takes_prologue(node: &Node, graph: &GraphData) -> bool {
    node.inputs.first().is_some_and(|&value| kernels::takes_prologue(&node.op, graph.ty(value)))
}

/// Whether a chain of element-wise functions can run where this node does: no state that it reads is updated before,
/// which would have to be saved.
fn may_wait(chain: &Group, id: NodeId, graph: &GraphData) -> bool {
    let between = chain.nodes.last().map_or(0..0, |&last| last..id);
    let updated = |&(state, new): &(ValueId, ValueId)| {
        chain.inputs.contains(&state) && between.contains(&graph.values[new].node)
    };
    is_elementwise(chain.node(graph)) && !graph.updates.iter().any(updated)
}

/// Why the kernel of `group` cannot apply one more function to its output, of which `stored` has other readers, with
/// another operand if there is one; `None` where it can.
fn refusal(
    group: &Group,
    stored: Option<ValueId>,
    other: Option<ValueId>,
    graph: &GraphData,
) -> Option<String> {
    let base = group.node(graph);
    let types: Vec<&TensorType> = base.inputs.iter().map(|&v| graph.ty(v)).collect();
    let sum = is_sum(base);
    let most = MOST_BINDINGS - if sum { OWN_BINDINGS / 2 } else { OWN_BINDINGS };
    let operands = group.inputs.len() - base.inputs.len() + usize::from(other.is_some());
    // What a sum reads may be large, and would have to be kept.
    let later = |value: ValueId| {
        graph.producer(value).op.leaf_name().is_none()
            && !matches!(graph.producer(value).op, Op::Constant { .. })
            && graph.values[value].node > group.nodes[group.base]
    };
    if !takes_epilogue(&base.op, &types) {
        Some(match base.op {
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } => "it reads memory only".to_owned(),
            _ => format!("{} stores its output as it is", base.op.name()),
        })
    } else if let Some(stored) = stored {
        Some(format!("the output of {} is needed elsewhere too", graph.producer(stored).op.name()))
    } else if sum && other.is_some_and(later) {
        Some(format!("{} would wait for another operand", base.op.name()))
    } else {
        (other.is_some() && operands > most)
            .then(|| format!("{} reads {most} other operands", base.op.name()))
    }
}

/// Makes a node part of a group: its function one more of the epilogue, or the node what the group is lowered to.
fn join(group: &mut Group, id: NodeId, other: Option<usize>, graph: &GraphData) {
    let node = &graph.nodes[id];
    if takes_prologue(node, graph) {
        let first = ChainStep::of(&group.node(graph).op);
        let stores = std::mem::take(&mut group.fused.stores.0);
        group.fused.loads.0.extend(first.into_iter().chain(stores));
        group.base = group.nodes.len();
    } else {
        let place = group.inputs.len();
        group.inputs.extend(other.map(|i| node.inputs[i]));
        group.fused.stores.0.extend(ChainStep::behind(&node.op, place, other == Some(0)));
    }
    group.nodes.push(id);
    group.outputs.clone_from(&node.outputs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Tensor;
    use crate::ops::{Conv2d, Init};
    use crate::{Graph, Result};

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
    fn a_chain_goes_through_reshapes() -> Result<()> {
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
    fn a_sum_takes_in_the_chain_it_reads() -> Result<()> {
        let graph = Graph::new();
        let (a, b) = (graph.input("a", [4, 6])?, graph.input("b", [4, 6])?);
        let of = |t: &Tensor| t.sum(&[0], false);
        let chain = a.mul(&b)?.relu()?;
        let mean = of(&chain.reshape([24])?)?.scale(0.5)?;
        assert_eq!(groups(&[&mean]), ["mul+relu+reshape+sum+scale"]);
        assert_eq!(groups(&[&of(&a.mul(&a)?)?]), ["mul+sum"], "a square reads one tensor twice");
        assert_eq!(groups(&[&of(&chain)?, &chain]), ["mul+relu", "sum"], "the chain is an output");
        assert_eq!(groups(&[&of(&a)?, &of(&of(&b)?.reshape([2, 3])?)?]), ["sum", "sum", "reshape", "sum"]);
        let (y, _) = conv(&graph);
        assert_eq!(groups(&[&of(&y.relu()?)?]), ["conv2d+relu", "sum"], "no chain: a convolution");
        let between = a.mul(&b)?.reshape([2, 2, 6])?.sum(&[1], false)?;
        assert_eq!(groups(&[&between]), ["mul", "reshape", "sum"], "neighbours do not load neighbours");
        let stretched = a.add(&graph.input("row", [6])?)?;
        assert_eq!(groups(&[&of(&stretched)?]), ["add", "sum"], "broadcast");
        Ok(())
    }

    #[test]
    fn a_sum_waits_for_nothing() -> Result<()> {
        let graph = Graph::new();
        let a = graph.input("a", [4, 6])?;
        let of = |t: &Tensor| t.sum(&[0], false);
        let early = of(&a)?.sqrt()?;
        let later = early.add(&of(&a.relu()?.tanh()?)?)?;
        // What is added to the early sum is computed after it, and the other way round it is there.
        assert_eq!(groups(&[&later]), ["sum+sqrt", "relu+tanh+sum+add"]);
        let squares = of(&a.mul(&a)?)?;
        let (other, half) = (of(&a)?, squares.scale(0.5)?);
        assert_eq!(groups(&[&half, &other]), ["mul+sum+scale", "sum"], "not where the scale stood");
        let middle = graph.input("b", [2, 2, 6])?.sum(&[1], false)?.sqrt()?;
        let both = middle.add(&a.relu()?.narrow(0, 0, 2)?)?;
        assert_eq!(groups(&[&both]), ["sum+sqrt", "relu", "narrow", "add"], "nor one that takes in no chain");
        Ok(())
    }

    #[test]
    fn a_chain_does_not_wait_where_its_state_is_updated() -> Result<()> {
        let graph = Graph::new();
        let state = graph.parameter("p", [4, 6], Init::Zeros)?;
        let square = state.mul(&state)?;
        let before = square.sum(&[0], false)?;
        assert_eq!(groups(&[&before])[1..], ["mul+sum"]);
        graph.assign(&state, &state.relu()?)?;
        let after = square.sum(&[1], false)?;
        assert_eq!(groups(&[&after])[1..], ["mul", "relu", "sum"]);
        Ok(())
    }

    #[test]
    fn what_a_sum_took_in_is_not_called_unfused() -> Result<()> {
        let graph = Graph::new();
        let a = graph.input("a", [4, 6])?;
        let of = |tensor: &Tensor| {
            graph.with(|data| fuse(data, &[tensor.id()], &data.reachable(&[tensor.id()])).1.len())
        };
        assert_eq!((of(&a.mul(&a)?.sum(&[0], false)?), of(&a.mul(&a)?)), (0, 1));
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
