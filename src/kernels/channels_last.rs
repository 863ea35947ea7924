//! Tensors with four channels a vec4: `shaders/channels_last.wgsl`.

use super::{Binding, Launch, Limits, Operand, launch};
use crate::error::Mismatch;
use minijinja::context;

/// What is packed: three dimensions and the channels that come together behind them, with the stride of each
/// in the source.
pub(super) struct ChannelsLast {
    pub(super) sizes: [usize; 3],
    pub(super) channels: usize,
    pub(super) strides: [usize; 4],
    /// The vec4 of a pixel are a multiple of so many.
    pub(super) together: usize,
    /// Whether a pixel of zeros follows, for taps outside the image.
    pub(super) zeros: bool,
}

impl ChannelsLast {
    /// vec4 of one pixel.
    pub(super) fn quarters(&self) -> usize {
        self.channels.div_ceil(4).next_multiple_of(self.together)
    }

    /// vec4 in all, without the zeros.
    pub(super) fn elements(&self) -> usize {
        self.sizes.iter().product::<usize>() * self.quarters()
    }

    /// Bytes of the packed tensor.
    pub(super) fn bytes(&self) -> u64 {
        let zeros = if self.zeros { self.quarters() } else { 0 };
        (self.elements() + zeros) as u64 * 16
    }

    /// Whether the source already lies so.
    pub(super) fn in_place(&self) -> bool {
        let ([_, inner, middle], channels) = (self.sizes, self.channels);
        let lies = [middle * inner * channels, middle * channels, channels, 1];
        // The stride of a dimension of one element is never taken.
        let same = |d: usize| self.strides[d] == lies[d] || self.sizes.get(d) == Some(&1);
        channels == 4 * self.quarters() && !self.zeros && (0..4).all(same)
    }

    /// The three dimensions and their strides, the second longer than 1 where it can be: an invocation's neighbours
    /// lie along it.
    fn dimensions(&self) -> ([usize; 3], [usize; 4]) {
        let ([outer, inner, middle], [so, si, sm, sc]) = (self.sizes, self.strides);
        if inner == 1 {
            ([outer, middle, 1], [so, sm, si, sc])
        } else {
            ([outer, inner, middle], [so, si, sm, sc])
        }
    }

    /// The launch that packs `from` into a workspace.
    pub(super) fn launch(&self, from: Binding, to: Operand, limits: &Limits) -> Result<Launch, Mismatch> {
        let ([outer, inner, middle], strides) = self.dimensions();
        // Four neighbours are one load where they lie side by side at aligned positions.
        let aligned = |(size, stride): (usize, usize)| size == 1 || stride.is_multiple_of(4);
        let others = [(outer, strides[0]), (middle, strides[2]), (self.channels, strides[3])];
        let fours = strides[1] == 1 && inner.is_multiple_of(4) && others.into_iter().all(aligned);
        let run = if fours { 4 } else { 1 };
        let values = context! {
            outer, inner, middle, run, strides,
            wide => limits.wide_loads,
            channels => self.channels,
            quarters => self.quarters(),
            padded => 4 * self.quarters() >= self.channels + 4,
            elements => self.elements(),
            zeros => self.zeros,
        };
        let bindings = vec![from, Binding::write(to).range(0, self.bytes())];
        let zeros = if self.zeros { self.quarters() } else { 0 };
        let groups = (self.elements() / run + zeros).div_ceil(64);
        let why = if run == 4 { "four channels per vec4, of four pixels" } else { "four channels per vec4" };
        launch(limits, "channels_last", groups, 0, bindings, why, values)
    }
}
