//! cross_entropy, row by row.

use super::softmax::{element, logsumexp, sizes};
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{CrossEntropy, CrossEntropyBackward};
use crate::tensor::TensorType;

impl Define for CrossEntropy {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        forward(self, inputs)
    }

    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        out_of_range(self, inputs)
    }
}

impl Define for CrossEntropyBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.0, inputs)?])
    }
}

fn ignored(o: &CrossEntropy, target: f64) -> bool {
    o.ignore_index.is_some_and(|index| f64::from(index) == target)
}

/// The first row whose target is neither a class nor ignored.
fn out_of_range(o: &CrossEntropy, inputs: &[&Array]) -> Option<usize> {
    let classes = inputs[0].ty.shape[1] as f64;
    inputs[1].data.iter().position(|&target| target >= classes && !ignored(o, target))
}

/// Losses, maxima, logarithms of sums of exponentials relative to them, and which rows count.
fn forward(o: &CrossEntropy, inputs: &[&Array]) -> Result<Vec<Vec<f64>>, Mismatch> {
    let [outer, classes, inner] = sizes(&inputs[0].ty.shape, 1)?;
    let smoothing = f64::from(o.label_smoothing);
    let (mut losses, mut saved, mut counted) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..outer * inner {
        let x: Vec<f64> = (0..classes).map(|c| inputs[0].data[element(row, c, classes, inner)]).collect();
        let target = inputs[1].data[row];
        let (highest, log_sum) = logsumexp(&x);
        // The maximum is taken out of all parts; a target that is no class has none to take it from.
        let (chosen, left) = match x.get(target as usize) {
            Some(chosen) => ((1.0 - smoothing) * (chosen - highest), 0.0),
            None => (0.0, (1.0 - smoothing) * highest),
        };
        let spread = match smoothing > 0.0 {
            true => smoothing / classes as f64 * x.iter().map(|v| v - highest).sum::<f64>(),
            false => 0.0,
        };
        losses.push(if ignored(o, target) { 0.0 } else { log_sum - chosen - spread + left });
        saved.extend([highest, log_sum]);
        counted.push(if ignored(o, target) { 0.0 } else { 1.0 });
    }
    Ok(vec![losses, saved, counted])
}

/// `grad * (softmax(x) - (1 - e) onehot(target) - e / C)`, 0 in ignored rows.
fn backward(o: &CrossEntropy, inputs: &[&Array]) -> Result<Vec<f64>, Mismatch> {
    let (grad, logits, target) = (inputs[0], inputs[1], inputs[2]);
    let saved = &inputs[3].data;
    let [outer, classes, inner] = sizes(&logits.ty.shape, 1)?;
    let smoothing = f64::from(o.label_smoothing);
    let mut output = vec![0.0; logits.data.len()];
    for row in (0..outer * inner).filter(|&row| !ignored(o, target.data[row])) {
        for c in 0..classes {
            let at = element(row, c, classes, inner);
            let wanted = if c as f64 == target.data[row] { 1.0 - smoothing } else { 0.0 };
            let probability = (logits.data[at] - saved[2 * row] - saved[2 * row + 1]).exp();
            output[at] = grad.data[row] * (probability - wanted - smoothing / classes as f64);
        }
    }
    Ok(output)
}
