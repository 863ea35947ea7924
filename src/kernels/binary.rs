//! Element-wise functions of two tensors: `shaders/binary.wgsl`, `shaders/equal.wgsl`.

use super::{Binding, Launch, Limits, Lowering, Operand, chunks, launch};
use crate::error::Mismatch;
use crate::ops::Binary;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// vec4s each invocation computes.
const PER_LANE: usize = 4;

fn operator(function: &Binary) -> &'static str {
    match function {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
    }
}

pub(super) fn forward(
    function: &Binary,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let (a, b, output) = (&inputs[0].shape, &inputs[1].shape, &outputs[0].shape);
    let operator = operator(function);
    let bindings = [
        Binding::read(Operand::Input(0)),
        Binding::read(Operand::Input(1)),
        Binding::write(Operand::Output(0)),
    ];
    if a == b {
        return flat(operator, output.elements(), bindings, limits);
    }
    let values =
        context! { flat => false, elements => output.elements(), operator, dims => dims(a, b, output) };
    let groups = output.elements().div_ceil(64);
    launch(limits, "binary", groups, bindings.to_vec(), "broadcast by strides", values).map(Lowering::single)
}

fn flat(
    operator: &str,
    elements: usize,
    bindings: [Binding; 3],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let part = |(first, vec4s): (usize, usize)| -> Result<Launch, Mismatch> {
        let bindings = bindings.iter().map(|b| b.range(first as u64 * 16, vec4s as u64 * 16)).collect();
        let values = context! { flat => true, vec4s, per_lane => PER_LANE, operator };
        launch(
            limits,
            "binary",
            vec4s.div_ceil(64 * PER_LANE),
            bindings,
            "equal shapes, 4 vec4 a lane",
            values,
        )
    };
    let launches = chunks(elements.div_ceil(4), &[16], limits)?.into_iter().map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, _>>()?, ..Lowering::default() })
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
    launch(limits, "equal", groups, bindings, "an element an invocation", context! { elements })
        .map(Lowering::single)
}
