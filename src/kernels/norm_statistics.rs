//! The statistics of a normalisation: `shaders/norm_statistics.wgsl`, `shaders/norm_statistics_columns.wgsl`, and of what
//! was computed in parts `shaders/norm_statistics_join.wgsl`.

use super::norm_runs::{Join, Runs, bind};
use super::ranges::{Lies, Part};
use super::template::literal;
use super::{Access, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::{NormOver, NormStatistics};
use minijinja::{Value, context};

/// Numbers of a part in the scratch: count, mean, squared deviations, pivot.
const NUMBERS: usize = 4;

impl Lower for NormStatistics {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let [n, g, k, l] = self.norm.sizes(&site.inputs[0].shape)?;
        let sizes = match self.norm.over {
            NormOver::Batch => [n, g, l],
            NormOver::Groups(_) | NormOver::Last(_) => [1, n * g, k * l],
        };
        let columns = sizes[2] == 1 && sizes[0] > 1;
        let runs = Runs::new(sizes, columns, limits);
        let results = Results { op: self, count: sizes[0] * sizes[2], numbered: columns };
        let done = runs.parts() == 1;
        let mut lowering = Lowering { launches: results.first(&runs, done, limits)?, ..Lowering::default() };
        if !done {
            lowering.workspaces.push((runs.parts() * runs.m * NUMBERS * 4) as u64);
            lowering.launches.extend(results.joined(&Join::new(&runs, limits), limits)?);
        }
        if let Some(running) = self.running {
            lowering.in_place = vec![(3, 1), (4, 2)];
            // An average over batches reads the count in all workgroups, while one writes it.
            lowering.in_place.extend(running.momentum.map(|_| (5, 3)));
        }
        Ok(lowering)
    }
}

/// What is written at the end.
struct Results<'a> {
    op: &'a NormStatistics,
    /// Numbers of a sum.
    count: usize,
    numbered: bool,
}

impl Results<'_> {
    /// The tensors with a number a group, in the order of the bindings, by how they lie; then those of one number.
    fn lies(&self, result: impl Fn(Operand) -> Lies) -> Vec<(Lies, Access)> {
        let numbers: &[usize] = match (self.op.norm.centered, self.op.running) {
            (false, _) => &[0],
            (true, None) => &[1, 0, 2],
            (true, Some(_)) => &[1, 0, 2, 3, 4],
        };
        let mut lies: Vec<_> = numbers.iter().map(|&i| (result(Operand::Output(i)), Access::Write)).collect();
        if let Some(running) = self.op.running {
            let dimensions = lies[0].0.strides.len();
            let scalar = |operand| Lies::of(operand, vec![0; dimensions], 1);
            if running.momentum.is_none() {
                lies.push((scalar(Operand::Input(3)), Access::Read));
            }
            // The last one: see `bound`.
            lies.push((scalar(Operand::Output(5)), Access::Write));
        }
        lies
    }

    /// Those that a launch binds which begins with this number of a group: only the first counts the batch.
    fn bound<'l>(&self, lies: &'l [(Lies, Access)], done: bool, first_m: usize) -> &'l [(Lies, Access)] {
        let counts = !done || self.op.running.is_none() || first_m == 0;
        if counts { lies } else { &lies[..lies.len() - 1] }
    }

    fn values(&self, done: bool, first_m: usize) -> Value {
        let (count, op) = (self.count as f32, self.op);
        let momentum = op.running.and_then(|running| running.momentum);
        context! {
            done,
            centered => op.norm.centered,
            eps => literal(op.eps),
            running => op.running.is_some(),
            momentum => momentum.map(literal),
            count => literal(count),
            count_less_1 => literal((self.count.max(2) - 1) as f32),
            // One launch of several counts the batch.
            counts => first_m == 0,
            first_result => 1,
        }
    }

    /// The pass over the input.
    fn first(&self, runs: &Runs, done: bool, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let mut lies = vec![(runs.input(Operand::Input(0)), Access::Read)];
        match done {
            true => lies.extend(self.lies(|operand| runs.result(operand))),
            false => lies.push((runs.scratch(Operand::Workspace(0), NUMBERS), Access::Write)),
        }
        let tensors: Vec<Lies> = lies.iter().map(|(lies, _)| lies.clone()).collect();
        let name = if self.numbered { "norm_statistics_columns" } else { "norm_statistics" };
        let one = |part: Part| {
            let lies = self.bound(&lies, done, part.ranges[2].start);
            let (bindings, first) = bind(lies, &part, limits);
            let values = context! {
                first_kept => first[1],
                first_part => first[1] / NUMBERS,
                to_part => runs.to_part(first[1] / NUMBERS),
                wide => limits.wide_loads,
                ..context! { ..runs.values(&part, first[0]), ..self.values(done, part.ranges[2].start) }
            };
            let why = format!("{}{}", runs.why(), part.why());
            launch(limits, name, runs.groups(&part), runs.iterations(), bindings, why, values)
        };
        Ok(runs.cut(&tensors, limits)?.into_iter().map(one).collect::<Result<_, Mismatch>>()?)
    }

    /// The pass over what the parts found.
    fn joined(&self, join: &Join, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let mut lies = vec![(join.scratch(Operand::Workspace(0), NUMBERS), Access::Read)];
        lies.extend(self.lies(|operand| join.result(operand)));
        let tensors: Vec<Lies> = lies.iter().map(|(lies, _)| lies.clone()).collect();
        let one = |part: Part| {
            let lies = self.bound(&lies, true, part.ranges[0].start);
            let (bindings, first) = bind(lies, &part, limits);
            let values = context! {
                first_kept => first[1],
                ..context! {
                    ..join.values(&part, first[0] / NUMBERS),
                    ..self.values(true, part.ranges[0].start)
                }
            };
            let why = format!("{}{}", join.why(), part.why());
            launch(
                limits,
                "norm_statistics_join",
                join.groups(&part),
                join.iterations(),
                bindings,
                why,
                values,
            )
        };
        Ok(join.cut(&tensors, limits)?.into_iter().map(one).collect::<Result<_, Mismatch>>()?)
    }
}
