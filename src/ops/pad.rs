//! Padding of a dimension as a matrix.

use super::SparseRows;
use crate::error::Mismatch;
use crate::shape::MAX_ELEMENTS;
use std::fmt;

/// What lies before and behind a dimension that is padded, with PyTorch's names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pad {
    /// This number.
    Constant(f32),
    /// The elements from the edge inwards, without the one at the edge; fewer than there are.
    Reflect,
    /// The element at the edge.
    Replicate,
    /// The elements of the other end; no more than there are.
    Circular,
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pad::Constant(value) => write!(f, "constant {value}"),
            Pad::Reflect => f.write_str("reflect"),
            Pad::Replicate => f.write_str("replicate"),
            Pad::Circular => f.write_str("circular"),
        }
    }
}

impl Pad {
    /// What outputs without inputs are.
    pub(crate) fn fill(self) -> f32 {
        match self {
            Pad::Constant(value) => value,
            Pad::Reflect | Pad::Replicate | Pad::Circular => 0.0,
        }
    }

    /// `before` and `after` elements more than `size`; fewer where they are negative.
    pub(crate) fn matrix(self, size: usize, before: i64, after: i64) -> Result<SparseRows, Mismatch> {
        let n = i64::try_from(size).unwrap_or(i64::MAX);
        let got = || format!("{before} before and {after} behind {size}");
        let padded = n.saturating_add(before).saturating_add(after);
        // What is cut off on both sides has to be there.
        let left = n.saturating_add(before.min(0)).saturating_add(after.min(0));
        let fits = padded >= 1 && left >= 0 && padded <= MAX_ELEMENTS as i64;
        Mismatch::check(fits, "at least one element after padding", got())?;
        let widest = before.max(after);
        // A circle is one of what is left.
        match self {
            Pad::Constant(_) => {}
            Pad::Reflect => {
                Mismatch::check(widest < n, format!("padding of less than the size {n} to reflect"), got())?;
            }
            Pad::Replicate => Mismatch::check(left >= 1, "an element at the edge to repeat", got())?,
            Pad::Circular => {
                Mismatch::check(widest <= left, format!("padding of at most {left}, once around"), got())?;
            }
        }
        let position = |at: i64| match self {
            Pad::Constant(_) => Some(at).filter(|at| (0..n).contains(at)),
            Pad::Reflect if at < 0 => Some(-at),
            Pad::Reflect if at >= n => Some(2 * (n - 1) - at),
            Pad::Reflect => Some(at),
            Pad::Replicate => Some(at.clamp(0, n - 1)),
            Pad::Circular => {
                let first = (-before).max(0);
                Some(first + (at - first).rem_euclid(left))
            }
        };
        SparseRows::gather(size, (0..padded).map(|t| position(t - before).map(|at| at as usize)))
    }
}
