//! conv2d and its gradients: `output[n,k,i,j] = bias[k] + sum input[n,c,i*s+m*d-p,j*s+l*d-p] weight[k,c,m,l]`.

use super::{Rule, elements, f32s, same};
use crate::error::Mismatch;
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

impl Rule for Conv2d {
    const NAME: &'static str = "conv2d";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let count = inputs.len();
        Mismatch::check(
            (2..=3).contains(&count),
            "input, weight and an optional bias",
            format!("{count} inputs"),
        )?;
        let [input, weight] = f32s(&inputs[..2])?;
        let geometry = ConvGeometry::new(self, &input.shape, &weight.shape)?;
        if let Some(&bias) = inputs.get(2) {
            same("bias", &TensorType::f32([geometry.k]), bias)?;
        }
        Ok(vec![TensorType::f32(geometry.output())])
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        convolved(elements(outputs), &inputs[1].shape)
    }

    fn valid_flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Option<u64> {
        ConvGeometry::new(self, &inputs[0].shape, &inputs[1].shape).map(|g| g.valid_flops()).ok()
    }
}

/// `grad_output (N, K, OH, OW), weight` to `grad_input (N, C, H, W)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2dBackwardInput {
    /// The forward op's attributes.
    pub options: Conv2d,
    /// The forward op's input shape.
    pub input: Shape,
}

impl Rule for Conv2dBackwardInput {
    const NAME: &'static str = "conv2d_backward_input";

    fn attributes(&self) -> String {
        self.options.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, weight] = f32s(inputs)?;
        let geometry = ConvGeometry::new(&self.options, &self.input, &weight.shape)?;
        same("grad_output", &TensorType::f32(geometry.output()), grad)?;
        Ok(vec![TensorType::f32(self.input.clone())])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        convolved(elements(inputs), &inputs[1].shape)
    }

    fn valid_flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Option<u64> {
        ConvGeometry::new(&self.options, &self.input, &inputs[1].shape).map(|g| g.valid_flops()).ok()
    }
}

/// `grad_output (N, K, OH, OW), input (N, C, H, W)` to `grad_weight (K, C / groups, R, S)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2dBackwardWeight {
    /// The forward op's attributes.
    pub options: Conv2d,
    /// The forward op's weight shape.
    pub weight: Shape,
}

impl Rule for Conv2dBackwardWeight {
    const NAME: &'static str = "conv2d_backward_weight";

    fn attributes(&self) -> String {
        self.options.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, input] = f32s(inputs)?;
        let geometry = ConvGeometry::new(&self.options, &input.shape, &self.weight)?;
        same("grad_output", &TensorType::f32(geometry.output()), grad)?;
        Ok(vec![TensorType::f32(self.weight.clone())])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        convolved(elements(inputs), &self.weight)
    }

    fn valid_flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> Option<u64> {
        ConvGeometry::new(&self.options, &inputs[1].shape, &self.weight).map(|g| g.valid_flops()).ok()
    }
}

/// Two operations for each tap of each of `outputs`.
fn convolved(outputs: u64, weight: &Shape) -> u64 {
    let taps: usize = weight.iter().skip(1).product();
    2 * outputs * taps as u64
}
