//! Elements by index along a dimension: `shaders/gather.wgsl`; their sums, and the last of them: `shaders/scatter_add.wgsl`;
//! their order:
//! `shaders/argsort.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::{Access, Binding, Launch, Lower, Lowering, Operand, Refusal, Site, iterations, launch};
use crate::error::Mismatch;
use crate::ops::{Argsort, Gather, Scatter, ScatterAdd};
use minijinja::context;

/// A tensor of so many words a row of an outer dimension.
fn lies(operand: Operand, outer: usize, words: usize) -> Lies {
    Lies::of(operand, vec![words], outer * words).item(words)
}

impl Lower for Gather {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let limits = site.limits;
        let [outer, length, inner] = site.inputs[0].shape.axis(self.dim)?;
        let [_, count, _] = site.inputs[1].shape.axis(self.dim)?;
        let input = lies(Operand::Input(0), outer, length * inner);
        let index = lies(Operand::Input(1), outer, count * inner);
        let output = lies(Operand::Output(0), outer, count * inner);
        let part = |part: Part| {
            let (read, first_input) = part.bind(&input, Access::Read, limits);
            let (positions, first_index) = part.bind(&index, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            let elements = part.positions() * count * inner;
            let values = context! {
                elements, length, inner, count, first_input, first_index, first_output,
                before => part.ranges[0].start * count * inner,
            };
            let bindings = vec![read, positions, written, Binding::write(Operand::Check)];
            let why = format!("by index{}", part.why());
            launch(limits, "gather", elements.div_ceil(64), 0, bindings, why, values)
        };
        let cut = parts(&[outer], &[1], &[input.clone(), index.clone(), output.clone()], limits)?;
        let launches = cut.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

/// Rows from which on an invocation may have one to itself, and indices of a row from which on it is less work.
const MANY_ROWS: usize = 64;
const MANY_INDICES: usize = 32;

impl Lower for ScatterAdd {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        by_index(site, self.dim, self.size, false)
    }
}

impl Lower for Scatter {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        by_index(site, self.dim, self.size, true)
    }
}

/// The sums by index along a dimension, or the last of what they add up.
fn by_index(site: &Site<'_>, dim: usize, size: usize, last_one: bool) -> Result<Lowering, Refusal> {
    let limits = site.limits;
    let [outer, count, inner] = site.inputs[0].shape.axis(dim)?;
    let source = lies(Operand::Input(0), outer, count * inner);
    let index = lies(Operand::Input(1), outer, count * inner);
    let output = lies(Operand::Output(0), outer, size * inner);
    let all = iterations::of_loop(size, 0) + iterations::of_loop(count, 0);
    let by_row = outer * inner >= MANY_ROWS && count >= MANY_INDICES && all <= iterations::most(limits);
    let pieces = if by_row { vec![iterations::whole(all)] } else { iterations::runs(count, limits) };
    let cut = parts(&[outer], &[1], &[source.clone(), index.clone(), output.clone()], limits)?;
    let mut launches: Vec<Launch> = Vec::new();
    for part in &cut {
        let (read, first_source) = part.bind(&source, Access::Read, limits);
        let (positions, first_index) = part.bind(&index, Access::Read, limits);
        let (written, first_output) = part.bind(&output, Access::Write, limits);
        let rows = part.positions() * inner;
        let work = if by_row { rows } else { rows * size };
        let before = part.ranges[0].start * count * inner;
        for piece in &pieces {
            let range = if by_row { 0..count } else { piece.outer.clone() };
            let values = context! {
                by_row, last_one, work, size, inner, count, first_source, first_index, first_output, before,
                first => range.start, last => range.end, carried => !piece.first,
            };
            let how = if by_row { "one row per invocation" } else { "one element per invocation" };
            let why = format!("{how}{}{}", part.why(), piece.why());
            let bindings = vec![read, positions, written, Binding::write(Operand::Check)];
            launches.push(launch(
                limits,
                "scatter_add",
                work.div_ceil(64),
                piece.iterations,
                bindings,
                why,
                values,
            )?);
        }
    }
    Ok(Lowering { launches, ..Lowering::default() })
}

impl Lower for Argsort {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (limits, k) = (site.limits, self.k);
        let [outer, length, inner] = site.inputs[0].shape.axis(self.dim)?;
        let input = lies(Operand::Input(0), outer, length * inner);
        let output = lies(Operand::Output(0), outer, k * inner);
        let padded = length.next_power_of_two().max(2);
        let most = if limits.software { 64 } else { limits.max_workgroup_invocations.min(256) as usize };
        let lanes = (padded / 2).min(most.max(1));
        let stages = padded.ilog2() as usize * (padded.ilog2() as usize + 1) / 2;
        let pairs = iterations::of_loop((padded / 2).div_ceil(lanes), 0);
        // Loads, stages within merges, and stores.
        let iterations = 2 * iterations::of_loop(padded.div_ceil(lanes), 0)
            + iterations::of_loop(stages, pairs)
            + iterations::of_loop(padded.ilog2() as usize, 1);
        let part = |part: Part| {
            let (read, first_input) = part.bind(&input, Access::Read, limits);
            let (written, first_output) = part.bind(&output, Access::Write, limits);
            let rows = part.positions() * inner;
            let values = context! {
                rows, length, inner, k, padded, lanes, first_input, first_output, descending => self.descending,
            };
            let why = format!("one row per workgroup of {lanes}{}", part.why());
            launch(limits, "argsort", rows, iterations, vec![read, written], why, values)
        };
        let cut = parts(&[outer], &[1], &[input.clone(), output.clone()], limits)?;
        let launches = cut.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}
