//! Optimizer steps, in place: `shaders/sgd.wgsl`, `shaders/adam.wgsl`, `shaders/increment.wgsl`.

use super::template::literal;
use super::{Binding, Limits, Lowering, Operand, launch};
use crate::error::Mismatch;
use crate::ops::{AdamStep, SgdStep};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// One launch over the vec4s of the first input.
fn in_place(
    name: &'static str,
    inputs: &[&TensorType],
    bindings: Vec<Binding>,
    updated: &[(usize, usize)],
    values: Value,
    limits: &Limits,
) -> Result<Lowering, Mismatch> {
    let vec4s = inputs[0].shape.elements().div_ceil(4);
    let launch =
        launch(limits, name, vec4s.div_ceil(64), bindings, "in place, a vec4 an invocation", values)?;
    Ok(Lowering { in_place: updated.to_vec(), ..Lowering::single(launch) })
}

pub(super) fn sgd(o: &SgdStep, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let momentum = o.momentum != 0.0;
    let mut bindings = vec![
        Binding::write(Operand::Output(0)),
        Binding::read(Operand::Input(1)),
        Binding::read(Operand::Input(2)),
    ];
    let mut updated = vec![(0, 0)];
    if momentum {
        bindings.push(Binding::write(Operand::Output(1)));
        updated.push((1, 3));
    }
    let values = context! {
        momentum,
        momentum_literal => literal(o.momentum),
        nesterov => o.nesterov,
        decays => o.weight_decay != 0.0,
        weight_decay => literal(o.weight_decay),
    };
    in_place("sgd", inputs, bindings, &updated, values, limits)
}

pub(super) fn adam(o: &AdamStep, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let bindings = vec![
        Binding::write(Operand::Output(0)),
        Binding::read(Operand::Input(1)),
        Binding::read(Operand::Input(2)),
        Binding::read(Operand::Input(3)),
        Binding::write(Operand::Output(1)),
        Binding::write(Operand::Output(2)),
    ];
    let (beta1, beta2) = o.betas;
    let f64_literal = |value: f64| literal(value as f32);
    let values = context! {
        beta1, beta2,
        // A logarithm of 0 would be no literal; the shader does not use it then.
        ln_beta1 => f64_literal(beta1.max(f64::MIN_POSITIVE).ln()),
        ln_beta2 => f64_literal(beta2.max(f64::MIN_POSITIVE).ln()),
        beta1_literal => f64_literal(beta1),
        beta2_literal => f64_literal(beta2),
        one_minus_beta1 => f64_literal(1.0 - beta1),
        one_minus_beta2 => f64_literal(1.0 - beta2),
        eps => literal(o.eps),
        decays => o.weight_decay != 0.0,
        weight_decay => literal(o.weight_decay),
        decoupled => o.decoupled && o.weight_decay != 0.0,
    };
    in_place("adam", inputs, bindings, &[(0, 0), (1, 4), (2, 5)], values, limits)
}

pub(super) fn increment(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let elements = inputs[0].shape.elements();
    let bindings = vec![Binding::write(Operand::Output(0))];
    let launch = launch(limits, "increment", elements.div_ceil(64), bindings, "in place", context! {})?;
    Ok(Lowering { in_place: vec![(0, 0)], ..Lowering::single(launch) })
}
