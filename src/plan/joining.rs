//! Which groups a node may join, and why not.

use super::fuse::{Group, first_value, is_elementwise, is_sum, readers};
use crate::graph::{GraphData, NodeId, ValueId};
use crate::kernels::takes_epilogue;
use crate::ops::Op;
use std::collections::HashMap;

/// Bindings of a group, which every adapter has.
const MOST_BINDINGS: usize = 7;
/// A kernel's own bindings at most: a convolution's. A sum has half as many.
const OWN_BINDINGS: usize = 4;

/// Functions that a kernel applies at most. Each makes its text longer: one of 64, every other a tanh, takes lavapipe over a
/// second to compile, and the memory that 17 functions do not touch is most of what can be saved.
pub(super) const MOST_FUNCTIONS: usize = 16;

/// What reshapes give another shape until it is a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    pub(super) source: ValueId,
    /// The first value between the two, both included, that others read too.
    pub(super) stored: Option<ValueId>,
}

/// What is asked of every node, found for all at once: what stands behind many reshapes, or is read by many, would
/// else be looked at again and again.
pub(super) struct Known {
    pub(super) behind: Vec<Behind>,
    takes_epilogue: Vec<bool>,
    /// The node that computes the new value of each state that has one.
    updated_by: HashMap<ValueId, NodeId>,
}

impl Known {
    pub(super) fn new(graph: &GraphData, outputs: &[ValueId], needed: &[bool]) -> Self {
        let readers = readers(graph, outputs, needed);
        let mut behind: Vec<Behind> = Vec::with_capacity(graph.values.len());
        let alone =
            |value: ValueId| Behind { source: value, stored: Some(value).filter(|&v| readers[v] > 1) };
        behind.extend((0..graph.values.len()).map(alone));
        for node in &graph.nodes {
            // Any other op computes what it gives.
            if let (Op::Reshape(_), &[input], &[output]) = (&node.op, &node.inputs[..], &node.outputs[..]) {
                let Behind { source, stored } = behind[input];
                behind[output] = Behind { source, stored: stored.or(behind[output].stored) };
            }
        }
        let takes_epilogue = graph.nodes.iter().map(|node| takes_epilogue(&node.op)).collect();
        let updated_by = graph.updates.iter().map(|&(state, new)| (state, graph.values[new].node)).collect();
        Self { behind, takes_epilogue, updated_by }
    }

    /// Whether a chain of element-wise functions can run where this node does: no state that it reads is updated before,
    /// which would have to be saved.
    pub(super) fn may_wait(&self, chain: &Group, id: NodeId, graph: &GraphData) -> bool {
        let between = chain.nodes.last().map_or(0..0, |&last| last..id);
        let updated = |state| self.updated_by.get(state).is_some_and(|new| between.contains(new));
        first_value(chain.node(graph), graph).is_some()
            && is_elementwise(chain.node(graph))
            && !chain.inputs.iter().any(updated)
    }

    /// Why the kernel of `group` cannot apply one more function to its output, of which `stored` has other readers, with
    /// these other operands; `None` where it can.
    pub(super) fn refusal(
        &self,
        group: &Group,
        stored: Option<ValueId>,
        others: &[ValueId],
        graph: &GraphData,
    ) -> Option<String> {
        let base = group.node(graph);
        let sum = is_sum(base);
        let own = match base.inputs.len() {
            _ if sum => OWN_BINDINGS / 2,
            // A normalisation reads more than a convolution, as do functions of three tensors and an error.
            inputs => OWN_BINDINGS.max(inputs + 1),
        };
        let most = MOST_BINDINGS.saturating_sub(own);
        let operands = group.inputs.len() - base.inputs.len() + others.len();
        // What a sum reads may be large, and would have to be kept.
        let later = |&value: &ValueId| {
            graph.producer(value).op.leaf_name().is_none()
                // All other leaves have names.
                && !matches!(graph.producer(value).op, Op::Constant(_) | Op::Table(_))
                && graph.values[value].node > group.nodes[group.base]
        };
        if !self.takes_epilogue[group.nodes[group.base]] {
            Some(match base.op {
                Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) => {
                    "it reads memory that no kernel writes".to_owned()
                }
                // The list of those is in `takes_epilogue`.
                _ => format!("{} has no epilogue", base.op.name()),
            })
        } else if let Some(stored) = stored {
            Some(format!("the output of {} is needed elsewhere too", graph.producer(stored).op.name()))
        } else if sum && others.iter().any(later) {
            Some(format!("{} would wait for another operand", base.op.name()))
        } else if !others.is_empty() && operands > most {
            Some(format!("{} reads {most} other operands", base.op.name()))
        } else {
            (group.fused.functions() >= MOST_FUNCTIONS)
                .then(|| format!("{} already applies {MOST_FUNCTIONS} functions", base.op.name()))
        }
    }
}
