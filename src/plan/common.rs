//! Common subexpressions: what two nodes would compute alike is computed once.

use crate::graph::{GraphData, NodeId, ValueId};
use crate::ops::{Op, Reshape};
use std::collections::HashMap;

/// Lets readers of a node that repeats an earlier one read the earlier one's results. One of `outputs` or a new value
/// of a state becomes another name of what was computed before.
pub(super) fn merge(graph: &GraphData, outputs: &[ValueId]) -> GraphData {
    let mut merged = graph.clone();
    let mut stands_for: Vec<ValueId> = (0..graph.values.len()).collect();
    let mut stays = vec![false; graph.values.len()];
    outputs.iter().chain(graph.updates.iter().map(|(_, new)| new)).for_each(|&value| stays[value] = true);
    // By what they read and what they are in words, which says nearly all.
    let mut earlier: HashMap<(Vec<ValueId>, String), Vec<NodeId>> = HashMap::new();
    for id in 0..merged.nodes.len() {
        let node = &mut merged.nodes[id];
        node.inputs.iter_mut().for_each(|value| *value = stands_for[*value]);
        let node = &merged.nodes[id];
        if node.op.leaf_name().is_some() {
            continue;
        }
        let ty = |id: NodeId| merged.nodes[id].outputs.iter().map(|&v| graph.ty(v));
        let words = format!("{} {} {:?}", node.op.name(), node.op.attributes(), ty(id).next());
        let alike = earlier.entry((node.inputs.clone(), words)).or_default();
        let first = alike.iter().find(|&&e| merged.nodes[e].op == node.op && ty(e).eq(ty(id)));
        let Some(&first) = first else {
            alike.push(id);
            continue;
        };
        let before = merged.nodes[first].outputs.clone();
        for (&again, &before) in node.outputs.iter().zip(&before) {
            stands_for[again] = before;
        }
        if let ([again], [before]) = (&node.outputs[..], &before[..])
            && stays[*again]
        {
            merged.nodes[id].op = Op::Reshape(Reshape { shape: graph.ty(*before).shape.clone() });
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
            assert!(matches!(merged.producer(b.id()).op, Op::Reshape(_)));
            assert_eq!(merged.producer(b.id()).inputs, [a.id()]);
        });
        Ok(())
    }

    #[test]
    fn zeros_of_either_sign_are_two() -> Result<()> {
        let graph = Graph::new();
        let x = graph.input("x", [4])?;
        let a = x.div(&graph.scalar(0.0)?)?.id();
        let b = x.div(&graph.scalar(-0.0)?)?.id();
        graph.with(|data| {
            let merged = merge(data, &[a, b]);
            assert_ne!(merged.producer(a).inputs[1], merged.producer(b).inputs[1]);
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
