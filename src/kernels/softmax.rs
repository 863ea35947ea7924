//! Softmax and its logarithm: `shaders/softmax.wgsl`, `shaders/softmax_backward.wgsl`.

use super::{Binding, Limits, Lowering, Operand, lanes, launch};
use crate::error::Mismatch;
use crate::ops::{Softmax, softmax::axis};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Sizes of a row and of the workgroup that works on it, as `common/row.wgsl` names them.
pub(super) fn row([outer, length, inner]: [usize; 3], limits: &Limits) -> Value {
    let lanes = lanes(length, limits);
    context! { outer, length, inner, lanes, tree => tree(lanes) }
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
    build("softmax", options, inputs, limits)
}

pub(super) fn backward(
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    build("softmax_backward", options, inputs, limits)
}

fn build(
    name: &'static str,
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let sizes = axis(&inputs[0].shape, options.dim)?;
    let mut bindings: Vec<_> = (0..inputs.len()).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    let values = context! { log => options.log, ..row(sizes, limits) };
    let groups = sizes[0] * sizes[2];
    launch(limits, name, groups, bindings, "a row a workgroup", values).map(Lowering::single)
}
