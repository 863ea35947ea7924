//! Optimizer steps, in place: `shaders/optimizer.wgsl`, `shaders/increment.wgsl`.

use super::template::{self, literal};
use super::{Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, launch};
use crate::error::Mismatch;
use crate::ops::{Increment, Op, OptimizerStep};
use crate::tensor::TensorType;
use minijinja::{Value, context};
use std::collections::BTreeMap;
use std::ops::Range;

impl Lower for OptimizerStep {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let layout = Layout { step: self, shared: self.shared(), kept: self.kept().len() };
        let constants = self.update.constants(&self.options);
        // What the pieces that rows share ask for, and a row lacks, is off.
        let lacking = ["decoupled", "maximize", "weight_decay"].map(|name| (name, 0.0));
        let by_name: BTreeMap<&str, f64> = lacking.into_iter().chain(constants.iter().copied()).collect();
        let text = |piece: &&str| template::fill(piece, &by_name);
        let formula = self.update.wgsl.iter().map(text).collect::<Result<Vec<_>, _>>()?.concat();
        let literals: Vec<_> = constants
            .iter()
            .map(|&(name, value)| context! { name, value => literal(value as f32) })
            .collect();
        let values = context! {
            name => self.update.name,
            what => self.update.formula,
            kept => self.kept().iter().map(|(_, memory)| memory.name).collect::<Vec<_>>(),
            counts => self.step().is_some(),
            product => self.product().is_some(),
            directs => self.update.directs,
            first => self.shared().len(),
            constants => literals,
            formula,
        };
        layout.lower(site.inputs, &values, site.limits)
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
        Op::OptimizerStep(step) => Some(step.shared()),
        // No step.
        _ => None,
    }
}

/// What a step of one parameter reads and writes.
struct Layout<'a> {
    step: &'a OptimizerStep,
    shared: Range<usize>,
    kept: usize,
}

impl Layout<'_> {
    /// Its inputs: parameter and gradient, what is shared, what is kept.
    fn inputs(&self) -> usize {
        2 + self.shared.len() + self.kept
    }

    fn outputs(&self) -> usize {
        1 + self.kept
    }

    /// Of each output the input that is updated where it lies; a direction is no new value of the parameter.
    fn updated(&self) -> impl Iterator<Item = (usize, usize)> {
        let kept = (0..self.kept).map(|i| (1 + i, self.shared.end + i));
        let param = (!self.step.update.directs).then_some((0, 0));
        param.into_iter().chain(kept)
    }

    /// The gradient, a parameter that is only read, and what is written.
    fn own_buffers(&self) -> usize {
        1 + usize::from(self.step.update.directs) + self.outputs()
    }

    /// Steps that one kernel takes.
    fn together(&self, limits: &Limits) -> usize {
        let most = (limits.max_storage_buffers as usize).min(MOST_BUFFERS);
        (most.saturating_sub(self.shared.len()) / self.own_buffers()).max(1)
    }

    /// As few launches over the vec4s of all parameters as the device allows.
    fn lower(&self, inputs: &[&TensorType], values: &Value, limits: &Limits) -> Result<Lowering, Refusal> {
        let steps: Vec<&[&TensorType]> = inputs.chunks_exact(self.inputs()).collect();
        let mut lowering = Lowering::default();
        for (number, part) in steps.chunks(self.together(limits)).enumerate() {
            let first = number * self.together(limits);
            if part.iter().all(|step| step[0].bytes() <= limits.max_binding_bytes) {
                lowering.launches.push(self.launch(first, part, None, values, limits)?);
                continue;
            }
            for (number, step) in (first..).zip(part.chunks(1)) {
                let vec4s = step[0][0].shape.elements().div_ceil(4);
                for run in chunks(vec4s, &[(Operand::Input(number * self.inputs()), 16)], limits)? {
                    lowering.launches.push(self.launch(number, step, Some(run), values, limits)?);
                }
            }
        }
        for step in 0..steps.len() {
            let of_step = |(output, input)| (step * self.outputs() + output, step * self.inputs() + input);
            lowering.in_place.extend(self.updated().map(of_step));
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
        let shared = self.shared.clone().map(|i| Binding::read(Operand::Input(first * self.inputs() + i)));
        let mut bindings: Vec<Binding> = shared.collect();
        let mut groups = 0;
        for (number, step) in (first..).zip(steps) {
            let cut = |b: Binding| match run {
                Some((first, count)) => b.range(first as u64 * 16, count as u64 * 16),
                None => b,
            };
            bindings.push(cut(Binding::read(Operand::Input(number * self.inputs() + 1))));
            if self.step.update.directs {
                bindings.push(cut(Binding::read(Operand::Input(number * self.inputs()))));
            }
            let outputs = (0..self.outputs()).map(|i| number * self.outputs() + i);
            bindings.extend(outputs.map(|output| cut(Binding::write(Operand::Output(output)))));
            let vec4s = run.map_or(step[0].shape.elements().div_ceil(4), |(_, count)| count);
            groups += vec4s.div_ceil(64);
        }
        let together = if steps.len() > 1 { format!(", {} parameters", steps.len()) } else { String::new() };
        let why = format!("in place, one vec4 per invocation{together}");
        let values = context! { count => steps.len(), ..values.clone() };
        launch(limits, "optimizer", groups, 0, bindings, why, values)
    }
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
