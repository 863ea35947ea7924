//! Softmax and its logarithm: `shaders/softmax.wgsl`, `shaders/softmax_backward.wgsl`.

use super::{Binding, Limits, Lowering, Operand, lanes, launch, tile, turns};
use crate::error::Mismatch;
use crate::ops::{Softmax, softmax::axis};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// The longest row that is an invocation's on a CPU adapter: joining what eight found takes longer there.
const SHORT: usize = 64;
/// Rows of a workgroup there, and the rows from which on there are workgroups enough.
const ROWS: usize = 8;
const MANY_ROWS: usize = 4 * ROWS;

/// How rows are dealt out to workgroups that go through them.
pub(super) struct Rows {
    /// As `common/row.wgsl` names it.
    pub(super) values: Value,
    /// Workgroups.
    pub(super) groups: usize,
    /// Turns of an invocation.
    pub(super) turns: usize,
    /// In words.
    pub(super) why: &'static str,
}

/// Rows of these sizes that are gone through so many times.
pub(super) fn rows([outer, length, inner]: [usize; 3], passes: usize, limits: &Limits) -> Rows {
    let short = tile::shuffles(limits) && length <= SHORT && outer * inner >= MANY_ROWS;
    let fewest = if short { 1 } else { lanes(length, limits) };
    let lanes = turns::lanes(fewest, length, passes, limits);
    let rows = if lanes == 1 { ROWS } else { 1 };
    Rows {
        values: context! { outer, length, inner, lanes, rows, tree => tree(lanes) },
        groups: (outer * inner).div_ceil(rows),
        turns: passes * turns::of_loop(length.div_ceil(lanes), 0),
        why: if lanes == 1 { "a row an invocation" } else { "a row a workgroup" },
    }
}

/// The steps of a tree that joins a power of two of lanes: half of them, a quarter, down to 1.
pub(super) fn tree(lanes: usize) -> Vec<usize> {
    (0..lanes.ilog2()).rev().map(|bit| 1 << bit).collect()
}

pub(super) fn forward(
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    build("softmax", 3, options, inputs, limits)
}

pub(super) fn backward(
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    build("softmax_backward", 2, options, inputs, limits)
}

/// A kernel that goes through each row so many times.
fn build(
    name: &'static str,
    passes: usize,
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let sizes = axis(&inputs[0].shape, options.dim)?;
    let mut bindings: Vec<_> = (0..inputs.len()).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    let rows = rows(sizes, passes, limits);
    let values = context! { log => options.log, ..rows.values };
    launch(limits, name, rows.groups, rows.turns, bindings, rows.why, values).map(Lowering::single)
}
