//! Views: values that need no memory of their own, because they are another's, or a contiguous part of it.

use super::fuse::Group;
use crate::graph::{GraphData, Node, ValueId};
use crate::kernels::Limits;
use crate::ops::{Narrow, Op, Split};

/// The memory that a value has: its own, or an alias of a part of another value's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alias {
    /// The value whose memory it is; itself for most.
    pub(super) root: ValueId,
    /// Its first byte in there.
    pub(super) offset: u64,
}

/// The alias of each value: what a reshape renames and what `narrow` or `split` take from the outermost dimension
/// lie in the memory of their input, where a binding may begin there. Values in `own` begin a buffer.
pub(super) fn aliases(graph: &GraphData, groups: &[Group], own: &[ValueId], limits: &Limits) -> Vec<Alias> {
    // A reshape renames whatever its input is, so what must begin a buffer must do so before it.
    let mut begins = vec![false; graph.values.len()];
    own.iter().for_each(|&value| begins[value] = true);
    for node in graph.nodes.iter().rev() {
        if matches!(node.op, Op::Reshape(_)) && begins[node.outputs[0]] {
            begins[node.inputs[0]] = true;
        } else if node.op.updates_inputs() {
            node.inputs.iter().for_each(|&v| begins[v] = true);
        }
    }
    let mut aliases: Vec<Alias> = (0..graph.values.len()).map(|root| Alias { root, offset: 0 }).collect();
    for group in groups {
        let node = group.node(graph);
        let Some(starts) = starts(graph, node) else { continue };
        let renames = matches!(node.op, Op::Reshape(_));
        let from = aliases[node.inputs[0]];
        let at = |start: u64| Alias { root: from.root, offset: from.offset + start };
        let bound = |alias: Alias| alias.offset.is_multiple_of(limits.offset_alignment.max(16));
        let fits = node.outputs.iter().zip(&starts).all(|(&v, &start)| bound(at(start)) && !begins[v]);
        if renames || fits {
            node.outputs.iter().zip(starts).for_each(|(&value, start)| aliases[value] = at(start));
        }
    }
    aliases
}

/// Whether a node of this group needs no kernel.
pub(super) fn is_view(node: &Node, aliases: &[Alias]) -> bool {
    node.outputs.iter().all(|&value| aliases[value].root != value)
}

/// The byte of the input where each output begins, of a node whose outputs are contiguous parts of it.
fn starts(graph: &GraphData, node: &Node) -> Option<Vec<u64>> {
    let (first, dim) = match node.op {
        Op::Reshape(_) => return Some(vec![0]),
        Op::Narrow(Narrow { dim, start, .. }) => (start, dim),
        Op::Split(Split { dim, .. }) => (0, dim),
        // Any other op writes memory of its own.
        _ => return None,
    };
    let input = graph.ty(node.inputs[0]);
    let bytes_of_one = input.bytes() / input.shape[dim].max(1) as u64;
    let mut start = first as u64 * bytes_of_one;
    let contiguous = input.shape[..dim].iter().all(|&size| size == 1);
    contiguous.then(|| {
        let after = node.outputs.iter().map(|&value| {
            let begin = start;
            start += graph.ty(value).bytes();
            begin
        });
        after.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fuse::fuse;
    use crate::{Graph, Result, Tensor};

    fn aliases_of(graph: &Graph, outputs: &[&Tensor]) -> Vec<Alias> {
        let ids: Vec<ValueId> = outputs.iter().map(|t| t.id()).collect();
        let limits = Limits { offset_alignment: 32, ..Limits::default() };
        graph.with(|data| {
            let (groups, _) = fuse(data, &ids, &data.reachable(&ids));
            aliases(data, &groups, &ids, &limits)
        })
    }

    #[test]
    fn parts_of_the_outermost_dimension_are_views() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [1, 6, 4])?;
        let parts = x.split(1, &[2, 4])?;
        let inner = parts[1].reshape([4, 4])?.narrow(0, 2, 2)?;
        let output = inner.relu()?;
        let first = parts[0].relu()?;
        let aliases = aliases_of(&graph, &[&output, &first]);
        let alias = |tensor: &Tensor| (aliases[tensor.id()].root, aliases[tensor.id()].offset);
        assert_eq!(alias(&parts[0]), (x.id(), 0));
        assert_eq!(alias(&parts[1]), (x.id(), 32));
        assert_eq!(alias(&inner), (x.id(), 64));
        assert_eq!(alias(&output), (output.id(), 0));
        Ok(())
    }

    #[test]
    fn what_cannot_be_bound_where_it_lies_is_copied() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [6, 4])?;
        let (odd, inner) = (x.narrow(0, 1, 2)?, x.narrow(1, 0, 2)?);
        let output = x.narrow(0, 2, 2)?.reshape([8])?;
        let (a, b) = (odd.relu()?, inner.relu()?);
        let aliases = aliases_of(&graph, &[&a, &b, &output]);
        let own = |tensor: &Tensor| aliases[tensor.id()] == Alias { root: tensor.id(), offset: 0 };
        assert!(own(&odd), "16 is no multiple of the alignment");
        assert!(own(&inner), "rows of it lie apart");
        let kept = graph.with(|data| data.producer(output.id()).inputs[0]);
        assert_eq!(aliases[output.id()], Alias { root: kept, offset: 0 }, "an output begins a buffer");
        Ok(())
    }
}
