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
    let values = context! { count_include_pad => options.count_include_pad };
    pool.lower("avg_pool2d_backward", pool.input, &bindings, "an element an invocation", values, limits)
}
