//! Dimensions as PyTorch counts them: from the first, or with negative numbers from the last.

use crate::error::Mismatch;

/// A dimension of a tensor: 0 is the first, -1 the last. Any integer is one: `x.softmax(-1)`.
///
/// A scalar is taken for a tensor of one dimension, as in PyTorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dim(i64);

impl Dim {
    /// Its position among `rank` dimensions.
    pub(crate) fn of(self, rank: usize) -> Result<usize, Mismatch> {
        let size = i64::try_from(rank.max(1)).unwrap_or(i64::MAX);
        let expected = || format!("a dimension from {} to {}", -size, size - 1);
        Mismatch::check((-size..size).contains(&self.0), expected(), self.0.to_string())?;
        Ok((if self.0 < 0 { self.0 + size } else { self.0 }) as usize)
    }
}

/// Some dimensions of a tensor, or with `()` all of them: `x.sum([0, -1], false)`, `x.sum((), false)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dims(Option<Vec<Dim>>);

impl Dims {
    /// Their positions among `rank` dimensions, ascending, each once.
    pub(crate) fn of(&self, rank: usize) -> Result<Vec<usize>, Mismatch> {
        let mut positions = self.in_order(rank)?;
        positions.sort_unstable();
        Ok(positions)
    }

    /// Their positions among `rank` dimensions in the order given, each once.
    pub(crate) fn in_order(&self, rank: usize) -> Result<Vec<usize>, Mismatch> {
        let Some(dims) = &self.0 else { return Ok((0..rank).collect()) };
        let mut positions = dims.iter().map(|dim| dim.of(rank)).collect::<Result<Vec<_>, _>>()?;
        let twice = positions.iter().enumerate().find(|(i, position)| positions[..*i].contains(position));
        let got = format!("{} twice", twice.map_or(0, |(_, position)| *position));
        Mismatch::check(twice.is_none(), "each dimension once", got)?;
        // Those of a scalar, which has none.
        positions.retain(|&position| position < rank);
        Ok(positions)
    }
}

impl From<()> for Dims {
    fn from(_: ()) -> Self {
        Self(None)
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Dim {
            fn from(dim: $integer) -> Self {
                // What is larger is no dimension of any tensor either way.
                Self(i64::try_from(dim).unwrap_or(i64::MAX))
            }
        }

        impl From<$integer> for Dims {
            fn from(dim: $integer) -> Self {
                Self(Some(vec![dim.into()]))
            }
        })*
    };
}

from_integers!(i32, i64, isize, usize);

impl From<Dim> for Dims {
    fn from(dim: Dim) -> Self {
        Self(Some(vec![dim]))
    }
}

impl<T: Into<Dim> + Copy> From<&[T]> for Dims {
    fn from(dims: &[T]) -> Self {
        Self(Some(dims.iter().map(|&dim| dim.into()).collect()))
    }
}

impl<T: Into<Dim> + Copy, const N: usize> From<&[T; N]> for Dims {
    fn from(dims: &[T; N]) -> Self {
        dims[..].into()
    }
}

impl<T: Into<Dim> + Copy, const N: usize> From<[T; N]> for Dims {
    fn from(dims: [T; N]) -> Self {
        dims[..].into()
    }
}

impl<T: Into<Dim> + Copy> From<&Vec<T>> for Dims {
    fn from(dims: &Vec<T>) -> Self {
        dims[..].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dims: impl Into<Dims>, rank: usize) -> Result<Vec<usize>, String> {
        dims.into().of(rank).map_err(|m| format!("{}; {}", m.expected, m.got))
    }

    #[test]
    fn negative_dimensions_count_from_the_last() {
        assert_eq!(of([0, -1], 3), Ok(vec![0, 2]));
        assert_eq!(of([-1, -3], 3), Ok(vec![0, 2]));
        assert_eq!(of(&vec![1usize], 3), Ok(vec![1]));
        assert_eq!(of((), 2), Ok(vec![0, 1]));
        assert_eq!(of(3, 3), Err("a dimension from -3 to 2; 3".into()));
        assert_eq!(of(-4, 3), Err("a dimension from -3 to 2; -4".into()));
        assert_eq!(of([1, -2], 3), Err("each dimension once; 1 twice".into()));
    }

    #[test]
    fn a_scalar_has_dimension_0_to_ask_for() {
        assert_eq!(of(0, 0), Ok(vec![]));
        assert_eq!(of([-1], 0), Ok(vec![]));
        assert_eq!(of(1, 0), Err("a dimension from -1 to 0; 1".into()));
        assert_eq!(Dim::from(usize::MAX).of(3).map_err(|m| m.got), Err(i64::MAX.to_string()));
    }
}
