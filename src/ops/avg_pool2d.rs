//! avg_pool2d: the mean of each window.

use super::max_pool2d::check_padding;
use super::{Op, dims, only_f32, same};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
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
        let Self { kernel_size, stride, padding, ceil_mode, count_include_pad } = self;
        write!(
            f,
            "kernel {kernel_size} stride {stride} padding {padding} ceil {ceil_mode} include_pad {count_include_pad}"
        )
    }
}

fn output(options: &AvgPool2d, input: &TensorType) -> Result<Shape, Mismatch> {
    let [n, c, h, w] = dims(input, "input (N, C, H, W)")?;
    let [rows, columns] = options.windows(h, w);
    let shape = [n, c, rows.output("height")?, columns.output("width")?].into();
    check_padding(&rows, "height")?;
    check_padding(&columns, "width")?;
    Ok(shape)
}

pub(super) fn infer(options: &AvgPool2d, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    Ok(vec![TensorType::f32(output(options, only_f32(inputs)?)?)])
}

pub(super) fn infer_backward(
    options: &AvgPool2d,
    input: &Shape,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let input = TensorType::f32(input.clone());
    same("grad_output", &TensorType::f32(output(options, &input)?), only_f32(inputs)?)?;
    Ok(vec![input])
}

/// Each window spreads its error evenly, over the same divisor.
pub(super) fn gradient(options: &AvgPool2d, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("avg_pool2d")?;
    let rule = || {
        let op = Op::AvgPool2dBackward { options: *options, input: flow.inputs[0].shape() };
        grad.graph().apply(op, &[grad]).map(|mut out| out.remove(0))
    };
    Ok(vec![flow.wants(0, rule)?])
}

/// The map is linear: its derivative is the pool itself.
pub(super) fn gradient_backward(options: &AvgPool2d, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("avg_pool2d_backward")?;
    Ok(vec![flow.wants(0, || grad.avg_pool2d(*options))?])
}
