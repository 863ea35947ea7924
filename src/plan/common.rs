//! Common subexpressions: what two nodes would compute alike is computed once.

use crate::graph::{GraphData, NodeId, ValueId};
use crate::ops::Op;
use std::collections::HashMap;

/// Lets readers of a node that repeats an earlier one read the earlier one's results. One of `outputs` or a new value
/// of a state becomes another name of what was computed before.
pub(super) fn merge(graph: &GraphData, outputs: &[ValueId]) -> GraphData {
    let mut merged = graph.clone();
    let mut stands_for: Vec<ValueId> = (0..graph.values.len()).collect();
    // By what they read; few nodes read the same.
    let mut earlier: HashMap<Vec<ValueId>, Vec<NodeId>> = HashMap::new();
    for id in 0..merged.nodes.len() {
        let node = &mut merged.nodes[id];
        node.inputs.iter_mut().for_each(|value| *value = stands_for[*value]);
        let node = &merged.nodes[id];
        if matches!(node.op, Op::Input { .. } | Op::State { .. }) {
            continue;
        }
        let alike = earlier.entry(node.inputs.clone()).or_default();
        let ty = |id: NodeId| merged.nodes[id].outputs.iter().map(|&v| graph.ty(v));
        let first = alike.iter().find(|&&e| merged.nodes[e].op == node.op && ty(e).eq(ty(id)));
        let stays = |value: &ValueId| outputs.contains(value) || graph.updates.iter().any(|u| u.1 == *value);
        let Some(&first) = first else {
            alike.push(id);
            continue;
        };
        let before = merged.nodes[first].outputs.clone();
        for (&again, &before) in node.outputs.iter().zip(&before) {
            stands_for[again] = before;
        }
        if let ([again], [before]) = (&node.outputs[..], &before[..])
            && stays(again)
        {
            merged.nodes[id].op = Op::Reshape { shape: graph.ty(*before).shape.clone() };
            merged.nodes[id].inputs = vec![*before];
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, Result};

    #[test]
    fn what_is_computed_twice_is_computed_once() -> Result<()> {
        let graph = Graph::new();
        let (x, y) = (graph.input("x", [4])?, graph.input("y", [4])?);
        let (a, b) = (x.add(&y)?.relu()?, x.add(&y)?.relu()?);
        let other = x.sub(&y)?.relu()?;
        let sum = a.mul(&b)?.add(&other)?;
        let count = |outputs: &[ValueId]| {
            graph.with(|data| {
                let merged = merge(data, outputs);
                merged.reachable(outputs).iter().filter(|needed| **needed).count()
            })
        };
        // x, y, add, relu, sub, relu, mul, add
        assert_eq!(count(&[sum.id()]), 8);
        assert_eq!(count(&[sum.id(), b.id()]), 9, "another name of the first relu");
        graph.with(|data| {
            let merged = merge(data, &[sum.id(), b.id()]);
            assert!(matches!(merged.producer(b.id()).op, Op::Reshape { .. }));
            assert_eq!(merged.producer(b.id()).inputs, [a.id()]);
        });
        Ok(())
    }

    #[test]
    fn scalars_and_tensors_of_one_number_differ() -> Result<()> {
        let graph = Graph::new();
        let (x, y) = (graph.input("x", [4])?, graph.input("y", [2])?);
        let ones = |n: usize| graph.scalar(1.0)?.broadcast_to([n]);
        let (a, b) = (x.add(&ones(4)?)?, y.add(&ones(2)?)?);
        let outputs = [a.id(), b.id()];
        graph.with(|data| {
            let merged = merge(&super::super::fold::fold(data), &outputs);
            for output in outputs {
                let [left, right] = merged.producer(output).inputs[..] else { panic!("two operands") };
                assert_eq!(merged.ty(left), merged.ty(right));
            }
        });
        Ok(())
    }
}
