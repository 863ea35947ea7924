//! Element types.

use half::f16;
use std::fmt;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision: how numbers are stored; kernels compute in `f32`.
    F16,
    /// Unsigned 32-bit integers: class labels and indices.
    U32,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::F16 => 2,
        }
    }

    /// Whether it is one of numbers with a fraction: `f32` or `f16`.
    pub fn is_float(self) -> bool {
        match self {
            DType::F32 | DType::F16 => true,
            DType::U32 => false,
        }
    }

    /// A number rounded to this type as it is stored: to the nearest, ties to even, and to infinity where it is too large.
    /// A `u32` is what lies between the number and 0, the largest there is for a larger one, and 0 for NaN.
    pub fn rounded(self, value: f64) -> f64 {
        match self {
            DType::F32 => f64::from(value as f32),
            DType::F16 => f16::from_f64(value).to_f64(),
            DType::U32 => f64::from(value as u32),
        }
    }

    /// The name in WGSL.
    pub fn wgsl(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::U32 => "u32",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wgsl())
    }
}
