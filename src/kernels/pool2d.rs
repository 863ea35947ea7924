//! Pools: `shaders/max_pool2d.wgsl`, `shaders/avg_pool2d.wgsl` and their backward passes.
//!
//! The planes (n, c) are independent, so a large tensor is split into runs of planes.

use super::{Binding, Epilogue, Launch, Limits, Lowering, Operand, Refusal, chunks, launch};
use crate::error::Mismatch;
use crate::ops::{AvgPool2d, MaxPool2d};
use crate::shape::{Shape, Window};
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Sizes of planes and windows, as the shaders name them.
struct Pool {
    planes: usize,
    input: usize,
    output: usize,
    values: Value,
}

impl Pool {
    fn new(input: &Shape, [rows, columns]: [Window; 2]) -> Result<Self, Mismatch> {
        let (oh, ow) = (rows.output("height")?, columns.output("width")?);
        let values = context! {
            h => rows.input, w => columns.input, oh, ow,
            kernel_h => rows.kernel, kernel_w => columns.kernel,
            stride_h => rows.stride, stride_w => columns.stride,
            dilation_h => rows.dilation, dilation_w => columns.dilation,
            extent_h => rows.extent(), extent_w => columns.extent(),
            pad_top => rows.before, pad_bottom => rows.after,
            pad_left => columns.before, pad_right => columns.after,
        };
        let planes = input[..2].iter().product();
        Ok(Self { planes, input: rows.input * columns.input, output: oh * ow, values })
    }

    /// One launch for as many planes as fit: `per_plane` invocations each, bindings given with the elements
    /// of a plane.
    fn lower(
        &self,
        name: &'static str,
        per_plane: usize,
        bindings: &[(Binding, usize)],
        why: &str,
        values: Value,
        limits: &Limits,
    ) -> Result<Lowering, Refusal> {
        let sizes: Vec<_> = bindings.iter().map(|(b, elements)| (b.operand, *elements as u64 * 4)).collect();
        let part = |(first, planes): (usize, usize)| -> Result<Launch, Mismatch> {
            let run = |(b, elements): &(Binding, usize)| {
                let plane = *elements as u64 * 4;
                b.range(first as u64 * plane, planes as u64 * plane)
            };
            let bindings = bindings.iter().map(run).collect();
            let values = context! { planes, ..context! { ..values.clone(), ..self.values.clone() } };
            launch(limits, name, (planes * per_plane).div_ceil(64), bindings, why, values)
        };
        let launches = chunks(self.planes, &sizes, limits)?.into_iter().map(part);
        Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
    }
}

/// Taps up to which the loop over a window is unrolled.
const UNROLL: usize = 16;

pub(super) fn max(options: &MaxPool2d, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let shape = &inputs[0].shape;
    let windows = options.windows(shape[2], shape[3]);
    let pool = Pool::new(shape, windows)?;
    let inside = windows.iter().all(|w| w.before == 0 && w.after == 0 && !w.ceil);
    let unroll = options.kernel_size.h * options.kernel_size.w <= UNROLL;
    let bindings = [
        (Binding::read(Operand::Input(0)), pool.input),
        (Binding::write(Operand::Output(0)), pool.output),
        (Binding::write(Operand::Output(1)), pool.output),
    ];
    pool.lower(
        "max_pool2d",
        pool.output,
        &bindings,
        "an element an invocation",
        context! { inside, unroll },
        limits,
    )
}

pub(super) fn max_backward(
    options: &MaxPool2d,
    input: &Shape,
    fused: &Epilogue,
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let windows = options.windows(input[2], input[3]);
    let pool = Pool::new(input, windows)?;
    // Windows that do not overlap own cells of a stride's size, each an invocation's.
    let cells = windows.iter().all(|w| w.before == 0 && w.extent() <= w.stride);
    let cell_counts = windows.map(|w| w.input.div_ceil(w.stride));
    let per_plane = if cells { cell_counts[0] * cell_counts[1] } else { pool.input };
    let mut bindings = vec![
        (Binding::read(Operand::Input(0)), pool.output),
        (Binding::read(Operand::Input(1)), pool.output),
        (Binding::write(Operand::Output(0)), pool.input),
    ];
    bindings.extend(fused.bindings(|b| b).into_iter().map(|b| (b, pool.input)));
    let values = context! {
        cells,
        cells_h => cell_counts[0],
        cells_w => cell_counts[1],
        ragged => windows.iter().any(|w| !w.input.is_multiple_of(w.stride)),
        unroll => windows[0].stride * windows[1].stride <= UNROLL,
        ..fused.values(3, false)
    };
    let why = if cells { "a window an invocation" } else { "an element an invocation" };
    pool.lower("max_pool2d_backward", per_plane, &bindings, &format!("{why}{}", fused.why()), values, limits)
}

pub(super) fn avg(options: &AvgPool2d, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let shape = &inputs[0].shape;
    let pool = Pool::new(shape, options.windows(shape[2], shape[3]))?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.input), (Binding::write(Operand::Output(0)), pool.output)];
    let values = context! { count_include_pad => options.count_include_pad };
    pool.lower("avg_pool2d", pool.output, &bindings, "an element an invocation", values, limits)
}

pub(super) fn avg_backward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let pool = Pool::new(input, options.windows(input[2], input[3]))?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.output), (Binding::write(Operand::Output(0)), pool.input)];
    let values = context! { count_include_pad => options.count_include_pad };
    pool.lower("avg_pool2d_backward", pool.input, &bindings, "an element an invocation", values, limits)
}
