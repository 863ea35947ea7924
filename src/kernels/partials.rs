//! The second pass of sums that were split: `shaders/sum_partials.wgsl`.

use super::{Binding, Chain, Launch, Limits, Operand, launch, turns};
use crate::error::Mismatch;
use minijinja::context;

/// How the numbers of a run lie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    /// As those of the result.
    Same,
    /// Those of a weight (rows, channels, taps) as (rows, taps, channels padded to fours).
    ChannelsLast { channels: usize, taps: usize },
}

impl Layout {
    /// Numbers of a run of which `elements` come out.
    pub(super) fn length(self, elements: usize) -> usize {
        match self {
            Layout::Same => elements,
            Layout::ChannelsLast { channels, .. } => elements / channels * channels.next_multiple_of(4),
        }
    }
}

/// Numbers of a run that make enough invocations of four each on a GPU (H200: weight gradients of 1x1 layers with 2,304
/// to 6,144 weights took 1.06 to 1.10 of the time in fours, of 55,296 the same).
const MANY: usize = 1 << 15;

/// Adds `count` runs of numbers in a workspace into the `elements` of the first output, in order; several launches go on
/// with what the ones before stored.
pub(super) fn sum(
    workspace: Operand,
    count: usize,
    elements: usize,
    layout: Layout,
    limits: &Limits,
) -> Result<Vec<Launch>, Mismatch> {
    added(workspace, [count, elements], layout, &Chain::default(), limits)
}

/// As [`sum`] of numbers that lie as those of the result, with what is applied to the sums before they are stored.
pub(super) fn fused(
    workspace: Operand,
    count: usize,
    elements: usize,
    fused: &Chain,
    limits: &Limits,
) -> Result<Vec<Launch>, Mismatch> {
    added(workspace, [count, elements], Layout::Same, fused, limits)
}

fn added(
    workspace: Operand,
    [count, elements]: [usize; 2],
    layout: Layout,
    fused: &Chain,
    limits: &Limits,
) -> Result<Vec<Launch>, Mismatch> {
    let (channels, taps) = match layout {
        Layout::ChannelsLast { channels, taps } if taps > 1 || !channels.is_multiple_of(4) => {
            (channels, taps)
        }
        // One tap of whole fours lies as it comes out.
        Layout::Same | Layout::ChannelsLast { .. } => (0, 0),
    };
    let (last, length) = (taps > 0, layout.length(elements));
    let order = if last { ", channels first again" } else { "" };
    let many = limits.software || last || length >= MANY;
    let (padded, fours) = (channels.next_multiple_of(4), length.is_multiple_of(4) && many);
    let nothing = Chain::default();
    let part = |piece: turns::Piece| {
        let fused = if piece.last { fused } else { &nothing };
        let mut bindings = vec![Binding::read(workspace), Binding::write(Operand::Output(0))];
        bindings.extend(fused.bindings(|b| b));
        let why = format!("{count} partial sums, in order{order}{}{}", piece.why(), fused.why());
        let values = context! {
            count, elements, length, last, fours, channels, taps, padded,
            wide => limits.wide_loads,
            ..context! { ..piece.values(), ..fused.values(2, fours) }
        };
        let groups = length.div_ceil(if fours { 256 } else { 64 });
        launch(limits, "sum_partials", groups, piece.turns, bindings, why, values)
    };
    turns::runs(count, limits).into_iter().map(part).collect()
}
