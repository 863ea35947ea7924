//! Convolutions whose groups have few target channels, depthwise ones above all: `shaders/conv2d_direct.wgsl`.

use super::conv2d::{Sum, bytes, window};
use super::runs::{Places, Run, elements, part};
use super::{Binding, Epilogue, Launch, Limits, Lowering, Operand, Refusal, chunks, launch};
use crate::error::Mismatch;
use crate::ops::ConvGeometry;
use minijinja::{Value, context};

/// Target channels of a group up to which nothing is gained by a matrix.
const MOST_ROWS: usize = 4;
/// Products of an invocation and a source channel that are written out.
const MOST_PRODUCTS: usize = 144;

/// Whether a convolution, or the gradient of its input, is computed so. On a CPU adapter wherever it can be; on GPUs,
/// where it was not measured, only for groups of one channel, of which a tile of a matrix would waste all rows but one.
pub(super) fn applies(g: &ConvGeometry, backward: bool, limits: &Limits) -> bool {
    let Sum { rows, terms, .. } = Sum::new(g, backward);
    let dense = !backward || g.options.stride == 1.into();
    let few = rows <= MOST_ROWS && (rows * g.r).saturating_mul(g.s) <= MOST_PRODUCTS;
    let worth = limits.software || g.options.groups > 1 && rows * terms == 1;
    limits.variant.is_none() && dense && few && worth
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

/// One launch for as many images as fit a binding.
pub(super) fn lower(
    g: &ConvGeometry,
    backward: bool,
    bias: bool,
    fused: &Epilogue,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let sum = Sum::new(g, backward);
    let (options, [_, target_h, target_w]) = (&g.options, sum.target);
    let fits = |run: &Run| target_w.is_multiple_of(run.windows);
    let stride = if backward { 1 } else { options.stride.w };
    let Run { across, unit, windows } = Run::of(sum.source[2], stride, fits);
    let runs = target_w / windows;
    // Lines share what they load; a GPU would rather have more invocations.
    let most = if limits.software { MOST_PRODUCTS / (sum.rows * g.r * g.s) } else { 1 };
    let tall = [4, 2].into_iter().find(|&tall| tall <= most.min(target_h)).unwrap_or(1);
    let strips = target_h.div_ceil(tall);

    let vertical = taps(tall, g.r, [options.stride.h, options.dilation.h, options.padding.top], backward);
    let horizontal = taps(windows, g.s, [stride, options.dilation.w, options.padding.left], backward);
    let height = Places {
        at: elements(vertical.iter().flatten().copied(), 1),
        last: (strips - 1) * tall * options.stride.h,
        count: sum.source[1],
    };
    let loaded = elements(horizontal.iter().flatten().copied(), unit);
    let width = Places { at: loaded, last: (runs - 1) * across / unit, count: sum.source[2] / unit };
    let line = |&at: &i64| {
        let of_tap = |(r, lines): (usize, &Vec<i64>)| {
            let places = lines.iter().enumerate().filter(|(_, line)| **line == at);
            places.map(|(t, _)| context! { t, r }).collect::<Vec<Value>>()
        };
        let products: Vec<Value> = vertical.iter().enumerate().flat_map(of_tap).collect();
        context! { at, outside => height.outside(at), products }
    };
    let place = |&at: &i64| {
        let (element, part) = part(at, unit, &width.at);
        context! { element, part }
    };
    let of_tap = |columns: &Vec<i64>| columns.iter().map(place).collect::<Vec<Value>>();
    let values = context! {
        backward, bias, unit, tall, runs, strips,
        many => windows,
        step => across / unit,
        lines => height.at.iter().map(line).collect::<Vec<Value>>(),
        columns => width.values(),
        taps => horizontal.iter().map(of_tap).collect::<Vec<_>>(),
        blocks => options.groups,
        wide => limits.wide_loads,
        ..context! { ..sum.values(g), ..context! {
            ..window(g), ..fused.values(if bias { 4 } else { 3 }, windows == 4)
        } }
    };
    let why = format!(
        "direct, {tall}x{windows} pixels of {} channels an invocation, loads of {unit}{}",
        sum.rows,
        fused.why()
    );
    let sizes = [(Operand::Input(0), bytes(sum.source)), (Operand::Output(0), bytes(sum.target))];
    let part = |(first, images): (usize, usize)| -> Result<Launch, Mismatch> {
        let run = |b: Binding, image: [usize; 3]| {
            b.range(first as u64 * bytes(image), images as u64 * bytes(image))
        };
        let mut bindings =
            vec![run(Binding::read(Operand::Input(0)), sum.source), Binding::read(Operand::Input(1))];
        bindings.extend(bias.then(|| Binding::read(Operand::Input(2))));
        bindings.push(run(Binding::write(Operand::Output(0)), sum.target));
        bindings.extend(fused.bindings(|b| run(b, sum.target)));
        let invocations = images * options.groups * strips * runs;
        let values = context! { images, ..values.clone() };
        launch(limits, "conv2d_direct", invocations.div_ceil(64), bindings, why.clone(), values)
    };
    let launches = chunks(g.n, &sizes, limits)?.into_iter().map(part).collect::<Result<_, Mismatch>>()?;
    Ok(Lowering { launches, ..Lowering::default() })
}
