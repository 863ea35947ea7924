//! Cross entropy: `shaders/cross_entropy.wgsl`, `shaders/cross_entropy_backward.wgsl`.

use super::template::literal;
use super::{Binding, Limits, Lowering, Operand, launch, softmax::rows};
use crate::error::Mismatch;
use crate::ops::{CrossEntropy, softmax::axis};
use crate::tensor::TensorType;
use minijinja::{Value, context};

fn options(options: &CrossEntropy, classes: usize) -> Value {
    let e = options.label_smoothing;
    context! {
        ignore => options.ignore_index,
        smoothing => e,
        smoothing_literal => literal(e),
        smoothing_per_class => literal(e / classes as f32),
        one_minus_smoothing => literal(1.0 - e),
    }
}

pub(super) fn forward(
    o: &CrossEntropy,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let sizes = axis(&inputs[0].shape, 1)?;
    let mut bindings = vec![Binding::read(Operand::Input(0)), Binding::read(Operand::Input(1))];
    bindings.extend((0..3).map(|i| Binding::write(Operand::Output(i))));
    bindings.push(Binding::write(Operand::Check));
    let rows = rows(sizes, 2, limits);
    let values = context! { ..options(o, sizes[1]), ..rows.values };
    launch(limits, "cross_entropy", rows.groups, rows.turns, bindings, rows.why, values).map(Lowering::single)
}

pub(super) fn backward(
    o: &CrossEntropy,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let sizes = axis(&inputs[1].shape, 1)?;
    let mut bindings: Vec<_> = (0..4).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    let [outer, length, inner] = sizes;
    let values = context! { outer, length, inner, ..options(o, length) };
    let groups = inputs[1].shape.elements().div_ceil(64);
    launch(limits, "cross_entropy_backward", groups, 0, bindings, "a logit an invocation", values)
        .map(Lowering::single)
}
