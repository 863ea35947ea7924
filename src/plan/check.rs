//! What is looked at while a program runs: indices, and on demand whether every value is finite.

use super::{Bound, BufferKind, BufferPlan, Plan};
use crate::error::{Error, Mismatch};
use crate::graph::{GraphData, Node, ValueId};
use crate::kernels::{CHECK_BYTES, Limits};
use crate::ops::{self, Op};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// What is looked at while a program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The op whose kernels look, or whose result is looked at.
    pub op: String,
    /// The layer it belongs to.
    pub label: String,
    /// What must be.
    pub wanted: Wanted,
    /// Its first byte in the buffer of checks, where [`CHECK_BYTES`] are its own.
    pub offset: u64,
}

/// What a [`Check`] looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Indices in a range, in words.
    Indices(String),
    /// Finite numbers only, in this value of this shape.
    Finite {
        /// The value, in words: `output 0`.
        value: String,
        /// Its shape.
        shape: Shape,
    },
}

impl Check {
    /// What is wrong, from the words that the kernels left; `None` if nothing is.
    pub fn failure(&self, words: [u32; 3]) -> Option<Error> {
        let (position, kind) = (0..3).filter(|&i| words[i] != u32::MAX).map(|i| (words[i], i)).min()?;
        Some(match &self.wanted {
            Wanted::Indices(_) => self.bad_row(position as usize)?,
            Wanted::Finite { .. } => self.not_finite(position as usize, ["NaN", "inf", "-inf"][kind])?,
        })
    }

    /// That an index in this row is out of its range.
    pub fn bad_row(&self, row: usize) -> Option<Error> {
        let Wanted::Indices(range) = &self.wanted else { return None };
        let mismatch = Mismatch::new(range, format!("another one in row {row}"));
        Some(Error::op(&self.op, &self.label, mismatch))
    }

    /// That this was found at index `at` of the value.
    pub fn not_finite(&self, at: usize, found: &str) -> Option<Error> {
        let Wanted::Finite { value, shape } = &self.wanted else { return None };
        let index: Vec<usize> =
            shape.iter().zip(shape.strides()).map(|(n, stride)| at / stride % n).collect();
        let mismatch = Mismatch::new("finite numbers", format!("{found} at {index:?} of {value}"));
        Some(Error::op(&self.op, &self.label, mismatch))
    }
}

/// The op and the label of a node as an error says them: leaves by their role and name.
fn named(node: &Node) -> (String, String) {
    let (op, label) = match &node.op {
        Op::State(ops::State { role, .. }) => (role.to_string(), node.op.leaf_name()),
        // All others are called after what they compute.
        other => (other.name().to_owned(), other.leaf_name()),
    };
    (op, label.unwrap_or(&node.label).to_owned())
}

impl Check {
    /// That the indices of this node are in their range; `None` for one that reads none.
    pub fn indices(node: &Node, inputs: &[&TensorType]) -> Option<Self> {
        let range = node.op.index_range(inputs)?;
        let (op, label) = named(node);
        Some(Self { op, label, wanted: Wanted::Indices(range), offset: 0 })
    }

    /// That an output of a node is finite, which is the new value of a state where the graph says so.
    pub fn finite(graph: &GraphData, node: &Node, output: usize) -> Self {
        let (op, label) = named(node);
        let id = node.outputs[output];
        let name = |state: ValueId| graph.producer(state).op.leaf_name().unwrap_or_default();
        let update = graph.updates.iter().find(|(_, new)| *new == id);
        let new = update.map_or(String::new(), |(state, _)| format!(", the new '{}'", name(*state)));
        let ty = graph.ty(id);
        let value = match node.op.leaf_name() {
            Some(_) => ty.to_string(),
            None => format!("output {output}, {ty}{new}"),
        };
        Self { op, label, wanted: Wanted::Finite { value, shape: ty.shape.clone() }, offset: 0 }
    }
}

/// Adds a check to a plan, and gives the bytes in which its kernels say what is wrong.
pub(super) fn add(plan: &mut Plan, check: Check, limits: &Limits) -> Bound {
    let buffer = *plan.checked.get_or_insert_with(|| {
        plan.buffers.push(BufferPlan { bytes: 0, kind: BufferKind::Checks });
        plan.buffers.len() - 1
    });
    // A binding begins at a multiple of the device's alignment.
    let offset = plan.checks.len() as u64 * limits.offset_alignment.max(CHECK_BYTES);
    plan.buffers[buffer].bytes = offset + CHECK_BYTES;
    plan.checks.push(Check { offset, ..check });
    Bound { buffer, offset, bytes: CHECK_BYTES, write: true }
}
