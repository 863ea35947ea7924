//! fractional_max_pool2d: the maxima of windows of one size whose distances vary at random (Graham, 2014).
//!
//! Along a side of `L` elements, window `i` of `O > 1` begins at `floor((i + u) a) - floor(u a)`, `a = (L - K) / (O - 1)`, for
//! a random
//! number `u` from 0 to 1 of its image and channel, and the last at `L - K`: PyTorch's formula, computed in f32. Numbers beyond
//! 0 and 1 are taken for these, NaN for 0, so that no window leaves the image.

use super::{Halves, Rule, dims, elements, f32s};
use crate::error::Mismatch;
use crate::shape::Pair;
use crate::tensor::TensorType;
use std::fmt;

/// How large the output of a fractional pool is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FractionalOutput {
    /// Rows and columns.
    Size(Pair),
    /// The fractions of the input's rows and of its columns, between 0 and 1; rounded down.
    Ratio(f64, f64),
}

impl fmt::Display for FractionalOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => write!(f, "output {size}"),
            Self::Ratio(h, w) => write!(f, "ratio {h}x{w}"),
        }
    }
}

/// `input (N, C, H, W), samples (N, C, 2)`, for the columns and then the rows, to the maxima `(N, C, OH, OW)` and their indices
/// `h * W + w`. Ties take the first, of NaNs the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FractionalMaxPool2d {
    /// Rows and columns of a window.
    pub kernel_size: Pair,
    /// Rows and columns of the output.
    pub output: FractionalOutput,
}

impl FractionalMaxPool2d {
    /// A pool of so many windows.
    pub fn new(kernel_size: impl Into<Pair>, output_size: impl Into<Pair>) -> Self {
        Self { kernel_size: kernel_size.into(), output: FractionalOutput::Size(output_size.into()) }
    }

    /// A pool whose output has these fractions of the input's rows and columns.
    pub fn of_ratio(kernel_size: impl Into<Pair>, [rows, columns]: [f64; 2]) -> Self {
        Self { kernel_size: kernel_size.into(), output: FractionalOutput::Ratio(rows, columns) }
    }

    /// Rows and columns of the output for those of an input, if the windows fit.
    pub(crate) fn output_size(&self, input: Pair) -> Result<Pair, Mismatch> {
        let size = match self.output {
            FractionalOutput::Size(size) => size,
            FractionalOutput::Ratio(h, w) => {
                let fits = [h, w].iter().all(|&ratio| 0.0 < ratio && ratio < 1.0);
                Mismatch::check(fits, "ratios between 0 and 1", format!("{h} and {w}"))?;
                let share = |length: usize, ratio: f64| (length as f64 * ratio) as usize;
                Pair { h: share(input.h, h), w: share(input.w, w) }
            }
        };
        let (k, o) = (self.kernel_size, size);
        for (axis, length, kernel, windows) in [("height", input.h, k.h, o.h), ("width", input.w, k.w, o.w)] {
            let positive = windows >= 1 && kernel >= 1;
            let got = format!("{windows} of {kernel}");
            Mismatch::check(
                positive,
                format!("windows of at least 1, and 1 of them, along the {axis}"),
                got,
            )?;
            let fits = windows.saturating_add(kernel - 1) <= length;
            let expected = format!(
                "at most {} windows of {kernel} along the {axis}",
                (length + 1).saturating_sub(kernel)
            );
            Mismatch::check(fits, expected, windows.to_string())?;
        }
        // Positions are computed in f32.
        let longest = input.h.max(input.w);
        Mismatch::check(longest <= 1 << 22, format!("sides of at most {}", 1 << 22), longest.to_string())?;
        Ok(size)
    }

    /// What windows along a side are apart, in f32.
    pub(crate) fn apart(length: usize, kernel: usize, windows: usize) -> f32 {
        (length - kernel) as f32 / windows.saturating_sub(1).max(1) as f32
    }
}

impl Rule for FractionalMaxPool2d {
    const NAME: &'static str = "fractional_max_pool2d";

    fn attributes(&self) -> String {
        format!("kernel {} {}", self.kernel_size, self.output)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input, samples] = f32s(inputs)?;
        let [n, c, h, w] = dims(input, "input (N, C, H, W)")?;
        let fits = samples.shape[..] == [n, c, 2];
        Mismatch::check(fits, format!("random samples ({n}, {c}, 2)"), samples.to_string())?;
        let Pair { h: oh, w: ow } = self.output_size(Pair { h, w })?;
        let shape = [n, c, oh, ow];
        Ok(vec![TensorType::f32(shape), TensorType::u32(shape)])
    }

    fn halves(&self) -> Halves {
        Halves::First(1, 1)
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        (self.kernel_size.h * self.kernel_size.w) as u64 * elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
