//! The same numbers in another type: `shaders/cast_.wgsl`.

use super::{Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::ops::Cast;
use minijinja::context;

impl Lower for Cast {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (input, output) = (site.inputs[0], site.outputs[0]);
        let operands = [Operand::Input(0), Operand::Output(0)];
        let launches = cast(operands, [input.dtype, output.dtype], output.shape.elements(), site.limits)?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

/// Casts `elements` of one operand into another. What is stored as `f16` counts as `f32` here.
pub(super) fn cast(
    [from, to]: [Operand; 2],
    types: [DType; 2],
    elements: usize,
    limits: &Limits,
) -> Result<Vec<Launch>, Refusal> {
    let part = |(first, vec4s): (usize, usize)| -> Result<Launch, Mismatch> {
        let run = |b: Binding| b.range(first as u64 * 16, vec4s as u64 * 16);
        let bindings = vec![run(Binding::read(from)), run(Binding::write(to))];
        let [from, to] = types.map(DType::wgsl);
        let values = context! { vec4s, from, to, wide => limits.wide_loads };
        launch(limits, "cast_", vec4s.div_ceil(64), 0, bindings, "one vec4 per lane", values)
    };
    let parts = chunks(elements.div_ceil(4), &[(from, 16), (to, 16)], limits)?.into_iter().map(part);
    Ok(parts.collect::<Result<_, Mismatch>>()?)
}
