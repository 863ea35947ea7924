//! Choices by element and masks: `shaders/where_.wgsl` (`where` is no name in WGSL), `shaders/sequence_mask.wgsl`.

use super::{Binding, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::tensor::TensorType;
use minijinja::{Value, context};

pub(super) fn choose(
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let output = &outputs[0].shape;
    let strides = |i: usize| inputs[i].shape.broadcast_strides(output);
    let (of_condition, of_a, of_b) = (strides(0), strides(1), strides(2));
    let divisors = output.strides();
    let dim = |d: usize| -> Value {
        let (size, div) = (output[d], divisors[d]);
        context! { size, div, condition => of_condition[d], a => of_a[d], b => of_b[d] }
    };
    let dims: Vec<Value> = (0..output.len()).map(dim).collect();
    let mut bindings: Vec<_> = (0..3).map(|i| Binding::read(Operand::Input(i))).collect();
    bindings.push(Binding::write(Operand::Output(0)));
    let values = context! { dims, elements => output.elements() };
    launch(limits, "where_", output.elements().div_ceil(64), 0, bindings, "by strides", values)
        .map(Lowering::single)
}

pub(super) fn mask(max_length: usize, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let batch = inputs[0].shape.elements();
    let bindings = vec![Binding::read(Operand::Input(0)), Binding::write(Operand::Output(0))];
    let groups = (max_length * batch).div_ceil(64);
    let values = context! { max_length, batch };
    launch(limits, "sequence_mask", groups, 0, bindings, "an element an invocation", values)
        .map(Lowering::single)
}
