//! max_pool2d: the largest tap of each window; ties take the first. A NaN comes out, with its index, that of the last of
//! several, as in PyTorch.

use super::{Rule, dims, elements, f32s, only_f32, same};
use crate::error::Mismatch;
use crate::shape::{Padding, Pair, Shape, Window};
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a max pool, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxPool2d {
    /// Size of the window.
    pub kernel_size: Pair,
    /// Step of the window; the kernel size.
    pub stride: Pair,
    /// Rows and columns around the input that never win, at most half the dilated window; 0.
    pub padding: Padding,
    /// Distance of two taps; 1.
    pub dilation: Pair,
    /// Round the output size up; false.
    pub ceil_mode: bool,
}

impl MaxPool2d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        Self { kernel_size, stride: kernel_size, padding: 0.into(), dilation: 1.into(), ceil_mode: false }
    }

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

    /// Sets whether the output size is rounded up.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// The windows along height and width of an input `(h, w)`.
    pub(crate) fn windows(&self, h: usize, w: usize) -> [Window; 2] {
        let Self { kernel_size: k, stride, padding: p, dilation, ceil_mode: ceil } = *self;
        let window = |input, kernel, stride, before, after, dilation| Window {
            input,
            kernel,
            stride,
            before,
            after,
            dilation,
            ceil,
        };
        [
            window(h, k.h, stride.h, p.top, p.bottom, dilation.h),
            window(w, k.w, stride.w, p.left, p.right, dilation.w),
        ]
    }
}

impl fmt::Display for MaxPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel_size, stride, padding, dilation, ceil_mode } = self;
        write!(
            f,
            "kernel {kernel_size} stride {stride} padding {padding} dilation {dilation} ceil {ceil_mode}"
        )
    }
}

/// Padding of at most half the dilated kernel, on each side. PyTorch demands half the kernel without its dilation
/// (2.15 refuses kernel 3, dilation 2, padding 2): this rule lets through all that PyTorch's does, and more.
pub(super) fn check_padding(window: &Window, axis: &str) -> Result<(), Mismatch> {
    let half = window.extent() / 2;
    let got = format!("{} and {}", window.before, window.after);
    let expected = format!("padding of at most {half}, half the dilated kernel, along the {axis}");
    Mismatch::check(window.before.max(window.after) <= half, expected, got)
}

/// Every window must have a tap inside the input, or its maximum would be of nothing.
fn check_taps(window: &Window, outputs: usize, axis: &str) -> Result<(), Mismatch> {
    let empty = (0..outputs).find(|&o| {
        let start = o * window.stride;
        let inside =
            |t: usize| (window.before..window.before + window.input).contains(&(start + t * window.dilation));
        !(0..window.kernel).any(inside)
    });
    let expected = format!("a tap inside the input in every window along the {axis}");
    Mismatch::check(empty.is_none(), expected, format!("none in window {}", empty.unwrap_or(0)))
}

fn output(options: &MaxPool2d, input: &TensorType) -> Result<Shape, Mismatch> {
    let [n, c, h, w] = dims(input, "input (N, C, H, W)")?;
    let [rows, columns] = options.windows(h, w);
    let (oh, ow) = (rows.output("height")?, columns.output("width")?);
    for (window, outputs, axis) in [(&rows, oh, "height"), (&columns, ow, "width")] {
        check_padding(window, axis)?;
        check_taps(window, outputs, axis)?;
    }
    Ok([n, c, oh, ow].into())
}

impl Rule for MaxPool2d {
    const NAME: &'static str = "max_pool2d";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let shape = output(self, only_f32(inputs)?)?;
        Ok(vec![TensorType::f32(shape.clone()), TensorType::u32(shape)])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs).saturating_mul(self.kernel_size.h.saturating_mul(self.kernel_size.w) as u64)
    }

    fn valid_flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> Option<u64> {
        let [_, _, h, w] = inputs[0].shape[..].try_into().ok()?;
        outputs[0].shape.pooled_taps(&self.windows(h, w))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}

/// `grad_output, indices` to `grad_input (N, C, H, W)`.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPool2dBackward {
    /// The forward op's attributes.
    pub options: MaxPool2d,
    /// The forward op's input shape.
    pub input: Shape,
}

impl Rule for MaxPool2dBackward {
    const NAME: &'static str = "max_pool2d_backward";

    fn attributes(&self) -> String {
        self.options.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, indices] = super::count(inputs)?;
        let input = TensorType::f32(self.input.clone());
        let shape = output(&self.options, &input)?;
        f32s::<1>(&[grad])?;
        same("grad_output", &TensorType::f32(shape.clone()), grad)?;
        same("indices", &TensorType::u32(shape), indices)?;
        Ok(vec![input])
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(inputs).max(elements(outputs))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
