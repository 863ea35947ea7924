//! Convolutions whose groups have few target channels, depthwise ones above all: `shaders/conv2d_direct.wgsl`, and
//! `shaders/conv2d_direct_weight.wgsl` for the gradient of their weight.

use super::conv2d::{bytes, of_images, window};
use super::partials::{self, Layout};
use super::roles::Sum;
use super::runs::{Positions, Run, elements, part};
use super::{
    Binding, Chain, FEWEST_LANES, Launch, Limits, Lowering, Operand, Refusal, chunks, iterations, lanes,
    launch,
};
use crate::error::Mismatch;
use crate::ops::ConvGeometry;
use minijinja::{Value, context};

/// Target channels of a group up to which nothing is gained by a matrix.
const MOST_ROWS: usize = 4;
/// Pixels of a run in lines that no run divides.
const RAGGED: usize = 4;
/// Such runs of an invocation in images of a single line, and sums of four pixels that it may keep.
const SPANS: usize = 4;
const MOST_SUMS: usize = 8;
/// Products of an invocation and a source channel that are written out.
const MOST_PRODUCTS: usize = 144;

/// Whether a convolution, or the gradient of its input, is computed so. On a CPU adapter wherever it can be; on GPUs,
/// where it was not measured, only for groups of one channel, of which a tile of a matrix would waste all rows but one.
pub(super) fn applies(g: &ConvGeometry, backward: bool, limits: &Limits) -> bool {
    let Sum { rows, terms, .. } = Sum::new(g, backward);
    let dense = !backward || g.options.stride == 1.into();
    let few = rows <= MOST_ROWS && (rows * g.r).saturating_mul(g.s) <= MOST_PRODUCTS;
    let worth = limits.software || g.options.groups > 1 && rows * terms == 1;
    limits.variant.is_none() && dense && few && worth && terms < iterations::most(limits)
}

/// Lines, or columns, of the source that so many neighbours of the target are computed from, tap by tap.
fn taps(
    neighbours: usize,
    kernel: usize,
    [stride, dilation, before]: [usize; 3],
    backward: bool,
) -> Vec<Vec<i64>> {
    let [stride, dilation, before] = [stride, dilation, before].map(|n| n as i64);
    let tap =
        |tap: usize| if backward { before - tap as i64 * dilation } else { tap as i64 * dilation - before };
    (0..kernel).map(|t| (0..neighbours).map(|n| n as i64 * stride + tap(t)).collect()).collect()
}

/// A convolution cut into pieces, of so many neighbouring pixels of so many lines of the target.
struct Pieces {
    sum: Sum,
    many: usize,
    /// Whether the last run of a line reaches into the one before, so that pixels are stored one by one.
    ragged: bool,
    /// Pieces of a line, and of a column, of the target.
    runs: usize,
    strips: usize,
    values: Value,
    why: String,
}

impl Pieces {
    /// As large as `whole` allows.
    fn new(g: &ConvGeometry, backward: bool, whole: bool, limits: &Limits) -> Self {
        let (sum, options) = (Sum::new(g, backward), &g.options);
        let [_, target_h, target_w] = sum.target;
        let stride = if backward { 1 } else { options.stride.w };
        let fits = |run: &Run| target_w.is_multiple_of(run.windows);
        let run = Run::of(sum.source[2], stride, fits);
        // Of a line that is not whole runs, the last run begins earlier and computes some pixels again.
        let ragged = !whole && limits.software && run.windows == 1 && target_w >= RAGGED;
        // A single line has no neighbours to share its weights with but its own pixels.
        let long = ragged && target_h == 1 && target_w >= RAGGED * SPANS && sum.rows * SPANS <= MOST_SUMS;
        let spans = if long { SPANS } else { 1 };
        let columns = if ragged { RAGGED * spans } else { run.windows };
        let run = if ragged { Run { across: columns * stride, unit: 1, windows: RAGGED } } else { run };
        let Run { across, unit, windows: many } = run;
        // Lines share what they load; a GPU would rather have more invocations.
        let most = if limits.software { MOST_PRODUCTS / (sum.rows * g.r * g.s) } else { 1 };
        let fits = |tall: usize| tall <= most.min(target_h) && (!whole || target_h.is_multiple_of(tall));
        let tall = [4, 2].into_iter().find(|&tall| fits(tall)).unwrap_or(1);
        let (runs, strips) = (target_w.div_ceil(columns), target_h.div_ceil(tall));
        let (last, step) = ((target_w - columns) * stride / unit, across / unit);
        let vertical = taps(tall, g.r, [options.stride.h, options.dilation.h, options.padding.top], backward);
        let horizontal = taps(columns, g.s, [stride, options.dilation.w, options.padding.left], backward);
        let height = Positions {
            at: elements(vertical.iter().flatten().copied(), 1),
            last: (strips - 1) * tall * options.stride.h,
            count: sum.source[1],
        };
        let loaded = elements(horizontal.iter().flatten().copied(), unit);
        let width = Positions { at: loaded, last, count: sum.source[2] / unit };
        let line = |&at: &i64| {
            let of_tap = |(r, lines): (usize, &Vec<i64>)| {
                let positions = lines.iter().enumerate().filter(|(_, line)| **line == at);
                positions.map(|(t, _)| context! { t, r }).collect::<Vec<Value>>()
            };
            let products: Vec<Value> = vertical.iter().enumerate().flat_map(of_tap).collect();
            context! { at, outside => height.outside(at), products }
        };
        let position = |&at: &i64| {
            let (element, part) = part(at, unit, &width.at);
            context! { element, part }
        };
        let of_tap = |(s, columns): (usize, &Vec<i64>)| {
            let parts = columns.chunks(many).enumerate();
            parts
                .map(|(part, columns)| {
                    let positions: Vec<Value> = columns.iter().map(position).collect();
                    context! { s, part, positions }
                })
                .collect::<Vec<_>>()
        };
        let values = context! {
            backward, unit, tall, many, spans, runs, strips, ragged, last, step,
            lines => height.at.iter().map(line).collect::<Vec<Value>>(),
            columns => width.values(),
            taps => horizontal.iter().enumerate().flat_map(of_tap).collect::<Vec<_>>(),
            blocks => options.groups,
            wide => limits.wide_loads,
            ..context! { ..sum.values(), ..window(g) }
        };
        let why = format!(
            "direct, {tall}x{columns} pixels of {} channels per iteration, loads of {unit}",
            sum.rows
        );
        Self { sum, many, ragged, runs, strips, values, why }
    }
}

/// One launch for as many images as fit a binding.
pub(super) fn lower(
    g: &ConvGeometry,
    backward: bool,
    bias: bool,
    fused: &Chain,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let Pieces { sum, many, ragged, runs, strips, values, why } = Pieces::new(g, backward, false, limits);
    let why = format!("{why}{}", fused.why());
    let sizes = [(Operand::Input(0), bytes(sum.source)), (Operand::Output(0), bytes(sum.target))];
    let part = |(first, images): (usize, usize)| -> Result<Launch, Mismatch> {
        let run = |b: Binding, image: [usize; 3]| of_images(b, image, first, images);
        let mut bindings =
            vec![run(Binding::read(Operand::Input(0)), sum.source), Binding::read(Operand::Input(1))];
        bindings.extend(bias.then(|| Binding::read(Operand::Input(2))));
        bindings.push(run(Binding::write(Operand::Output(0)), sum.target));
        bindings.extend(fused.bindings(|b| run(b, sum.target)));
        let invocations = images * g.options.groups * strips * runs;
        let fused = fused.values(if bias { 4 } else { 3 }, many == 4 && !ragged, &bindings);
        let values = context! { bias, weights => 0, images, ..context! { ..values.clone(), ..fused } };
        launch(
            limits,
            "conv2d_direct",
            invocations.div_ceil(64),
            1 + sum.terms,
            bindings,
            why.clone(),
            values,
        )
    };
    let launches = chunks(g.n, &sizes, limits)?.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, ..Lowering::default() })
}

/// Workgroups that are enough to fill a device.
const ENOUGH_GROUPS: usize = 256;
/// Pieces of a part at least.
const LEAST_PIECES: usize = 64;
/// Bytes of sums that a workgroup shares.
const MOST_SHARED: usize = 16 << 10;

/// Source channels of a group up to which its errors are read again for each, where there are several groups.
const MOST_TERMS: usize = 16;

/// Whether the gradient of the weight is computed so: of groups with few source channels, of each apart.
pub(super) fn applies_to_weight(g: &ConvGeometry, limits: &Limits) -> bool {
    let Sum { rows, terms, .. } = Sum::new(g, false);
    let most = if limits.software && g.options.groups > 1 { MOST_TERMS } else { 1 };
    applies(g, false, limits)
        && terms <= most
        && rows * g.r * g.s * 4 * lanes(usize::MAX >> 1, limits) <= MOST_SHARED
        && most_pieces(rows * g.r * g.s, limits) > 0
}

/// Iterations in which an invocation adds what all lanes have of its weights.
fn joining_iterations(weights: usize, lanes: usize) -> usize {
    iterations::of_loop(weights.div_ceil(lanes), iterations::of_loop(lanes, 0))
}

/// Pieces that one lane can have.
fn most_pieces(weights: usize, limits: &Limits) -> usize {
    let all = lanes(usize::MAX >> 1, limits);
    let joining = [FEWEST_LANES, all].map(|lanes| joining_iterations(weights, lanes));
    iterations::most(limits).saturating_sub(1 + joining[0].max(joining[1]))
}

/// The gradient of the weight: sums over parts of the pixels, then over the parts.
pub(super) fn lower_weight(g: &ConvGeometry, limits: &Limits) -> Result<Lowering, Refusal> {
    let Pieces { sum, runs, strips, values, why, .. } = Pieces::new(g, false, true, limits);
    // A group and a source channel of it, whose weights of all target channels are summed together.
    let (groups, weights) = (g.options.groups * sum.terms, sum.rows * g.r * g.s);
    let sizes = [(Operand::Input(1), bytes(sum.source)), (Operand::Input(0), bytes(sum.target))];
    let images = chunks(g.n, &sizes, limits)?;
    let wanted = ENOUGH_GROUPS.div_ceil(groups).div_ceil(images.len());
    let parts_of = |images: usize| {
        let pieces = images * strips * runs;
        wanted
            .min(pieces.div_ceil(LEAST_PIECES))
            .max(pieces.div_ceil(FEWEST_LANES * most_pieces(weights, limits)))
    };
    let parts: usize = images.iter().map(|&(_, count)| parts_of(count)).sum();
    let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };
    let (mut lowering, mut first_part) = (Lowering::default(), 0);
    for (first, count) in images {
        let (pieces, parts) = (count * strips * runs, parts_of(count));
        let lanes = lanes(pieces.div_ceil(parts), limits);
        let run = |b: Binding, image: [usize; 3]| of_images(b, image, first, count);
        let bindings = vec![
            run(Binding::read(Operand::Input(0)), sum.target),
            run(Binding::read(Operand::Input(1)), sum.source),
            Binding::write(target),
        ];
        let values = context! {
            pieces, parts, lanes, first_part, weights,
            pieces_per_part => pieces.div_ceil(parts),
            ..values.clone()
        };
        let why = format!("{why}, {lanes} lanes{}", partials::why(parts));
        lowering.launches.push(launch(
            limits,
            "conv2d_direct_weight",
            groups * parts,
            1 + pieces.div_ceil(parts).div_ceil(lanes) + joining_iterations(weights, lanes),
            bindings,
            why,
            values,
        )?);
        first_part += parts;
    }
    if parts > 1 {
        let elements = groups * weights;
        lowering.launches.extend(partials::sum(target, parts, elements, Layout::Same, limits)?);
        lowering.workspaces.push((parts * elements * 4) as u64);
    }
    Ok(lowering)
}
