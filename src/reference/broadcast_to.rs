//! Elements repeated along stretched dimensions.

use super::Array;
use crate::shape::Shape;

/// The place in `from` that element `index` of `to` reads: coordinates from the last dimension on, those of
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

pub(super) fn forward(input: &Array, to: &Shape) -> Vec<f64> {
    (0..to.elements()).map(|i| input.data[source(i, &input.ty.shape, to)]).collect()
}
