//! Max pools whose windows lie at random distances: `shaders/fractional_max_pool2d.wgsl`.

use super::pool2d::{Pool, PoolKernel};
use super::template::literal;
use super::{Binding, Chain, Lower, Lowering, Operand, Refusal, Site, iterations};
use crate::ops::FractionalMaxPool2d;
use minijinja::context;

impl Lower for FractionalMaxPool2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (input, output) = (&site.inputs[0].shape, &site.outputs[0].shape);
        let (kernel, [oh, ow]) = (self.kernel_size, [output[2], output[3]]);
        let pool = Pool::adaptive(input, [oh, ow]);
        let apart = |length, kernel, windows| literal(Self::apart(length, kernel, windows));
        let bindings = [
            (Binding::read(Operand::Input(0)), pool.input),
            // Two numbers a plane seldom begin at an aligned offset: all are bound.
            (Binding::read(Operand::Input(1)), 0),
            (Binding::write(Operand::Output(0)), pool.output),
            (Binding::write(Operand::Output(1)), pool.output),
        ];
        let kernel = PoolKernel {
            name: "fractional_max_pool2d",
            per_plane: pool.output,
            bindings: &bindings,
            pieces: iterations::pieces([kernel.h, kernel.w], 0, site.limits),
            fused: &Chain::default(),
            vec4: false,
            why: "one window per invocation".into(),
            values: context! {
                kernel_h => kernel.h, kernel_w => kernel.w,
                apart_h => apart(input[2], kernel.h, oh), apart_w => apart(input[3], kernel.w, ow),
            },
        };
        pool.lower(kernel, site.limits)
    }
}
