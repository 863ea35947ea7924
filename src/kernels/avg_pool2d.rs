//! Average pooling: `shaders/avg_pool2d.wgsl` and its backward pass.

use super::pool2d::Pool;
use super::{Binding, Limits, Lowering, Operand, Refusal};
use crate::ops::AvgPool2d;
use crate::shape::Shape;
use minijinja::context;

pub(super) fn forward(options: &AvgPool2d, shape: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let pool = Pool::new(shape, options.windows(shape[2], shape[3]))?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.input), (Binding::write(Operand::Output(0)), pool.output)];
    let values = context! { count_include_pad => options.count_include_pad };
    pool.lower("avg_pool2d", pool.output, &bindings, "an element an invocation", values, limits)
}

pub(super) fn backward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let pool = Pool::new(input, options.windows(input[2], input[3]))?;
    let bindings =
        [(Binding::read(Operand::Input(0)), pool.output), (Binding::write(Operand::Output(0)), pool.input)];
    // Neighbours between two borders of windows.
    let columns = options.windows(input[2], input[3])[1];
    let borders = [columns.input, columns.before, columns.kernel, columns.stride];
    let unit = [4, 2].into_iter().find(|&unit| borders.iter().all(|&n| n.is_multiple_of(unit))).unwrap_or(1);
    let values = context! { unit, count_include_pad => options.count_include_pad, wide => limits.wide_loads };
    let why =
        if unit > 1 { format!("{unit} elements an invocation") } else { "an element an invocation".into() };
    pool.lower("avg_pool2d_backward", pool.input / unit, &bindings, &why, values, limits)
}
