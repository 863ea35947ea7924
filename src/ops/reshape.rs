//! reshape: the same elements under another shape; costs nothing on the device.

use super::{Rule, count};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// The same elements under another shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Reshape {
    /// The new shape.
    pub shape: Shape,
}

impl Rule for Reshape {
    const NAME: &'static str = "reshape";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        Mismatch::check(
            input.shape.elements() == self.shape.elements(),
            format!("a shape of {} elements, as {} has", input.shape.elements(), input.shape),
            self.shape.to_string(),
        )?;
        Ok(vec![TensorType { shape: self.shape.clone(), dtype: input.dtype }])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}
