//! Rewriting: the same numbers for less work.

use super::fuse::readers;
use crate::graph::{GraphData, NodeId, ValueId};
use crate::ops::{Elementwise, Op, Part};

/// relu's gradient behind a max pool of its output, computed before the pool's gradient instead.
///
/// The pool passes an error on to its winner alone, where relu's output is the pool's own. So the error can be
/// masked by the pooled values, a window each, instead of by all that went into the pool; and what went into the
/// pool need not be kept for the backward pass. The same bits: both only choose between an error and zero.
pub(super) fn rewrite(graph: &GraphData, outputs: &[ValueId]) -> GraphData {
    let needed = graph.reachable(outputs);
    let readers = readers(graph, outputs, &needed);
    let mut rewritten = graph.clone();
    for relu in (0..graph.nodes.len()).filter(|&id| needed[id]) {
        let Some((unpool, pooled)) = masks_unpooled(graph, relu) else { continue };
        let (error, through) = (graph.nodes[unpool].inputs[0], graph.nodes[relu].inputs[0]);
        if readers[through] != 1 {
            continue;
        }
        // The two nodes change positions; the value between them now has the pooled shape.
        let (mask, unpool_node) = (&graph.nodes[relu], &graph.nodes[unpool]);
        rewritten.nodes[unpool].op = mask.op.clone();
        rewritten.nodes[unpool].label.clone_from(&mask.label);
        rewritten.nodes[unpool].inputs = vec![error, pooled];
        rewritten.nodes[relu].op = unpool_node.op.clone();
        rewritten.nodes[relu].label.clone_from(&unpool_node.label);
        rewritten.nodes[relu].inputs = vec![through, unpool_node.inputs[1]];
        rewritten.values[through].ty = graph.ty(error).clone();
    }
    rewritten
}

/// For a gradient of relu whose error comes from the gradient of a max pool of relu's output: that node, and the
/// pooled value.
fn masks_unpooled(graph: &GraphData, relu: NodeId) -> Option<(NodeId, ValueId)> {
    let node = &graph.nodes[relu];
    let (Op::Elementwise(function), &[through, saved]) = (&node.op, &node.inputs[..]) else {
        return None;
    };
    if *function != Elementwise::relu().with_part(Part::Gradient(0)) {
        return None;
    }
    let unpool = graph.values[through].node;
    let (Op::MaxPool2dBackward(_), &[_, indices]) =
        (&graph.nodes[unpool].op, &graph.nodes[unpool].inputs[..])
    else {
        return None;
    };
    let pool = graph.producer(indices);
    let of_saved = matches!(pool.op, Op::MaxPool2d(_)) && pool.inputs == [saved];
    of_saved.then(|| (unpool, pool.outputs[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::MaxPool2d;
    use crate::{Graph, Tensor};

    fn ops(graph: &GraphData, outputs: &[ValueId]) -> Vec<&'static str> {
        let needed = graph.reachable(outputs);
        let used = graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
        used.map(|(node, _)| node.op.name()).filter(|name| *name != "input").collect()
    }

    /// The error of `x`, through relu and a pool, and relu's output.
    fn graph() -> (Graph, Tensor, Tensor) {
        let graph = Graph::new();
        let x = graph.input("x", [1, 1, 4, 4]).unwrap();
        let y = x.relu().unwrap();
        let pooled = y.max_pool2d(MaxPool2d::new(2)).unwrap();
        let error = graph.input("error", pooled.shape()).unwrap();
        let grad = pooled.gradients_from(&error, &[&x]).unwrap().remove(0);
        (graph, grad, y)
    }

    #[test]
    fn relu_is_masked_by_what_was_pooled() {
        let (graph, grad, _) = graph();
        let outputs = [grad.id()];
        graph.with(|data| {
            assert_eq!(ops(data, &outputs), ["relu", "max_pool2d", "max_pool2d_backward", "relu_backward"]);
            let after = rewrite(data, &outputs);
            assert_eq!(ops(&after, &outputs), ["relu", "max_pool2d", "relu_backward", "max_pool2d_backward"]);
            let last = after.producer(grad.id());
            assert_eq!(after.ty(last.inputs[0]).shape.to_vec(), [1, 1, 2, 2]);
            assert_eq!(after.ty(grad.id()).shape.to_vec(), [1, 1, 4, 4]);
        });
    }

    #[test]
    fn what_others_read_stays() {
        let (graph, grad, _) = graph();
        graph.with(|data| {
            let between = data.producer(grad.id()).inputs[0];
            let outputs = [grad.id(), between];
            assert_eq!(&rewrite(data, &outputs), data, "the pool's own gradient is an output");
        });
        // A mask by another value is none of the pool's.
        let graph = Graph::new();
        let x = graph.input("x", [1, 1, 4, 4]).unwrap();
        let (pooled, other) = (x.max_pool2d(MaxPool2d::new(2)).unwrap(), x.relu().unwrap());
        let error = graph.input("error", pooled.shape()).unwrap();
        let unpooled = pooled.gradients_from(&error, &[&x]).unwrap().remove(0);
        let mask = Op::Elementwise(Elementwise::relu().with_part(Part::Gradient(0)));
        let masked = graph.apply(mask, &[&unpooled, &other]).unwrap().remove(0);
        graph.with(|data| assert_eq!(&rewrite(data, &[masked.id()]), data));
    }
}
