//! broadcast_to: elements repeated along stretched and new leading dimensions.

use super::{Rule, only_f32};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// Elements repeated along stretched dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct BroadcastTo {
    /// The new shape.
    pub shape: Shape,
}

impl Rule for BroadcastTo {
    const NAME: &'static str = "broadcast_to";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = only_f32(inputs)?;
        let got = || format!("{} for {}", input.shape, self.shape);
        let fits = input.shape.broadcast(&self.shape).is_ok_and(|result| result == self.shape);
        Mismatch::check(fits, "a shape that stretches to the new one", got())?;
        Ok(vec![TensorType::f32(self.shape.clone())])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}
