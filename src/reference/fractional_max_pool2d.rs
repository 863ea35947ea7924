//! fractional_max_pool2d: the first of the largest elements of each window; of NaNs the last.

use super::adaptive_max_pool2d::winner;
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::FractionalMaxPool2d;
use crate::tensor::TensorType;

/// Where the windows along a side begin, in the arithmetic of f32.
fn starts(sample: f64, length: usize, kernel: usize, windows: usize) -> Vec<usize> {
    let u = if sample.is_nan() { 0.0 } else { sample.clamp(0.0, 1.0) as f32 };
    let apart = FractionalMaxPool2d::apart(length, kernel, windows);
    let last = length - kernel;
    let begin = |i: usize| ((i as f32 + u) * apart) as usize - (u * apart) as usize;
    (0..windows).map(|i| if i + 1 == windows { last } else { begin(i).min(last) }).collect()
}

impl Define for FractionalMaxPool2d {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (input, output) = (&inputs[0].ty.shape, &outputs[0].shape);
        let (h, w, oh, ow) = (input[2], input[3], output[2], output[3]);
        let (mut maxima, mut indices) = (Vec::new(), Vec::new());
        for (image, samples) in inputs[0].data.chunks(h * w).zip(inputs[1].data.chunks(2)) {
            let columns = starts(samples[0], w, self.kernel_size.w, ow);
            for top in starts(samples[1], h, self.kernel_size.h, oh) {
                for &left in &columns {
                    let (rows, columns) = (top..top + self.kernel_size.h, left..left + self.kernel_size.w);
                    let (best, index) = winner(image, w, rows, columns);
                    maxima.push(best);
                    indices.push(index as f64);
                }
            }
        }
        Ok(vec![maxima, indices])
    }
}
