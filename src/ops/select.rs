//! where and sequence_mask: choices by element, and the steps that lie within each sequence.

use super::{Rule, count, dims, elements, f32s};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// `condition, a, b`, broadcast, to one of the two by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Where;

impl Rule for Where {
    const NAME: &'static str = "where";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [condition, a, b] = f32s(inputs)?;
        Ok(vec![TensorType::f32(condition.shape.broadcast(&a.shape)?.broadcast(&b.shape)?)])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }
}

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
