//! Adaptive max pools whose windows differ in size: `shaders/adaptive_max_pool2d.wgsl`.

use super::pool2d::{Pool, PoolKernel};
use super::{Binding, Chain, Lower, Lowering, Operand, Refusal, Site, iterations};
use crate::ops::AdaptiveMaxPool2d;
use minijinja::context;

impl Lower for AdaptiveMaxPool2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let (input, [oh, ow]) = (&site.inputs[0].shape, [self.output_size.h, self.output_size.w]);
        let pool = Pool::adaptive(input, [oh, ow]);
        let longest = |windows: usize, length: usize| {
            (0..windows).map(|i| Self::window(i, windows, length).len()).max().unwrap_or(1)
        };
        let bindings = [
            (Binding::read(Operand::Input(0)), pool.input),
            (Binding::write(Operand::Output(0)), pool.output),
            (Binding::write(Operand::Output(1)), pool.output),
        ];
        let kernel = PoolKernel {
            name: "adaptive_max_pool2d",
            per_plane: pool.output,
            bindings: &bindings,
            pieces: iterations::pieces([longest(oh, input[2]), longest(ow, input[3])], 0, site.limits),
            fused: &Chain::default(),
            vec4: false,
            why: "one window per invocation".into(),
            values: context! {},
        };
        pool.lower(kernel, site.limits)
    }
}
