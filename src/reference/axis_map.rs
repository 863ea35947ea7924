//! axis_map: linear maps along a dimension.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::AxisMap;
use crate::tensor::TensorType;

impl Define for AxisMap {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let input = inputs[0];
        let inner: usize = input.ty.shape[self.dim + 1..].iter().product();
        let mut output = Vec::with_capacity(outputs[0].shape.elements());
        for plane in input.data.chunks(self.matrix.inputs() * inner) {
            for t in 0..self.matrix.outputs() {
                for at in 0..inner {
                    let mut terms = self.matrix.row(t).map(|(from, w)| w * plane[from * inner + at]);
                    let first = terms.next().unwrap_or_else(|| f64::from(self.fill));
                    output.push(terms.fold(first, |sum, term| sum + term));
                }
            }
        }
        Ok(vec![output])
    }
}
