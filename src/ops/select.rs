//! sequence_mask: the steps that lie within each sequence.

use super::{Rule, count, dims};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// `lengths (B)`, `u32`, to `(max_length, B)`: 1 within a sequence, else 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequenceMask {
    /// The number of steps.
    pub max_length: usize,
}

impl Rule for SequenceMask {
    const NAME: &'static str = "sequence_mask";

    fn attributes(&self) -> String {
        format!("max_length {}", self.max_length)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [lengths] = count(inputs)?;
        Mismatch::check(lengths.dtype == DType::U32, "u32 lengths", lengths.to_string())?;
        let [batch] = dims(lengths, "lengths (B)")?;
        Ok(vec![TensorType::f32([self.max_length, batch])])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }

    fn index_range(&self, _inputs: &[&TensorType]) -> Option<String> {
        Some(format!("lengths of at most {}", self.max_length))
    }
}
