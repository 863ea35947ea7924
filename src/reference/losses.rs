//! nll_loss, row by row.

use super::softmax::{element, sizes};
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{NllLoss, NllLossBackward};
use crate::tensor::TensorType;

impl NllLoss {
    /// The weight with which a row of this target counts.
    fn counts(&self, target: f64, classes: usize, weight: Option<&&Array>) -> f64 {
        let ignored = self.ignore_index.is_some_and(|index| f64::from(index) == target);
        if ignored || target >= classes as f64 {
            return 0.0;
        }
        weight.map_or(1.0, |weight| weight.data[target as usize])
    }
}

impl Define for NllLoss {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let [outer, classes, inner] = sizes(&inputs[0].ty.shape, 1)?;
        let (mut losses, mut counted) = (Vec::new(), Vec::new());
        for row in 0..outer * inner {
            let target = inputs[1].data[row];
            let ignored = self.ignore_index.is_some_and(|index| f64::from(index) == target);
            let counts = self.counts(target, classes, inputs.get(2));
            let known = !ignored && target < classes as f64;
            let at = || element(row, target as usize, classes, inner);
            losses.push(if known { -counts * inputs[0].data[at()] } else { 0.0 });
            counted.push(counts);
        }
        Ok(vec![losses, counted])
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        let classes = f64::from(u32::try_from(inputs[0].ty.shape[1]).unwrap_or(u32::MAX));
        let ignored = |target: f64| self.ignore_index.is_some_and(|index| f64::from(index) == target);
        inputs[1].data.iter().position(|&target| target >= classes && !ignored(target))
    }
}

impl Define for NllLossBackward {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let [outer, classes, inner] = sizes(&outputs[0].shape, 1)?;
        let mut output = vec![0.0; outputs[0].shape.elements()];
        for row in 0..outer * inner {
            let target = inputs[1].data[row];
            let ignored = self.forward.ignore_index.is_some_and(|index| f64::from(index) == target);
            if !ignored && target < classes as f64 {
                let counts = self.forward.counts(target, classes, inputs.get(2));
                output[element(row, target as usize, classes, inner)] = -counts * inputs[0].data[row];
            }
        }
        Ok(vec![output])
    }
}
