//! Fusion: element-wise functions are applied where their input is computed, or where a sum loads what they compute,
//! instead of in a pass of their own.
//!
//! A node joins the group of the node that computes its input when that value has no other reader and the group's
//! kernel can apply an epilogue. The other operands of a joined node, broadcast or not, become inputs of the group, which
//! runs at the position of its last node. A sum joins a group of element-wise functions in the same way, and from then on it is
//! its kernel, and the functions are a prologue. A reshape between the two joins as well: element by element, both
//! shapes are alike.

use super::joining::{Behind, Known};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::kernels::{self, ChainStep, Fused};
use crate::ops::{Op, Part};
use crate::shape::Shape;

/// Nodes that one kernel computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// Those applied to what is loaded, the node whose op is lowered, those applied to its output; and the reshapes
    /// between them.
    pub(super) nodes: Vec<NodeId>,
    /// The position of the node whose op is lowered.
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
    fn position(&self, graph: &GraphData) -> (Option<NodeId>, u8) {
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
    let known = Known::new(graph, outputs, needed);
    let mut groups: Vec<Group> = Vec::new();
    let mut unfused = Vec::new();
    let mut group_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let mut why: Vec<String> = Vec::new();
        let joined = candidates(node, graph).into_iter().find_map(|through| {
            let value = node.inputs[through];
            let Behind { source, stored } = known.behind[value];
            let group = group_of[graph.values[source].node]?;
            if takes_prologue(node, graph) && !known.may_wait(&groups[group], id, graph) {
                return None;
            }
            let refused = known.refusal(&groups[group], stored, &others(node, through), graph);
            why.extend(refused.clone());
            refused.is_none().then(|| (group, reshapes(value, source, graph), through))
        });
        if joined.is_none() && is_elementwise(node) {
            let broadcast = || "all operands are broadcast".to_owned();
            let why = why.into_iter().next().unwrap_or_else(broadcast);
            unfused.push((id, Unfused { op: node.op.name(), label: node.label.clone(), why }));
        }
        let position = match joined {
            Some((group, reshapes, through)) => {
                for reshape in reshapes {
                    group_of[reshape].iter().for_each(|&alone| groups[alone].nodes.clear());
                    groups[group].nodes.push(reshape);
                }
                join(&mut groups[group], id, through, graph);
                group
            }
            None => {
                groups.push(Group::new(id, node));
                groups.len() - 1
            }
        };
        group_of[id] = Some(position);
    }
    // A sum behind it may have taken it in.
    unfused
        .retain(|&(id, _)| group_of[id].is_some_and(|group| groups[group].nodes[groups[group].base] == id));
    groups.retain(|group| !group.nodes.is_empty());
    groups.sort_by_cached_key(|group| group.position(graph));
    (groups, unfused.into_iter().map(|(_, unfused)| unfused).collect())
}

/// Each needed node alone, as if no kernel could apply another's function.
pub(super) fn unfused(graph: &GraphData, needed: &[bool]) -> (Vec<Group>, Vec<Unfused>) {
    let nodes = graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]);
    let alone = nodes.clone().filter(|(_, node)| is_elementwise(node)).map(|(_, node)| Unfused {
        op: node.op.name(),
        label: node.label.clone(),
        why: "nothing is fused".to_owned(),
    });
    (nodes.clone().map(|(id, node)| Group::new(id, node)).collect(), alone.collect())
}

pub(super) fn is_sum(node: &Node) -> bool {
    matches!(node.op, Op::Sum(_))
}

pub(super) fn is_elementwise(node: &Node) -> bool {
    // Those that a chain has steps for. An op that is not here runs on its own.
    matches!(node.op, Op::Elementwise(_))
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

/// The inputs through which a node could join a group: those that have its output's shape, so that the others lie beside
/// them or are broadcast; of a gradient the error.
fn candidates(node: &Node, graph: &GraphData) -> Vec<usize> {
    if takes_prologue(node, graph) {
        return vec![0];
    }
    // A chain has steps for no other op.
    let Op::Elementwise(function) = node.op else { return vec![] };
    let whole = |&i: &usize| graph.ty(node.inputs[i]) == graph.ty(node.outputs[0]);
    let operands = if function.part() == Part::Value { node.inputs.len() } else { 1 };
    (0..operands).filter(whole).collect()
}

/// What a node reads besides what it could join a group through.
fn others(node: &Node, through: usize) -> Vec<ValueId> {
    // A sum has one input.
    node.inputs.iter().enumerate().filter(|(i, _)| *i != through).map(|(_, &value)| value).collect()
}

/// The step of a chain that a node is behind what it reads through one of its inputs; the others are a group's inputs from
/// `first` on.
fn step(node: &Node, through: usize, first: usize, graph: &GraphData) -> Option<ChainStep> {
    // A chain has steps for no other op.
    let Op::Elementwise(function) = node.op else { return None };
    let shapes: Vec<&Shape> = node.inputs.iter().map(|&value| &graph.ty(value).shape).collect();
    Some(ChainStep::new(function, &shapes, through, first, &graph.ty(node.outputs[0]).shape))
}

/// The operand of an element-wise node with which a chain that another kernel loads can begin.
pub(super) fn first_value(node: &Node, graph: &GraphData) -> Option<usize> {
    candidates(node, graph).first().copied()
}

/// The reshapes that make `value` of `source`, in order.
fn reshapes(mut value: ValueId, source: ValueId, graph: &GraphData) -> Vec<NodeId> {
    let mut reshapes = Vec::new();
    while value != source {
        reshapes.push(graph.values[value].node);
        value = graph.producer(value).inputs[0];
    }
    reshapes.reverse();
    reshapes
}

/// Whether the kernel of a node loads each element once and in order, so that it can apply functions to them.
fn takes_prologue(node: &Node, graph: &GraphData) -> bool {
    node.inputs.first().is_some_and(|&value| kernels::takes_prologue(&node.op, graph.ty(value)))
}

/// Makes a node part of a group: its function one more of the epilogue, or the node what the group is lowered to.
fn join(group: &mut Group, id: NodeId, through: usize, graph: &GraphData) {
    let node = &graph.nodes[id];
    if takes_prologue(node, graph) {
        let chain = group.node(graph);
        let value = first_value(chain, graph).unwrap_or(0);
        let first = step(chain, value, 1, graph);
        // What the chain begins with is what the kernel loads.
        group.inputs[..=value].rotate_right(1);
        let stores = std::mem::take(&mut group.fused.epilogue.0);
        group.fused.prologue.0.extend(first.into_iter().chain(stores));
        group.base = group.nodes.len();
    } else {
        group.fused.epilogue.0.extend(step(node, through, group.inputs.len(), graph));
        group.inputs.extend(others(node, through));
    }
    group.nodes.push(id);
    group.outputs.clone_from(&node.outputs);
}

#[cfg(test)]
mod tests {
    use super::super::joining::MOST_FUNCTIONS;
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
    fn choices_are_functions_like_others_and_so_are_their_gradients() -> Result<()> {
        let (y, x) = conv(&Graph::new());
        let (graph, mask) = (y.graph(), y.graph().input("mask", [2, 1, 1])?);
        let z = mask.select(&y.tanh()?, &x)?.scale(2.0)?;
        assert_eq!(groups(&[&z]), ["conv2d+tanh+where+scale"]);
        let filled = mask.select(&graph.scalar(0.5)?, &y)?;
        assert!(groups(&[&filled]).contains(&"conv2d+where".to_owned()), "masked_fill");
        let error = graph.input("error", z.shape())?;
        let alone = mask.select(&x.tanh()?, &x)?.scale(2.0)?;
        let gradient = alone.gradients_from(&error, &[&x])?.remove(0);
        let joined = groups(&[&gradient]);
        assert!(joined.iter().any(|group| group.contains("where+tanh_backward")), "{joined:?}");
        Ok(())
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
    fn a_long_chain_is_several_kernels() -> Result<()> {
        let graph = Graph::new();
        let nodes = 3 * MOST_FUNCTIONS;
        let y = (0..nodes).try_fold(graph.input("x", [8])?, |y, _| y.relu())?;
        let lengths: Vec<usize> = groups(&[&y]).iter().map(|group| group.split('+').count()).collect();
        // The first function is the kernel's own.
        assert_eq!(lengths, [MOST_FUNCTIONS + 1, MOST_FUNCTIONS + 1, MOST_FUNCTIONS - 2]);
        let why = graph.with(|data| fuse(data, &[y.id()], &data.reachable(&[y.id()])).1);
        let expected = format!("relu already applies {MOST_FUNCTIONS} functions");
        assert_eq!(why.iter().filter(|unfused| unfused.why == expected).count(), 2, "{why:?}");
        // A sum that takes in a long chain applies no more behind it.
        let chain = (0..MOST_FUNCTIONS).try_fold(graph.input("z", [8])?, |y, _| y.relu())?;
        let names = groups(&[&chain.sum([0], false)?.relu()?]);
        assert_eq!(names.iter().map(|n| n.split('+').count()).collect::<Vec<_>>(), [MOST_FUNCTIONS + 1, 1]);
        Ok(())
    }

    #[test]
    fn the_other_operand_is_computed_first() {
        let graph = Graph::new();
        let ((y, x), w) = (conv(&graph), graph.input("w", [2, 2, 3, 3]).unwrap());
        let later = x.conv2d(&w, None, Conv2d::default().padding(1)).unwrap();
        // y waits for what is added to it.
        assert_eq!(groups(&[&y.sub(later.tanh().unwrap()).unwrap()]), ["conv2d+tanh", "conv2d+sub"]);
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
        let of = |t: &Tensor| t.sum([0], false);
        let chain = a.mul(&b)?.relu()?;
        let mean = of(&chain.reshape([24])?)?.scale(0.5)?;
        assert_eq!(groups(&[&mean]), ["mul+relu+reshape+sum+scale"]);
        assert_eq!(groups(&[&of(&a.mul(&a)?)?]), ["mul+sum"], "a square reads one tensor twice");
        assert_eq!(groups(&[&of(&chain)?, &chain]), ["mul+relu", "sum"], "the chain is an output");
        assert_eq!(groups(&[&of(&a)?, &of(&of(&b)?.reshape([2, 3])?)?]), ["sum", "sum", "reshape", "sum"]);
        let (y, _) = conv(&graph);
        assert_eq!(groups(&[&of(&y.relu()?)?]), ["conv2d+relu", "sum"], "no chain: a convolution");
        let between = a.mul(&b)?.reshape([2, 2, 6])?.sum([1], false)?;
        assert_eq!(groups(&[&between]), ["mul", "reshape", "sum"], "neighbours do not load neighbours");
        let row = graph.input("row", [6])?;
        assert_eq!(groups(&[&of(&a.add(&row)?)?]), ["add+sum"], "broadcast");
        assert_eq!(groups(&[&of(&row.sub(&a)?)?]), ["sub+sum"], "the value is the second operand");
        let outer = graph.input("column", [4, 1])?.mul(&row)?;
        assert_eq!(groups(&[&of(&outer)?]), ["mul", "sum"], "no operand has the shape that is summed");
        Ok(())
    }

    #[test]
    fn a_sum_waits_for_nothing() -> Result<()> {
        let graph = Graph::new();
        let a = graph.input("a", [4, 6])?;
        let of = |t: &Tensor| t.sum([0], false);
        let early = of(&a)?.sqrt()?;
        let later = early.add(&of(&a.relu()?.tanh()?)?)?;
        // What is added to the early sum is computed after it, and the other way round it is there.
        assert_eq!(groups(&[&later]), ["sum+sqrt", "relu+tanh+sum+add"]);
        let squares = of(&a.mul(&a)?)?;
        let (other, half) = (of(&a)?, squares.scale(0.5)?);
        assert_eq!(groups(&[&half, &other]), ["mul+sum+scale", "sum"], "not where the scale stood");
        let middle = graph.input("b", [2, 2, 6])?.sum([1], false)?.sqrt()?;
        let both = middle.add(&a.relu()?.narrow(0, 0, 2)?)?;
        assert_eq!(groups(&[&both]), ["sum+sqrt", "relu", "narrow", "add"], "nor one that takes in no chain");
        Ok(())
    }

    #[test]
    fn a_chain_does_not_wait_where_its_state_is_updated() -> Result<()> {
        let graph = Graph::new();
        let state = graph.parameter("p", [4, 6], Init::Zeros)?;
        let square = state.mul(&state)?;
        let before = square.sum([0], false)?;
        assert_eq!(groups(&[&before])[1..], ["mul+sum"]);
        graph.assign(&state, &state.relu()?)?;
        let after = square.sum([1], false)?;
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
        assert_eq!((of(&a.mul(&a)?.sum([0], false)?), of(&a.mul(&a)?)), (0, 1));
        Ok(())
    }

    #[test]
    fn a_chain_takes_what_is_broadcast() -> Result<()> {
        let graph = Graph::new();
        let (y, x) = conv(&graph);
        let bias = graph.input("b", [2, 1, 1])?;
        assert_eq!(groups(&[&y.add(&bias)?.relu()?]), ["conv2d+add+relu"]);
        assert_eq!(groups(&[&bias.sub(&y)?.lerp(&x, &bias)?]), ["conv2d+sub+lerp"]);
        let two = graph.input("two", [2, 1, 6, 6])?;
        assert_eq!(groups(&[&y.mul(&two)?.relu()?]), ["conv2d", "mul+relu"], "the chain itself is broadcast");
        Ok(())
    }
}
