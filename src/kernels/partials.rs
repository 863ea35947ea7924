//! The second pass of sums that were split: `shaders/sum_partials.wgsl`.

use super::ranges::{self, Lies, Part};
use super::{Access, Binding, Chain, Launch, Limits, Operand, Refusal, iterations, launch};
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
) -> Result<Vec<Launch>, Refusal> {
    added(workspace, [count, elements], layout, &Chain::default(), limits)
}

/// As [`sum`] of numbers that lie as those of the result, with what is applied to the sums before they are stored.
pub(super) fn fused(
    workspace: Operand,
    count: usize,
    elements: usize,
    fused: &Chain,
    limits: &Limits,
) -> Result<Vec<Launch>, Refusal> {
    added(workspace, [count, elements], Layout::Same, fused, limits)
}

fn added(
    workspace: Operand,
    [count, elements]: [usize; 2],
    layout: Layout,
    fused: &Chain,
    limits: &Limits,
) -> Result<Vec<Launch>, Refusal> {
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
    let cut = |run: &iterations::Piece| -> Result<Vec<Launch>, Refusal> {
        let first = run.outer.start * length;
        let read = Lies::of(workspace, vec![length, 1], count * length).first(first);
        // Channels that come first again lie all over the result.
        let written = if last {
            Lies::of(Operand::Output(0), vec![0, 0], elements).item(elements)
        } else {
            Lies::of(Operand::Output(0), vec![0, 1], elements)
        };
        let grains = [1, if last { 0 } else { 4 }];
        let sizes = [run.outer.len(), length];
        let parts = ranges::parts(&sizes, &grains, &[read.clone(), written.clone()], limits)?;
        let launch = |part: Part| {
            let done = run.last && part.ranges[0].end == run.outer.len();
            let carried = !run.first || part.ranges[0].start > 0;
            let fused = if done { fused } else { &nothing };
            let (input, first_input) = part.bind(&read, Access::Read, limits);
            let (output, first_output) = part.bind(&written, Access::Write, limits);
            let mut bindings = vec![input, output];
            bindings.extend(fused.bindings(|b| Binding { range: output.range, ..b }));
            let why =
                format!("{count} partial sums, in order{order}{}{}{}", run.why(), part.why(), fused.why());
            let [runs, width] = [part.ranges[0].len(), part.ranges[1].len()];
            let unit = if fours { 4 } else { 1 };
            let values = context! {
                count, elements, length, last, fours, channels, taps, padded, carried, done, runs,
                width => width / unit,
                first_input => first_input / unit,
                first_output => first_output / unit,
                wide => limits.wide_loads,
                ..fused.values(2, fours, &bindings)
            };
            let iterations = iterations::of_loop(runs, 0);
            launch(limits, "sum_partials", width.div_ceil(64 * unit), iterations, bindings, why, values)
        };
        Ok(parts.into_iter().map(launch).collect::<Result<_, Mismatch>>()?)
    };
    let launches: Vec<Vec<Launch>> =
        iterations::runs(count, limits).iter().map(cut).collect::<Result<_, _>>()?;
    Ok(launches.concat())
}
/// How many partial sums a launch leaves, in words, where there are several.
pub(super) fn why(count: usize) -> String {
    if count > 1 { format!(", {count} partial sums") } else { String::new() }
}
