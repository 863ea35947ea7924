//! sequence_mask.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::SequenceMask;
use crate::tensor::TensorType;

impl Define for SequenceMask {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![mask(self.max_length, inputs)])
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(self.max_length, inputs)
    }
}

/// The first sequence that is longer than the mask.
fn out_of_range(max_length: usize, inputs: &[&Array]) -> Option<usize> {
    inputs[0].data.iter().position(|&length| length > max_length as f64)
}

/// 1 at `[t,b]` where `t < lengths[b]`.
fn mask(max_length: usize, inputs: &[&Array]) -> Vec<f64> {
    let inside = |t: usize, length: f64| if (t as f64) < length { 1.0 } else { 0.0 };
    (0..max_length).flat_map(|t| inputs[0].data.iter().map(move |&length| inside(t, length))).collect()
}
