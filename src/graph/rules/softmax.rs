//! Softmax, its logarithm, and the gradient of the cross entropy of logits.

use super::Differentiate;
use crate::Dim;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{CrossEntropy, CrossEntropyBackward, Rule, Softmax, SoftmaxBackward};

impl Tensor {
    /// `exp(x) / sum(exp(x))` along `dim`.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn softmax(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        self.along("softmax", dim, |x, dim| x.one(Softmax { dim, log: false }, &[x]))
    }

    /// `x - log(sum(exp(x)))` along `dim`.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn log_softmax(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        self.along("log_softmax", dim, |x, dim| x.one(Softmax { dim, log: true }, &[x]))
    }
}

impl Differentiate for Softmax {
    /// softmax: `y (g - sum(g y))`; log_softmax: `g - exp(y) sum(g)`.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad(self.name())?;
        let rule = || grad.one(SoftmaxBackward(*self), &[grad, &flow.outputs[0]]);
        Ok(vec![flow.wants(0, rule)?])
    }
}

impl Differentiate for CrossEntropy {
    /// `grad * (softmax(x) - (1 - e) onehot(target) - e / C)`, 0 in ignored rows.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("cross_entropy")?;
        let rule = || {
            let inputs = [grad, &flow.inputs[0], &flow.inputs[1], &flow.outputs[1]];
            grad.one(CrossEntropyBackward(*self), &inputs)
        };
        Ok(vec![flow.wants(0, rule)?, None])
    }
}
