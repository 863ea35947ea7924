//! Rows of a table by index.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Embedding, EmbeddingBackward};
use crate::shape::Shape;
use crate::tensor::TensorType;

impl Define for Embedding {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(inputs)])
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(&inputs[0].ty.shape, inputs)
    }
}

impl Define for EmbeddingBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.weight, inputs)])
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(&self.weight, inputs)
    }
}

/// The first index that the table lacks.
fn out_of_range(weight: &Shape, inputs: &[&Array]) -> Option<usize> {
    let rows = weight[0] as f64;
    inputs[1].data.iter().position(|&index| index >= rows)
}

fn forward(inputs: &[&Array]) -> Vec<f64> {
    let (table, width) = (&inputs[0].data, inputs[0].ty.shape[1]);
    let mut output = Vec::new();
    for &index in &inputs[1].data {
        match table.chunks(width).nth(index as usize) {
            Some(row) => output.extend_from_slice(row),
            None => output.extend(vec![0.0; width]),
        }
    }
    output
}

fn backward(weight: &Shape, inputs: &[&Array]) -> Vec<f64> {
    let width = weight[1];
    let mut output = vec![0.0; weight.elements()];
    for (&index, grads) in inputs[1].data.iter().zip(inputs[0].data.chunks(width)) {
        if let Some(row) = output.chunks_mut(width).nth(index as usize) {
            row.iter_mut().zip(grads).for_each(|(sum, g)| *sum += g);
        }
    }
    output
}
