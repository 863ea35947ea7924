//! nll_loss: `shaders/nll_loss.wgsl`, `shaders/nll_loss_backward.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::{Access, Binding, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::{NllLoss, NllLossBackward};
use minijinja::context;

/// A tensor of so many words a sample.
fn lies(operand: Operand, outer: usize, words: usize) -> Lies {
    Lies::of(operand, vec![words], outer * words).item(words)
}

impl Lower for NllLoss {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let [outer, length, inner] = site.inputs[0].shape.axis(1)?;
        let input = lies(Operand::Input(0), outer, length * inner);
        let short = |operand| lies(operand, outer, inner);
        let (labels, loss, counted) =
            (short(Operand::Input(1)), short(Operand::Output(0)), short(Operand::Output(1)));
        let part = |part: Part| {
            let (read, first_input) = part.bind(&input, Access::Read, limits);
            let (labels, first_label) = part.bind(&labels, Access::Read, limits);
            let (loss, first_loss) = part.bind(&loss, Access::Write, limits);
            let (counted, first_counted) = part.bind(&counted, Access::Write, limits);
            let rows = part.positions() * inner;
            let mut bindings = vec![read, labels, loss, counted, Binding::write(Operand::Check)];
            bindings.extend(self.weight.then(|| Binding::read(Operand::Input(2))));
            let values = context! {
                rows, length, inner, first_input, first_label, first_loss, first_counted,
                weighted => self.weight, ignore => self.ignore_index,
                before => part.ranges[0].start * inner,
            };
            let why = format!("one row per invocation{}", part.why());
            launch(limits, "nll_loss", rows.div_ceil(64), 0, bindings, why, values)
        };
        let cut = parts(&[outer], &[1], &[input.clone(), labels.clone()], limits)?;
        let launches = cut.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

impl Lower for NllLossBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let [outer, length, inner] = site.outputs[0].shape.axis(1)?;
        let (grad, labels) = (lies(Operand::Input(0), outer, inner), lies(Operand::Input(1), outer, inner));
        let output = lies(Operand::Output(0), outer, length * inner);
        let part = |part: Part| {
            let (read, first_grad) = part.bind(&grad, Access::Read, limits);
            let (labels, first_label) = part.bind(&labels, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            let elements = part.positions() * length * inner;
            let mut bindings = vec![read, labels, written];
            bindings.extend(self.forward.weight.then(|| Binding::read(Operand::Input(2))));
            let values = context! {
                elements, length, inner, first_grad, first_label, first_output,
                weighted => self.forward.weight, ignore => self.forward.ignore_index,
            };
            let why = format!("one element per invocation{}", part.why());
            launch(limits, "nll_loss_backward", elements.div_ceil(64), 0, bindings, why, values)
        };
        let cut = parts(&[outer], &[1], &[grad.clone(), labels.clone(), output.clone()], limits)?;
        let launches = cut.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}
