//! adaptive_max_pool2d: the first of the largest elements of each window; of NaNs the last.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::AdaptiveMaxPool2d;
use crate::tensor::TensorType;
use std::ops::Range;

/// From the first element of window `i`, at or before `i L / O`, to the first at or behind `(i + 1) L / O`.
fn bounds(i: usize, windows: usize, length: usize) -> (usize, usize) {
    let first = (0..=length).rev().find(|at| at * windows <= i * length).unwrap_or(0);
    let end = (0..=length).find(|at| at * windows >= (i + 1) * length).unwrap_or(length);
    (first, end)
}

/// The largest element of a window, and its position in an image of `w` columns: the first of equals, of NaNs the last.
pub(super) fn winner(image: &[f64], w: usize, rows: Range<usize>, columns: Range<usize>) -> (f64, usize) {
    let first = rows.start * w + columns.start;
    let (mut best, mut index) = (image[first], first);
    for y in rows {
        for x in columns.clone() {
            let value = image[y * w + x];
            if value > best || value.is_nan() {
                (best, index) = (value, y * w + x);
            }
        }
    }
    (best, index)
}

impl Define for AdaptiveMaxPool2d {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (input, output) = (&inputs[0].ty.shape, &outputs[0].shape);
        let (h, w, oh, ow) = (input[2], input[3], output[2], output[3]);
        let rows: Vec<_> = (0..oh).map(|i| bounds(i, oh, h)).collect();
        let columns: Vec<_> = (0..ow).map(|j| bounds(j, ow, w)).collect();
        let (mut maxima, mut indices) = (Vec::new(), Vec::new());
        for image in inputs[0].data.chunks(h * w) {
            for &(top, bottom) in &rows {
                for &(left, right) in &columns {
                    let (best, index) = winner(image, w, top..bottom, left..right);
                    maxima.push(best);
                    indices.push(index as f64);
                }
            }
        }
        Ok(vec![maxima, indices])
    }
}
