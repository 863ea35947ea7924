//! avg_pool2d: the mean of each window.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{AvgPool2d, AvgPool2dBackward};
use crate::shape::Shape;
use crate::tensor::TensorType;
use std::ops::Range;

impl Define for AvgPool2d {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs, outputs)])
    }
}

impl Define for AvgPool2dBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.options, &self.input, inputs)])
    }
}

/// The rows inside the input of window `i`, and how many rows count in the divisor. PyTorch counts padding,
/// but nothing beyond it.
fn rows(
    i: usize,
    kernel: usize,
    stride: usize,
    input: usize,
    before: usize,
    after: usize,
    pad: bool,
) -> (Range<usize>, usize) {
    let start = i * stride;
    let end = (start + kernel).min(before + input + after);
    let inside = start.max(before) - before..end.min(before + input).max(before) - before;
    let count = if pad { end - start } else { inside.len() };
    (inside, count)
}

/// Calls `window(o, rows, columns, divisor)` for each output of a plane.
fn windows(
    o: &AvgPool2d,
    input: &Shape,
    output: &Shape,
    mut window: impl FnMut(usize, Range<usize>, Range<usize>, f64),
) {
    let (k, p, pad) = (o.kernel_size, o.padding, o.count_include_pad);
    for i in 0..output[2] {
        for j in 0..output[3] {
            let (y, tall) = rows(i, k.h, o.stride.h, input[2], p.top, p.bottom, pad);
            let (x, wide) = rows(j, k.w, o.stride.w, input[3], p.left, p.right, pad);
            window(i * output[3] + j, y, x, o.divisor_override.unwrap_or(tall * wide) as f64);
        }
    }
}

fn forward(o: &AvgPool2d, inputs: &[&Array], outputs: &[TensorType]) -> Vec<f64> {
    let (input, output) = (&inputs[0].ty.shape, &outputs[0].shape);
    let mut means = Vec::with_capacity(output.elements());
    for image in inputs[0].data.chunks(input[2] * input[3]) {
        windows(o, input, output, |_, rows, columns, divisor| {
            let mut sum = 0.0;
            for y in rows {
                sum += image[y * input[3]..][columns.clone()].iter().sum::<f64>();
            }
            means.push(sum / divisor);
        });
    }
    means
}

fn backward(o: &AvgPool2d, input: &Shape, inputs: &[&Array]) -> Vec<f64> {
    let output = &inputs[0].ty.shape;
    let mut result = vec![0.0; input.elements()];
    let planes = result.chunks_mut(input[2] * input[3]).zip(inputs[0].data.chunks(output[2] * output[3]));
    for (image, errors) in planes {
        windows(o, input, output, |at, rows, columns, divisor| {
            for y in rows {
                image[y * input[3]..][columns.clone()].iter_mut().for_each(|v| *v += errors[at] / divisor);
            }
        });
    }
    result
}
