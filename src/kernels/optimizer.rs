//! Optimizer steps, in place: `shaders/sgd.wgsl`, `shaders/adam.wgsl`, `shaders/increment.wgsl`.

use super::template::literal;
use super::{Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch};
use crate::error::Mismatch;
use crate::ops::{AdamStep, Increment, Op, SgdStep};
use crate::tensor::TensorType;
use minijinja::{Value, context};
use std::ops::Range;

impl Lower for SgdStep {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        sgd(self, site.inputs, site.limits)
    }
}

impl Lower for AdamStep {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        adam(self, site.inputs, site.limits)
    }
}

impl Lower for Increment {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        increment(site.inputs, site.limits)
    }
}

/// Buffers one kernel binds at most: its text grows with them.
const MOST_BUFFERS: usize = 48;

/// The inputs of an optimizer's step that several parameters' steps share: the learning rate, and Adam's count of steps.
/// `None` for other ops. Steps that share them can be lowered as one op, the inputs of all one after the other.
pub fn shared_by_steps(op: &Op) -> Option<Range<usize>> {
    match op {
        Op::SgdStep(_) => Some(2..3),
        Op::AdamStep(_) => Some(2..4),
        // No step, or one that runs alone, as every step may.
        _ => None,
    }
}

/// What a step of one parameter reads and writes, by the places in its inputs and outputs.
struct Layout {
    name: &'static str,
    inputs: usize,
    shared: Range<usize>,
    /// `(output, input)`: the input that is updated where it lies.
    updated: &'static [(usize, usize)],
}

impl Layout {
    /// The grad and what is updated.
    fn own_buffers(&self) -> usize {
        1 + self.updated.len()
    }

    /// Steps that one kernel takes.
    fn together(&self, limits: &Limits) -> usize {
        let most = (limits.max_storage_buffers as usize).min(MOST_BUFFERS);
        (most.saturating_sub(self.shared.len()) / self.own_buffers()).max(1)
    }

    /// As few launches over the vec4s of all parameters as the device allows.
    fn lower(&self, inputs: &[&TensorType], values: &Value, limits: &Limits) -> Result<Lowering, Refusal> {
        let steps: Vec<&[&TensorType]> = inputs.chunks_exact(self.inputs).collect();
        let mut lowering = Lowering::default();
        for (number, part) in steps.chunks(self.together(limits)).enumerate() {
            let first = number * self.together(limits);
            if part.iter().all(|step| step[0].bytes() <= limits.max_binding_bytes) {
                lowering.launches.push(self.launch(first, part, None, values, limits)?);
                continue;
            }
            for (number, step) in (first..).zip(part.chunks(1)) {
                let vec4s = step[0][0].shape.elements().div_ceil(4);
                for run in chunks(vec4s, &[(Operand::Input(number * self.inputs), 16)], limits)? {
                    lowering.launches.push(self.launch(number, step, Some(run), values, limits)?);
                }
            }
        }
        for step in 0..steps.len() {
            let of_step = |&(output, input): &(usize, usize)| {
                (step * self.updated.len() + output, step * self.inputs + input)
            };
            lowering.in_place.extend(self.updated.iter().map(of_step));
        }
        Ok(lowering)
    }

    /// The steps from number `first` on, of all vec4s or of a run of them: first and count.
    fn launch(
        &self,
        first: usize,
        steps: &[&[&TensorType]],
        run: Option<(usize, usize)>,
        values: &Value,
        limits: &Limits,
    ) -> Result<Launch, Mismatch> {
        let shared = self.shared.clone().map(|i| Binding::read(Operand::Input(first * self.inputs + i)));
        let mut bindings: Vec<Binding> = shared.collect();
        let mut groups = 0;
        for (number, step) in (first..).zip(steps) {
            let cut = |b: Binding| match run {
                Some((first, count)) => b.range(first as u64 * 16, count as u64 * 16),
                None => b,
            };
            bindings.push(cut(Binding::read(Operand::Input(number * self.inputs + 1))));
            let outputs = (0..self.updated.len()).map(|i| number * self.updated.len() + i);
            bindings.extend(outputs.map(|output| cut(Binding::write(Operand::Output(output)))));
            let vec4s = run.map_or(step[0].shape.elements().div_ceil(4), |(_, count)| count);
            groups += vec4s.div_ceil(64);
        }
        let together = if steps.len() > 1 { format!(", {} parameters", steps.len()) } else { String::new() };
        let why = format!("in place, a vec4 an invocation{together}");
        let values = context! { count => steps.len(), ..values.clone() };
        launch(limits, self.name, groups, 0, bindings, why, values)
    }
}

fn sgd(o: &SgdStep, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let momentum = o.momentum != 0.0;
    let updated: &[_] = if momentum { &[(0, 0), (1, 3)] } else { &[(0, 0)] };
    let layout = Layout { name: "sgd", inputs: if momentum { 4 } else { 3 }, shared: 2..3, updated };
    let values = context! {
        momentum,
        momentum_literal => literal(o.momentum),
        nesterov => o.nesterov,
        decays => o.weight_decay != 0.0,
        weight_decay => literal(o.weight_decay),
    };
    layout.lower(inputs, &values, limits)
}

fn adam(o: &AdamStep, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let layout = Layout { name: "adam", inputs: 6, shared: 2..4, updated: &[(0, 0), (1, 4), (2, 5)] };
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
    layout.lower(inputs, &values, limits)
}

fn increment(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let elements = inputs[0].shape.elements();
    let part = |(first, count): (usize, usize)| {
        let counter = Binding::write(Operand::Output(0)).range(first as u64 * 4, count as u64 * 4);
        launch(limits, "increment", count.div_ceil(64), 0, vec![counter], "in place", context! {})
    };
    let parts = chunks(elements, &[(Operand::Output(0), 4)], limits)?.into_iter();
    let launches = parts.map(part).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, in_place: vec![(0, 0)], ..Lowering::default() })
}
