//! Elements repeated along stretched dimensions.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::BroadcastTo;
use crate::shape::Shape;
use crate::tensor::TensorType;

impl Define for BroadcastTo {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(inputs[0], &self.shape)])
    }
}

/// The position in `from` that element `index` of `to` reads: coordinates from the last dimension on, those of
/// stretched dimensions dropped.
pub(super) fn source(mut index: usize, from: &Shape, to: &Shape) -> usize {
    let lead = to.len() - from.len();
    let (mut at, mut stride) = (0, 1);
    for d in (0..to.len()).rev() {
        let coordinate = index % to[d];
        index /= to[d];
        if d >= lead {
            at += if from[d - lead] == 1 { 0 } else { coordinate * stride };
            stride *= from[d - lead];
        }
    }
    at
}

fn forward(input: &Array, to: &Shape) -> Vec<f64> {
    (0..to.elements()).map(|i| input.data[source(i, &input.ty.shape, to)]).collect()
}
