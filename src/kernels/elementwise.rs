//! Element-wise functions of one tensor and of two of one shape, and chains of them: `shaders/elementwise.wgsl`.

use super::{
    Binding, Chain, ChainStep, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch,
};
use crate::error::Mismatch;
use crate::ops::{Op, Unary, UnaryBackward};
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Unary {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        chain(&(*self).into(), &site.fused.stores, site.inputs, site.limits)
    }

    fn takes_epilogue(&self, _inputs: &[&TensorType]) -> bool {
        true
    }
}

impl Lower for UnaryBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        chain(&(*self).into(), &site.fused.stores, site.inputs, site.limits)
    }

    fn takes_epilogue(&self, _inputs: &[&TensorType]) -> bool {
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

/// The function of `op` applied to input 0, then what is fused with it.
pub(super) fn chain(
    op: &Op,
    fused: &Chain,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let epilogue = Chain(ChainStep::of(op).into_iter().chain(fused.0.iter().copied()).collect());
    let vec4s = inputs[0].shape.elements().div_ceil(4);
    let per_lane = per_lane(vec4s, limits);
    let part = |(first, count): (usize, usize)| -> Result<Launch, Mismatch> {
        let run = |b: Binding| b.range(first as u64 * 16, count as u64 * 16);
        let mut bindings =
            vec![run(Binding::read(Operand::Input(0))), run(Binding::write(Operand::Output(0)))];
        bindings.extend(epilogue.bindings(run));
        let values = context! { per_lane, ..epilogue.values(2, true) };
        let why = format!("{per_lane} vec4 a lane{}", fused.why());
        launch(limits, "elementwise", count.div_ceil(64 * per_lane), 1 + per_lane, bindings, why, values)
    };
    let launches = chunks(vec4s, &[(Operand::Output(0), 16)], limits)?.into_iter().map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}
