//! Convolution: the input's gradient is the transposed convolution of the error, the weight's the convolution of the error with
//! the input.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight};
use crate::shape::Shape;

impl Tensor {
    /// Cross-correlation of `self (N, C, H, W)` with `weight (K, C / groups, R, S)`, plus `bias (K)`:
    /// `(N, K, OH, OW)`. What the field calls convolution: the kernel is not flipped. Without N as well.
    ///
    /// # Errors
    /// When the shapes do not fit.
    #[doc(alias = "convolution")]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: Conv2d) -> Result<Tensor> {
        if self.shape().len() == 3 {
            return build(&self.unsqueeze(0)?, weight, bias, options)?.squeeze(0);
        }
        build(self, weight, bias, options)
    }
}

/// Adds a convolution to the graph.
fn build(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: Conv2d) -> Result<Tensor> {
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    x.one(options, &inputs)
}

fn backward_input(options: &Conv2d, grad: &Tensor, weight: &Tensor, input: Shape) -> Result<Tensor> {
    let op = Conv2dBackwardInput { options: *options, input };
    grad.one(op, &[grad, weight])
}

fn backward_weight(options: &Conv2d, grad: &Tensor, input: &Tensor, weight: Shape) -> Result<Tensor> {
    let op = Conv2dBackwardWeight { options: *options, weight };
    grad.one(op, &[grad, input])
}

impl Differentiate for Conv2d {
    /// The input's gradient is the transposed convolution of the error, the weight's the convolution of the
    /// error with the input, the bias' the error summed over batch and image.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, x, weight) = (flow.grad("conv2d")?, &flow.inputs[0], &flow.inputs[1]);
        Ok(vec![
            flow.wants(0, || backward_input(self, grad, weight, x.shape()))?,
            flow.wants(1, || backward_weight(self, grad, x, weight.shape()))?,
            flow.wants(2, || grad.sum([0, 2, 3], false))?,
        ])
    }
}

impl Differentiate for Conv2dBackwardInput {
    /// The map is bilinear, so its derivatives are the other two convolutions.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, error, weight) = (flow.grad("conv2d_backward_input")?, &flow.inputs[0], &flow.inputs[1]);
        Ok(vec![
            flow.wants(0, || build(grad, weight, None, self.options))?,
            flow.wants(1, || backward_weight(&self.options, error, grad, weight.shape()))?,
        ])
    }
}

impl Differentiate for Conv2dBackwardWeight {
    /// The map is bilinear, so its derivatives are the other two convolutions.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, error, x) = (flow.grad("conv2d_backward_weight")?, &flow.inputs[0], &flow.inputs[1]);
        Ok(vec![
            flow.wants(0, || build(x, grad, None, self.options))?,
            flow.wants(1, || backward_input(&self.options, error, grad, x.shape()))?,
        ])
    }
}
