//! Softmax, its logarithm, and the cross entropy of logits.

use super::Differentiate;
use crate::Dim;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{CrossEntropy, CrossEntropyBackward, Reduction, Rule, Softmax, SoftmaxBackward};

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

    /// The cross entropy of logits `self (N, C, ..)` with class indices `target (N, ..)`, reduced to a
    /// scalar or left as `(N, ..)`.
    ///
    /// # Errors
    /// When the shapes do not fit or an option is out of range.
    pub fn cross_entropy(
        &self,
        target: &Tensor,
        options: CrossEntropy,
        reduction: Reduction,
    ) -> Result<Tensor> {
        build(self, target, options, reduction)
    }
}

fn build(logits: &Tensor, target: &Tensor, options: CrossEntropy, reduction: Reduction) -> Result<Tensor> {
    let outputs = logits.graph().apply(options, &[logits, target])?;
    let [rows, _, counted] = &outputs[..] else {
        let got = format!("{} outputs", outputs.len());
        return Err(Error::op("cross_entropy", "", Mismatch::new("3 outputs", got)));
    };
    match (reduction, options.ignore_index) {
        (Reduction::None, _) => Ok(rows.clone()),
        (Reduction::Sum, _) => rows.sum((), false),
        (Reduction::Mean, None) => rows.mean((), false),
        (Reduction::Mean, Some(_)) => rows.sum((), false)?.div(&counted.sum((), false)?),
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
