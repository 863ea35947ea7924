//! Batches: the optimizer's steps of small parameters run in one launch, or few.
//!
//! A bias has a few hundred numbers, and its step takes no longer than a launch does. Steps of equal options, learning
//! rate and count join into one group at the end of the plan. Large parameters keep a step of their own: it has
//! enough to do, and the memory of their gradients is free again after it.

use super::fuse::Group;
use crate::graph::{GraphData, ValueId};
use crate::kernels::shared_by_steps;
use std::collections::HashMap;

/// Elements of the largest parameter that joins others: its gradient waits for theirs.
const SMALL: usize = 1 << 15;

/// Joins what can run together. The groups stay in an order in which they can run.
pub(super) fn batch(graph: &GraphData, groups: Vec<Group>) -> Vec<Group> {
    let mut read = vec![false; graph.values.len()];
    groups.iter().flat_map(|group| &group.inputs).for_each(|&value| read[value] = true);
    let mut batches: Vec<Group> = Vec::new();
    // The batches by what their steps share.
    let mut by_shared: HashMap<Vec<ValueId>, Vec<usize>> = HashMap::new();
    let mut joins = |group: &Group| {
        let node = group.node(graph);
        let Some(shared) = shared_by_steps(&node.op) else { return false };
        // A step whose result another node reads must not wait.
        let waits = group.outputs.iter().all(|&value| !read[value]);
        if !waits || graph.ty(group.inputs[0]).shape.elements() > SMALL {
            return false;
        }
        let candidates = by_shared.entry(node.inputs[shared].to_vec()).or_default();
        match candidates.iter().find(|&&batch| batches[batch].node(graph).op == node.op) {
            Some(&batch) => {
                let batch = &mut batches[batch];
                batch.nodes.extend(&group.nodes);
                batch.inputs.extend(&group.inputs);
                batch.outputs.extend(&group.outputs);
            }
            None => {
                candidates.push(batches.len());
                batches.push(group.clone());
            }
        }
        true
    };
    let mut rest: Vec<Group> = groups.into_iter().filter(|group| !joins(group)).collect();
    rest.extend(batches);
    rest
}

#[cfg(test)]
mod tests {
    use super::super::fuse::fuse;
    use super::*;
    use crate::ops::{Init, OptimizerStep};
    use crate::optim::{Adam, Optimizer, Sgd};
    use crate::updates::Update;
    use crate::{Graph, Result};

    /// The sizes of the parameters in each group of steps.
    fn steps(graph: &Graph, outputs: &[ValueId]) -> Vec<Vec<usize>> {
        graph.with(|data| {
            let groups = batch(data, fuse(data, outputs, &data.reachable(outputs)).0);
            let is_step = |g: &&Group| shared_by_steps(&g.node(data).op).is_some();
            let size = |&id: &usize| data.ty(data.nodes[id].inputs[0]).shape.elements();
            groups.iter().filter(is_step).map(|g| g.nodes.iter().map(size).collect()).collect()
        })
    }

    #[test]
    fn steps_of_small_parameters_run_together() -> Result<()> {
        for optimizer in [&Sgd::new(0.1).momentum(0.9) as &dyn Optimizer, &Adam::new(0.1)] {
            let graph = Graph::new();
            let pair = |(name, n): (&str, usize)| {
                let parameter = graph.parameter(name, [n], Init::Zeros)?;
                Ok((parameter.clone(), parameter.relu()?))
            };
            let pairs =
                [("a", 10), ("b", 1 << 16), ("c", 300)].map(pair).into_iter().collect::<Result<Vec<_>>>()?;
            optimizer.update(&pairs)?;
            assert_eq!(steps(&graph, &[]), [vec![1 << 16], vec![10, 300]]);
        }
        Ok(())
    }

    #[test]
    fn steps_that_differ_or_are_read_stay_apart() -> Result<()> {
        let graph = Graph::new();
        let lr = graph.scalar(0.1)?;
        let step = |name: &str, weight_decay: f64| {
            let update = Update::named("sgd").expect("a row");
            let mut options = update.defaults();
            options[update.option("weight_decay").expect("an option")] = weight_decay;
            let p = graph.parameter(name, [8], Init::Zeros)?;
            let new = graph.apply(OptimizerStep { update, options }, &[&p, &p.relu()?, &lr])?.remove(0);
            graph.assign(&p, &new)?;
            Ok::<_, crate::Error>(new)
        };
        step("a", 0.0)?;
        let read = step("b", 0.0)?;
        step("c", 0.5)?;
        step("d", 0.0)?;
        let output = read.tanh()?;
        assert_eq!(steps(&graph, &[output.id()]), [vec![8], vec![8, 8], vec![8]], "b; a and d; c");
        Ok(())
    }
}
