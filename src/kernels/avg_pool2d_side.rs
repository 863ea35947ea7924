//! Average pools in two passes, each along one side of the windows: `shaders/avg_pool2d_side.wgsl`.

use super::iterations::{self, Piece};
use super::pool2d::windows;
use super::ranges::chunks;
use super::{Binding, Launch, Limits, Lowering, Operand, Refusal, launch};
use crate::error::Mismatch;
use crate::ops::AvgPool2d;
use crate::shape::Window;
use minijinja::context;

/// Neighbours along a side that an invocation of a CPU adapter may have, where loads are dear: they share them.
const MANY: [usize; 3] = [1, 4, 8];
/// Fewer loads an invocation that make more neighbours worth their code.
const WORTH: f64 = 0.8;

/// A pool, or its gradient, of which each pass goes along one side.
pub(super) struct Sides<'a> {
    pub(super) options: &'a AvgPool2d,
    /// Along the height and the width.
    pub(super) windows: [Window; 2],
    pub(super) planes: usize,
    pub(super) backward: bool,
    /// What all windows are divided by, where it is the same.
    pub(super) area: Option<usize>,
}

/// Between the passes.
const HALF: Operand = Operand::Workspace(0);

/// One pass: from (planes, lines, length, inner) to (planes, lines, positions, inner).
struct Side {
    along: Window,
    backward: bool,
    down: bool,
    lines: usize,
    length: usize,
    positions: usize,
    inner: usize,
}

impl Sides<'_> {
    /// The passes in order; `first` is the side of the first, 0 for the height.
    fn passes(&self, first: usize) -> Result<[Side; 2], Mismatch> {
        let outputs = [self.windows[0].output("height")?, self.windows[1].output("width")?];
        let inputs = self.windows.map(|along| along.input);
        let (from, to) = if self.backward { (outputs, inputs) } else { (inputs, outputs) };
        let pass = |side: usize| {
            // The other side as it is before or after the pass along it.
            let other = if side == first { from[1 - side] } else { to[1 - side] };
            let (lines, inner) = if side == 0 { (1, other) } else { (other, 1) };
            let (along, length, positions) = (self.windows[side], from[side], to[side]);
            Side { along, backward: self.backward, down: side == 0, lines, length, positions, inner }
        };
        Ok([pass(first), pass(1 - first)])
    }

    /// Loads and stores, about, in the better order, and the side of its first pass.
    pub(super) fn cost(&self, limits: &Limits) -> Result<(usize, usize), Mismatch> {
        let of = |first: usize| -> Result<usize, Mismatch> {
            let passes = self.passes(first)?;
            Ok(passes.iter().map(|pass| pass.cost(self.planes, limits)).fold(0, usize::saturating_add))
        };
        let [down, across] = [of(0)?, of(1)?];
        Ok(if across < down { (across, 1) } else { (down, 0) })
    }
}

impl Side {
    /// Along the width positions lie side by side: an invocation's may go on into the next line.
    fn joined(&self) -> bool {
        self.inner == 1
    }

    /// Whether runs of so many positions go on into the next line.
    fn straddles(&self, many: usize) -> bool {
        self.joined() && !self.positions.is_multiple_of(many)
    }

    /// Terms of so many neighbours together, at most.
    fn reach(&self, many: usize) -> usize {
        let straddles = self.straddles(many);
        let starts = (0..self.positions).step_by(if straddles { 1 } else { many });
        let here = |p: usize| if straddles { many } else { many.min(self.positions - p) };
        starts.map(|p| self.terms(p, here(p))).max().unwrap_or(0)
    }

    /// Neighbours of an invocation: more only where that is worth it.
    fn many(&self, limits: &Limits) -> usize {
        let each = |many: usize| self.reach(many) as f64 / many as f64;
        let better = |best: usize, &many: &usize| {
            let fits = self.joined() || many < 2 * self.positions;
            if fits && each(many) < WORTH * each(best) { many } else { best }
        };
        if limits.software { MANY.iter().fold(1, better) } else { 1 }
    }

    /// Numbers that are loaded or stored at once: columns, or positions along the width, of so many of each launch.
    fn unit(&self, many: usize, positions: &[usize]) -> usize {
        let fits = |unit: &usize| match self.joined() {
            true => *unit <= many && positions.iter().all(|n| n.is_multiple_of(*unit)),
            false => self.inner.is_multiple_of(*unit),
        };
        [4, 2].into_iter().find(fits).unwrap_or(1)
    }

    /// Loads and stores of so many planes, about.
    fn cost(&self, planes: usize, limits: &Limits) -> usize {
        let (many, all) = (self.many(limits), planes * self.lines * self.positions);
        let unit = self.unit(many, &[all]);
        let columns = if self.joined() { 1 } else { self.inner / unit };
        let loads = all.div_ceil(many).saturating_mul(columns).saturating_mul(self.reach(many));
        loads.saturating_add(all * self.inner / unit)
    }

    /// Terms from the first of position `p` to the end of those `many - 1` positions on, in lines that follow each other.
    fn terms(&self, p: usize, many: usize) -> usize {
        let Window { kernel, stride, before, .. } = self.along;
        let first = match self.backward {
            true => (p + before + stride).saturating_sub(kernel) / stride,
            false => (p * stride).saturating_sub(before),
        };
        let (over, last) = ((p + many - 1) / self.positions, (p + many - 1) % self.positions);
        let end = match self.backward {
            true => (last + before) / stride + 1,
            false => (last * stride + kernel).saturating_sub(before),
        };
        (over * self.length + end.min(self.length)).saturating_sub(first)
    }
}

/// Launches of both passes, the one along side `first` before the other.
pub(super) fn lower(sides: &Sides<'_>, first: usize, limits: &Limits) -> Result<Lowering, Refusal> {
    let [before, after] = sides.passes(first)?;
    let between = sides.planes * before.lines * before.positions * before.inner;
    // Sums are divided when they are whole; errors of windows that are divided by different numbers, before they are added.
    let divided = if sides.backward && sides.area.is_none() { ["first", ""] } else { ["", "last"] };
    let mut launches = pass(sides, &before, (Operand::Input(0), HALF), divided[0], limits)?;
    launches.extend(pass(sides, &after, (HALF, Operand::Output(0)), divided[1], limits)?);
    Ok(Lowering { launches, workspaces: vec![between as u64 * 4], ..Lowering::default() })
}

/// A launch for each of as many planes as fit and each piece of the loop.
fn pass(
    sides: &Sides<'_>,
    side: &Side,
    (from, to): (Operand, Operand),
    divide: &str,
    limits: &Limits,
) -> Result<Vec<Launch>, Refusal> {
    let &Side { along, backward, down, lines, length, positions, inner } = side;
    let numbers = |positions: usize| lines * positions * inner;
    let (read, written) = (numbers(length) as u64 * 4, numbers(positions) as u64 * 4);
    let planes = chunks(sides.planes, &[(from, read), (to, written)], limits)?;
    let (joined, many) = (side.joined(), side.many(limits));
    let all: Vec<usize> = planes.iter().map(|(_, planes)| planes * lines * positions).collect();
    let unit = side.unit(many, &all);
    let (whole_runs, straddle) = (positions.is_multiple_of(many), side.straddles(many));
    let pieces = iterations::runs(side.reach(many).max(1), limits);
    let part = |(first, planes): (usize, usize), piece: &Piece| {
        let lines = planes * lines;
        let runs = positions.div_ceil(many);
        let groups = if straddle { (lines * positions).div_ceil(many) } else { lines * runs };
        let invocations = groups * if joined { 1 } else { inner / unit };
        let whole_runs = whole_runs || straddle && (lines * positions).is_multiple_of(many);
        let Window { kernel, stride, before, .. } = along;
        let values = context! {
            backward, down, lines, length, positions, inner, kernel, stride, before, many, unit, joined, straddle, runs,
            whole_runs, invocations, divide,
            area => sides.area.unwrap_or(0),
            whole_oh => sides.windows[0].output("height")?,
            whole => windows(sides.windows),
            count_include_pad => sides.options.count_include_pad,
            override_ => sides.options.divisor_override.unwrap_or(0),
            wide => limits.wide_loads,
            ..piece.values()
        };
        let run = |b: Binding, bytes: u64| b.range(first as u64 * bytes, planes as u64 * bytes);
        let bindings = vec![run(Binding::read(from), read), run(Binding::write(to), written)];
        let name = if down { "height" } else { "width" };
        let why = format!("sums along the {name}, {many} per invocation{}", piece.why());
        launch(limits, "avg_pool2d_side", invocations.div_ceil(64), piece.iterations, bindings, why, values)
    };
    let launches = planes.into_iter().flat_map(|run| pieces.iter().map(move |piece| (run, piece)));
    Ok(launches.map(|(run, piece)| part(run, piece)).collect::<Result<_, Mismatch>>()?)
}
