//! Pools: an average spreads its error, a maximum hands it to the tap that won.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{AvgPool2d, AvgPool2dBackward, MaxPool2d, MaxPool2dBackward};

impl Tensor {
    /// The maximum over each window of `self (N, C, H, W)`; ties take the first tap.
    ///
    /// # Errors
    /// When a window has no tap inside the input.
    pub fn max_pool2d(&self, options: MaxPool2d) -> Result<Tensor> {
        self.one(options, &[self])
    }

    /// The maximum over each window and the index `h * W + w` it came from.
    ///
    /// # Errors
    /// As [`Tensor::max_pool2d`].
    pub fn max_pool2d_with_indices(&self, options: MaxPool2d) -> Result<(Tensor, Tensor)> {
        let mut outputs = self.graph.apply(options, &[self])?;
        let indices = outputs.remove(1);
        Ok((outputs.remove(0), indices))
    }

    /// The mean over each window of `self (N, C, H, W)`.
    ///
    /// # Errors
    /// When the window does not fit.
    pub fn avg_pool2d(&self, options: AvgPool2d) -> Result<Tensor> {
        self.one(options, &[self])
    }
}

impl Differentiate for MaxPool2d {
    /// Each error goes to the tap that won; an input gathers from all windows that chose it.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("max_pool2d")?;
        let rule = || {
            let op = MaxPool2dBackward { options: *self, input: flow.inputs[0].shape() };
            grad.one(op, &[grad, &flow.outputs[1]])
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}

impl Differentiate for AvgPool2d {
    /// Each window spreads its error evenly, over the same divisor.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("avg_pool2d")?;
        let rule = || {
            let op = AvgPool2dBackward { options: *self, input: flow.inputs[0].shape() };
            grad.one(op, &[grad])
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}

impl Differentiate for AvgPool2dBackward {
    /// The map is linear: its derivative is the pool itself.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("avg_pool2d_backward")?;
        Ok(vec![flow.wants(0, || grad.avg_pool2d(self.options))?])
    }
}
