//! cast: the same numbers in another type.

use super::{Halves, Rule, count};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// The same numbers in another type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cast {
    /// The type.
    pub to: DType,
}

impl Rule for Cast {
    const NAME: &'static str = "cast";

    fn attributes(&self) -> String {
        format!("to {}", self.to)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        Ok(vec![TensorType { shape: input.shape.clone(), dtype: self.to }])
    }

    fn halves(&self) -> Halves {
        Halves::Any
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}
