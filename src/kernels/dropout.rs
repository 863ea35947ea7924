//! Dropout: `shaders/dropout.wgsl`.

use super::template::literal;
use super::{Binding, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch};
use crate::error::Mismatch;
use crate::ops::Dropout;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Dropout {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, site.inputs, site.limits)
    }
}

fn forward(o: &Dropout, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let vec4s = inputs[0].shape.elements().div_ceil(4);
    let part = |(first, count): (usize, usize)| {
        let run = |b: Binding| b.range(first as u64 * 16, count as u64 * 16);
        let read = |i| Binding::read(Operand::Input(i));
        let bindings = vec![run(read(0)), read(1), run(Binding::write(Operand::Output(0)))];
        // Random bits are those of an element's position in the whole tensor.
        let (seed, scale, threshold) = (o.seed, literal(o.scale()), o.threshold());
        let values = context! { first, vec4s => count, seed, scale, threshold };
        launch(limits, "dropout", count.div_ceil(64), 0, bindings, "one vec4 per invocation", values)
    };
    let parts = chunks(vec4s, &[(Operand::Output(0), 16)], limits)?.into_iter();
    Ok(Lowering { launches: parts.map(part).collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}
