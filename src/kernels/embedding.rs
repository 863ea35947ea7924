//! Rows of a table: `shaders/embedding.wgsl`; their gradient, where each row looks for the positions that showed it,
//! `shaders/embedding_backward.wgsl`, or where positions are sorted by row, `shaders/embedding_sort.wgsl`,
//! `shaders/embedding_starts.wgsl`, `shaders/embedding_blocks.wgsl` and `shaders/embedding_rows.wgsl`. Where there are fewer
//! positions than rows, most rows are zeros, `shaders/embedding_zeros.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::{
    Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, chunks, iterations, launch,
};
use crate::error::Mismatch;
use crate::ops::{Embedding, EmbeddingBackward};
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

impl Lower for Embedding {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(site.inputs, site.limits)
    }
}

impl Lower for EmbeddingBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.weight, site.inputs, site.limits)
    }
}

/// Sizes in vec4 where the width is whole ones.
fn sizes(weight: &Shape, indices: &TensorType) -> (usize, Value) {
    let vec4 = weight[1].is_multiple_of(4);
    let width = if vec4 { weight[1] / 4 } else { weight[1] };
    (width, context! { vec4, width, rows => weight[0], count => indices.shape.elements() })
}

/// Columns, in numbers, pairs or fours, of an invocation of a CPU adapter.
const COLUMNS: usize = 8;

/// Of so many numbers that lie side by side, how many are loaded and stored at once.
fn unit(numbers: usize) -> usize {
    [4, 2].into_iter().find(|unit| numbers.is_multiple_of(*unit)).unwrap_or(1)
}

/// Cut by indices, and by rows of the table where it does not fit a binding: then the launch of some rows writes what
/// shows them, and the first one what shows none.
fn forward(inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let (table, count) = (&inputs[0].shape, inputs[1].shape.elements());
    let (rows, row) = (table[0], table[1]);
    let unit = unit(row);
    let width = row / unit;
    // On a CPU adapter an invocation looks at its index for many columns.
    let many = if limits.software { COLUMNS.min(width) } else { 1 };
    let tiles = width.div_ceil(many);
    let weight = Lies::of(Operand::Input(0), vec![0, row], rows * row).item(row);
    let indices = Lies::of(Operand::Input(1), vec![1, 0], count);
    let output = Lies::of(Operand::Output(0), vec![row, 0], count * row).item(row);
    let launch = |part: Part| {
        let (weight, first_weight) = part.bind(&weight, Access::Read, limits);
        let (indices, first_index) = part.bind(&indices, Access::Read, limits);
        let (output, first_output) = part.bind(&output, Access::Write, limits);
        let [positions, shown] = [part.ranges[0].len(), part.ranges[1].len()];
        let values = context! {
            wide => limits.wide_loads, count => positions, before => part.ranges[0].start, first_row => part.ranges[1].start, shown,
            first_weight => first_weight / unit, first_index, first_output => first_output / unit,
            unit, width, many, tiles, rows,
        };
        let why = format!("by index, {} columns per invocation{}", many * unit, part.why());
        let groups = (positions * tiles).div_ceil(64);
        launch(
            limits,
            "embedding",
            groups,
            0,
            vec![weight, indices, output, Binding::write(Operand::Check)],
            why,
            values,
        )
    };
    let parts = parts(&[count, rows], &[1, 1], &[weight.clone(), indices.clone(), output.clone()], limits)?;
    let launches = parts.into_iter().map(launch).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, ..Lowering::default() })
}

/// Looks of all rows at all indices up to which they cost less than the launches that sort.
const MOST_LOOKS: usize = 1 << 17;
/// Indices that one row looks at, one after the other.
const MOST_INDICES: usize = 1 << 12;

fn backward(weight: &Shape, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let count = inputs[1].shape.elements();
    let (width, values) = sizes(weight, inputs[1]);
    let lanes = width.next_power_of_two().clamp(8, 64);
    let tiles = width.div_ceil(lanes);
    let looks = weight[0].saturating_mul(count).saturating_mul(tiles * lanes);
    if looks > MOST_LOOKS || count > MOST_INDICES || count >= iterations::most(limits) {
        return Sorted::new(weight, count, limits).lower(weight, &values);
    }
    let why = format!("a row gathers, {lanes} lanes");
    let row = weight[1] as u64 * 4;
    let part = |(first_row, rows): (usize, usize)| {
        let written = Binding::write(Operand::Output(0)).range(first_row as u64 * row, rows as u64 * row);
        let read = |i| Binding::read(Operand::Input(i));
        let bindings = vec![read(0), read(1), written, Binding::write(Operand::Check)];
        let values = context! { lanes, tiles, first_row, ..values.clone() };
        let iterations = iterations::of_loop(count, 0);
        launch(limits, "embedding_backward", rows * tiles, iterations, bindings, why.clone(), values)
    };
    let parts = chunks(weight[0], &[(Operand::Output(0), row)], limits)?.into_iter();
    Ok(Lowering { launches: parts.map(part).collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}

/// Indices that are sorted by counting, before runs of them are merged.
const RUN: usize = 64;
/// Elements or vec4 of a row that an invocation adds up.
const MANY: usize = 4;
/// Positions of a block at least.
const LEAST_BLOCK: usize = 16;

/// Sorted positions, two copies of which alternate while runs are merged; where the rows begin in them; sums of blocks.
const POSITIONS: [Operand; 2] = [Operand::Workspace(0), Operand::Workspace(1)];
const STARTS: Operand = Operand::Workspace(2);
const BLOCKS: Operand = Operand::Workspace(3);

/// Iterations of a search by halves.
pub(super) fn searched(count: usize) -> usize {
    iterations::of_loop(count.ilog2() as usize + 1, 0)
}

/// The gradient by sorted positions: every position is read once, however many rows there are. A row that many positions show
/// is added up block by block.
struct Sorted<'a> {
    limits: &'a Limits,
    count: usize,
    /// In elements or vec4.
    width: usize,
    /// Neighbours that an invocation adds up.
    many: usize,
    /// Positions of a block, and whole blocks.
    block: usize,
    blocks: usize,
    /// Whether there are fewer positions than rows: those that are shown are looked for, and all are zeros before.
    few: bool,
}

impl<'a> Sorted<'a> {
    fn new(weight: &Shape, count: usize, limits: &'a Limits) -> Self {
        let width = if weight[1].is_multiple_of(4) { weight[1] / 4 } else { weight[1] };
        // Half as many positions in a block as there are blocks, at least: a row adds few of both.
        let block = (count / 4).isqrt().next_power_of_two().max(LEAST_BLOCK);
        let whole = count / block;
        // A row of one block gains nothing by it.
        let many = MANY.min(width);
        let blocks = if whole > 1 { whole } else { 0 };
        Self { limits, count, width, many, block, blocks, few: count < weight[0] }
    }

    fn lower(&self, weight: &Shape, values: &Value) -> Result<Lowering, Refusal> {
        let &Self { count, many, block, blocks, few, limits, .. } = self;
        let (tiles, wide) = (self.width.div_ceil(many), limits.wide_loads);
        let values = context! { block, blocks, many, tiles, wide, few, ..values.clone() };
        let (mut launches, sorted) = sorted(count, Some(weight[0]), Operand::Input(1), POSITIONS, limits)?;
        if !few {
            let starts = vec![Binding::read(sorted), Binding::write(STARTS)];
            let groups = (weight[0] + 1).div_ceil(64);
            let (why, values) = ("where each row begins among the sorted indices", values.clone());
            launches.push(launch(limits, "embedding_starts", groups, searched(count), starts, why, values)?);
        }
        let grad = Binding::read(Operand::Input(0));
        if blocks > 0 {
            let bindings = vec![grad, Binding::read(sorted), Binding::write(BLOCKS)];
            let (groups, why) = ((blocks * tiles).div_ceil(64), format!("sums of blocks of {block} indices"));
            launches.push(launch(
                limits,
                "embedding_blocks",
                groups,
                iterations::of_loop(block, 0),
                bindings,
                why,
                values.clone(),
            )?);
        }
        // Positions before the first and behind the last whole block of a row that has all, and the blocks.
        let alone = if blocks > 0 { 2 * (block - 1) } else { count };
        let (added, row) = (iterations::of_loop(alone + blocks, 0), weight[1] as u64 * 4);
        for (first_row, rows) in chunks(weight[0], &[(Operand::Output(0), row)], limits)? {
            let written = Binding::write(Operand::Output(0)).range(first_row as u64 * row, rows as u64 * row);
            if few {
                launches.push(self.zeros(rows * weight[1], written)?);
            }
            let mut bindings = vec![grad, Binding::read(sorted)];
            bindings.extend((!few).then(|| Binding::read(STARTS)));
            bindings.extend((blocks > 0).then(|| Binding::read(BLOCKS)));
            bindings.push(written);
            let owners = if few { count } else { rows };
            let (groups, values) =
                ((owners * tiles).div_ceil(64), context! { first_row, rows, ..values.clone() });
            let why = "each row adds its errors in sorted order";
            launches.push(launch(limits, "embedding_rows", groups, added, bindings, why, values)?);
        }
        let (pairs, row_starts) = (count as u64 * 8, if few { 0 } else { (weight[0] as u64 + 1) * 4 });
        let workspaces = vec![pairs, pairs, row_starts, blocks as u64 * row];
        Ok(Lowering { launches, workspaces, ..Lowering::default() })
    }

    /// Fills a part of the gradient.
    fn zeros(&self, elements: usize, written: Binding) -> Result<Launch, Mismatch> {
        let (limits, unit) = (self.limits, unit(elements));
        let many = if limits.software { MANY } else { 1 };
        let groups = elements.div_ceil(64 * many * unit);
        let values = context! { elements, unit, many, wide => limits.wide_loads };
        launch(limits, "embedding_zeros", groups, 0, vec![written], "zeros where no index points", values)
    }
}

/// The positions of `count` indices in the order of the indices, equal ones in their own order: runs that are sorted by
/// counting, then merged two by two; and where the result lies. `indices` may lie where the first merge writes. Where the
/// number of rows is known, an index beyond them is reported.
pub(super) fn sorted(
    count: usize,
    rows: Option<usize>,
    indices: Operand,
    [mut sorted, mut other]: [Operand; 2],
    limits: &Limits,
) -> Result<(Vec<Launch>, Operand), Mismatch> {
    let (groups, mut launches, mut run) = (count.div_ceil(64), Vec::new(), RUN);
    let mut first = vec![Binding::read(indices), Binding::write(sorted)];
    first.extend(rows.map(|_| Binding::write(Operand::Check)));
    let values = context! { count, run, rows, checked => rows.is_some(), merge => false };
    let why = format!("sorts runs of {run} indices");
    launches.push(launch(limits, "embedding_sort", groups, iterations::of_loop(run, 0), first, why, values)?);
    while run < count {
        let bindings = vec![Binding::read(sorted), Binding::write(other)];
        let values = context! { count, run, merge => true };
        let why = format!("merges sorted runs of {run} indices");
        launches.push(launch(limits, "embedding_sort", groups, searched(run), bindings, why, values)?);
        (sorted, other, run) = (other, sorted, run * 2);
    }
    Ok((launches, sorted))
}
