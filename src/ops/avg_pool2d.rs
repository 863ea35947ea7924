//! avg_pool2d: the mean of each window.

use super::max_pool2d::check_padding;
use super::{Rule, dims, elements, only_f32, same};
use crate::error::Mismatch;
use crate::shape::{Padding, Pair, Shape, Window};
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of an average pool, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvgPool2d {
    /// Size of the window.
    pub kernel_size: Pair,
    /// Step of the window; the kernel size.
    pub stride: Pair,
    /// Zeros around the input, at most half the window; 0.
    pub padding: Padding,
    /// Round the output size up; false.
    pub ceil_mode: bool,
    /// Whether padding counts in the divisor; true, as in PyTorch (false in ONNX). What a window of
    /// `ceil_mode` reaches beyond the padding never counts.
    pub count_include_pad: bool,
    /// What sums are divided by instead; none.
    pub divisor_override: Option<usize>,
}

impl AvgPool2d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        Self {
            kernel_size,
            stride: kernel_size,
            padding: 0.into(),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
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

    /// Sets whether the output size is rounded up.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// Sets whether padding counts in the divisor.
    #[must_use]
    pub fn count_include_pad(self, count_include_pad: bool) -> Self {
        Self { count_include_pad, ..self }
    }

    /// Sets what sums are divided by, whatever the windows hold.
    #[must_use]
    pub fn divisor_override(self, divisor: impl Into<Option<usize>>) -> Self {
        Self { divisor_override: divisor.into(), ..self }
    }

    /// The windows along height and width of an input `(h, w)`.
    pub(crate) fn windows(&self, h: usize, w: usize) -> [Window; 2] {
        let Self { kernel_size: k, stride, padding: p, ceil_mode: ceil, .. } = *self;
        let window = |input, kernel, stride, before, after| Window {
            input,
            kernel,
            stride,
            before,
            after,
            dilation: 1,
            ceil,
        };
        [window(h, k.h, stride.h, p.top, p.bottom), window(w, k.w, stride.w, p.left, p.right)]
    }
}

impl fmt::Display for AvgPool2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override } = self;
        write!(
            f,
            "kernel {kernel_size} stride {stride} padding {padding} ceil {ceil_mode} include_pad {count_include_pad}"
        )?;
        divisor_override.map_or(Ok(()), |divisor| write!(f, " divisor {divisor}"))
    }
}

fn output(options: &AvgPool2d, input: &TensorType) -> Result<Shape, Mismatch> {
    let [n, c, h, w] = dims(input, "input (N, C, H, W)")?;
    let [rows, columns] = options.windows(h, w);
    let shape = [n, c, rows.output("height")?, columns.output("width")?].into();
    check_padding(&rows, "height")?;
    check_padding(&columns, "width")?;
    Mismatch::check(options.divisor_override != Some(0), "a divisor above 0", "0")?;
    Ok(shape)
}

impl Rule for AvgPool2d {
    const NAME: &'static str = "avg_pool2d";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        Ok(vec![TensorType::f32(output(self, only_f32(inputs)?)?)])
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

/// `grad_output` to `grad_input (N, C, H, W)`.
#[derive(Debug, Clone, PartialEq)]
pub struct AvgPool2dBackward {
    /// The forward op's attributes.
    pub options: AvgPool2d,
    /// The forward op's input shape.
    pub input: Shape,
}

impl Rule for AvgPool2dBackward {
    const NAME: &'static str = "avg_pool2d_backward";

    fn attributes(&self) -> String {
        self.options.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = TensorType::f32(self.input.clone());
        same("grad_output", &TensorType::f32(output(&self.options, &input)?), only_f32(inputs)?)?;
        Ok(vec![input])
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(inputs).max(elements(outputs))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
