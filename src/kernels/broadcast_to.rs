//! Repetition along stretched dimensions: `shaders/broadcast_to.wgsl`.

use super::{Binding, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

pub(super) fn forward(shape: &Shape, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let strides = inputs[0].shape.broadcast_strides(shape);
    let dims = shape.iter().zip(shape.strides()).zip(strides);
    let dims: Vec<Value> = dims.map(|((size, div), stride)| context! { size, div, stride }).collect();
    let bindings = vec![Binding::read(Operand::Input(0)), Binding::write(Operand::Output(0))];
    let values = context! { elements => shape.elements(), dims };
    let groups = shape.elements().div_ceil(64);
    launch(limits, "broadcast_to", groups, 0, bindings, "by strides", values).map(Lowering::single)
}
