//! Average pooling: `shaders/avg_pool2d.wgsl` and its backward pass.

use super::pool2d::{Pool, PoolKernel};
use super::{Binding, Chain, Limits, Lowering, Operand, Refusal, turns};
use crate::ops::AvgPool2d;
use crate::shape::{Shape, Window};
use minijinja::context;

pub(super) fn forward(options: &AvgPool2d, shape: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let windows = options.windows(shape[2], shape[3]);
    let pool = Pool::new(shape, windows)?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.input), (Binding::write(Operand::Output(0)), pool.output)];
    let kernel = PoolKernel {
        name: "avg_pool2d",
        per_plane: pool.output,
        bindings: &bindings,
        pieces: turns::pieces(windows.map(|along| along.kernel.min(along.input)), 0, limits),
        fused: &Chain::default(),
        vec4: false,
        why: "an element an invocation".into(),
        values: context! { count_include_pad => options.count_include_pad },
    };
    pool.lower(kernel, limits)
}

/// Windows that contain a place, at most.
pub(super) fn around(along: &Window) -> usize {
    along.extent().div_ceil(along.stride).min(along.output("").unwrap_or(usize::MAX))
}

pub(super) fn backward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let windows = options.windows(input[2], input[3]);
    let pool = Pool::new(input, windows)?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.output), (Binding::write(Operand::Output(0)), pool.input)];
    // Neighbours between two borders of windows.
    let columns = windows[1];
    let borders = [columns.input, columns.before, columns.kernel, columns.stride];
    let unit = [4, 2].into_iter().find(|&unit| borders.iter().all(|&n| n.is_multiple_of(unit))).unwrap_or(1);
    let values = context! { unit, count_include_pad => options.count_include_pad, wide => limits.wide_loads };
    let why =
        if unit > 1 { format!("{unit} elements an invocation") } else { "an element an invocation".into() };
    let kernel = PoolKernel {
        name: "avg_pool2d_backward",
        per_plane: pool.input / unit,
        bindings: &bindings,
        pieces: turns::pieces(windows.each_ref().map(around), 0, limits),
        fused: &Chain::default(),
        vec4: false,
        why,
        values,
    };
    pool.lower(kernel, limits)
}
