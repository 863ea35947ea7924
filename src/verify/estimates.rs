//! A value of a kernel, with what may be wrong in it.

use super::rounding::sum_error;
use crate::dtype::DType;
use crate::reference::Array;

/// A value and the error a correct kernel may make in it.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// The value, not rounded.
    pub array: Array,
    /// The largest error of each element; `None` where the value must be exact.
    pub error: Option<Vec<f64>>,
    /// Terms of a sum of exact inputs; `None` for anything else.
    pub terms: Option<usize>,
}

impl Estimate {
    /// A value that is known exactly.
    pub fn exact(array: Array) -> Self {
        Self { array, error: None, terms: None }
    }

    /// A value with the largest error of each element, from its index and value.
    pub fn within(array: Array, error: impl Fn(usize, f64) -> f64) -> Self {
        let errors = array.data.iter().enumerate().map(|(i, &v)| error(i, v)).collect();
        Self { array, error: Some(errors), terms: None }
    }

    /// Sums of at most `terms` terms whose absolute values add up to `magnitudes`, in any order, in f32.
    pub fn sums(array: Array, magnitudes: &[f64], terms: usize) -> Self {
        let sum = |i: usize, v| sum_error(magnitudes.get(i).copied().unwrap_or(0.0), terms, v);
        Self { terms: Some(terms), ..Self::within(array, sum) }
    }

    pub(super) fn error_at(&self, i: usize) -> f64 {
        self.error.as_ref().map_or(0.0, |e| e[i])
    }

    pub(super) fn largest_error(&self) -> f64 {
        self.error.iter().flatten().copied().fold(0.0, f64::max)
    }

    fn with(&self, map: impl Fn(usize, f64) -> f64) -> Array {
        if self.array.ty.dtype == DType::U32 {
            return self.array.clone();
        }
        let data = self.array.data.iter().enumerate().map(|(i, &v)| map(i, v)).collect();
        Array { ty: self.array.ty.clone(), data }
    }

    /// Absolute values; indices as they are.
    pub(super) fn magnitude(&self) -> Array {
        self.with(|_, v| v.abs())
    }

    /// Absolute values and errors added.
    pub(super) fn upper(&self) -> Array {
        self.with(|i, v| v.abs() + self.error_at(i))
    }

    /// The errors as a tensor.
    pub(super) fn error_array(&self) -> Array {
        self.with(|i, _| self.error_at(i))
    }
}
