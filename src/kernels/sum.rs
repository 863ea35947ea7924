//! Sums over dimensions: `shaders/sum.wgsl`, in two passes where they are long; over leading dimensions, such as a
//! bias' gradient, `shaders/sum_columns.wgsl`.

use super::ranges::{self, Lies, Part, chunks};
use super::{
    Access, Binding, FEWEST_LANES, Fused, Launch, Limits, Lowering, Operand, Refusal, lanes, launch,
    partials, turns,
};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Terms one workgroup adds at most, where there are not outputs enough for all cores.
const LONGEST: usize = 8192;
/// Outputs that are enough for a CPU adapter, whose cores are few and to which a second pass is one more launch.
const MANY: usize = 16;

/// Sizes and input strides of the dimensions that pass `keep`, neighbours joined where they can be.
fn axes(shape: &Shape, keep: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let strides = shape.strides();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for d in (0..shape.len()).filter(|&d| keep(d) && shape[d] > 1) {
        match merged.last_mut() {
            Some((size, stride)) if *stride == shape[d] * strides[d] => {
                (*size, *stride) = (*size * shape[d], strides[d])
            }
            _ => merged.push((shape[d], strides[d])),
        }
    }
    merged
}

/// Places along some axes.
fn count(axes: &[(usize, usize)]) -> usize {
    axes.iter().map(|axis| axis.0).product()
}

/// Axes as the shaders read them, the innermost first: each with its divisor.
fn divided(axes: &[(usize, usize)]) -> Vec<Value> {
    let mut div = 1;
    let axis = |&(size, stride): &(usize, usize)| {
        let value = context! { size, stride, div };
        div *= size;
        value
    };
    axes.iter().rev().map(axis).collect()
}

/// Rows one invocation adds at most where columns are summed.
const ROWS: usize = 64;

/// The sum over leading dimensions: neighbouring invocations own neighbouring columns. `None` where the columns
/// are not whole vec4 or too few for that, or so few rows cannot be bound together.
fn columns(
    dims: &[usize],
    fused: &Fused,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Option<Lowering>, Refusal> {
    let shape = &inputs[0].shape;
    let lead = dims.len();
    let (rows, kept) = (shape[..lead].iter().product::<usize>(), shape[lead..].iter().product::<usize>());
    let leading = dims.iter().enumerate().all(|(i, &d)| i == d);
    if !leading || !kept.is_multiple_of(4) || kept < 32 {
        return Ok(None);
    }
    let columns = kept / 4;
    let lanes = columns.next_power_of_two().clamp(8, 64);
    let parts = rows.div_ceil(ROWS.min(turns::most(limits).saturating_sub(1).max(1)));
    let wide = limits.wide_loads;
    let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };
    let own = if parts == 1 { fused.clone() } else { fused.loading() };
    let rows_per_part = rows.div_ceil(parts);
    let input = Lies::of(Operand::Input(0), vec![rows_per_part * kept, 1], rows * kept)
        .item((rows_per_part - 1) * kept + 1);
    let written = Lies::of(target, vec![kept, 1], parts * kept);
    let Ok(cut) = ranges::parts(&[parts, kept], &[1, 4], &[input.clone(), written.clone()], limits) else {
        return Ok(None);
    };
    let launch = |part: Part| {
        let (read, first_input) = part.bind(&input, Access::Read, limits);
        let (output, first_output) = part.bind(&written, Access::Write, limits);
        let mut bindings = vec![read, output];
        bindings.extend(
            own.bindings(|b| Binding { range: read.range, ..b }, |b| Binding { range: output.range, ..b }),
        );
        let [parts_here, width] = [part.ranges[0].len(), part.ranges[1].len() / 4];
        let tiles = width.div_ceil(lanes);
        let rows = (rows - part.ranges[0].start * rows_per_part).min(parts_here * rows_per_part);
        let values = context! {
            rows, columns, width, lanes, tiles, parts, wide, rows_per_part,
            first_input => first_input / 4,
            first_output => first_output / 4,
            ..own.values(true, true, &bindings)
        };
        let why = format!("leading dimensions, 4 columns a lane, {parts} parts{}{}", part.why(), own.why());
        launch(limits, "sum_columns", tiles * parts_here, 1 + rows_per_part, bindings, why, values)
    };
    let launches = cut.into_iter().map(launch).collect::<Result<_, Mismatch>>()?;
    let mut lowering = Lowering { launches, ..Lowering::default() };
    if parts > 1 {
        lowering.workspaces.push((parts * kept * 4) as u64);
        lowering.launches.extend(partials::fused(Operand::Workspace(0), parts, kept, &fused.stores, limits)?);
    }
    Ok(Some(lowering))
}

/// Whether terms lie side by side in runs of a multiple of 4: the last dimensions, if they are summed. All other
/// strides are multiples of that run.
fn of_fours(shape: &Shape, dims: &[usize]) -> bool {
    let run = (0..shape.len()).rev().take_while(|d| dims.contains(d)).map(|d| shape[d]);
    run.product::<usize>().is_multiple_of(4)
}

pub(super) fn forward(
    dims: &[usize],
    fused: &Fused,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    if let Some(lowering) = columns(dims, fused, inputs, limits)? {
        return Ok(lowering);
    }
    let shape = &inputs[0].shape;
    let lines = shape.first().copied().unwrap_or(1);
    let row = shape.iter().skip(1).product::<usize>();
    // A tensor larger than a binding is cut along what is kept, with the same bits, else along its first dimension, if
    // that is summed: in sums of their own.
    let all = Run::new(shape, dims, (0, lines), limits);
    let cut = all.cut(Operand::Output(0), 0, all.parts, limits);
    let runs = if cut.is_err() && dims.first() == Some(&0) {
        chunks(lines, &[(Operand::Input(0), row as u64 * 4)], limits)?
    } else {
        vec![(0, lines)]
    };
    let runs: Vec<Run> = runs.into_iter().map(|lines| Run::new(shape, dims, lines, limits)).collect();
    let parts: usize = runs.iter().map(|run| run.parts).sum();
    let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };
    let own = if parts == 1 { fused.clone() } else { fused.loading() };
    let mut lowering = Lowering::default();
    let mut first_part = 0;
    for run in &runs {
        lowering.launches.extend(run.launches(target, first_part, parts, &own, limits)?);
        first_part += run.parts;
    }
    if parts > 1 {
        let count = outputs[0].shape.elements();
        lowering.workspaces.push((parts * count * 4) as u64);
        let sums = partials::fused(Operand::Workspace(0), parts, count, &fused.stores, limits)?;
        lowering.launches.extend(sums);
    }
    Ok(lowering)
}

/// The sums over some lines of a tensor's first dimension, or over all.
struct Run {
    kept: Vec<(usize, usize)>,
    summed: Vec<(usize, usize)>,
    /// Four terms at a time where every run of neighbouring terms begins and ends at a multiple of 4.
    vec4: bool,
    /// Terms, or fours of them, of an output; the parts they are added in; and those of a part.
    terms: usize,
    parts: usize,
    terms_per_part: usize,
    /// Where it begins in the input, and the elements of that.
    first: usize,
    elements: usize,
}

impl Run {
    fn new(shape: &Shape, dims: &[usize], (first, lines): (usize, usize), limits: &Limits) -> Self {
        let mut own = shape.to_vec();
        own.first_mut().into_iter().for_each(|size| *size = lines);
        let own = Shape::from(own);
        let (kept, summed) = (axes(&own, |d| !dims.contains(&d)), axes(&own, |d| dims.contains(&d)));
        let vec4 = of_fours(&own, dims);
        let run_of = if vec4 { 4 } else { 1 };
        let terms = count(&summed) / run_of;
        let longest = if limits.software && count(&kept) >= MANY { terms } else { LONGEST / run_of };
        let parts = terms.div_ceil(longest.min(FEWEST_LANES * turns::most(limits).saturating_sub(1).max(1)));
        let terms_per_part = terms.div_ceil(parts);
        let first = first * shape.iter().skip(1).product::<usize>();
        let elements = shape.elements();
        Self { kept, summed, vec4, terms, parts, terms_per_part, first, elements }
    }

    /// How what is read and what is written lie along the outputs, of which there are `parts` runs in all.
    fn lies(&self, target: Operand, first_part: usize, parts: usize) -> [Lies; 2] {
        let outputs = count(&self.kept);
        let reach: usize = self.summed.iter().map(|(size, stride)| (size - 1) * stride).sum();
        let strides = Shape::from(self.kept.iter().map(|axis| axis.0).collect::<Vec<_>>()).strides();
        let input = Lies::of(Operand::Input(0), self.kept.iter().map(|axis| axis.1).collect(), self.elements);
        let written = Lies::of(target, strides.to_vec(), parts * outputs);
        [
            input.item(reach + 1).first(self.first),
            written.item((self.parts - 1) * outputs + 1).first(first_part * outputs),
        ]
    }

    fn cut(
        &self,
        target: Operand,
        first_part: usize,
        parts: usize,
        limits: &Limits,
    ) -> Result<Vec<Part>, Refusal> {
        let sizes: Vec<usize> = self.kept.iter().map(|axis| axis.0).collect();
        ranges::parts(&sizes, &vec![1; sizes.len()], &self.lies(target, first_part, parts), limits)
    }

    fn launches(
        &self,
        target: Operand,
        first_part: usize,
        parts: usize,
        own: &Fused,
        limits: &Limits,
    ) -> Result<Vec<Launch>, Refusal> {
        let lies = self.lies(target, first_part, parts);
        let cut = self.cut(target, first_part, parts, limits)?;
        let launches = cut.iter().map(|part| self.launch(part, &lies, own, limits));
        Ok(launches.collect::<Result<_, Mismatch>>()?)
    }

    fn launch(
        &self,
        part: &Part,
        [read, written]: &[Lies; 2],
        own: &Fused,
        limits: &Limits,
    ) -> Result<Launch, Mismatch> {
        let Self { vec4, terms, parts, terms_per_part, .. } = *self;
        let lanes = lanes(terms_per_part, limits);
        let turns = turns::of_loop(terms_per_part.div_ceil(lanes), 0);
        let tree: Vec<usize> = (0..lanes.ilog2()).rev().map(|b| 1 << b).collect();
        let (input, first_input) = part.bind(read, Access::Read, limits);
        let (output, first_output) = part.bind(written, Access::Write, limits);
        let axes = |lies: &Lies| -> Vec<(usize, usize)> {
            part.sizes().into_iter().zip(lies.strides.iter().copied()).collect()
        };
        let outputs = part.places();
        let mut bindings = vec![input, output];
        bindings.extend(
            own.bindings(|b| Binding { range: input.range, ..b }, |b| Binding { range: output.range, ..b }),
        );
        let values = context! {
            outputs, terms, parts, lanes, tree, vec4, terms_per_part, first_input, first_output,
            all_outputs => count(&self.kept),
            kept => divided(&axes(read)),
            to => divided(&axes(written)),
            summed => divided(&self.summed),
            wide => limits.wide_loads,
            ..own.values(vec4, false, &bindings)
        };
        let four = if vec4 { ", four terms a load" } else { "" };
        let why = format!("{lanes} lanes an output, {parts} parts{four}{}{}", part.why(), own.why());
        launch(limits, "sum", outputs * parts, turns, bindings, why, values)
    }
}
