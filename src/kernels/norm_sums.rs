//! The sums that the gradients of a normalisation are made of: `shaders/norm_sums.wgsl`, `shaders/norm_sums_columns.wgsl`, and
//! of what was computed in parts `shaders/norm_sums_join.wgsl`.

use super::norm_runs::{Join, Runs, bind};
use super::ranges::{Lies, Part};
use super::template::literal;
use super::{Access, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, launch};
use crate::error::Mismatch;
use crate::ops::{NormOver, NormSums};
use minijinja::{Value, context};

/// Numbers of a part in the scratch: both sums.
const NUMBERS: usize = 2;

impl Lower for NormSums {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let [n, g, k, l] = self.norm.sizes(&site.inputs[1].shape)?;
        let (sizes, columns) = match (self.norm.over, self.parameters) {
            (NormOver::Batch, _) => ([n, g, l], l == 1),
            (NormOver::Groups(_), _) => ([1, n * g * k, l], false),
            (NormOver::Last(_), true) => ([n, l, 1], true),
            (NormOver::Last(_), false) => ([1, n, l], false),
        };
        let runs = Runs::new(sizes, columns, limits);
        let by_row = self.parameters && matches!(self.norm.over, NormOver::Last(_));
        let pass = Pass { op: self, channels: k, columns, by_row };
        let done = runs.parts() == 1;
        let mut lowering = Lowering { launches: pass.first(&runs, done, limits)?, ..Lowering::default() };
        if !done {
            lowering.workspaces.push((runs.parts() * runs.m * NUMBERS * 4) as u64);
            lowering.launches.extend(pass.joined(&Join::new(&runs, limits), limits)?);
        }
        Ok(lowering)
    }
}

struct Pass<'a> {
    op: &'a NormSums,
    /// Sums that share statistics.
    channels: usize,
    columns: bool,
    /// Whether statistics are those of a row along A.
    by_row: bool,
}

impl Pass<'_> {
    /// The sums, in the order of the bindings: that of the products is the last output.
    fn results(&self, result: impl Fn(Operand) -> Lies) -> Vec<(Lies, Access)> {
        let outputs: &[usize] = if self.op.norm.centered { &[1, 0] } else { &[0] };
        outputs.iter().map(|&i| (result(Operand::Output(i)), Access::Write)).collect()
    }

    fn values(&self, done: bool, first_result: usize) -> Value {
        context! { done, centered => self.op.norm.centered, first_result }
    }

    /// How the statistics lie along runs and sums.
    fn statistics(&self, operand: Operand, runs: &Runs, rows: usize) -> Lies {
        if self.by_row {
            Lies::of(operand, vec![runs.rows(), 0, 0], rows).item(runs.rows())
        } else if self.channels == 1 {
            Lies::of(operand, vec![0, 0, 1], runs.m)
        } else {
            let count = runs.m / self.channels;
            Lies::of(operand, vec![0, 0, 0], count).item(count)
        }
    }

    /// The pass over error and input.
    fn first(&self, runs: &Runs, done: bool, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let centered = usize::from(self.op.norm.centered);
        let read = |lies: Lies| (lies, Access::Read);
        let statistic = |i: usize| read(self.statistics(Operand::Input(i), runs, runs.a()));
        let mut lies: Vec<_> = [0, 1].map(|i| read(runs.input(Operand::Input(i)))).into();
        lies.push(statistic(2 + centered));
        let mut names = vec![("rstd", 2)];
        if self.op.norm.centered {
            names.push(("mean", lies.len()));
            lies.push(statistic(2));
        }
        if self.op.weight {
            names.push(("weight", lies.len()));
            // A weight for each position of a row.
            let whole = Lies::of(Operand::Input(3 + centered), vec![0, runs.piece(), 0], runs.b());
            lies.push(read(whole.item(runs.piece())));
        }
        let first_result = lies.len();
        match done {
            true => lies.extend(self.results(|operand| runs.result(operand))),
            false => lies.push((runs.scratch(Operand::Workspace(0), NUMBERS), Access::Write)),
        }
        let tensors: Vec<Lies> = lies.iter().map(|(lies, _)| lies.clone()).collect();
        let name = if self.columns { "norm_sums_columns" } else { "norm_sums" };
        let one = |part: Part| {
            let (bindings, first) = bind(&lies, &part, limits);
            let binding = names.iter().map(|(name, at)| ((*name).to_owned(), *at));
            let weight = names.iter().find(|(name, _)| *name == "weight").map_or(0, |(_, at)| first[*at]);
            let statistic = match self.channels {
                1 => format!("m + {}u", first[2]),
                channels => format!("(m + {}u) / {channels}u", part.ranges[2].start),
            };
            let unit = if runs.aligned() { 4 } else { 1 };
            let piece = match runs.parts() {
                1 => String::new(),
                _ => format!(" + run % {}u * {}u", part.ranges[1].len(), runs.piece() / unit),
            };
            let values = context! {
                binding => Value::from_iter(binding),
                by_row => self.by_row,
                weight => self.op.weight,
                eps => self.op.eps.map(literal),
                statistic,
                first_statistic => first[2],
                first_position => format!("{}u{piece}", weight / unit),
                first_kept => first[first_result],
                first_part => first[first_result] / NUMBERS,
                to_part => runs.to_part(first[first_result] / NUMBERS),
                wide => limits.wide_loads,
                ..context! { ..runs.values(&part, first[0]), ..self.values(done, first_result) }
            };
            let why = format!("{}{}", runs.why(), part.why());
            launch(limits, name, runs.groups(&part), runs.iterations(), bindings, why, values)
        };
        Ok(runs.cut(&tensors, limits)?.into_iter().map(one).collect::<Result<_, Mismatch>>()?)
    }

    /// The pass over what the parts found.
    fn joined(&self, join: &Join, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let mut lies = vec![(join.scratch(Operand::Workspace(0), NUMBERS), Access::Read)];
        lies.extend(self.results(|operand| join.result(operand)));
        let tensors: Vec<Lies> = lies.iter().map(|(lies, _)| lies.clone()).collect();
        let one = |part: Part| {
            let (bindings, first) = bind(&lies, &part, limits);
            let values = context! {
                first_kept => first[1],
                ..context! { ..join.values(&part, first[0] / NUMBERS), ..self.values(true, 1) }
            };
            let why = format!("{}{}", join.why(), part.why());
            launch(limits, "norm_sums_join", join.groups(&part), join.iterations(), bindings, why, values)
        };
        Ok(join.cut(&tensors, limits)?.into_iter().map(one).collect::<Result<_, Mismatch>>()?)
    }
}
