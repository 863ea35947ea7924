//! Rows of a table: `shaders/embedding.wgsl`, `shaders/embedding_backward.wgsl`.

use super::{Binding, Limits, Lowering, Operand, launch, turns};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Sizes in vec4 where the width is whole ones.
fn sizes(weight: &Shape, indices: &TensorType) -> (usize, Value) {
    let vec4 = weight[1].is_multiple_of(4);
    let width = if vec4 { weight[1] / 4 } else { weight[1] };
    (width, context! { vec4, width, rows => weight[0], count => indices.shape.elements() })
}

fn bindings() -> Vec<Binding> {
    let read = |i| Binding::read(Operand::Input(i));
    vec![read(0), read(1), Binding::write(Operand::Output(0))]
}

pub(super) fn forward(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let (width, values) = sizes(&inputs[0].shape, inputs[1]);
    let groups = (inputs[1].shape.elements() * width).div_ceil(64);
    launch(limits, "embedding", groups, 0, bindings(), "by index", values).map(Lowering::single)
}

pub(super) fn backward(
    weight: &Shape,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let (width, values) = sizes(weight, inputs[1]);
    let lanes = width.next_power_of_two().clamp(8, 64);
    let tiles = width.div_ceil(lanes);
    let values = context! { lanes, tiles, ..values };
    let why = format!("a row gathers, {lanes} lanes");
    let turns = turns::of_loop(inputs[1].shape.elements(), 0);
    launch(limits, "embedding_backward", weight[0] * tiles, turns, bindings(), why, values)
        .map(Lowering::single)
}
