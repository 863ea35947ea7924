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
    /// Whether a pixel of zeros follows, for taps outside the image.
    pub(super) zeros: bool,
}

impl ChannelsLast {
    /// vec4 of one pixel.
    pub(super) fn quarters(&self) -> usize {
        self.channels.div_ceil(4)
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

    /// Neighbours of the second dimension that one load takes: four where they lie side by side at aligned places.
    fn run(&self) -> usize {
        let [outer, inner, middle, channel] = self.strides;
        let fours = [self.sizes[1], outer, middle, channel].iter().all(|n| n.is_multiple_of(4));
        if inner == 1 && fours { 4 } else { 1 }
    }

    /// The launch that packs `from` into a workspace.
    pub(super) fn launch(&self, from: Binding, to: Operand, limits: &Limits) -> Result<Launch, Mismatch> {
        let [outer, inner, middle] = self.sizes;
        let run = self.run();
        let values = context! {
            outer, inner, middle, run,
            wide => limits.wide_loads,
            channels => self.channels,
            quarters => self.quarters(),
            elements => self.elements(),
            strides => self.strides,
            zeros => self.zeros,
        };
        let bindings = vec![from, Binding::write(to).range(0, self.bytes())];
        let zeros = if self.zeros { self.quarters() } else { 0 };
        let groups = (self.elements() / run + zeros).div_ceil(64);
        let why = if run == 4 { "four channels a vec4, of four pixels" } else { "four channels a vec4" };
        launch(limits, "channels_last", groups, bindings, why, values)
    }
}
