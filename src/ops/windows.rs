//! Windows along a dimension as matrices: means, sliding blocks, cumulative sums.

use super::SparseRows;
use crate::error::Mismatch;
use crate::shape::{Pair, Window};

/// Means of `output` windows that cover `input` elements and are as equal as they can be: PyTorch's adaptive pools.
pub(crate) fn adaptive(input: usize, output: usize) -> Result<SparseRows, Mismatch> {
    Mismatch::check(output >= 1, "an output of at least 1", output.to_string())?;
    let row = |t: usize| {
        let (first, end) = (t * input / output, ((t + 1) * input).div_ceil(output));
        (first..end).map(move |at| (at, 1.0 / (end - first) as f64))
    };
    SparseRows::new(input, (0..output).map(row))
}

/// The sum of each element and all before it.
pub(crate) fn running_sums(size: usize) -> Result<SparseRows, Mismatch> {
    SparseRows::new(size, (0..size).map(|t| (0..=t).map(|at| (at, 1.0))))
}

/// The attributes of an average pool along one dimension, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvgPool1d {
    /// Size of the window.
    pub kernel_size: usize,
    /// Step of the window; the kernel size.
    pub stride: usize,
    /// Zeros on both sides, at most half the window; 0.
    pub padding: usize,
    /// Round the output size up; false.
    pub ceil_mode: bool,
    /// Whether padding counts in the divisor; true.
    pub count_include_pad: bool,
}

impl AvgPool1d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(kernel_size: usize) -> Self {
        Self { kernel_size, stride: kernel_size, padding: 0, ceil_mode: false, count_include_pad: true }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
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

    pub(crate) fn matrix(&self, input: usize) -> Result<SparseRows, Mismatch> {
        let Self { kernel_size: kernel, stride, padding, ceil_mode: ceil, count_include_pad } = *self;
        let window = Window { input, kernel, stride, before: padding, after: padding, dilation: 1, ceil };
        let outputs = window.output("length")?;
        let half = format!("padding of at most half the kernel {kernel}");
        Mismatch::check(padding <= kernel / 2, half, padding.to_string())?;
        let row = |t: usize| {
            let begin = t * stride;
            let end = (begin + kernel).min(input + 2 * padding);
            // Of the elements, which lie behind the padding.
            let inside = begin.max(padding) - padding..end.clamp(padding, input + padding) - padding;
            let divisor = if count_include_pad { end - begin } else { inside.len() };
            inside.map(move |at| (at, 1.0 / divisor as f64))
        };
        SparseRows::new(input, (0..outputs).map(row))
    }
}

/// The attributes of unfold and fold, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unfold {
    /// Size of a block.
    pub kernel_size: Pair,
    /// Distance of two of its elements; 1.
    pub dilation: Pair,
    /// Zeros around the image; 0.
    pub padding: Pair,
    /// Step from one block to the next; 1.
    pub stride: Pair,
}

impl Unfold {
    /// Blocks of `kernel_size`.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        Self { kernel_size, dilation: 1.into(), padding: 0.into(), stride: 1.into() }
    }

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Pair>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Pair>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// The windows along height and width of an image `(h, w)`.
    pub(crate) fn windows(&self, h: usize, w: usize) -> [Window; 2] {
        let Self { kernel_size: k, dilation: d, padding: p, stride: s } = *self;
        let window = |input, kernel, dilation, padding, stride| Window {
            input,
            kernel,
            stride,
            before: padding,
            after: padding,
            dilation,
            ceil: false,
        };
        [window(h, k.h, d.h, p.h, s.h), window(w, k.w, d.w, p.w, s.w)]
    }
}

/// Of each tap of a window the elements that it sees, `(kernel, outputs)` in one: what lies in the padding has none.
pub(crate) fn taps(window: &Window, axis: &str) -> Result<SparseRows, Mismatch> {
    let outputs = window.output(axis)?;
    let position = |at: usize| {
        let padded = at % outputs * window.stride + at / outputs * window.dilation;
        padded.checked_sub(window.before).filter(|&at| at < window.input)
    };
    SparseRows::gather(window.input, (0..window.kernel * outputs).map(position))
}
