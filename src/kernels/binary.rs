//! Functions of two tensors that broadcast: `shaders/binary.wgsl`; comparisons: `shaders/equal.wgsl`. Equal
//! shapes are [`super::elementwise`]'s.

use super::fused::operator;
use super::{Binding, Limits, Lowering, Operand, Refusal, launch};
use crate::error::Mismatch;
use crate::ops::Binary;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

pub(super) fn forward(
    function: &Binary,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let (a, b, output) = (&inputs[0].shape, &inputs[1].shape, &outputs[0].shape);
    let bindings = [
        Binding::read(Operand::Input(0)),
        Binding::read(Operand::Input(1)),
        Binding::write(Operand::Output(0)),
    ];
    let operator = operator(function);
    let values = context! { elements => output.elements(), operator, dims => dims(a, b, output) };
    let groups = output.elements().div_ceil(64);
    let why = "broadcast by strides";
    Ok(Lowering::single(launch(limits, "binary", groups, 0, bindings.to_vec(), why, values)?))
}

/// For each dimension of the output its divisor and size, and the operands' strides.
fn dims(a: &Shape, b: &Shape, output: &Shape) -> Vec<Value> {
    let strides = a.broadcast_strides(output).into_iter().zip(b.broadcast_strides(output));
    let dims = output.iter().zip(output.strides()).zip(strides);
    dims.map(|((size, div), (a, b))| context! { size, div, a, b }).collect()
}

pub(super) fn equal(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let elements = inputs[0].shape.elements();
    let bindings = vec![
        Binding::read(Operand::Input(0)),
        Binding::read(Operand::Input(1)),
        Binding::write(Operand::Output(0)),
    ];
    let groups = elements.div_ceil(64);
    launch(limits, "equal", groups, 0, bindings, "an element an invocation", context! { elements })
        .map(Lowering::single)
}
