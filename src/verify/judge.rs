//! A result against what it must be.

use super::estimates::Estimate;
use super::rounding::U;
use crate::dtype::DType;
use crate::shape::Shape;
use crate::tensor::HostTensor;
use half::f16;

/// The element that is furthest out of its bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Worst {
    /// Its position, one number a dimension.
    pub index: Vec<usize>,
    /// What the device gave.
    pub got: f64,
    /// What the oracle gives.
    pub expected: f64,
    /// The largest difference allowed.
    pub bound: f64,
}

/// Where in a tensor the errors lie: its last dimension across, all others down, at most 32 by 64 cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Cells across.
    pub columns: usize,
    /// The largest error as a fraction of its bound in each cell, row by row.
    pub cells: Vec<f64>,
}

/// One output compared with its estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether the bound was that the bits agree (-0 is 0).
    pub exact: bool,
    /// Elements out of their bound.
    pub violations: usize,
    /// The largest error as a fraction of its bound; infinite for any error where there must be none.
    pub fraction: f64,
    /// The worst element, where one is out of its bound.
    pub worst: Option<Worst>,
    /// Where they lie, where one is out of its bound.
    pub heat: Option<Heat>,
    /// What is wrong with the errors as a whole, though each is within its bound.
    pub statistics: Option<String>,
}

impl Judgement {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.violations == 0 && self.statistics.is_none()
    }
}

/// The elements as f64.
pub(super) fn values(tensor: &HostTensor) -> Vec<f64> {
    let halves = tensor.as_bytes().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
    let words = tensor.as_bytes().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    match tensor.ty().dtype {
        DType::F16 => halves.map(f16::to_f64).collect(),
        DType::F32 => words.map(|w| f64::from(f32::from_bits(w))).collect(),
        DType::U32 => words.map(f64::from).collect(),
    }
}

/// The error of an element as a fraction of its bound; infinite for any error where there must be none: where the bound
/// is 0 or is none, and where one of the two is NaN or infinite. One NaN is as good as another.
fn fraction(got: f64, expected: f64, bound: f64) -> f64 {
    let error = (got - expected).abs();
    if got == expected || got.is_nan() && expected.is_nan() {
        0.0
    } else if !error.is_finite() || bound == 0.0 || bound.is_nan() {
        f64::INFINITY
    } else {
        error / bound
    }
}

/// The error of each element as a fraction of its bound.
fn fractions(got: &[f64], expected: &Estimate) -> Vec<f64> {
    let pairs = got.iter().zip(&expected.array.data).enumerate();
    pairs.map(|(i, (g, w))| fraction(*g, *w, expected.error_at(i))).collect()
}

/// Holds a result to its estimate.
pub fn judge(got: &HostTensor, expected: &Estimate) -> Judgement {
    let got = values(got);
    let wanted = &expected.array.data;
    let fractions = fractions(&got, expected);
    let violations = fractions.iter().filter(|f| **f > 1.0).count();
    let worst = (0..got.len()).max_by(|&a, &b| fractions[a].total_cmp(&fractions[b])).unwrap_or(0);
    let shape = &expected.array.ty.shape;
    let describe = || Worst {
        index: position(worst, shape),
        got: got[worst],
        expected: wanted[worst],
        bound: expected.error_at(worst),
    };
    Judgement {
        exact: expected.error.is_none(),
        violations,
        fraction: fractions.get(worst).copied().unwrap_or(0.0),
        worst: (violations > 0).then(describe),
        heat: (violations > 0).then(|| heat(&fractions, shape)),
        statistics: if violations == 0 { statistics(&got, expected) } else { None },
    }
}

/// The coordinates of an element.
fn position(index: usize, shape: &Shape) -> Vec<usize> {
    shape.iter().zip(shape.strides()).map(|(size, stride)| index / stride % size).collect()
}

fn heat(fractions: &[f64], shape: &Shape) -> Heat {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let height = fractions.len().div_ceil(width);
    let (columns, rows) = (width.min(64), height.min(32));
    let mut cells = vec![0.0f64; columns * rows];
    for (i, &fraction) in fractions.iter().enumerate() {
        let (row, column) = (i / width * rows / height, i % width * columns / width);
        let cell = &mut cells[row * columns + column];
        *cell = cell.max(fraction);
    }
    Heat { columns, cells }
}

/// Elements below which a norm or a sign says little.
const FEW: usize = 64;

/// For sums of `K` terms: the relative L2 error is at most `u (4 + sqrt K)`, and errors have no preferred
/// direction.
fn statistics(got: &[f64], expected: &Estimate) -> Option<String> {
    let terms = expected.terms? as f64;
    let wanted = &expected.array.data;
    if expected.error.is_none() || got.len() < FEW {
        return None;
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let error = norm(&mut got.iter().zip(wanted).map(|(g, w)| g - w));
    let relative = error / norm(&mut wanted.iter().copied());
    let most = U * (4.0 + terms.sqrt());
    if relative > most {
        return Some(format!("relative L2 error {relative:.2e} is above {most:.2e}"));
    }
    // Only errors of more than a rounding have a direction of their own.
    let directed = got.iter().zip(wanted).filter(|(g, w)| (**g - **w).abs() > 2.0 * U * w.abs());
    let signs: Vec<f64> = directed.map(|(g, w)| ((g - w) * w).signum()).collect();
    let (sum, count) = (signs.iter().sum::<f64>(), signs.len() as f64);
    let drift = signs.len() >= FEW && sum.abs() > 0.5 * count && sum.abs() > 8.0 * count.sqrt();
    drift.then(|| format!("{:.0} % of {count} errors point one way", 50.0 + 50.0 * sum.abs() / count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Result;
    use crate::reference::Array;

    /// A bound that is infinite or none lets nothing through where NaN or infinity is due, or comes undue.
    #[test]
    fn nan_and_infinity_must_be_met() -> Result<()> {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let wrong = |got: f32, expected: f64, bound: f64| -> Result<bool> {
            let array = Array { ty: crate::TensorType::f32([1]), data: vec![expected] };
            let judgement =
                judge(&HostTensor::from_f32([1], vec![got])?, &Estimate::within(array, |_, _| bound));
            Ok(!judgement.passed())
        };
        for bound in [0.0, 1.0, inf, nan] {
            assert!(!wrong(f32::NAN, nan, bound)? && !wrong(f32::INFINITY, inf, bound)?);
            assert!(wrong(1.0, nan, bound)? && wrong(1.0, inf, bound)? && wrong(f32::NAN, 1.0, bound)?);
            assert!(wrong(f32::INFINITY, 1.0, bound)? && wrong(f32::NEG_INFINITY, inf, bound)?);
        }
        assert!(wrong(2.0, 1.0, nan)? && wrong(2.0, 1.0, 0.5)? && !wrong(2.0, 1.0, 1.0)?);
        Ok(())
    }
}
