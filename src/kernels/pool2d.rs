//! What pools have in common.
//!
//! The planes (n, c) are independent, so a large tensor is split into runs of planes.

use super::{Binding, Launch, Limits, Lowering, Refusal, chunks, launch};
use crate::error::Mismatch;
use crate::shape::{Shape, Window};
use minijinja::{Value, context};

/// Sizes of planes and windows, as the shaders name them.
pub(super) struct Pool {
    planes: usize,
    /// Elements of a plane of the input.
    pub(super) input: usize,
    /// Elements of a plane of the output.
    pub(super) output: usize,
    /// Its height and width.
    pub(super) outputs: [usize; 2],
    values: Value,
}

impl Pool {
    pub(super) fn new(input: &Shape, [rows, columns]: [Window; 2]) -> Result<Self, Mismatch> {
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
        Ok(Self { planes, input: rows.input * columns.input, output: oh * ow, outputs: [oh, ow], values })
    }

    /// One launch for as many planes as fit: `per_plane` invocations each, bindings given with the elements
    /// of a plane.
    pub(super) fn lower(
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
