//! Errors of ops from outside the crate: what they say of exact inputs, and what errors of the inputs make of it.

use super::estimates::Estimate;
use super::rounding::{Errors, ulp};
use crate::custom::{Custom, Values};
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::ops::Op;
use crate::random::Rng;
use crate::reference::{Array, Precision, eval};

/// Ways in which all inputs are moved by their errors: up, down, and each number in either direction.
const WAYS: usize = 8;

/// What is found by moving inputs as far as their errors reach counts twice, since not all ways are tried.
pub(super) fn errors(op: &Custom, inputs: &[&Estimate], outputs: &[Array]) -> Result<Vec<Errors>> {
    let read: Vec<Values<'_>> = inputs.iter().map(|e| values(&e.array)).collect();
    let own = |(number, output): (usize, &Array)| {
        let error = op.op().error(&read, number, values(output));
        let count = error.as_ref().map_or(output.data.len(), Vec::len);
        let expected = format!("{} errors of output {number}", output.data.len());
        let fail = |m| Error::op(op.op().name(), "", m);
        Mismatch::check(count == output.data.len(), expected, count.to_string()).map_err(fail)?;
        Ok(error)
    };
    let mut found: Vec<Errors> = outputs.iter().enumerate().map(own).collect::<Result<_>>()?;
    if inputs.iter().all(|e| e.error.is_none()) {
        return Ok(found);
    }
    let mut most: Vec<Vec<f64>> = outputs.iter().map(|o| o.data.iter().map(|&v| ulp(v)).collect()).collect();
    let mut rng = Rng::new(2026);
    for way in 0..WAYS {
        let moved: Vec<Array> = inputs.iter().map(|input| moved(input, way, &mut rng)).collect();
        let there = eval(&Op::Custom(op.clone()), &moved.iter().collect::<Vec<_>>(), Precision::F64)?;
        for ((most, output), there) in most.iter_mut().zip(outputs).zip(&there) {
            for ((most, &v), &w) in most.iter_mut().zip(&output.data).zip(&there.data) {
                *most = most.max(2.0 * (w - v).abs() + ulp(v));
            }
        }
    }
    for (error, most) in found.iter_mut().zip(most) {
        let own = error.take().unwrap_or_else(|| vec![0.0; most.len()]);
        *error = Some(own.into_iter().zip(most).map(|(own, most)| own + most).collect());
    }
    Ok(found)
}

fn values(array: &Array) -> Values<'_> {
    Values { ty: &array.ty, data: &array.data }
}

/// An input, each number moved by its error.
fn moved(input: &Estimate, way: usize, rng: &mut Rng) -> Array {
    let mut array = input.array.clone();
    if array.ty.dtype == DType::U32 {
        return array;
    }
    for (i, v) in array.data.iter_mut().enumerate() {
        let up = match way {
            0 => true,
            1 => false,
            _ => rng.below(2) == 0,
        };
        *v += if up { input.error_at(i) } else { -input.error_at(i) };
    }
    array
}
