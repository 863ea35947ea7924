//! sum over dimensions.

use super::{Rule, elements, only_f32};
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// The sum over dimensions, which are dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// Ascending, each once.
    pub dims: Vec<usize>,
}

impl Rule for Sum {
    const NAME: &'static str = "sum";

    fn attributes(&self) -> String {
        format!("dims {:?}", self.dims)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = only_f32(inputs)?;
        let rank = input.shape.len();
        let valid = self.dims.iter().all(|&d| d < rank) && self.dims.windows(2).all(|w| w[0] < w[1]);
        Mismatch::check(
            valid,
            format!("ascending dimensions below the rank {rank}, each once"),
            format!("{:?}", self.dims),
        )?;
        let kept = (0..rank).filter(|d| !self.dims.contains(d)).map(|d| input.shape[d]);
        Ok(vec![TensorType::f32(kept.collect::<Vec<_>>())])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        elements(inputs)
    }
}
