//! Where the elements of a tensor lie among those of its storage.

use crate::error::Mismatch;
use std::borrow::Cow;

/// The most dimensions of a tensor: PyTorch and NumPy have no more.
pub(super) const MAX_RANK: usize = 64;

/// Sizes, outermost first, and the distance of neighbours along each, in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// The first element.
    offset: usize,
}

/// Row-major strides.
fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut stride = 1usize;
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let own = stride;
            stride = stride.saturating_mul(size);
            own
        })
        .collect();
    strides.reverse();
    strides
}

impl Layout {
    /// Rows one after another.
    pub(super) fn rows(shape: Vec<usize>) -> Self {
        Self { strides: row_major(&shape), shape, offset: 0 }
    }

    /// Columns one after another, as Fortran has them.
    pub(super) fn columns(shape: Vec<usize>) -> Self {
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        Self { strides: row_major(&reversed).into_iter().rev().collect(), shape, offset: 0 }
    }

    /// A view, of as many strides as sizes.
    #[cfg(feature = "pytorch")]
    pub(super) fn view(shape: Vec<usize>, strides: Vec<usize>, offset: usize) -> Result<Self, Mismatch> {
        let (sizes, steps) = (shape.len(), strides.len());
        let expected = format!("as many strides as sizes, and at most {MAX_RANK}");
        let fits = sizes == steps && sizes <= MAX_RANK;
        Mismatch::check(fits, expected, format!("{steps} strides and {sizes} sizes"))?;
        Ok(Self { shape, strides, offset })
    }

    /// The same in a storage of which this one's is the part of `held` elements from `offset` on.
    ///
    /// # Errors
    /// When it is not within that part.
    #[cfg(feature = "pytorch")]
    pub(super) fn within(mut self, offset: usize, held: usize) -> Result<Self, Mismatch> {
        self.check(held)?;
        self.offset = self.offset.saturating_add(offset);
        Ok(self)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements there are.
    ///
    /// # Errors
    /// When they cannot be counted.
    pub(super) fn elements(&self) -> Result<usize, Mismatch> {
        let count = self.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        let count = if self.shape.contains(&0) { Some(0) } else { count };
        count.ok_or_else(|| Mismatch::new("a size that can be counted", format!("{:?}", self.shape)))
    }

    /// The element behind the last one that is read.
    fn end(&self) -> Option<usize> {
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps.map(|(&size, &stride)| size.checked_sub(1)?.checked_mul(stride));
        last.into_iter().try_fold(self.offset, |sum, step| sum.checked_add(step?))?.checked_add(1)
    }

    /// `Err` unless all elements lie among the first `held`.
    pub(super) fn check(&self, held: usize) -> Result<(), Mismatch> {
        if self.elements()? == 0 {
            return Ok(());
        }
        let fits = self.end().is_some_and(|end| end <= held);
        let got = format!(
            "a tensor of sizes {:?} and strides {:?} from element {} on",
            self.shape, self.strides, self.offset
        );
        Mismatch::check(fits, format!("a tensor within its storage of {held} elements"), got)
    }

    /// Whether the elements lie one after another, rows first.
    fn is_dense(&self) -> bool {
        let mut strides = self.strides.iter().zip(row_major(&self.shape)).zip(&self.shape);
        strides.all(|((&stride, dense), &size)| size == 1 || stride == dense)
    }

    /// The elements of `size` bytes each out of a storage, rows first.
    ///
    /// # Errors
    /// When the storage ends before.
    pub(super) fn gather<'a>(&self, storage: &'a [u8], size: usize) -> Result<Cow<'a, [u8]>, Mismatch> {
        self.check(storage.len() / size.max(1))?;
        let (count, held) = (self.elements()?, || Mismatch::new("a tensor within its storage", "one beyond"));
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        if self.is_dense() {
            let (from, length) = (self.offset.saturating_mul(size), count.saturating_mul(size));
            let part = storage.get(from..from.saturating_add(length));
            return part.map(Cow::Borrowed).ok_or_else(held);
        }
        let mut out = Vec::with_capacity(count.saturating_mul(size));
        let (mut index, mut at) = (vec![0usize; self.shape.len()], self.offset);
        for _ in 0..count {
            let from = at.saturating_mul(size);
            out.extend_from_slice(storage.get(from..from.saturating_add(size)).ok_or_else(held)?);
            // The next index: the last axis that has not run out moves on, those behind it begin anew.
            let axes = index.iter_mut().zip(&self.shape).zip(&self.strides);
            for ((index, &size), &stride) in axes.rev() {
                *index += 1;
                if *index < size {
                    at += stride;
                    break;
                }
                at -= stride * (size - 1);
                *index = 0;
            }
        }
        Ok(Cow::Owned(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_gathered_and_held_to_their_storage() {
        let storage: Vec<u8> = (0..12).collect();
        let view = |shape: &[usize], strides: &[usize], offset| Layout {
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            offset,
        };
        let bytes = |layout: &Layout| layout.gather(&storage, 1).map(Cow::into_owned);
        assert_eq!(bytes(&view(&[2, 3], &[3, 1], 6)).unwrap(), [6, 7, 8, 9, 10, 11]);
        assert_eq!(bytes(&view(&[3, 2], &[1, 3], 0)).unwrap(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(bytes(&view(&[2, 2], &[0, 5], 1)).unwrap(), [1, 6, 1, 6]);
        assert_eq!(bytes(&view(&[], &[], 11)).unwrap(), [11]);
        assert_eq!(bytes(&view(&[usize::MAX, 0, 5], &[1, 1, 1], 99)).unwrap(), [0u8; 0]);
        assert_eq!(bytes(&Layout::columns(vec![2, 3])).unwrap(), [0, 2, 4, 1, 3, 5]);
        for (shape, strides, offset) in [
            (&[2, 3][..], &[3, 1][..], 7),
            (&[13], &[1], 0),
            (&[2], &[usize::MAX], 1),
            (&[usize::MAX, usize::MAX], &[0, 0], 0),
            (&[1], &[1], usize::MAX),
            (&[], &[], 12),
        ] {
            assert!(bytes(&view(shape, strides, offset)).is_err(), "{shape:?} {strides:?} {offset}");
        }
    }
}
