//! One step of an optimizer.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{AdamStep, Increment, SgdStep};
use crate::tensor::TensorType;

impl Define for SgdStep {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(sgd(self, inputs))
    }
}

impl Define for AdamStep {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(adam(self, inputs))
    }
}

impl Define for Increment {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![inputs[0].data.iter().map(|v| v + 1.0).collect()])
    }
}

/// New parameter and, with momentum, new velocity.
fn sgd(o: &SgdStep, inputs: &[&Array]) -> Vec<Vec<f64>> {
    let (momentum, decay) = (f64::from(o.momentum), f64::from(o.weight_decay));
    let lr = inputs[2].data[0];
    let (mut params, mut velocities) = (Vec::new(), Vec::new());
    for (i, (&p, &g)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
        let g = g + decay * p;
        let v = inputs.get(3).map_or(g, |velocity| momentum * velocity.data[i] + g);
        params.push(p - lr * if o.nesterov { g + momentum * v } else { v });
        velocities.push(v);
    }
    if inputs.len() == 4 { vec![params, velocities] } else { vec![params] }
}

/// New parameter and averages.
fn adam(o: &AdamStep, inputs: &[&Array]) -> Vec<Vec<f64>> {
    let (b1, b2) = o.betas;
    let (eps, decay) = (f64::from(o.eps), f64::from(o.weight_decay));
    let (lr, step) = (inputs[2].data[0], inputs[3].data[0]);
    let (c1, c2) = (1.0 - b1.powf(step), 1.0 - b2.powf(step));
    let (mut params, mut means, mut squares) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..inputs[0].data.len() {
        let at = |input: usize| inputs[input].data[i];
        let p = if o.decoupled { at(0) * (1.0 - lr * decay) } else { at(0) };
        let g = if o.decoupled { at(1) } else { at(1) + decay * at(0) };
        let m = b1 * at(4) + (1.0 - b1) * g;
        let v = b2 * at(5) + (1.0 - b2) * g * g;
        params.push(p - lr * (m / c1) / ((v / c2).sqrt() + eps));
        means.push(m);
        squares.push(v);
    }
    vec![params, means, squares]
}
