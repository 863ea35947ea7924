//! Softmax and its logarithm: `shaders/softmax.wgsl`, `shaders/softmax_backward.wgsl`.

use super::{Binding, Limits, Lowering, Operand, lanes, launch, turns};
use crate::error::Mismatch;
use crate::ops::{Softmax, softmax::axis};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Sizes of a row and of the workgroup that goes through it so many times, as `common/row.wgsl` names them, and the turns of
/// an invocation.
pub(super) fn row([outer, length, inner]: [usize; 3], passes: usize, limits: &Limits) -> (Value, usize) {
    let lanes = turns::lanes(lanes(length, limits), length, passes, limits);
    (
        context! { outer, length, inner, lanes, tree => tree(lanes) },
        passes * turns::of_loop(length.div_ceil(lanes), 0),
    )
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
    let (row, turns) = row(sizes, passes, limits);
    let values = context! { log => options.log, ..row };
    let groups = sizes[0] * sizes[2];
    launch(limits, name, groups, turns, bindings, "a row a workgroup", values).map(Lowering::single)
}
