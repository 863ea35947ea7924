//! Constant folding: what is one number throughout, whatever the inputs, is written once and not computed in each
//! run.

use crate::graph::{GraphData, Node, ValueId};
use crate::ops::{Constant, Op};

/// The most bytes a folded constant may have: it takes up memory of its own for as long as the program lives.
const MOST_BYTES: u64 = 1 << 20;

/// Iterations every node whose result is one number throughout into a constant of that shape.
pub(super) fn fold(graph: &GraphData) -> GraphData {
    let mut folded = graph.clone();
    for id in 0..folded.nodes.len() {
        let node = &folded.nodes[id];
        let &[output] = &node.outputs[..] else { continue };
        if folded.ty(output).bytes() > MOST_BYTES {
            continue;
        }
        let Some(value) = number(&folded, node) else { continue };
        folded.nodes[id].op = Op::Constant(Constant { value });
        folded.nodes[id].inputs.clear();
    }
    folded
}

/// The number that a node's result is made of, correctly rounded; a device may be up to 2.5 units in the last place off
/// in a quotient. Functions are left to the device, whose error the host's would only replace by another.
fn number(graph: &GraphData, node: &Node) -> Option<f32> {
    let constant = |&value: &ValueId| match graph.producer(value).op {
        Op::Constant(Constant { value }) => Some(value),
        // Whatever else is one number was turned into a constant before.
        _ => None,
    };
    let numbers: Vec<f32> = node.inputs.iter().map(constant).collect::<Option<_>>()?;
    match (&node.op, &numbers[..]) {
        (Op::BroadcastTo(_) | Op::Reshape(_) | Op::Narrow(_) | Op::Permute(_), &[value]) => Some(value),
        (Op::Concat(_), &[first, ref others @ ..]) => {
            others.iter().all(|v| v.to_bits() == first.to_bits()).then_some(first)
        }
        (Op::Elementwise(function), _) if function.is_folded() => {
            // One operation in f64, rounded once more, is the f32 operation.
            let operands: Vec<f64> = numbers.iter().copied().map(f64::from).collect();
            let rounded = function.evaluate(&operands) as f32;
            // A device may flush what is not normal.
            (rounded == 0.0 || rounded.is_normal()).then_some(rounded)
        }
        // An op that is not known here is left to the device, which gives the same.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Result};

    #[test]
    fn what_is_one_number_throughout_becomes_a_constant() -> Result<()> {
        let graph = Graph::new();
        let two = graph.scalar(2.0)?.broadcast_to([3, 4])?;
        let six = two.mul(&graph.scalar(3.0)?)?.reshape([4, 3])?.narrow(0, 1, 2)?;
        let (mixed, x) = (crate::Tensor::concat(&[&six, &six.relu()?], 0)?, graph.input("x", [2, 3])?);
        let parts = crate::Tensor::concat(&[&two, &graph.scalar(3.0)?.broadcast_to([1, 4])?], 0)?;
        let (third, nothing) = (two.div(&graph.scalar(6.0)?)?, two.div(&graph.scalar(0.0)?)?);
        let sum = x.add(&six)?;
        let large = graph.scalar(1.0)?.broadcast_to([1024, 1024])?;
        let folded = graph.with(fold);
        let op = |tensor: &crate::Tensor| folded.producer(tensor.id()).op.clone();
        assert_eq!(op(&two), Op::Constant(Constant { value: 2.0 }));
        assert_eq!(op(&six), Op::Constant(Constant { value: 6.0 }));
        assert_eq!(op(&third), Op::Constant(Constant { value: 1.0 / 3.0 }));
        assert_eq!(folded.ty(six.id()).shape.to_vec(), [2, 3]);
        for (kept, what) in [
            (&mixed, "relu is left to the device"),
            (&parts, "two numbers"),
            (&nothing, "no number"),
            (&sum, "an input is no constant"),
        ] {
            assert!(!matches!(op(kept), Op::Constant(_)), "{what}");
        }
        assert!(matches!(op(&large), Op::BroadcastTo(_)), "4 MiB would take up memory for good");
        Ok(())
    }
}
