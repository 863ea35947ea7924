//! Dropout: `shaders/dropout.wgsl`.

use super::template::literal;
use super::{Binding, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::ops::Dropout;
use crate::tensor::TensorType;
use minijinja::context;

pub(super) fn forward(o: &Dropout, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let vec4s = inputs[0].shape.elements().div_ceil(4);
    let read = |i| Binding::read(Operand::Input(i));
    let bindings = vec![read(0), read(1), Binding::write(Operand::Output(0))];
    let values = context! { vec4s, seed => o.seed, scale => literal(o.scale()), threshold => o.threshold() };
    launch(limits, "dropout", vec4s.div_ceil(64), 0, bindings, "a vec4 an invocation", values)
        .map(Lowering::single)
}
