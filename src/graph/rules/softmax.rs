//! Softmax, its logarithm, and the gradient of the cross entropy of logits.

use super::Differentiate;
use crate::Dim;
use crate::error::{Mismatch, Result};
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

    /// `exp(-x) / sum(exp(-x))` along `dim`.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn softmin(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        let dim = self.dim("softmin", dim)?;
        self.neg()?.softmax(dim)
    }

    /// The first half along `dim` times the sigmoid of the second (Dauphin and others, 2017).
    ///
    /// # Errors
    /// When there is no such dimension or it is odd.
    pub fn glu(&self, dim: impl Into<Dim>) -> Result<Tensor> {
        let dim = self.dim("glu", dim)?;
        let size = self.shape().get(dim).copied().unwrap_or(1);
        let even = Mismatch::check(size.is_multiple_of(2), "an even dimension to halve", size.to_string());
        even.map_err(self.refused("glu"))?;
        let half = size / 2;
        self.narrow(dim, 0, half)?.mul(self.narrow(dim, half, half)?.sigmoid()?)
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
