//! concat, split, narrow and permute.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Concat, Narrow, NarrowBackward, Permute, Split};
use crate::shape::Shape;
use crate::tensor::TensorType;

impl Define for Concat {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![concat(self.dim, inputs)])
    }
}

impl Define for Split {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(split(self.dim, inputs, outputs))
    }
}

impl Define for Narrow {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![narrow(self.dim, self.start, inputs[0], &outputs[0])])
    }
}

impl Define for NarrowBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![narrow_backward(self.dim, self.start, &self.input, inputs)])
    }
}

impl Define for Permute {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![permute(&self.dims, inputs, outputs)])
    }
}

/// The number of positions before dimension `dim`, and the elements from it on.
fn rows(shape: &Shape, dim: usize) -> (usize, usize) {
    (shape[..dim].iter().product(), shape[dim..].iter().product())
}

fn concat(dim: usize, inputs: &[&Array]) -> Vec<f64> {
    let (outer, _) = rows(&inputs[0].ty.shape, dim);
    let mut output = Vec::new();
    for row in 0..outer {
        for input in inputs {
            let (_, length) = rows(&input.ty.shape, dim);
            output.extend_from_slice(&input.data[row * length..][..length]);
        }
    }
    output
}

fn split(dim: usize, inputs: &[&Array], outputs: &[TensorType]) -> Vec<Vec<f64>> {
    let mut start = 0;
    let mut parts = Vec::new();
    for output in outputs {
        parts.push(narrow(dim, start, inputs[0], output));
        start += output.shape[dim];
    }
    parts
}

fn narrow(dim: usize, start: usize, input: &Array, output: &TensorType) -> Vec<f64> {
    let (outer, length) = rows(&input.ty.shape, dim);
    let (_, kept) = rows(&output.shape, dim);
    let skipped = start * (length / input.ty.shape[dim]);
    (0..outer).flat_map(|row| input.data[row * length + skipped..][..kept].iter().copied()).collect()
}

fn narrow_backward(dim: usize, start: usize, input: &Shape, inputs: &[&Array]) -> Vec<f64> {
    let (_, length) = rows(input, dim);
    let (_, kept) = rows(&inputs[0].ty.shape, dim);
    let skipped = start * (length / input[dim]);
    let mut output = vec![0.0; input.elements()];
    for (row, part) in inputs[0].data.chunks(kept).enumerate() {
        output[row * length + skipped..][..kept].copy_from_slice(part);
    }
    output
}

fn permute(dims: &[usize], inputs: &[&Array], outputs: &[TensorType]) -> Vec<f64> {
    let strides = inputs[0].ty.shape.strides();
    let at = |index: usize| {
        let (mut rest, mut from) = (index, 0);
        for d in (0..dims.len()).rev() {
            from += rest % outputs[0].shape[d] * strides[dims[d]];
            rest /= outputs[0].shape[d];
        }
        inputs[0].data[from]
    };
    (0..outputs[0].shape.elements()).map(at).collect()
}
