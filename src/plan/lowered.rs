//! What is alike is lowered once: rendering a kernel takes most of the time of a plan.

use super::fuse::Group;
use crate::graph::{GraphData, ValueId};
use crate::kernels::{Kernel, Limits, Lowering, Refusal, lower};
use crate::tensor::TensorType;
use std::collections::HashMap;
use std::rc::Rc;

/// A lowering, and the number of each launch's kernel.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) lowering: Lowering,
    pub(super) kernels: Vec<usize>,
}

/// The distinct kernels and lowerings of a plan so far.
#[derive(Debug, Default)]
pub(super) struct Lowerings {
    /// In the order in which they were met.
    pub(super) kernels: Vec<Kernel>,
    numbers: HashMap<Kernel, usize>,
    /// By all that a lowering depends on, in words.
    known: HashMap<String, Rc<Lowered>>,
}

impl Lowerings {
    /// The kernels of a group.
    pub(super) fn of(
        &mut self,
        graph: &GraphData,
        group: &Group,
        limits: &Limits,
    ) -> Result<Rc<Lowered>, Refusal> {
        let (op, types) = (&group.node(graph).op, |ids: &[ValueId]| -> Vec<&TensorType> {
            ids.iter().map(|&v| graph.ty(v)).collect()
        });
        // What is fused may have other shapes; the kernel knows its own.
        let outputs = if group.fused.is_empty() { &group.outputs } else { &group.node(graph).outputs };
        let (mut inputs, outputs) = (types(&group.inputs), types(outputs));
        if !group.fused.prologue.0.is_empty() {
            inputs[0] = graph.ty(group.node(graph).inputs[0]);
        }
        let all = format!("{:?}", (op, &group.fused, &inputs, &outputs));
        if let Some(known) = self.known.get(&all) {
            return Ok(known.clone());
        }
        let lowering = lower(op, &group.fused, &inputs, &outputs, limits)?;
        let kernels = lowering.launches.iter().map(|launch| self.number(&launch.kernel)).collect();
        let lowered = Rc::new(Lowered { lowering, kernels });
        self.known.insert(all, lowered.clone());
        Ok(lowered)
    }

    /// The number of a kernel in the plan.
    pub(super) fn number(&mut self, kernel: &Kernel) -> usize {
        if let Some(&known) = self.numbers.get(kernel) {
            return known;
        }
        let next = self.kernels.len();
        self.numbers.insert(kernel.clone(), next);
        self.kernels.push(kernel.clone());
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fuse::fuse;
    use crate::{Graph, Result, Tensor};
    use std::collections::HashSet;

    /// How many groups with kernels there are, and how many of them were lowered.
    fn lowered(graph: &Graph, outputs: &[&Tensor]) -> Result<(usize, usize)> {
        let outputs: Vec<ValueId> = outputs.iter().map(|tensor| tensor.id()).collect();
        graph.with(|data| {
            let (groups, _) = fuse(data, &outputs, &data.reachable(&outputs));
            let groups = groups.iter().filter(|group| group.node(data).op.leaf_name().is_none());
            let mut lowerings = Lowerings::default();
            let refused = |_| crate::Error::device("a lowering", "a refusal");
            let found = groups.map(|group| lowerings.of(data, group, &Limits::default()).map_err(refused));
            let found = found.collect::<Result<Vec<_>>>()?;
            // Held at once, those made apart lie apart.
            let apart: HashSet<*const Lowered> = found.iter().map(Rc::as_ptr).collect();
            Ok((found.len(), apart.len()))
        })
    }

    #[test]
    fn what_is_alike_is_lowered_once() -> Result<()> {
        for nodes in [40, 80] {
            let graph = Graph::new();
            let (x, row) = (graph.input("x", [4, 8])?, graph.input("row", [8])?);
            let y = (0..nodes).try_fold(x, |y, i| if i % 2 == 0 { y.add(&row) } else { y.mul(&row) })?;
            // A function and the three behind it whose operands fit its bindings.
            assert_eq!(lowered(&graph, &[&y])?, (nodes / 4, 1));
        }
        Ok(())
    }

    /// All that a kernel's text depends on tells two groups apart.
    #[test]
    fn what_differs_is_lowered_apart() -> Result<()> {
        let graph = Graph::new();
        let (x, wide) = (graph.input("x", [4, 8])?, graph.input("wide", [4, 16])?);
        let halves = [x.scale(0.5)?, x.scale(-0.5)?, x.leaky_relu(0.5)?, wide.scale(0.5)?];
        let chains =
            [x.scale(0.5)?.tanh()?, x.tanh()?.scale(0.5)?, x.scale(0.5)?.sub(&x)?, x.sub(&x.scale(0.5)?)?];
        let reduced = [x.sum([0], false)?, x.sum([1], false)?, x.tanh()?.sum([1], false)?];
        for output in halves.iter().chain(&chains).chain(&reduced) {
            assert_eq!(lowered(&graph, &[output])?, (1, 1), "{output:?}");
        }
        let all: Vec<&Tensor> = halves.iter().chain(&chains).chain(&reduced).collect();
        assert_eq!(lowered(&graph, &all)?, (all.len(), all.len()));
        Ok(())
    }
}
