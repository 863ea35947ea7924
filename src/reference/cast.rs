//! The same numbers in another type.

use super::{Array, Define};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::ops::Cast;
use crate::tensor::TensorType;

impl Define for Cast {
    /// What has a fraction in both types is rounded where it is stored.
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let whole = |v: &f64| if self.to == DType::U32 { self.to.rounded(*v) } else { *v };
        Ok(vec![inputs[0].data.iter().map(whole).collect()])
    }
}
