//! Max pooling: `shaders/max_pool2d.wgsl` and its backward pass.
//!
//! Where the sizes allow it, an invocation owns a run of neighbouring columns, so that rows are loaded and stored two
//! or four numbers at a time and what several windows share is loaded once.

use super::pool2d::{Pool, PoolKernel};
use super::runs::{Positions, Run, elements, part};
use super::{Binding, Chain, Limits, Lower, Lowering, Operand, Refusal, Site, avg_pool2d, iterations};
use crate::ops::{MaxPool2d, MaxPool2dBackward};
use crate::shape::{Shape, Window};
use minijinja::{Value, context};
use std::ops::RangeInclusive;

impl Lower for MaxPool2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, &site.inputs[0].shape, site.limits)
    }
}

impl Lower for MaxPool2dBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.options, &self.input, &site.fused.epilogue, site.limits)
    }

    fn takes_epilogue(&self) -> bool {
        true
    }
}

/// Comparisons of an invocation up to which its windows are unrolled.
const UNROLL: usize = 64;

/// The taps of the window that begins `stride * window` from where an invocation does.
fn taps(along: &Window, window: usize) -> impl Iterator<Item = i64> {
    let (first, step) = ((window * along.stride) as i64 - along.before as i64, along.dilation as i64);
    (0..along.kernel as i64).map(move |tap| first + tap * step)
}

fn counted(windows: usize) -> String {
    if windows == 1 { "one window".into() } else { format!("{windows} windows") }
}

fn forward(options: &MaxPool2d, shape: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let [rows, columns] = options.windows(shape[2], shape[3]);
    let pool = Pool::new(shape, [rows, columns])?;
    let [oh, ow] = pool.outputs;
    let comparisons = rows.kernel.saturating_mul(columns.kernel);
    let unroll = comparisons <= UNROLL;
    let fits = |run: &Run| comparisons * run.windows <= UNROLL && ow.is_multiple_of(run.windows);
    let Run { across, unit, windows } = Run::of(columns.input, columns.stride, |run| unroll && fits(run));
    let runs = ow / windows;
    let mut values = context! { unroll, unit, many => windows, runs, wide => limits.wide_loads };
    if unroll {
        let loaded = elements((0..windows).flat_map(|window| taps(&columns, window)), unit);
        let width = Positions { at: loaded, last: (runs - 1) * across / unit, count: columns.input / unit };
        let height =
            Positions { at: taps(&rows, 0).collect(), last: (oh - 1) * rows.stride, count: rows.input };
        let tap = |at: i64| {
            let (element, part) = part(at, unit, &width.at);
            context! { at, element, part }
        };
        let outputs: Vec<Vec<Value>> = (0..windows).map(|q| taps(&columns, q).map(tap).collect()).collect();
        // The first tap of an output begins, if it never lies outside.
        let inside =
            |column: i64| !height.outside(height.at[0]) && !width.outside(column.div_euclid(unit as i64));
        let begins: Vec<bool> = (0..windows).map(|q| taps(&columns, q).next().is_some_and(inside)).collect();
        let (rows, columns) = (height.values(), width.values());
        values = context! { rows, columns, outputs, begins, step => across / unit, ..values };
    }
    let bindings = [
        (Binding::read(Operand::Input(0)), pool.input),
        (Binding::write(Operand::Output(0)), pool.output),
        (Binding::write(Operand::Output(1)), pool.output),
    ];
    let kernel = PoolKernel {
        name: "max_pool2d",
        per_plane: oh * runs,
        bindings: &bindings,
        pieces: if unroll {
            vec![iterations::whole(0)]
        } else {
            iterations::pieces([rows.kernel, columns.kernel], 0, limits)
        },
        fused: &Chain::default(),
        vec4: false,
        why: format!("{} per invocation, loads of {unit}", counted(windows)),
        values,
    };
    pool.lower(kernel, limits)
}

/// The windows that can contain a position, counted from where an invocation begins.
fn around(along: &Window, position: usize) -> RangeInclusive<i64> {
    let (last, stride) = ((position + along.before) as i64, along.stride as i64);
    let first = last - along.extent() as i64 + 1;
    -(-first).div_euclid(stride)..=last.div_euclid(stride)
}

/// Windows tried by so many positions, all together.
fn tried(along: &Window, positions: usize) -> usize {
    let of = |position| {
        let around = around(along, position);
        (around.end() - around.start() + 1).max(0) as usize
    };
    (0..positions).map(of).fold(0, usize::saturating_add)
}

fn backward(options: &MaxPool2d, input: &Shape, fused: &Chain, limits: &Limits) -> Result<Lowering, Refusal> {
    let [rows, columns] = options.windows(input[2], input[3]);
    let pool = Pool::new(input, [rows, columns])?;
    let [oh, ow] = pool.outputs;
    let short = rows.stride <= UNROLL && columns.stride <= UNROLL;
    let fits = |run: &Run| {
        let tried = || tried(&rows, rows.stride).saturating_mul(tried(&columns, run.across));
        short && rows.stride * run.across <= UNROLL && tried() <= UNROLL
    };
    let run = Run::of(columns.input, columns.stride, fits);
    let unroll = fits(&run);
    let Run { across, unit, windows } = if unroll { run } else { Run { across: 1, unit: 1, windows: 1 } };
    let (cells, runs) = match unroll {
        true => (rows.input.div_ceil(rows.stride), columns.input.div_ceil(across)),
        false => (rows.input, columns.input),
    };
    let together = if ow.is_multiple_of(windows) { windows } else { 1 };
    let mut values = context! { unroll, unit, across, together, cells, runs, wide => limits.wide_loads };
    if unroll {
        let all = |along: &Window, positions: usize| {
            *around(along, 0).start()..=*around(along, positions - 1).end()
        };
        let height = Positions { at: all(&rows, rows.stride).collect(), last: cells - 1, count: oh };
        let step = windows / together;
        let loaded = elements(all(&columns, across), together);
        let width = Positions { at: loaded, last: (runs - 1) * step, count: ow / together };
        let pixel = |y: usize, x: usize| -> Vec<Value> {
            let pairs = around(&rows, y).flat_map(|i| around(&columns, x).map(move |j| (i, j)));
            let window = |(i, j): (i64, i64)| {
                let ((row, _), (element, part)) = (part(i, 1, &height.at), part(j, together, &width.at));
                let position = format!("{row}_{element}");
                context! { position, part, at => x }
            };
            pairs.map(window).collect()
        };
        let row = |y: usize| (0..across).map(|x| pixel(y, x)).collect::<Vec<_>>();
        let pixels: Vec<Vec<Vec<Value>>> = (0..rows.stride).map(row).collect();
        let ragged_rows = !rows.input.is_multiple_of(rows.stride);
        let ragged_columns = !columns.input.is_multiple_of(across);
        let (rows, columns) = (height.values(), width.values());
        values = context! { rows, columns, pixels, step, ragged_rows, ragged_columns, ..values };
    }
    let bindings = [
        (Binding::read(Operand::Input(0)), pool.output),
        (Binding::read(Operand::Input(1)), pool.output),
        (Binding::write(Operand::Output(0)), pool.input),
    ];
    let why = match unroll {
        true => format!("{} per invocation, stores of {unit}", counted(windows)),
        false => "one element per invocation".into(),
    };
    let pieces = if unroll {
        vec![iterations::whole(0)]
    } else {
        iterations::pieces([&rows, &columns].map(avg_pool2d::around), 0, limits)
    };
    let (name, per_plane, vec4) = ("max_pool2d_backward", cells * runs, unit == 4);
    let kernel = PoolKernel { name, per_plane, bindings: &bindings, pieces, fused, vec4, why, values };
    pool.lower(kernel, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_tried_by_the_windows_around_them() {
        let along = |kernel, stride, before| Window {
            input: 12,
            kernel,
            stride,
            before,
            after: before,
            dilation: 1,
            ceil: false,
        };
        assert_eq!(around(&along(2, 2, 0), 1), 0..=0);
        assert_eq!(around(&along(3, 2, 1), 0), 0..=0, "the middle of its window");
        assert_eq!(around(&along(3, 2, 1), 1), 0..=1, "between two");
        assert_eq!(around(&along(3, 1, 1), 0), -1..=1);
        assert_eq!(around(&along(2, 3, 0), 2).count(), 0, "a gap");
        assert_eq!(tried(&along(3, 2, 1), 4), 6);
    }
}
