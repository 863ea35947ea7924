//! Ops from outside the crate, by their CPU functions.

use super::{Array, Define};
use crate::custom::{Custom, Values};
use crate::error::Mismatch;
use crate::tensor::TensorType;

impl Define for Custom {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let read: Vec<Values<'_>> = inputs.iter().map(|a| Values { ty: &a.ty, data: &a.data }).collect();
        let without =
            || Mismatch::new("a CPU function of this custom op", "none: the reference cannot run it");
        let data = self.op().eval(&read, outputs).ok_or_else(without)?;
        let expected: Vec<usize> = outputs.iter().map(|ty| ty.shape.elements()).collect();
        let got: Vec<usize> = data.iter().map(Vec::len).collect();
        let words = || format!("outputs of {expected:?} elements from its CPU function");
        Mismatch::check(got == expected, words(), format!("{got:?}"))?;
        Ok(data)
    }
}
