//! conv2d and its gradients: `output[n,k,i,j] = bias[k] + sum input[n,c,i*s+m*d-p,j*s+l*d-p] weight[k,c,m,l]`.

use super::{Op, f32s};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::{Padding, Pair, Shape, Window};
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a convolution, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Step of the window; 1.
    pub stride: Pair,
    /// Zeros around the input, each side on its own; 0.
    pub padding: Padding,
    /// Distance of two taps; 1.
    pub dilation: Pair,
    /// Blocks of channels that do not see each other; 1.
    pub groups: usize,
}

impl Default for Conv2d {
    fn default() -> Self {
        Self { stride: 1.into(), padding: 0.into(), dilation: 1.into(), groups: 1 }
    }
}

impl Conv2d {
    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// Sets the number of groups.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

impl fmt::Display for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stride, padding, dilation, groups } = self;
        write!(f, "stride {stride} padding {padding} dilation {dilation} groups {groups}")
    }
}

/// All sizes of one convolution, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Batch.
    pub n: usize,
    /// Input channels, of all groups.
    pub c: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Output channels, of all groups.
    pub k: usize,
    /// Kernel height.
    pub r: usize,
    /// Kernel width.
    pub s: usize,
    /// Output height.
    pub oh: usize,
    /// Output width.
    pub ow: usize,
    /// Stride, padding, dilation and groups.
    pub options: Conv2d,
}

impl ConvGeometry {
    /// Checks that an input and a weight fit together.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn new(options: &Conv2d, input: &Shape, weight: &Shape) -> Result<Self, Mismatch> {
        let rank4 = |shape: &Shape, what: &str| -> Result<[usize; 4], Mismatch> {
            shape[..].try_into().map_err(|_| Mismatch::new(what, shape.to_string()))
        };
        let [n, c, h, w] = rank4(input, "input (N, C, H, W)")?;
        let [k, c_group, r, s] = rank4(weight, "weight (K, C / groups, R, S)")?;
        input.check()?;
        weight.check()?;
        let groups = options.groups;
        Mismatch::check(groups > 0, "groups of at least 1", "0")?;
        Mismatch::check(
            c % groups == 0 && k % groups == 0,
            format!("{c} input and {k} output channels divisible by groups"),
            format!("groups = {groups}"),
        )?;
        Mismatch::check(
            c_group == c / groups,
            format!("weight with {} input channels (groups = {groups})", c / groups),
            format!("{c_group} in weight {weight}, input {input}"),
        )?;
        let mut geometry = Self { n, c, h, w, k, r, s, oh: 0, ow: 0, options: *options };
        let [vertical, horizontal] = geometry.windows();
        geometry.oh = vertical.output("height")?;
        geometry.ow = horizontal.output("width")?;
        Ok(geometry)
    }

    /// Along the height and along the width.
    fn windows(&self) -> [Window; 2] {
        let Conv2d { stride, padding, dilation, .. } = self.options;
        let window = |input, kernel, stride, before, after, dilation| Window {
            input,
            kernel,
            stride,
            before,
            after,
            dilation,
            ceil: false,
        };
        [
            window(self.h, self.r, stride.h, padding.top, padding.bottom, dilation.h),
            window(self.w, self.s, stride.w, padding.left, padding.right, dilation.w),
        ]
    }

    /// Floating-point operations without those of taps in the padding; the same forward and for each gradient.
    pub fn valid_flops(&self) -> u64 {
        let [vertical, horizontal] = self.windows();
        let taps = vertical.valid_taps(self.oh) * horizontal.valid_taps(self.ow);
        2 * (self.n * self.k * (self.c / self.options.groups)) as u64 * taps
    }

    /// `(N, K, OH, OW)`.
    pub fn output(&self) -> Shape {
        [self.n, self.k, self.oh, self.ow].into()
    }
}

/// Adds a convolution to the graph.
pub(crate) fn build(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: Conv2d) -> Result<Tensor> {
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    x.graph().apply(Op::Conv2d(options), &inputs).map(|mut out| out.remove(0))
}

pub(super) fn infer(options: &Conv2d, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let count = inputs.len();
    Mismatch::check(
        (2..=3).contains(&count),
        "input, weight and an optional bias",
        format!("{count} inputs"),
    )?;
    let [input, weight] = f32s(&inputs[..2])?;
    let geometry = ConvGeometry::new(options, &input.shape, &weight.shape)?;
    if let Some(&bias) = inputs.get(2) {
        super::same("bias", &TensorType::f32([geometry.k]), bias)?;
    }
    Ok(vec![TensorType::f32(geometry.output())])
}

pub(super) fn infer_backward_input(
    options: &Conv2d,
    input: &Shape,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let [grad, weight] = f32s(inputs)?;
    let geometry = ConvGeometry::new(options, input, &weight.shape)?;
    super::same("grad_output", &TensorType::f32(geometry.output()), grad)?;
    Ok(vec![TensorType::f32(input.clone())])
}

pub(super) fn infer_backward_weight(
    options: &Conv2d,
    weight: &Shape,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let [grad, input] = f32s(inputs)?;
    let geometry = ConvGeometry::new(options, &input.shape, weight)?;
    super::same("grad_output", &TensorType::f32(geometry.output()), grad)?;
    Ok(vec![TensorType::f32(weight.clone())])
}

fn backward_input(options: &Conv2d, grad: &Tensor, weight: &Tensor, input: Shape) -> Result<Tensor> {
    let op = Op::Conv2dBackwardInput { options: *options, input };
    grad.graph().apply(op, &[grad, weight]).map(|mut out| out.remove(0))
}

fn backward_weight(options: &Conv2d, grad: &Tensor, input: &Tensor, weight: Shape) -> Result<Tensor> {
    let op = Op::Conv2dBackwardWeight { options: *options, weight };
    grad.graph().apply(op, &[grad, input]).map(|mut out| out.remove(0))
}

/// The input's gradient is the transposed convolution of the error, the weight's the convolution of the
/// error with the input, the bias' the error summed over batch and image.
pub(super) fn gradient(options: &Conv2d, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, x, weight) = (flow.grad("conv2d")?, &flow.inputs[0], &flow.inputs[1]);
    Ok(vec![
        flow.wants(0, || backward_input(options, grad, weight, x.shape()))?,
        flow.wants(1, || backward_weight(options, grad, x, weight.shape()))?,
        flow.wants(2, || grad.sum(&[0, 2, 3], false))?,
    ])
}

/// The map is bilinear, so its derivatives are the other two convolutions.
pub(super) fn gradient_backward_input(options: &Conv2d, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, error, weight) = (flow.grad("conv2d_backward_input")?, &flow.inputs[0], &flow.inputs[1]);
    Ok(vec![
        flow.wants(0, || build(grad, weight, None, *options))?,
        flow.wants(1, || backward_weight(options, error, grad, weight.shape()))?,
    ])
}

/// The map is bilinear, so its derivatives are the other two convolutions.
pub(super) fn gradient_backward_weight(options: &Conv2d, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, error, x) = (flow.grad("conv2d_backward_weight")?, &flow.inputs[0], &flow.inputs[1]);
    Ok(vec![
        flow.wants(0, || build(x, grad, None, *options))?,
        flow.wants(1, || backward_input(options, error, grad, x.shape()))?,
    ])
}

/// Two operations for each tap of each output.
pub(super) fn flops(outputs: u64, weight: &TensorType) -> u64 {
    let taps: usize = weight.shape.iter().skip(1).product();
    2 * outputs * taps as u64
}
