//! Rows of elements that become one each, along any dimensions: in two passes where they are long, and where the
//! dimensions are the leading ones, as in a bias' gradient, side by side.

use super::ranges::{self, Lies, Part, chunks};
use super::{
    Access, Binding, FEWEST_LANES, Fused, Launch, Limits, Lowering, Operand, Refusal, Site, iterations,
    lanes, launch, partials,
};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// The kernels of a reduction, and what they need to know.
pub(super) struct Reducer<'a> {
    /// Ascending.
    pub(super) dims: &'a [usize],
    /// The shader over any dimensions, that over leading ones, and that of the second pass.
    pub(super) kernels: [&'static str; 3],
    /// Words of what is known of a part of a row.
    pub(super) fields: usize,
    /// Whether parts are numbers to be added: by [`partials`], else joined as terms are.
    pub(super) adds: bool,
    /// Whether all parts of a row read its first element.
    pub(super) reads_first: bool,
    /// What the shaders read beside what is given them here.
    pub(super) values: Value,
}

/// Whether each element is loaded once, neighbours together.
pub(super) fn loads_neighbours(dims: &[usize], input: &TensorType) -> bool {
    let inner = input.shape.len().checked_sub(1);
    inner.is_some_and(|last| dims.contains(&last)) || leading(dims)
}

fn leading(dims: &[usize]) -> bool {
    dims.iter().enumerate().all(|(i, &dim)| i == dim)
}

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

/// Positions along some axes.
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

/// Over leading dimensions: neighbouring invocations own neighbouring columns. `None` where the columns are not whole
/// vec4 or too few for that, or so few rows cannot be bound together.
fn columns(reducer: &Reducer<'_>, site: &Site<'_>) -> Result<Option<Lowering>, Refusal> {
    let (shape, limits, fields) = (&site.inputs[0].shape, site.limits, reducer.fields);
    let lead = reducer.dims.len();
    let (rows, kept) = (shape[..lead].iter().product::<usize>(), shape[lead..].iter().product::<usize>());
    if !leading(reducer.dims) || !kept.is_multiple_of(4) || kept < 32 {
        return Ok(None);
    }
    let columns = kept / 4;
    let lanes = columns.next_power_of_two().clamp(8, 64);
    let parts = rows.div_ceil(ROWS.min(iterations::most(limits).saturating_sub(1).max(1)));
    let wide = limits.wide_loads;
    let own = if parts == 1 { site.fused.clone() } else { site.fused.loading() };
    let rows_per_part = rows.div_ceil(parts);
    let input = Lies::of(Operand::Input(0), vec![rows_per_part * kept, 1], rows * kept)
        .item((rows_per_part - 1) * kept + 1);
    let first = Lies::of(Operand::Input(0), vec![0, 1], rows * kept);
    let written: Vec<Lies> = if parts == 1 {
        let result = |i| Lies::of(Operand::Output(i), vec![kept, 1], kept);
        (0..site.outputs.len()).map(result).collect()
    } else {
        let words = Lies::of(Operand::Workspace(0), vec![fields * kept, 1], parts * fields * kept);
        vec![words.item((fields - 1) * kept + 1)]
    };
    let mut tensors = vec![input.clone()];
    tensors.extend(reducer.reads_first.then(|| first.clone()));
    tensors.extend(written.iter().cloned());
    let Ok(cut) = ranges::parts(&[parts, kept], &[1, 4], &tensors, limits) else {
        return Ok(None);
    };
    let launch = |part: Part| {
        let Bound { mut bindings, first: [first_input, first_of_row, first_output], input, output } =
            Bound::new(&part, &input, reducer.reads_first.then_some(&first), &written, limits);
        let number = bindings.len();
        bindings.extend(own.bindings(|b| Binding { range: input, ..b }, |b| Binding { range: output, ..b }));
        let [parts_here, width] = [part.ranges[0].len(), part.ranges[1].len() / 4];
        let tiles = width.div_ceil(lanes);
        let rows = (rows - part.ranges[0].start * rows_per_part).min(parts_here * rows_per_part);
        let values = context! {
            rows, columns, width, lanes, tiles, parts, wide, rows_per_part,
            first_input => first_input / 4,
            first_of_row => first_of_row / 4,
            first_output => first_output / 4,
            first_row => part.ranges[0].start * rows_per_part,
            ..context! { ..own.values(number, true, true, &bindings), ..reducer.values.clone() }
        };
        let why = format!(
            "leading dimensions, 4 columns per lane{}{}{}",
            partials::why(parts),
            part.why(),
            own.why()
        );
        launch(limits, reducer.kernels[1], tiles * parts_here, 1 + rows_per_part, bindings, why, values)
    };
    let launches = cut.into_iter().map(launch).collect::<Result<_, Mismatch>>()?;
    let mut lowering = Lowering { launches, ..Lowering::default() };
    if parts > 1 {
        second_pass(&mut lowering, reducer, site, parts, kept)?;
    }
    Ok(Some(lowering))
}

/// What a launch binds of its own.
struct Bound {
    bindings: Vec<Binding>,
    /// Where the input, each row's first element, and what is written begin in what is bound.
    first: [usize; 3],
    /// The ranges of the input and of what is written.
    input: Option<(u64, u64)>,
    output: Option<(u64, u64)>,
}

impl Bound {
    /// What is written lies alike in all tensors.
    fn new(
        part: &Part,
        input: &Lies,
        first_of_row: Option<&Lies>,
        written: &[Lies],
        limits: &Limits,
    ) -> Self {
        let (read, first_input) = part.bind(input, Access::Read, limits);
        let (mut bindings, mut first) = (vec![read], [first_input, 0, 0]);
        if let Some(lies) = first_of_row {
            let (binding, at) = part.bind(lies, Access::Read, limits);
            bindings.push(binding);
            first[1] = at;
        }
        let mut output = None;
        for lies in written {
            let (binding, at) = part.bind(lies, Access::Write, limits);
            bindings.push(binding);
            (output, first[2]) = (binding.range, at);
        }
        Self { bindings, first, input: read.range, output }
    }
}

/// Joins `parts` of each of `count` results.
fn second_pass(
    lowering: &mut Lowering,
    reducer: &Reducer<'_>,
    site: &Site<'_>,
    parts: usize,
    count: usize,
) -> Result<(), Refusal> {
    let (workspace, limits) = (Operand::Workspace(0), site.limits);
    lowering.workspaces.push((parts * reducer.fields * count * 4) as u64);
    if reducer.adds {
        lowering.launches.extend(partials::fused(workspace, parts, count, &site.fused.epilogue, limits)?);
        return Ok(());
    }
    let run = Run::of_parts(parts, count, reducer.fields);
    let fused = Fused { epilogue: site.fused.epilogue.clone(), ..Fused::default() };
    let pass = Pass {
        reducer,
        own: fused,
        source: workspace,
        parts: 0..1,
        second: true,
        outputs: site.outputs.len(),
    };
    lowering.launches.extend(run.launches(&pass, limits)?);
    Ok(())
}

/// Whether terms lie side by side in runs of a multiple of 4: the last dimensions, if they are summed. All other
/// strides are multiples of that run.
fn of_fours(shape: &Shape, dims: &[usize]) -> bool {
    let run = (0..shape.len()).rev().take_while(|d| dims.contains(d)).map(|d| shape[d]);
    run.product::<usize>().is_multiple_of(4)
}

/// The launches of a reduction.
pub(super) fn forward(reducer: &Reducer<'_>, site: &Site<'_>) -> Result<Lowering, Refusal> {
    if let Some(lowering) = columns(reducer, site)? {
        return Ok(lowering);
    }
    let (shape, limits) = (&site.inputs[0].shape, site.limits);
    let lines = shape.first().copied().unwrap_or(1);
    let row = shape.iter().skip(1).product::<usize>();
    let pass = |parts: std::ops::Range<usize>, all: usize| Pass {
        reducer,
        own: if all == 1 { site.fused.clone() } else { site.fused.loading() },
        source: Operand::Input(0),
        parts: parts.start..all,
        second: false,
        outputs: site.outputs.len(),
    };
    // A tensor larger than a binding is cut along what is kept, with the same bits, else along its first dimension, if
    // that is reduced: in rows of their own.
    let all = Run::new(shape, reducer.dims, (0, lines), limits);
    let cut = all.cut(&pass(0..all.parts, all.parts), limits);
    let runs = if cut.is_err() && reducer.dims.first() == Some(&0) {
        chunks(lines, &[(Operand::Input(0), row as u64 * 4)], limits)?
    } else {
        vec![(0, lines)]
    };
    let runs: Vec<Run> = runs.into_iter().map(|lines| Run::new(shape, reducer.dims, lines, limits)).collect();
    let parts: usize = runs.iter().map(|run| run.parts).sum();
    let mut lowering = Lowering::default();
    let mut first_part = 0;
    for run in &runs {
        lowering.launches.extend(run.launches(&pass(first_part..parts, parts), limits)?);
        first_part += run.parts;
    }
    if parts > 1 {
        second_pass(&mut lowering, reducer, site, parts, site.outputs[0].shape.elements())?;
    }
    Ok(lowering)
}

/// What some launches read and write.
struct Pass<'a> {
    reducer: &'a Reducer<'a>,
    own: Fused,
    source: Operand,
    /// From which part on, of how many.
    parts: std::ops::Range<usize>,
    /// Whether what it reads are parts.
    second: bool,
    outputs: usize,
}

/// The rows of some lines of a tensor's first dimension, or of all.
struct Run {
    kept: Vec<(usize, usize)>,
    summed: Vec<(usize, usize)>,
    /// Four terms at a time where every run of neighbouring terms begins and ends at a multiple of 4.
    vec4: bool,
    /// Terms, or fours of them, of an output; the parts they are added in; and those of a part.
    terms: usize,
    parts: usize,
    terms_per_part: usize,
    /// Where it begins in the input, the elements of that, and the terms of a row before it.
    first: usize,
    elements: usize,
    first_term: usize,
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
        let parts =
            terms.div_ceil(longest.min(FEWEST_LANES * iterations::most(limits).saturating_sub(1).max(1)));
        let terms_per_part = terms.div_ceil(parts);
        let first_term = first * dims.iter().filter(|&&d| d > 0).map(|&d| shape[d]).product::<usize>();
        let first = first * shape.iter().skip(1).product::<usize>();
        let elements = shape.elements();
        Self { kept, summed, vec4, terms, parts, terms_per_part, first, elements, first_term }
    }

    /// Of what parts left, so many words each.
    fn of_parts(parts: usize, count: usize, fields: usize) -> Self {
        Self {
            kept: vec![(count, 1)],
            summed: vec![(parts, fields * count)],
            vec4: false,
            terms: parts,
            parts: 1,
            terms_per_part: parts,
            first: 0,
            elements: parts * fields * count,
            first_term: 0,
        }
    }

    /// How what is read, each row's first element, and what is written lie along the outputs.
    fn lies(&self, pass: &Pass<'_>) -> (Lies, Option<Lies>, Vec<Lies>) {
        let (outputs, fields) = (count(&self.kept), pass.reducer.fields);
        let reach: usize = self.summed.iter().map(|(size, stride)| (size - 1) * stride).sum();
        let words = if pass.second { (fields - 1) * outputs } else { 0 };
        let along: Vec<usize> = self.kept.iter().map(|axis| axis.1).collect();
        let first = Lies::of(pass.source, along, self.elements);
        let input = first.clone().item(reach + words + 1).first(self.first);
        let reads_first = pass.reducer.reads_first && !pass.second;
        let strides = Shape::from(self.kept.iter().map(|axis| axis.0).collect::<Vec<_>>()).strides();
        let (begin, all) = (pass.parts.start, pass.parts.end);
        let written = if all == 1 {
            let result = |i| Lies::of(Operand::Output(i), strides.clone(), outputs);
            (0..pass.outputs).map(result).collect()
        } else {
            let parts = Lies::of(Operand::Workspace(0), strides, all * fields * outputs);
            vec![parts.item((self.parts * fields - 1) * outputs + 1).first(begin * fields * outputs)]
        };
        (input, reads_first.then_some(first), written)
    }

    fn cut(&self, pass: &Pass<'_>, limits: &Limits) -> Result<Vec<Part>, Refusal> {
        let sizes: Vec<usize> = self.kept.iter().map(|axis| axis.0).collect();
        let (input, first, written) = self.lies(pass);
        let tensors: Vec<Lies> = std::iter::once(input).chain(first).chain(written).collect();
        ranges::parts(&sizes, &vec![1; sizes.len()], &tensors, limits)
    }

    fn launches(&self, pass: &Pass<'_>, limits: &Limits) -> Result<Vec<Launch>, Refusal> {
        let cut = self.cut(pass, limits)?;
        let launches = cut.iter().map(|part| self.launch(part, pass, limits));
        Ok(launches.collect::<Result<_, Mismatch>>()?)
    }

    fn launch(&self, part: &Part, pass: &Pass<'_>, limits: &Limits) -> Result<Launch, Mismatch> {
        let Self { vec4, terms, parts, terms_per_part, .. } = *self;
        let (own, all_outputs) = (&pass.own, count(&self.kept));
        let lanes = lanes(terms_per_part, limits);
        let iterations = iterations::of_loop(terms_per_part.div_ceil(lanes), 0);
        let tree: Vec<usize> = (0..lanes.ilog2()).rev().map(|b| 1 << b).collect();
        let (read, first, written) = self.lies(pass);
        let Bound { mut bindings, first: [first_input, first_of_row, first_output], input, output } =
            Bound::new(part, &read, first.as_ref(), &written, limits);
        let number = bindings.len();
        bindings.extend(own.bindings(|b| Binding { range: input, ..b }, |b| Binding { range: output, ..b }));
        let axes = |strides: &[usize]| -> Vec<(usize, usize)> {
            part.sizes().into_iter().zip(strides.iter().copied()).collect()
        };
        let outputs = part.positions();
        let values = context! {
            outputs, terms, parts, lanes, tree, vec4, terms_per_part, first_input, first_output, all_outputs,
            kept => divided(&axes(&read.strides)),
            to => divided(&axes(&written[0].strides)),
            summed => divided(&self.summed),
            wide => limits.wide_loads,
            first_of_row, first_term => self.first_term, second => pass.second, partial => pass.parts.end > 1,
            ..context! { ..own.values(number, vec4, false, &bindings), ..pass.reducer.values.clone() }
        };
        let four = if vec4 { ", four terms per load" } else { "" };
        let joins = if pass.second { ", adds partial results" } else { "" };
        let why = format!(
            "{lanes} lanes per output{}{four}{joins}{}{}",
            partials::why(parts),
            part.why(),
            own.why()
        );
        launch(
            limits,
            pass.reducer.kernels[if pass.second { 2 } else { 0 }],
            outputs * parts,
            iterations,
            bindings,
            why,
            values,
        )
    }
}
