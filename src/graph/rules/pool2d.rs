//! Pools: an average spreads its error, a maximum hands it to the tap that won.

use super::Differentiate;
use super::images::Images;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{AvgPool2d, AvgPool2dBackward, MaxPool2d, MaxPool2dBackward};

impl Tensor {
    /// The maximum over each window of `self (N, C, H, W)`; ties take the first tap. Without N as well.
    ///
    /// # Errors
    /// When a window has no tap inside the input.
    pub fn max_pool2d(&self, options: MaxPool2d) -> Result<Tensor> {
        self.max_pool2d_with_indices(options).map(|(maxima, _)| maxima)
    }

    /// The maximum over each window and the index `h * W + w` it came from.
    ///
    /// # Errors
    /// As [`Tensor::max_pool2d`].
    pub fn max_pool2d_with_indices(&self, options: MaxPool2d) -> Result<(Tensor, Tensor)> {
        let images = Images::new(self, "max_pool2d", 2)?;
        images.two(options)
    }

    /// The mean over each window of `self (N, C, H, W)`. Without N as well.
    ///
    /// # Errors
    /// When the window does not fit.
    pub fn avg_pool2d(&self, options: AvgPool2d) -> Result<Tensor> {
        let images = Images::new(self, "avg_pool2d", 2)?;
        images.back(&images.tensor.one(options, &[&images.tensor])?)
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
