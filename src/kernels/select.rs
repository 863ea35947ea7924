//! Masks of the steps of sequences: `shaders/sequence_mask.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::{Access, Binding, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::SequenceMask;
use crate::tensor::TensorType;
use minijinja::context;

impl Lower for SequenceMask {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        mask(self.max_length, site.inputs, site.limits)
    }
}

fn mask(max_length: usize, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let batch = inputs[0].shape.elements();
    let written = Lies::of(Operand::Output(0), vec![batch], max_length * batch).item(batch);
    let launch = |part: Part| {
        let (output, first) = part.bind(&written, Access::Write, limits);
        let (steps, first_step) = (part.positions(), part.ranges[0].start);
        let bindings = vec![Binding::read(Operand::Input(0)), output, Binding::write(Operand::Check)];
        let why = format!("one element per invocation{}", part.why());
        let values = context! { steps, first_step, first, max_length, batch };
        launch(limits, "sequence_mask", (steps * batch).div_ceil(64), 0, bindings, why, values)
    };
    let parts = parts(&[max_length], &[1], std::slice::from_ref(&written), limits)?;
    let launches = parts.into_iter().map(launch).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, ..Lowering::default() })
}
