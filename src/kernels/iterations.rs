//! Loops that are cut: drivers may end the loops of an invocation that run too often, without a word.

use super::Limits;
use minijinja::{Value, context};
use std::ops::Range;

/// Iterations of an invocation's loops, all added up, above which work is cut wherever it can be. The same on all adapters, so
/// that the order of sums does not follow from what a driver allows, as long as it allows that many.
const LONGEST: u32 = 1 << 15;

/// Pieces that one loop nest is cut into at most; what would need more is left whole, and refused.
const MOST_PIECES: usize = 1 << 12;

/// Iterations of an invocation at most where work can be cut.
pub(super) fn most(limits: &Limits) -> usize {
    limits.max_iterations.min(LONGEST) as usize
}

/// A part of two nested loops, for a launch of its own. Launches follow each other and go on with what was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) outer: Range<usize>,
    pub(super) inner: Range<usize>,
    /// Whether it is the first, and the last, of all.
    pub(super) first: bool,
    pub(super) last: bool,
    /// Iterations of an invocation.
    pub(super) iterations: usize,
}

/// Iterations of a loop that goes round so many times, with what an iteration takes beside itself: the iteration in which it
/// ends is one, too.
pub(super) fn of_loop(count: usize, inside: usize) -> usize {
    count.saturating_mul(1 + inside).saturating_add(1)
}

impl Piece {
    /// As the shaders name it.
    pub(super) fn values(&self) -> Value {
        let Self { outer, inner, first, last, .. } = self;
        context! {
            outer_first => outer.start, outer_last => outer.end,
            inner_first => inner.start, inner_last => inner.end,
            carried => !first, done => last,
        }
    }

    /// In words, where there are several.
    pub(super) fn why(&self) -> String {
        let Self { outer, inner, first, last, .. } = self;
        if *first && *last { String::new() } else { format!(", iterations {outer:?} of {inner:?}") }
    }
}

/// The iterations of two nested loops, in order, cut so that no piece takes more than [`most`]; whole where that cannot be.
/// `more` is what an outer iteration takes beside itself and the inner loop.
pub(super) fn pieces([outer, inner]: [usize; 2], more: usize, limits: &Limits) -> Vec<Piece> {
    let most = most(limits);
    let inside = |inner: usize| more + of_loop(inner, 0);
    let whole = (0..outer, 0..inner);
    let cut = |count: usize, step: usize| {
        let step = step.max(1);
        (0..count).step_by(step).map(move |first| first..(first + step).min(count))
    };
    let outer_step = (most - most.min(1)) / (1 + inside(inner));
    let inner_step = most.saturating_sub(2 + inside(0));
    let ranges: Vec<_> = if outer <= outer_step {
        vec![whole]
    } else if outer_step > 0 && outer.div_ceil(outer_step) <= MOST_PIECES {
        cut(outer, outer_step).map(|run| (run, 0..inner)).collect()
    } else if inner_step > 0 && outer.saturating_mul(inner.div_ceil(inner_step)) <= MOST_PIECES {
        (0..outer).flat_map(|first| cut(inner, inner_step).map(move |run| (first..first + 1, run))).collect()
    } else {
        vec![whole]
    };
    numbered(ranges, |outer, inner| of_loop(outer, inside(inner)))
}

/// All of some loops that are not cut.
pub(super) fn whole(iterations: usize) -> Piece {
    Piece { outer: 0..1, inner: 0..0, first: true, last: true, iterations }
}

/// Runs of one loop of so many iterations, cut likewise.
pub(super) fn runs(count: usize, limits: &Limits) -> Vec<Piece> {
    let step = most(limits).saturating_sub(1).max(1);
    let step = if count.div_ceil(step) <= MOST_PIECES { step } else { count.max(1) };
    let ranges = (0..count).step_by(step).map(|first| (first..(first + step).min(count), 0..0)).collect();
    numbered(ranges, |count, _| of_loop(count, 0))
}

/// The pieces of these ranges, in order.
fn numbered(
    ranges: Vec<(Range<usize>, Range<usize>)>,
    iterations: impl Fn(usize, usize) -> usize,
) -> Vec<Piece> {
    let count = ranges.len();
    let piece = |(i, (outer, inner)): (usize, (Range<usize>, Range<usize>))| {
        let iterations = iterations(outer.len(), inner.len());
        Piece { outer, inner, first: i == 0, last: i + 1 == count, iterations }
    };
    ranges.into_iter().enumerate().map(piece).collect()
}

/// The fewest of so many lanes, doubled as often as the device has invocations for, with which `passes` over `length` elements
/// are few enough iterations.
pub(super) fn lanes(fewest: usize, length: usize, passes: usize, limits: &Limits) -> usize {
    let doubled =
        |lanes: &usize| (lanes * 2 <= limits.max_workgroup_invocations as usize).then_some(lanes * 2);
    let enough = |lanes: &usize| passes * of_loop(length.div_ceil(*lanes), 0) <= most(limits);
    let tried = || std::iter::successors(Some(fewest), doubled);
    tried().find(enough).or_else(|| tried().last()).unwrap_or(fewest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(
        outer: usize,
        inner: usize,
        more: usize,
        max_iterations: u32,
    ) -> Vec<(Range<usize>, Range<usize>)> {
        let pieces = pieces([outer, inner], more, &Limits { max_iterations, ..Limits::default() });
        assert!(pieces[0].first && pieces[pieces.len() - 1].last);
        assert_eq!(pieces.iter().filter(|piece| piece.first || piece.last).count(), pieces.len().min(2));
        pieces.into_iter().map(|piece| (piece.outer, piece.inner)).collect()
    }

    #[test]
    fn nested_loops_are_cut_by_outer_iterations_then_by_inner_ones() {
        // 3 outer iterations of 1 and an inner loop of 9 and its end, and the end of the outer one.
        assert_eq!(cut(3, 9, 0, 34), [(0..3, 0..9)]);
        assert_eq!(cut(3, 9, 0, 33), [(0..2, 0..9), (2..3, 0..9)]);
        assert_eq!(cut(2, 9, 0, 8), [(0..1, 0..5), (0..1, 5..9), (1..2, 0..5), (1..2, 5..9)]);
        assert_eq!(cut(2, 9, 3, 15), [(0..1, 0..9), (1..2, 0..9)]);
        assert_eq!(cut(256, 256, 0, 65535).len(), 3, "on every adapter at the same number of iterations");
        assert_eq!(cut(256, 256, 0, u32::MAX).len(), 3);
    }

    #[test]
    fn no_piece_takes_more_iterations_than_there_are() {
        for max_iterations in [8, 20, 100, 1000] {
            let limits = Limits { max_iterations, ..Limits::default() };
            for (outer, inner, more) in [(1, 1, 0), (7, 300, 2), (300, 7, 0), (90, 90, 1)] {
                let pieces = pieces([outer, inner], more, &limits);
                assert!(pieces.iter().all(|piece| piece.iterations <= max_iterations as usize), "{pieces:?}");
                let done: usize = pieces.iter().map(|piece| piece.outer.len() * piece.inner.len()).sum();
                assert_eq!(done, outer * inner);
            }
            let runs = runs(1234, &limits);
            assert!(runs.iter().all(|run| run.iterations <= max_iterations as usize));
            assert_eq!(runs.iter().map(|run| run.outer.len()).sum::<usize>(), 1234);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_left_whole() {
        assert_eq!(cut(2, 9, 0, 1), [(0..2, 0..9)]);
        assert_eq!(cut(5000, 9, 0, 5), [(0..5000, 0..9)], "too many pieces");
    }

    #[test]
    fn rows_have_lanes_enough() {
        let with = |max_iterations| Limits { max_iterations, ..Limits::default() };
        assert_eq!(lanes(8, 1000, 3, &with(u32::MAX)), 8);
        assert_eq!(lanes(8, 200_000, 3, &with(65535)), 32);
        assert_eq!(lanes(8, 64, 3, &with(9)), 32);
        assert_eq!(lanes(8, 1 << 30, 3, &with(6)), 256, "no more than a workgroup has");
    }
}
