//! Pools along lines, of norms, and back from maxima.

use super::{AvgPool2d, MaxPool2d};
use crate::error::Mismatch;
use crate::shape::{MAX_ELEMENTS, Padding, Pair};

/// The attributes of a max pool along lines, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxPool1d {
    /// Size of the window.
    pub kernel_size: usize,
    /// Step of the window; the kernel size.
    pub stride: usize,
    /// Elements at both ends that never win, at most half the dilated window; 0.
    pub padding: usize,
    /// Distance of two taps; 1.
    pub dilation: usize,
    /// Round the output size up; false.
    pub ceil_mode: bool,
}

impl MaxPool1d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(kernel_size: usize) -> Self {
        Self { kernel_size, stride: kernel_size, padding: 0, dilation: 1, ceil_mode: false }
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

    /// Sets the dilation.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Sets whether the output size is rounded up.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// The pool of images of one row that it is.
    pub(crate) fn of_rows(&self) -> MaxPool2d {
        let along = |w| Pair { h: 1, w };
        let padding = Padding { left: self.padding, right: self.padding, ..Padding::default() };
        let pool = MaxPool2d::new(along(self.kernel_size)).stride(along(self.stride)).padding(padding);
        pool.dilation(along(self.dilation)).ceil_mode(self.ceil_mode)
    }
}

/// The attributes of a pool of norms along lines, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LPPool1d {
    /// The power `p`, other than 0.
    pub norm_type: f32,
    /// Size of the window.
    pub kernel_size: usize,
    /// Step of the window; the kernel size.
    pub stride: usize,
    /// Round the output size up; false.
    pub ceil_mode: bool,
}

impl LPPool1d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(norm_type: f32, kernel_size: usize) -> Self {
        Self { norm_type, kernel_size, stride: kernel_size, ceil_mode: false }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Sets whether the output size is rounded up.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// The pool of images of one row that it is.
    pub(crate) fn of_rows(&self) -> LPPool2d {
        let along = |w| Pair { h: 1, w };
        let pool = LPPool2d::new(self.norm_type, along(self.kernel_size));
        pool.stride(along(self.stride)).ceil_mode(self.ceil_mode)
    }
}

/// The attributes of a pool of norms of images, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LPPool2d {
    /// The power `p`, other than 0.
    pub norm_type: f32,
    /// Size of the window.
    pub kernel_size: Pair,
    /// Step of the window; the kernel size.
    pub stride: Pair,
    /// Round the output size up; false.
    pub ceil_mode: bool,
}

impl LPPool2d {
    /// A window of `kernel_size` that steps by its own size.
    pub fn new(norm_type: f32, kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        Self { norm_type, kernel_size, stride: kernel_size, ceil_mode: false }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Sets whether the output size is rounded up.
    #[must_use]
    pub fn ceil_mode(self, ceil_mode: bool) -> Self {
        Self { ceil_mode, ..self }
    }

    /// The means of which the norms are made, and the elements of a window.
    pub(crate) fn means(&self) -> Result<(AvgPool2d, f32), Mismatch> {
        let valid = self.norm_type.is_finite() && self.norm_type != 0.0;
        Mismatch::check(valid, "a norm_type other than 0", self.norm_type.to_string())?;
        let pool = AvgPool2d::new(self.kernel_size).stride(self.stride).ceil_mode(self.ceil_mode);
        Ok((pool, self.kernel_size.h.saturating_mul(self.kernel_size.w) as f32))
    }
}

/// The attributes of a max unpool along lines, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxUnpool1d {
    /// Size of the pool's window.
    pub kernel_size: usize,
    /// Its step; the kernel size.
    pub stride: usize,
    /// Its padding; 0.
    pub padding: usize,
}

impl MaxUnpool1d {
    /// Back from windows of `kernel_size` that step by their own size.
    pub fn new(kernel_size: usize) -> Self {
        Self { kernel_size, stride: kernel_size, padding: 0 }
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

    /// The unpool of images of one row that it is.
    pub(crate) fn of_rows(&self) -> MaxUnpool2d {
        let pool = MaxUnpool2d::new((1, self.kernel_size)).stride((1, self.stride));
        pool.padding((0, self.padding))
    }
}

/// The attributes of a max unpool of images, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxUnpool2d {
    /// Size of the pool's window.
    pub kernel_size: Pair,
    /// Its step; the kernel size.
    pub stride: Pair,
    /// Its padding; 0.
    pub padding: Pair,
}

impl MaxUnpool2d {
    /// Back from windows of `kernel_size` that step by their own size.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        let kernel_size = kernel_size.into();
        Self { kernel_size, stride: kernel_size, padding: 0.into() }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(self, stride: impl Into<Pair>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Sets the padding.
    #[must_use]
    pub fn padding(self, padding: impl Into<Pair>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// The output's sizes for an input of `size`: those that were asked for, if they are less than a stride from the usual
    /// ones.
    pub(crate) fn output(&self, size: Pair, asked: Option<Pair>) -> Result<Pair, Mismatch> {
        let Self { kernel_size: k, stride: s, padding: p } = self;
        let h = unpooled("height", [size.h, k.h, s.h, p.h], asked.map(|asked| asked.h))?;
        let w = unpooled("width", [size.w, k.w, s.w, p.w], asked.map(|asked| asked.w))?;
        Ok(Pair { h, w })
    }
}

/// `(size - 1) stride + kernel - 2 padding`, or what was asked for.
fn unpooled(
    axis: &str,
    [size, kernel, stride, padding]: [usize; 4],
    asked: Option<usize>,
) -> Result<usize, Mismatch> {
    let valid = kernel > 0 && stride > 0;
    let expected = format!("kernel and stride of at least 1 along the {axis}");
    Mismatch::check(valid, expected, format!("{kernel} and {stride}"))?;
    let wide = |n: usize| i128::try_from(n).unwrap_or(i128::MAX / 8);
    let usual = (wide(size) - 1).saturating_mul(wide(stride)) + wide(kernel) - 2 * wide(padding);
    let output = asked.map_or(usual, wide);
    let near = (output - usual).abs() < wide(stride);
    let expected = format!("an output less than {stride} from {usual} along the {axis}");
    Mismatch::check(near, expected, output.to_string())?;
    let fits = (1..=MAX_ELEMENTS as i128).contains(&output);
    Mismatch::check(fits, format!("an output of at least 1 along the {axis}"), output.to_string())?;
    Ok(output as usize)
}
