//! Element-wise functions of tensors that broadcast, and chains of them: `shaders/elementwise.wgsl`.

use super::broadcast::Broadcast;
use super::fused::value_operand;
use super::{
    Binding, Chain, ChainStep, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch,
};
use crate::error::Mismatch;
use crate::ops::Elementwise;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Elementwise {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        chain(self, &site.fused.epilogue, site.own(), site.outputs, site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

/// vec4s each invocation computes: of few, a GPU would rather have more invocations (H200: one a lane takes 0.84 to
/// 0.97 of the time of four for 75,000, 1.27 to 1.29 for 250,000).
fn per_lane(vec4s: usize, limits: &Limits) -> usize {
    if limits.software || vec4s >= MANY { 4 } else { 1 }
}

/// vec4s that are invocations enough.
const MANY: usize = 1 << 17;

/// A function of its own inputs, then what is fused with it.
fn chain(
    function: &Elementwise,
    fused: &Chain,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let shapes: Vec<&Shape> = inputs.iter().map(|ty| &ty.shape).collect();
    // Through reshapes, the output may have another shape than the function gives.
    let to = broadcast(&shapes)?;
    let value = value_operand(&shapes, &to).unwrap_or(0);
    let lies = Broadcast::of(shapes[value], &to);
    let mut first = ChainStep::new(*function, &shapes, value, 0, &to);
    first.skip(value);
    let epilogue = Chain(std::iter::once(first).chain(fused.0.iter().cloned()).collect());
    let vec4s = outputs[0].shape.elements().div_ceil(4);
    let per_lane = per_lane(vec4s, limits);
    let part = |(first, count): (usize, usize)| -> Result<Launch, Mismatch> {
        let run = |b: Binding| b.range(first as u64 * 16, count as u64 * 16);
        let input = Binding::read(Operand::Input(value));
        let input = if lies.is_alike() { run(input) } else { input };
        let mut bindings = vec![input, run(Binding::write(Operand::Output(0)))];
        bindings.extend(epilogue.bindings(run));
        let load = lies.load("input", true, first * 4);
        let values = context! {
            per_lane, load => load.expression, element => load.element, ..epilogue.values(2, true, &bindings)
        };
        let why = format!("{per_lane} vec4 per lane{}", fused.why());
        launch(limits, "elementwise", count.div_ceil(64 * per_lane), 1 + per_lane, bindings, why, values)
    };
    let launches = chunks(vec4s, &[(Operand::Output(0), 16)], limits)?.into_iter().map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}

/// The shape that all are broadcast to.
fn broadcast(shapes: &[&Shape]) -> Result<Shape, Mismatch> {
    let mut to = shapes[0].clone();
    for shape in &shapes[1..] {
        to = to.broadcast(shape)?;
    }
    Ok(to)
}
