//! embedding: rows of a table by index. `output[n,d] = weight[index[n],d]`.
//!
//! Indices are `u32`; the graph cannot see their values. One that the table lacks gives a row of zeros and takes no
//! gradient, and the next run or read of the program fails, naming the row: see [`Op::index_range`].

use super::{Rule, count, dims, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

fn output(weight: &TensorType, indices: &TensorType) -> Result<TensorType, Mismatch> {
    let [_, width] = dims(weight, "weight (num_embeddings, embedding_dim)")?;
    Mismatch::check(indices.dtype == DType::U32, "u32 indices", indices.to_string())?;
    let mut shape = indices.shape.to_vec();
    shape.push(width);
    Ok(TensorType::f32(shape))
}

/// `weight (V, D), indices (..)` to `(.., D)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Embedding {
    /// A row that takes no gradient.
    pub padding_idx: Option<usize>,
}

impl Rule for Embedding {
    const NAME: &'static str = "embedding";

    fn attributes(&self) -> String {
        self.padding_idx.map_or_else(String::new, |row| format!("padding_idx {row}"))
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [weight, indices] = count(inputs)?;
        f32s::<1>(&[weight])?;
        let output = output(weight, indices)?;
        if let (Some(row), Some(&rows)) = (self.padding_idx, weight.shape.first()) {
            Mismatch::check(row < rows, format!("a padding_idx below {rows}"), row.to_string())?;
        }
        Ok(vec![output])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }

    fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        below(&inputs[0].shape)
    }
}

/// `grad_output (.., D), indices (..)` to `grad_weight (V, D)`.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingBackward {
    /// The forward op's weight shape.
    pub weight: Shape,
}

impl Rule for EmbeddingBackward {
    const NAME: &'static str = "embedding_backward";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, indices] = count(inputs)?;
        let weight = TensorType::f32(self.weight.clone());
        same("grad_output", &output(&weight, indices)?, grad)?;
        Ok(vec![weight])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        elements(inputs)
    }

    fn index_range(&self, _inputs: &[&TensorType]) -> Option<String> {
        below(&self.weight)
    }
}

/// What indices of a table must be.
fn below(weight: &Shape) -> Option<String> {
    weight.first().map(|rows| format!("indices below {rows}"))
}
