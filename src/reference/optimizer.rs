//! One step of an optimizer, number by number.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Increment, OptimizerStep};
use crate::tensor::TensorType;
use crate::updates::Given;

impl Define for OptimizerStep {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (first, kept) = (self.shared().end, self.kept());
        let scalar = |position: usize| inputs[position].data[0];
        let mut results = vec![Vec::with_capacity(inputs[0].data.len()); outputs.len()];
        for i in 0..inputs[0].data.len() {
            let given = Given {
                lr: scalar(2),
                step: self.step().map_or(1.0, scalar),
                product: self.product().map(scalar),
                param: inputs[0].data[i],
                grad: inputs[1].data[i],
                kept: kept
                    .iter()
                    .zip(&inputs[first..])
                    .map(|((position, _), a)| (*position, a.data[i]))
                    .collect(),
            };
            let (param, after) = self.update.value(&self.options, &given);
            results[0].push(param);
            kept.iter()
                .zip(&mut results[1..])
                .for_each(|((position, _), result)| result.push(after[*position]));
        }
        Ok(results)
    }
}

impl Define for Increment {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![inputs[0].data.iter().map(|v| v + 1.0).collect()])
    }
}
