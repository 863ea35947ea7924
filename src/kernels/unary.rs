//! Element-wise functions of one tensor: `shaders/unary.wgsl`.

use super::{Binding, Launch, Limits, Lowering, Operand, chunks, launch, template::literal};
use crate::error::Mismatch;
use crate::ops::Unary;
use crate::tensor::TensorType;
use minijinja::context;

/// vec4s each invocation computes.
const PER_LANE: usize = 4;

pub(super) fn forward(
    function: &Unary,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    build(function, inputs, false, limits)
}

pub(super) fn backward(
    function: &Unary,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    build(function, inputs, true, limits)
}

fn build(
    function: &Unary,
    inputs: &[&TensorType],
    backward: bool,
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let vec4s = inputs[0].shape.elements().div_ceil(4);
    let launches =
        chunks(vec4s, &[16], limits)?.into_iter().map(|(first, count)| -> Result<Launch, Mismatch> {
            let part = |b: Binding| b.range(first as u64 * 16, count as u64 * 16);
            let mut bindings: Vec<_> =
                (0..inputs.len()).map(|i| part(Binding::read(Operand::Input(i)))).collect();
            bindings.push(part(Binding::write(Operand::Output(0))));
            let values = context! {
                vec4s => count,
                per_lane => PER_LANE,
                function => function.name(),
                parameter => literal(function.parameter()),
                backward,
            };
            launch(limits, "unary", count.div_ceil(64 * PER_LANE), bindings, "4 vec4 a lane", values)
        });
    Ok(Lowering { launches: launches.collect::<Result<_, _>>()?, ..Lowering::default() })
}
