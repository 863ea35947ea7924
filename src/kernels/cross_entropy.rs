//! Cross entropy: `shaders/cross_entropy.wgsl`, `shaders/cross_entropy_backward.wgsl`.

use super::softmax::{Rows, row_plan, rows};
use super::template::literal;
use super::{Access, Binding, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::{CrossEntropy, CrossEntropyBackward};
use crate::tensor::TensorType;
use minijinja::{Value, context};

impl Lower for CrossEntropy {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, site.inputs, site.limits)
    }
}

impl Lower for CrossEntropyBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.0, site.inputs, site.limits)
    }
}

fn options(options: &CrossEntropy, classes: usize) -> Value {
    let e = options.label_smoothing;
    context! {
        ignore => options.ignore_index,
        smoothing => e,
        smoothing_literal => literal(e),
        smoothing_per_class => literal(e / classes as f32),
        one_minus_smoothing => literal(1.0 - e),
    }
}

fn forward(o: &CrossEntropy, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let all = inputs[0].shape.axis(1)?;
    let part = |rows: Rows| {
        let labels = rows.short(Operand::Input(1), Access::Read);
        let mut bindings = vec![rows.long(Operand::Input(0), Access::Read), labels];
        bindings.push(rows.short(Operand::Output(0), Access::Write));
        bindings.push(rows.pairs(Operand::Output(1), Access::Write));
        bindings.push(rows.short(Operand::Output(2), Access::Write));
        bindings.push(Binding::write(Operand::Check));
        let plan = row_plan(rows.sizes(), all, 2, limits);
        let values = context! { ..options(o, all[1]), ..context! { ..plan.values, ..rows.values() } };
        let why = format!("{}{}", plan.why, rows.why());
        launch(limits, "cross_entropy", plan.groups, plan.iterations, bindings, why, values)
    };
    let launches = rows(all, Operand::Input(0), &[Operand::Input(1)], &[Operand::Output(1)], limits)?
        .into_iter()
        .map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}

fn backward(o: &CrossEntropy, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let all = inputs[1].shape.axis(1)?;
    let part = |rows: Rows| {
        let read = |i| match i {
            1 => rows.long(Operand::Input(i), Access::Read),
            3 => rows.pairs(Operand::Input(i), Access::Read),
            _ => rows.short(Operand::Input(i), Access::Read),
        };
        let mut bindings: Vec<_> = (0..4).map(read).collect();
        bindings.push(rows.long(Operand::Output(0), Access::Write));
        let sizes = rows.sizes();
        let [outer, length, inner] = sizes;
        let values = context! { outer, length, inner, ..context! { ..options(o, length), ..rows.values() } };
        let why = format!("one logit per invocation{}", rows.why());
        let groups = sizes.iter().product::<usize>().div_ceil(64);
        launch(limits, "cross_entropy_backward", groups, 0, bindings, why, values)
    };
    let launches = rows(all, Operand::Input(1), &[Operand::Input(2)], &[Operand::Input(3)], limits)?
        .into_iter()
        .map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}
