//! max_pool2d: the first of the largest taps inside the input; of NaNs the last.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{MaxPool2d, MaxPool2dBackward};
use crate::shape::Shape;
use crate::tensor::TensorType;

impl Define for MaxPool2d {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(forward(self, inputs, outputs))
    }
}

impl Define for MaxPool2dBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.input, inputs)])
    }
}

/// The maxima and their positions `h * W + w` in the plane.
fn forward(o: &MaxPool2d, inputs: &[&Array], outputs: &[TensorType]) -> Vec<Vec<f64>> {
    let (input, output) = (&inputs[0].ty.shape, &outputs[0].shape);
    let (h, w) = (input[2], input[3]);
    let (mut maxima, mut indices) = (Vec::new(), Vec::new());
    for image in inputs[0].data.chunks(h * w) {
        for i in 0..output[2] {
            for j in 0..output[3] {
                let mut best: Option<(f64, usize)> = None;
                for a in 0..o.kernel_size.h {
                    for b in 0..o.kernel_size.w {
                        let y = (i * o.stride.h + a * o.dilation.h).checked_sub(o.padding.top);
                        let x = (j * o.stride.w + b * o.dilation.w).checked_sub(o.padding.left);
                        let (Some(y), Some(x)) = (y.filter(|&y| y < h), x.filter(|&x| x < w)) else {
                            continue;
                        };
                        let value = image[y * w + x];
                        if best.is_none_or(|(most, _)| value > most || value.is_nan()) {
                            best = Some((value, y * w + x));
                        }
                    }
                }
                // Shape inference refuses windows with no tap inside.
                let (value, index) = best.unwrap_or((f64::NEG_INFINITY, 0));
                maxima.push(value);
                indices.push(index as f64);
            }
        }
    }
    vec![maxima, indices]
}

/// Each error goes where the maximum came from.
fn backward(input: &Shape, inputs: &[&Array]) -> Vec<f64> {
    let windows: usize = inputs[0].ty.shape[2..].iter().product();
    let plane = input[2] * input[3];
    let mut output = vec![0.0; input.elements()];
    for (number, (error, index)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
        output[number / windows * plane + *index as usize] += error;
    }
    output
}
