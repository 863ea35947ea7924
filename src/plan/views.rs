//! Views: values that need no memory of their own, because they are another's, or a contiguous part of it.

use super::fuse::Group;
use crate::graph::{GraphData, Node, ValueId};
use crate::kernels::Limits;
use crate::ops::Op;

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The value whose memory it is; itself for most.
    pub(super) root: ValueId,
    /// Its first byte in there.
    pub(super) offset: u64,
}

/// The place of each value: what a reshape renames and what `narrow` or `split` take from the outermost dimension
/// lie in the memory of their input, where a binding may begin there. Values in `own` begin a buffer.
pub(super) fn places(graph: &GraphData, groups: &[Group], own: &[ValueId], limits: &Limits) -> Vec<Place> {
    // A reshape renames whatever its input is, so what must begin a buffer must do so before it.
    let mut begins = vec![false; graph.values.len()];
    own.iter().for_each(|&value| begins[value] = true);
    for node in graph.nodes.iter().rev() {
        match node.op {
            Op::Reshape { .. } if begins[node.outputs[0]] => begins[node.inputs[0]] = true,
            // They update their inputs where these lie, or in a copy of the whole buffer.
            Op::Sgd(_) | Op::Adam(_) | Op::Increment => node.inputs.iter().for_each(|&v| begins[v] = true),
            // They write memory of their own.
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => {}
            Op::Conv2d(_) | Op::Conv2dBackwardInput { .. } | Op::Conv2dBackwardWeight { .. } => {}
            Op::MaxPool2d(_) | Op::MaxPool2dBackward { .. } => {}
            Op::AvgPool2d(_) | Op::AvgPool2dBackward { .. } => {}
            Op::Elementwise(_) | Op::Equal | Op::Where => {}
            Op::MatMul(_) | Op::BroadcastTo { .. } | Op::Sum { .. } | Op::Argmax { .. } => {}
            Op::Softmax(_) | Op::SoftmaxBackward(_) => {}
            Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => {}
            Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => {}
            Op::Permute { .. } | Op::Embedding | Op::EmbeddingBackward { .. } => {}
            Op::SequenceMask { .. } | Op::Recurrent(_) | Op::RecurrentBackward(_) | Op::Dropout(_) => {}
        }
    }
    let mut places: Vec<Place> = (0..graph.values.len()).map(|root| Place { root, offset: 0 }).collect();
    for group in groups {
        let node = group.node(graph);
        let Some(starts) = starts(graph, node) else { continue };
        let renames = matches!(node.op, Op::Reshape { .. });
        let from = places[node.inputs[0]];
        let at = |start: u64| Place { root: from.root, offset: from.offset + start };
        let bound = |place: Place| place.offset.is_multiple_of(limits.offset_alignment.max(16));
        let fits = node.outputs.iter().zip(&starts).all(|(&v, &start)| bound(at(start)) && !begins[v]);
        if renames || fits {
            node.outputs.iter().zip(starts).for_each(|(&value, start)| places[value] = at(start));
        }
    }
    places
}

/// Whether a node of this group needs no kernel.
pub(super) fn is_view(node: &Node, places: &[Place]) -> bool {
    node.outputs.iter().all(|&value| places[value].root != value)
}

/// The byte of the input where each output begins, of a node whose outputs are contiguous parts of it.
fn starts(graph: &GraphData, node: &Node) -> Option<Vec<u64>> {
    let (first, dim) = match node.op {
        Op::Reshape { .. } => return Some(vec![0]),
        Op::Narrow { dim, start, .. } => (start, dim),
        Op::Split { dim, .. } => (0, dim),
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

    fn places_of(graph: &Graph, outputs: &[&Tensor]) -> Vec<Place> {
        let ids: Vec<ValueId> = outputs.iter().map(|t| t.id()).collect();
        let limits = Limits { offset_alignment: 32, ..Limits::default() };
        graph.with(|data| {
            let (groups, _) = fuse(data, &ids, &data.reachable(&ids));
            places(data, &groups, &ids, &limits)
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
        let places = places_of(&graph, &[&output, &first]);
        let place = |tensor: &Tensor| (places[tensor.id()].root, places[tensor.id()].offset);
        assert_eq!(place(&parts[0]), (x.id(), 0));
        assert_eq!(place(&parts[1]), (x.id(), 32));
        assert_eq!(place(&inner), (x.id(), 64));
        assert_eq!(place(&output), (output.id(), 0));
        Ok(())
    }

    #[test]
    fn what_cannot_be_bound_where_it_lies_is_copied() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [6, 4])?;
        let (odd, inner) = (x.narrow(0, 1, 2)?, x.narrow(1, 0, 2)?);
        let output = x.narrow(0, 2, 2)?.reshape([8])?;
        let (a, b) = (odd.relu()?, inner.relu()?);
        let places = places_of(&graph, &[&a, &b, &output]);
        let own = |tensor: &Tensor| places[tensor.id()] == Place { root: tensor.id(), offset: 0 };
        assert!(own(&odd), "16 is no multiple of the alignment");
        assert!(own(&inner), "rows of it lie apart");
        let kept = graph.with(|data| data.producer(output.id()).inputs[0]);
        assert_eq!(places[output.id()], Place { root: kept, offset: 0 }, "an output begins a buffer");
        Ok(())
    }
}
