//! Positions of maxima: `shaders/argmax.wgsl`.

use super::{Binding, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::ops::softmax::axis;
use crate::tensor::TensorType;
use minijinja::context;

pub(super) fn forward(dim: usize, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let [outer, length, inner] = axis(&inputs[0].shape, dim)?;
    let bindings = vec![Binding::read(Operand::Input(0)), Binding::write(Operand::Output(0))];
    let groups = (outer * inner).div_ceil(64);
    let values = context! { outer, length, inner };
    launch(limits, "argmax", groups, bindings, "a row an invocation", values).map(Lowering::single)
}
