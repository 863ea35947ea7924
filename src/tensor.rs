//! Tensors in host memory.

use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::shape::Shape;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::fmt;

/// The shape and element type of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Sizes, outermost first.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl TensorType {
    /// An `f32` tensor of this shape.
    pub fn f32(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype: DType::F32 }
    }

    /// An `f16` tensor of this shape.
    pub fn f16(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype: DType::F16 }
    }

    /// A `u32` tensor of this shape.
    pub fn u32(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into(), dtype: DType::U32 }
    }

    /// As it is computed with: `f32` for what is stored as `f16`.
    pub(crate) fn single(&self) -> Self {
        let dtype = if self.dtype == DType::F16 { DType::F32 } else { self.dtype };
        Self { shape: self.shape.clone(), dtype }
    }

    /// Stored as `dtype`, if it is of `f32`.
    pub(crate) fn stored_as(self, dtype: DType) -> Self {
        if self.dtype == DType::F32 { Self { dtype, ..self } } else { self }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.shape.elements() as u64 * self.dtype.size() as u64
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, self.shape)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    F32(Vec<f32>),
    F16(Vec<f16>),
    U32(Vec<u32>),
}

/// A dense row-major tensor in host memory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    shape: Shape,
    data: Data,
}

impl HostTensor {
    /// An `f32` tensor; `values` in row-major order.
    ///
    /// # Errors
    /// When the number of values is not that of the shape.
    pub fn from_f32(shape: impl Into<Shape>, values: Vec<f32>) -> Result<Self> {
        let shape = count(shape.into(), values.len())?;
        Ok(Self { shape, data: Data::F32(values) })
    }

    /// An `f16` tensor; `values` in row-major order.
    ///
    /// # Errors
    /// When the number of values is not that of the shape.
    pub fn from_f16(shape: impl Into<Shape>, values: Vec<f16>) -> Result<Self> {
        let shape = count(shape.into(), values.len())?;
        Ok(Self { shape, data: Data::F16(values) })
    }

    /// A `u32` tensor; `values` in row-major order.
    ///
    /// # Errors
    /// When the number of values is not that of the shape.
    pub fn from_u32(shape: impl Into<Shape>, values: Vec<u32>) -> Result<Self> {
        let shape = count(shape.into(), values.len())?;
        Ok(Self { shape, data: Data::U32(values) })
    }

    /// A tensor from its little-endian bytes.
    ///
    /// # Errors
    /// When the number of bytes is not that of the type.
    pub fn from_bytes(ty: &TensorType, bytes: &[u8]) -> Result<Self> {
        let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let halves = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        match ty.dtype {
            DType::F16 => Self::from_f16(ty.shape.clone(), halves.map(f16::from_bits).collect()),
            DType::F32 => Self::from_f32(ty.shape.clone(), words.map(f32::from_bits).collect()),
            DType::U32 => Self::from_u32(ty.shape.clone(), words.collect()),
        }
    }

    /// All zeros.
    pub fn zeros(ty: &TensorType) -> Self {
        let n = ty.shape.elements();
        let data = match ty.dtype {
            DType::F32 => Data::F32(vec![0.0; n]),
            DType::F16 => Data::F16(vec![f16::ZERO; n]),
            DType::U32 => Data::U32(vec![0; n]),
        };
        Self { shape: ty.shape.clone(), data }
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Shape and element type.
    pub fn ty(&self) -> TensorType {
        let dtype = match self.data {
            Data::F32(_) => DType::F32,
            Data::F16(_) => DType::F16,
            Data::U32(_) => DType::U32,
        };
        TensorType { shape: self.shape.clone(), dtype }
    }

    /// The values of an `f32` tensor.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn as_f32(&self) -> Result<&[f32]> {
        match &self.data {
            Data::F32(v) => Ok(v),
            Data::F16(_) | Data::U32(_) => Err(wrong_type("f32", self)),
        }
    }

    /// The values of an `f16` tensor.
    ///
    /// # Errors
    /// When the tensor is not `f16`.
    pub fn as_f16(&self) -> Result<&[f16]> {
        match &self.data {
            Data::F16(v) => Ok(v),
            Data::F32(_) | Data::U32(_) => Err(wrong_type("f16", self)),
        }
    }

    /// The same numbers in another type, each rounded as [`DType::rounded`] says.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        let numbers: Vec<f64> = match &self.data {
            Data::F32(v) => v.iter().map(|&v| f64::from(v)).collect(),
            Data::F16(v) => v.iter().map(|v| v.to_f64()).collect(),
            Data::U32(v) => v.iter().map(|&v| f64::from(v)).collect(),
        };
        let data = match dtype {
            DType::F32 => Data::F32(numbers.into_iter().map(|v| v as f32).collect()),
            DType::F16 => Data::F16(numbers.into_iter().map(f16::from_f64).collect()),
            DType::U32 => Data::U32(numbers.into_iter().map(|v| v as u32).collect()),
        };
        Self { shape: self.shape.clone(), data }
    }

    /// The values of a `u32` tensor.
    ///
    /// # Errors
    /// When the tensor is not `u32`.
    pub fn as_u32(&self) -> Result<&[u32]> {
        match &self.data {
            Data::U32(v) => Ok(v),
            Data::F32(_) | Data::F16(_) => Err(wrong_type("u32", self)),
        }
    }

    /// The elements as they lie in device memory.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.data {
            Data::F32(v) => bytemuck::cast_slice(v),
            Data::F16(v) => bytemuck::cast_slice(v.reinterpret_cast()),
            Data::U32(v) => bytemuck::cast_slice(v),
        }
    }
}

fn count(shape: Shape, values: usize) -> Result<Shape> {
    let expected = format!("{} values for shape {shape}", shape.elements());
    match Mismatch::check(shape.elements() == values, expected, format!("{values}")) {
        Ok(()) => Ok(shape),
        Err(m) => Err(Error::op("host tensor", "", m)),
    }
}

fn wrong_type(expected: &str, tensor: &HostTensor) -> Error {
    Error::op("host tensor", "", Mismatch::new(expected, tensor.ty().to_string()))
}
