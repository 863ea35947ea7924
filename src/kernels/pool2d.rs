//! What pools have in common.
//!
//! The planes (n, c) are independent, so a large tensor is split into runs of planes.

use super::iterations::Piece;
use super::{Binding, Chain, Launch, Limits, Lowering, Refusal, chunks, launch};
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

/// Windows and their input, as the shaders name them.
pub(super) fn windows([rows, columns]: [Window; 2]) -> Value {
    context! {
        h => rows.input, w => columns.input,
        kernel_h => rows.kernel, kernel_w => columns.kernel,
        stride_h => rows.stride, stride_w => columns.stride,
        dilation_h => rows.dilation, dilation_w => columns.dilation,
        extent_h => rows.extent(), extent_w => columns.extent(),
        pad_top => rows.before, pad_bottom => rows.after,
        pad_left => columns.before, pad_right => columns.after,
    }
}

impl Pool {
    pub(super) fn new(input: &Shape, [rows, columns]: [Window; 2]) -> Result<Self, Mismatch> {
        let (oh, ow) = (rows.output("height")?, columns.output("width")?);
        let values = context! { oh, ow, ..windows([rows, columns]) };
        let planes = input[..2].iter().product();
        Ok(Self { planes, input: rows.input * columns.input, output: oh * ow, outputs: [oh, ow], values })
    }

    /// Of windows whose sizes follow from those of the output.
    pub(super) fn adaptive(input: &Shape, [oh, ow]: [usize; 2]) -> Self {
        let (h, w, planes) = (input[2], input[3], input[..2].iter().product());
        let values = context! { oh, ow, h, w };
        Self { planes, input: h * w, output: oh * ow, outputs: [oh, ow], values }
    }

    /// A launch for each of as many planes as fit and each piece of the loops.
    pub(super) fn lower(&self, kernel: PoolKernel<'_>, limits: &Limits) -> Result<Lowering, Refusal> {
        let PoolKernel { name, per_plane, bindings, pieces, fused, vec4, why, values } = kernel;
        let fused_output = bindings.last().map_or(0, |(_, elements)| *elements);
        let cut = bindings.iter().filter(|(_, elements)| *elements > 0);
        let sizes: Vec<_> = cut.map(|(b, elements)| (b.operand, *elements as u64 * 4)).collect();
        let values = context! { ..values, ..self.values.clone() };
        let nothing = Chain::default();
        let part = |(first, planes): (usize, usize), piece: &Piece| -> Result<Launch, Mismatch> {
            let fused = if piece.last { fused } else { &nothing };
            let run = |b: Binding, elements: usize| {
                let plane = elements as u64 * 4;
                b.range(first as u64 * plane, planes as u64 * plane)
            };
            let bound = |&(b, elements): &(Binding, usize)| if elements > 0 { run(b, elements) } else { b };
            let mut all: Vec<Binding> = bindings.iter().map(bound).collect();
            all.extend(fused.bindings(|b| run(b, fused_output)));
            let values = context! { planes, first_plane => first, ..context! {
                ..piece.values(), ..context! { ..fused.values(bindings.len(), vec4, &all), ..values.clone() }
            } };
            let (groups, why) =
                ((planes * per_plane).div_ceil(64), format!("{why}{}{}", piece.why(), fused.why()));
            launch(limits, name, groups, piece.iterations, all, why, values)
        };
        let runs = chunks(self.planes, &sizes, limits)?.into_iter();
        let launches = runs.flat_map(|run| pieces.iter().map(move |piece| (run, piece)));
        let launches = launches.map(|(run, piece)| part(run, piece)).collect::<Result<_, Mismatch>>()?;
        Ok(Lowering { launches, ..Lowering::default() })
    }
}

/// A kernel that computes a plane from a plane.
pub(super) struct PoolKernel<'a> {
    pub(super) name: &'static str,
    /// Invocations.
    pub(super) per_plane: usize,
    /// With the elements of a plane, 0 for what is bound whole; the last is what is written after what is fused.
    pub(super) bindings: &'a [(Binding, usize)],
    /// Of its loops.
    pub(super) pieces: Vec<Piece>,
    /// Applied by the last piece, and whether to four elements at once.
    pub(super) fused: &'a Chain,
    pub(super) vec4: bool,
    pub(super) why: String,
    pub(super) values: Value,
}
