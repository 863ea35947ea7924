//! conv2d and its gradients: a tap at a time over whole lines of the image.

use super::{Array, Define, parallel::blocks};
use crate::error::Mismatch;
use crate::ops::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, ConvGeometry};
use crate::shape::Shape;
use crate::tensor::TensorType;
use std::ops::Range;

impl Define for Conv2d {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs)?])
    }
}

impl Define for Conv2dBackwardInput {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward_input(&self.options, &self.input, inputs)?])
    }
}

impl Define for Conv2dBackwardWeight {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward_weight(&self.options, &self.weight, inputs)?])
    }
}

/// The outputs `o` of an axis whose tap `t` lies inside the input: `0 <= o * stride + t * dilation - pad < input`.
fn inside(outputs: usize, input: usize, stride: usize, shift: i64) -> Range<usize> {
    let reaches = |limit: i64| ((limit - shift).max(0) as usize).div_ceil(stride);
    let first = reaches(0).min(outputs);
    first..reaches(input as i64).clamp(first, outputs)
}

/// Calls `line(i, y, columns, shift)` for each output row `i` whose tap `(r, s)` lies in input row `y`, with the
/// output columns whose tap lies inside; output column `j` reads input column `j * stride + shift`.
fn lines(g: &ConvGeometry, r: usize, s: usize, mut line: impl FnMut(usize, usize, Range<usize>, i64)) {
    let Conv2d { stride, padding, dilation, .. } = g.options;
    let down = (r * dilation.h) as i64 - padding.top as i64;
    let right = (s * dilation.w) as i64 - padding.left as i64;
    let columns = inside(g.ow, g.w, stride.w, right);
    for i in inside(g.oh, g.h, stride.h, down) {
        line(i, ((i * stride.h) as i64 + down) as usize, columns.clone(), right);
    }
}

/// `output[n,k,i,j] = bias[k] + sum_c,r,s input[n,c,i*s+r*d-p,..] weight[k,c,r,s]`.
fn forward(options: &Conv2d, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let (x, w) = (&inputs[0].data, &inputs[1].data);
    let g = ConvGeometry::new(options, &inputs[0].ty.shape, &inputs[1].ty.shape)?;
    let (k_group, c_group) = (g.k / options.groups, g.c / options.groups);
    let mut output = vec![0.0; g.n * g.k * g.oh * g.ow];
    blocks(&mut output, g.oh * g.ow, |block, plane| {
        let (n, k) = (block / g.k, block % g.k);
        plane.fill(inputs.get(2).map_or(0.0, |bias| bias.data[k]));
        for c in 0..c_group {
            let image = &x[(n * g.c + k / k_group * c_group + c) * g.h * g.w..][..g.h * g.w];
            for (r, s) in taps(&g) {
                let weight = w[((k * c_group + c) * g.r + r) * g.s + s];
                lines(&g, r, s, |i, y, columns, shift| {
                    let (from, to) = (&image[y * g.w..][..g.w], &mut plane[i * g.ow..][..g.ow]);
                    for j in columns {
                        to[j] += from[((j * g.options.stride.w) as i64 + shift) as usize] * weight;
                    }
                });
            }
        }
    });
    Ok(output)
}

/// `grad_input[n,c,y,x] = sum over the outputs and taps that read (y, x) of grad_output[n,k,i,j] weight[k,c,r,s]`.
fn backward_input(options: &Conv2d, input: &Shape, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let (grad, w) = (&inputs[0].data, &inputs[1].data);
    let g = ConvGeometry::new(options, input, &inputs[1].ty.shape)?;
    let (k_group, c_group) = (g.k / options.groups, g.c / options.groups);
    let mut output = vec![0.0; g.n * g.c * g.h * g.w];
    blocks(&mut output, g.h * g.w, |block, image| {
        let (n, c) = (block / g.c, block % g.c);
        for k in c / c_group * k_group..(c / c_group + 1) * k_group {
            let plane = &grad[(n * g.k + k) * g.oh * g.ow..][..g.oh * g.ow];
            for (r, s) in taps(&g) {
                let weight = w[((k * c_group + c % c_group) * g.r + r) * g.s + s];
                lines(&g, r, s, |i, y, columns, shift| {
                    let (from, to) = (&plane[i * g.ow..][..g.ow], &mut image[y * g.w..][..g.w]);
                    for j in columns {
                        to[((j * g.options.stride.w) as i64 + shift) as usize] += from[j] * weight;
                    }
                });
            }
        }
    });
    Ok(output)
}

/// `grad_weight[k,c,r,s] = sum_n,i,j grad_output[n,k,i,j] input[n,c,i*s+r*d-p,..]`.
fn backward_weight(options: &Conv2d, weight: &Shape, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let (grad, x) = (&inputs[0].data, &inputs[1].data);
    let g = ConvGeometry::new(options, &inputs[1].ty.shape, weight)?;
    let (k_group, c_group) = (g.k / options.groups, g.c / options.groups);
    let mut output = vec![0.0; g.k * c_group * g.r * g.s];
    blocks(&mut output, g.r * g.s, |block, kernel| {
        let (k, c) = (block / c_group, block % c_group);
        for n in 0..g.n {
            let plane = &grad[(n * g.k + k) * g.oh * g.ow..][..g.oh * g.ow];
            let image = &x[(n * g.c + k / k_group * c_group + c) * g.h * g.w..][..g.h * g.w];
            for (r, s) in taps(&g) {
                lines(&g, r, s, |i, y, columns, shift| {
                    let (error, from) = (&plane[i * g.ow..][..g.ow], &image[y * g.w..][..g.w]);
                    let products =
                        columns.map(|j| error[j] * from[((j * g.options.stride.w) as i64 + shift) as usize]);
                    kernel[r * g.s + s] += products.sum::<f64>();
                });
            }
        }
    });
    Ok(output)
}

fn taps(g: &ConvGeometry) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (r, s) = (g.r, g.s);
    (0..r).flat_map(move |a| (0..s).map(move |b| (a, b)))
}
