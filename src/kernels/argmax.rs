//! Positions of maxima: `shaders/argmax.wgsl`.

use super::softmax::tree;
use super::{Binding, Limits, Lowering, Operand, launch, turns};
use crate::error::Mismatch;
use crate::ops::softmax::axis;
use crate::tensor::TensorType;
use minijinja::context;

/// The most invocations that scan a row together.
const MOST_LANES: usize = 64;

pub(super) fn forward(dim: usize, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let [outer, length, inner] = axis(&inputs[0].shape, dim)?;
    let bindings = vec![Binding::read(Operand::Input(0)), Binding::write(Operand::Output(0))];
    // Every lane must have an element to begin with. A CPU adapter has no invocations to spare.
    let lanes = if limits.software { 1 } else { 1 << length.min(MOST_LANES).ilog2() };
    let lanes = turns::lanes(lanes, length, 1, limits).min(1 << length.ilog2());
    let rows = outer * inner;
    let (groups, why) =
        if lanes > 1 { (rows, "a row a workgroup") } else { (rows.div_ceil(64), "a row an invocation") };
    let values = context! { outer, length, inner, lanes, tree => tree(lanes) };
    launch(limits, "argmax", groups, length.div_ceil(lanes), bindings, why, values).map(Lowering::single)
}
