//! What bounds are made of: units in the last place, the errors of one operation and of a sum.

use crate::error::Result;
use crate::ops::Op;
use crate::reference::{Array, Precision, eval};
pub(super) use crate::tracked::{CLAMPED, TINY, ulp};

/// Half a unit in the last place of 1 in f32.
pub(super) const U: f64 = 1.0 / (1 << 24) as f64;

/// The largest error of each element; `None` where the result must be exact.
pub(super) type Errors = Option<Vec<f64>>;

/// The error of one correctly rounded operation, either neighbour allowed: 0 where the result has an f32.
pub(super) fn rounding(v: f64) -> f64 {
    let flushed = if v != 0.0 && v.abs() < TINY { v.abs() } else { 0.0 };
    if f64::from(v as f32) == v { flushed } else { ulp(v).max(flushed) }
}

pub(super) fn each(output: &Array, error: impl Fn(usize, f64) -> f64) -> Errors {
    let errors: Vec<f64> = output.data.iter().enumerate().map(|(i, &v)| error(i, v)).collect();
    if errors.iter().all(|&e| e == 0.0) { None } else { Some(errors) }
}

pub(super) fn run(op: &Op, inputs: &[Array]) -> Result<Array> {
    let refs: Vec<&Array> = inputs.iter().collect();
    eval(op, &refs, Precision::F64).map(|mut out| out.remove(0))
}

/// The largest power of two that all values are multiples of, as an exponent.
pub(super) fn unit(array: &Array) -> i32 {
    let lowest = |v: &f64| {
        let bits = v.to_bits();
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        ((bits >> 52) & 0x7ff) as i32 - 1075 + mantissa.trailing_zeros() as i32
    };
    array.data.iter().filter(|v| **v != 0.0).map(lowest).min().unwrap_or(0)
}

pub(super) fn largest(array: &Array) -> f64 {
    array.data.iter().fold(0.0, |most: f64, v| most.max(v.abs()))
}

/// The error of a sum `v` of `terms` terms whose absolute values add up to `s`.
pub(super) fn sum_error(s: f64, terms: usize, v: f64) -> f64 {
    let k = terms as f64;
    let growth = (2.0 * (k + 2.0)).min(8.0 + 4.0 * k.sqrt());
    U * s * growth + 2.0 * U * v.abs() + (k + 1.0) * TINY
}
