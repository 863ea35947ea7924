//! adaptive_max_pool2d: the largest element of each of so many windows that cover the input and are as equal as they can be:
//! window `i` of `O` over `L` elements goes from `floor(i L / O)` to before `ceil((i + 1) L / O)`.

use super::{Rule, dims, elements, only_f32};
use crate::error::Mismatch;
use crate::shape::Pair;
use crate::tensor::TensorType;
use std::ops::Range;

/// `input (N, C, H, W)` to the maxima `(N, C, OH, OW)` and their indices `h * W + w`. Ties take the first, of NaNs the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdaptiveMaxPool2d {
    /// Rows and columns of the output.
    pub output_size: Pair,
}

impl AdaptiveMaxPool2d {
    /// The elements of window `i` of `windows` over `length`.
    pub(crate) fn window(i: usize, windows: usize, length: usize) -> Range<usize> {
        i * length / windows..((i + 1) * length).div_ceil(windows)
    }
}

impl Rule for AdaptiveMaxPool2d {
    const NAME: &'static str = "adaptive_max_pool2d";

    fn attributes(&self) -> String {
        format!("output {}", self.output_size)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [n, c, h, w] = dims(only_f32(inputs)?, "input (N, C, H, W)")?;
        for (axis, windows, length) in [("height", self.output_size.h, h), ("width", self.output_size.w, w)] {
            let expected = format!("an output of at least 1 along the {axis}");
            Mismatch::check(windows >= 1, expected, windows.to_string())?;
            // Kernels number windows times elements in 32 bits.
            let product = (windows as u64).saturating_mul((length as u64).saturating_add(1));
            let expected = format!("an output times an input of at most {} along the {axis}", u32::MAX);
            Mismatch::check(product <= u64::from(u32::MAX), expected, format!("{windows} times {length}"))?;
        }
        let shape = [n, c, self.output_size.h, self.output_size.w];
        Ok(vec![TensorType::f32(shape), TensorType::u32(shape)])
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(inputs).max(elements(outputs))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
