//! The CTC loss: `shaders/ctc_loss_alpha.wgsl` and `shaders/ctc_loss.wgsl`, `shaders/ctc_loss_beta.wgsl` and
//! `shaders/ctc_loss_backward.wgsl`.

use super::{Binding, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, lanes, launch};
use crate::error::Mismatch;
use crate::ops::{CtcLoss, CtcLossBackward, CtcSizes};
use minijinja::{Value, context};

fn values(op: &CtcLoss, sizes: &CtcSizes) -> Value {
    let CtcSizes { steps, batch, classes, labels } = *sizes;
    context! { steps, batch, classes, labels, blank => op.blank, zero_infinity => op.zero_infinity }
}

/// The launches of a kernel that goes through the steps, one workgroup a sample; cut by steps where there are many.
fn by_steps(
    name: &'static str,
    op: &CtcLoss,
    sizes: &CtcSizes,
    bindings: &[Binding],
    limits: &Limits,
) -> Result<Vec<super::Launch>, Mismatch> {
    let states = sizes.states();
    let lanes = lanes(states, limits);
    let pieces = iterations::pieces([sizes.steps, states.div_ceil(lanes)], 0, limits);
    let piece = |piece: iterations::Piece| {
        let values = context! { lanes, ..context! { ..values(op, sizes), ..piece.values() } };
        let why = format!("one sample per workgroup of {lanes}{}", piece.why());
        launch(limits, name, sizes.batch, piece.iterations, bindings.to_vec(), why, values)
    };
    pieces.into_iter().map(piece).collect()
}

impl Lower for CtcLoss {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let sizes = self.sizes([site.inputs[0], site.inputs[1], site.inputs[2], site.inputs[3]])?;
        let mut bindings: Vec<Binding> = (0..4).map(|i| Binding::read(Operand::Input(i))).collect();
        let (alpha, check) = (Operand::Output(1), Binding::write(Operand::Check));
        bindings.extend([Binding::write(alpha), check]);
        let mut launches = by_steps("ctc_loss_alpha", self, &sizes, &bindings, site.limits)?;
        let mut bindings: Vec<Binding> = (2..4).map(|i| Binding::read(Operand::Input(i))).collect();
        let written = [Operand::Output(0), Operand::Output(2)].map(Binding::write);
        bindings.push(Binding::read(alpha));
        bindings.extend(written);
        let (groups, why) = (sizes.batch.div_ceil(64), "one sample per invocation");
        launches.push(launch(site.limits, "ctc_loss", groups, 0, bindings, why, values(self, &sizes))?);
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

impl Lower for CtcLossBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let sizes = self.0.sizes([site.inputs[1], site.inputs[2], site.inputs[3], site.inputs[4]])?;
        let beta = Operand::Workspace(0);
        let mut bindings: Vec<Binding> = (1..5).map(|i| Binding::read(Operand::Input(i))).collect();
        bindings.push(Binding::write(beta));
        let mut launches = by_steps("ctc_loss_beta", &self.0, &sizes, &bindings, site.limits)?;
        let read = [0, 2, 3, 4, 5].map(|i| Binding::read(Operand::Input(i)));
        let bindings = [&read[..], &[Binding::read(beta), Binding::write(Operand::Output(0))]].concat();
        let groups = site.outputs[0].shape.elements().div_ceil(64);
        let (iterations, why) = (iterations::of_loop(sizes.labels + 1, 0), "one element per invocation");
        let values = values(&self.0, &sizes);
        launches.push(launch(site.limits, "ctc_loss_backward", groups, iterations, bindings, why, values)?);
        Ok(Lowering { launches, workspaces: vec![site.inputs[5].bytes()], ..Lowering::default() })
    }
}
