//! Shapes, and the only copy of each shape formula.

use crate::error::Mismatch;
use std::fmt;
use std::ops::Deref;

/// The most elements a tensor may have: kernels index with `u32`, and the reference needs 8 bytes for each, which a browser's
/// 32 bits have to address.
pub const MAX_ELEMENTS: usize =
    if usize::BITS > 32 { u32::MAX as usize } else { isize::MAX as usize / size_of::<f64>() };

/// The sizes of a tensor's dimensions, outermost first; empty for a scalar.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// The number of elements, 1 for a scalar; saturates instead of overflowing.
    pub fn elements(&self) -> usize {
        self.0.iter().fold(1, |n, &d| n.saturating_mul(d))
    }

    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1usize; self.0.len()];
        for i in (1..self.0.len()).rev() {
            strides[i - 1] = strides[i].saturating_mul(self.0[i]);
        }
        strides
    }

    /// Accepts shapes with no empty dimension and at most [`MAX_ELEMENTS`] elements.
    pub fn check(&self) -> Result<(), Mismatch> {
        Mismatch::check(!self.0.contains(&0), "no empty dimension", format!("shape {self}"))?;
        let expected = format!("at most {MAX_ELEMENTS} elements in a tensor");
        Mismatch::check(self.elements() <= MAX_ELEMENTS, expected, format!("shape {self}"))
    }

    /// Of a pool's output `(N, C, OH, OW)`: how many taps of these windows lie inside the input.
    pub(crate) fn pooled_taps(&self, [rows, columns]: &[Window; 2]) -> Option<u64> {
        let [n, c, oh, ow] = self[..].try_into().ok()?;
        Some(((n * c) as u64).saturating_mul(rows.valid_taps(oh)).saturating_mul(columns.valid_taps(ow)))
    }

    /// `(outer, length, inner)`: the sizes before, at and after `dim`.
    pub(crate) fn axis(&self, dim: usize) -> Result<[usize; 3], Mismatch> {
        let rank = self.len();
        Mismatch::check(dim < rank, format!("a dimension below the rank {rank}"), format!("dim {dim}"))?;
        // Of a shape that is too large, which is refused where it is used.
        let product = |sizes: &[usize]| sizes.iter().fold(1, |n: usize, &size| n.saturating_mul(size));
        Ok([product(&self[..dim]), self[dim], product(&self[dim + 1..])])
    }

    /// The shape two operands broadcast to, by NumPy's rule: aligned at the last dimension, 1 stretches.
    pub fn broadcast(&self, other: &Shape) -> Result<Shape, Mismatch> {
        let rank = self.len().max(other.len());
        let at = |s: &Shape, i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s.0[j]);
        (0..rank)
            .map(|i| match (at(self, i), at(other, i)) {
                (a, b) if a == b || b == 1 => Ok(a),
                (1, b) => Ok(b),
                _ => Err(Mismatch::new("shapes that broadcast", format!("{self} and {other}"))),
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Shape)
    }

    /// The strides with which a tensor of this shape is read as `target`: 0 along stretched dimensions.
    pub fn broadcast_strides(&self, target: &Shape) -> Vec<usize> {
        let own = self.strides();
        let lead = target.len().saturating_sub(self.len());
        let stride = |i: usize| if i < lead || self.0[i - lead] == 1 { 0 } else { own[i - lead] };
        (0..target.len()).map(stride).collect()
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Self {
        Self(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<_> = self.0.iter().map(usize::to_string).collect();
        write!(f, "({})", dims.join(", "))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A height and width: of a kernel, a stride or a dilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Along the height.
    pub h: usize,
    /// Along the width.
    pub w: usize,
}

impl From<usize> for Pair {
    fn from(both: usize) -> Self {
        Self { h: both, w: both }
    }
}

impl From<(usize, usize)> for Pair {
    fn from((h, w): (usize, usize)) -> Self {
        Self { h, w }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.h, self.w)
    }
}

/// Zeros added around an image, each side on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl From<usize> for Padding {
    fn from(all: usize) -> Self {
        Self { top: all, bottom: all, left: all, right: all }
    }
}

impl From<(usize, usize)> for Padding {
    /// `(height, width)`, as PyTorch's pair: the same on both sides.
    fn from((h, w): (usize, usize)) -> Self {
        Self { top: h, bottom: h, left: w, right: w }
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[top {} bottom {} left {} right {}]", self.top, self.bottom, self.left, self.right)
    }
}

/// One spatial axis of a sliding window: convolution or pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Input size.
    pub input: usize,
    /// Taps of the kernel.
    pub kernel: usize,
    /// Step from one output to the next.
    pub stride: usize,
    /// Zeros before the input.
    pub before: usize,
    /// Zeros after the input.
    pub after: usize,
    /// Distance of two taps.
    pub dilation: usize,
    /// Round the output size up, as PyTorch's `ceil_mode`.
    pub ceil: bool,
}

impl Window {
    /// The extent of the dilated kernel: `dilation * (kernel - 1) + 1`.
    pub fn extent(&self) -> usize {
        self.dilation.saturating_mul(self.kernel.saturating_sub(1)).saturating_add(1)
    }

    /// `floor((input + before + after - extent) / stride) + 1`. With `ceil` the quotient is rounded up and
    /// a last window that would start behind the input is dropped (PyTorch's rule).
    pub fn output(&self, axis: &str) -> Result<usize, Mismatch> {
        let most = i32::MAX as usize;
        for (name, value) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            let expected = format!("{name} of 1 to {most} along the {axis}");
            Mismatch::check((1..=most).contains(&value), expected, value.to_string())?;
        }
        let padded = self.input.saturating_add(self.before).saturating_add(self.after);
        let extent = self.extent();
        let got = || format!("{padded} with dilated kernel extent {extent} along the {axis}");
        // The only window of `ceil` may begin inside and end behind the padding.
        let reached = if self.ceil { padded.saturating_add(self.stride - 1) } else { padded };
        Mismatch::check(extent <= reached, "a padded input at least as large as the dilated kernel", got())?;
        Mismatch::check(
            padded.saturating_add(self.stride) <= most,
            format!("padded input plus stride of at most {most}"),
            got(),
        )?;
        let room = padded.saturating_sub(extent);
        if !self.ceil {
            return Ok(room / self.stride + 1);
        }
        let output = room.div_ceil(self.stride) + 1;
        Ok(if (output - 1) * self.stride >= self.input + self.before { output - 1 } else { output })
    }

    /// The pairs of an output and a tap that lies inside the input, of `outputs` outputs.
    pub fn valid_taps(&self, outputs: usize) -> u64 {
        // Taps before a position of the padded input.
        let before = |position: usize, first: usize| {
            position.saturating_sub(first).div_ceil(self.dilation.max(1)).min(self.kernel) as u64
        };
        let inside = |output: usize| {
            let first = output.saturating_mul(self.stride);
            before(self.before.saturating_add(self.input), first) - before(self.before, first)
        };
        (0..outputs).map(inside).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_at_the_last_dimension() {
        let a = Shape::from([4, 1, 3]);
        assert_eq!(a.broadcast(&Shape::from([5, 1])).unwrap(), Shape::from([4, 5, 3]));
        assert_eq!(a.broadcast_strides(&Shape::from([2, 4, 5, 3])), [0, 3, 0, 1]);
        assert!(a.broadcast(&Shape::from([2])).is_err());
    }

    #[test]
    fn taps_in_the_padding_are_not_valid() {
        let window = Window { input: 4, kernel: 3, stride: 1, before: 1, after: 1, dilation: 1, ceil: false };
        // The first and the last of 4 outputs miss a tap each.
        assert_eq!(window.valid_taps(4), 10);
        let dilated = Window { dilation: 2, before: 2, after: 2, ..window };
        assert_eq!(dilated.valid_taps(4), 8);
        let strided = Window { input: 5, stride: 2, before: 0, after: 0, ..window };
        assert_eq!(strided.valid_taps(2), 6);
    }

    #[test]
    fn ceil_mode_drops_a_window_behind_the_input() {
        let window = |input, stride, pad| Window {
            input,
            kernel: 2,
            stride,
            before: pad,
            after: pad,
            dilation: 1,
            ceil: true,
        };
        assert_eq!(window(5, 2, 0).output("width").unwrap(), 3);
        assert_eq!(window(2, 3, 1).output("width").unwrap(), 1);
        // One that ends behind the input, but no second one that would begin there.
        assert_eq!(window(1, 2, 0).output("width").unwrap(), 1);
        assert!(window(1, 1, 0).output("width").is_err());
    }
}
