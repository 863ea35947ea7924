//! Tensors whose values are known: out of the file, given, or computed while the graph is built.

use super::element::ElementType;
use super::proto::{SparseTensorProto, TensorProto};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::HostTensor;
use half::{bf16, f16};
use std::path::Path;
use std::sync::Arc;

/// Values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// Numbers with a fraction.
    Floats(Arc<HostTensor>),
    /// Whole numbers and truth values.
    Ints(Arc<Vec<i64>>),
}

/// A tensor of known values, of an ONNX element type. Clones share the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub(crate) element: ElementType,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
    /// The name of the trainable initialiser that it is.
    pub(crate) parameter: Option<Arc<str>>,
}

/// The elements of a shape that a file gives.
pub(crate) fn elements(dims: &[i64]) -> Result<(Vec<usize>, usize), Mismatch> {
    let refused =
        || Mismatch::new("dimensions of 0 and more whose product can be counted", format!("{dims:?}"));
    let sizes: Option<Vec<usize>> = dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let sizes = sizes.ok_or_else(refused)?;
    let count = sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(refused)?;
    Ok((sizes, count))
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|word| read(*word)).collect()
}

fn floats_of(element: ElementType, bytes: &[u8]) -> Vec<f32> {
    match element {
        ElementType::Float => each(bytes, f32::from_le_bytes),
        ElementType::Double => each(bytes, |b| f64::from_le_bytes(b) as f32),
        ElementType::Float16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        ElementType::Bfloat16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        // The others have no fraction.
        _ => Vec::new(),
    }
}

fn ints_of(element: ElementType, bytes: &[u8]) -> Vec<i64> {
    match element {
        ElementType::Bool => bytes.iter().map(|&b| i64::from(b != 0)).collect(),
        ElementType::Uint8 => bytes.iter().map(|&b| b.into()).collect(),
        ElementType::Int8 => each(bytes, |b| i8::from_le_bytes(b).into()),
        ElementType::Uint16 => each(bytes, |b| u16::from_le_bytes(b).into()),
        ElementType::Int16 => each(bytes, |b| i16::from_le_bytes(b).into()),
        ElementType::Uint32 => each(bytes, |b| u32::from_le_bytes(b).into()),
        ElementType::Int32 => each(bytes, |b| i32::from_le_bytes(b).into()),
        // What is beyond an i64 stays what it is in bits.
        ElementType::Uint64 => each(bytes, |b| u64::from_le_bytes(b) as i64),
        ElementType::Int64 => each(bytes, i64::from_le_bytes),
        // The others have no whole numbers.
        _ => Vec::new(),
    }
}

impl Array {
    /// Whole numbers or truth values.
    ///
    /// # Errors
    /// When the number of values is not that of the shape, or the type has no whole numbers.
    pub fn ints(element: ElementType, shape: &[usize], values: Vec<i64>) -> Result<Self, Mismatch> {
        let dims: Vec<i64> = shape.iter().map(|&d| i64::try_from(d).unwrap_or(-1)).collect();
        let (_, count) = elements(&dims)?;
        Mismatch::check(element.range().is_some(), "a type of whole numbers", element.to_string())?;
        Mismatch::check(count == values.len(), format!("{count} values"), values.len().to_string())?;
        Ok(Self::of_ints(element, shape.to_vec(), values))
    }

    /// Numbers with a fraction.
    pub fn floats(values: HostTensor) -> Self {
        let shape = values.shape().to_vec();
        Self { element: ElementType::Float, shape, data: Data::Floats(Arc::new(values)), parameter: None }
    }

    pub(crate) fn of_ints(element: ElementType, shape: Vec<usize>, values: Vec<i64>) -> Self {
        Self { element, shape, data: Data::Ints(Arc::new(values)), parameter: None }
    }

    /// Of a vector of `int64`.
    pub(crate) fn vector(values: Vec<i64>) -> Self {
        Self::of_ints(ElementType::Int64, vec![values.len()], values)
    }

    pub(crate) fn of_floats(
        element: ElementType,
        shape: Vec<usize>,
        values: Vec<f32>,
    ) -> Result<Self, Mismatch> {
        let refused = |e: crate::Error| Mismatch::new("as many values as the shape has", e.to_string());
        let values = HostTensor::from_f32(shape.clone(), values).map_err(refused)?;
        Ok(Self { element, shape, data: Data::Floats(Arc::new(values)), parameter: None })
    }

    /// What was computed as `f32`, as this type.
    pub(crate) fn computed(element: ElementType, values: HostTensor) -> Result<Self, Mismatch> {
        let refused = |e: crate::Error| Mismatch::new("f32", e.to_string());
        let shape = values.shape().to_vec();
        match element.range() {
            None => Ok(Self { element, shape, data: Data::Floats(Arc::new(values)), parameter: None }),
            Some(_) => {
                let whole = values.as_f32().map_err(refused)?.iter().map(|&v| v as i64).collect();
                Ok(Self::of_ints(element, shape, whole))
            }
        }
    }

    /// Its element type.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Its sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of its elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes that it takes in a file.
    pub(crate) fn bytes(&self) -> u64 {
        (self.len() as u64).saturating_mul(self.element.size().unwrap_or(0) as u64)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its whole numbers; `None` for numbers with a fraction.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Ints(values) => Some(values),
            Data::Floats(_) => None,
        }
    }

    /// Its values as `f64`.
    pub fn numbers(&self) -> Vec<f64> {
        match &self.data {
            Data::Ints(values) => values.iter().map(|&v| v as f64).collect(),
            Data::Floats(values) => {
                values.as_f32().unwrap_or_default().iter().map(|&v| f64::from(v)).collect()
            }
        }
    }

    /// As a tensor that programs are given: whole numbers and truth values as `f32`.
    ///
    /// # Errors
    /// When a whole number is none that an `f32` holds, or there are no elements.
    pub fn to_host(&self) -> Result<HostTensor, Mismatch> {
        let shape = Shape::from(self.shape.clone());
        shape.check()?;
        let values = match &self.data {
            Data::Floats(values) => return Ok((**values).clone()),
            Data::Ints(values) => values,
        };
        let held = |&v: &i64| {
            let held = v as f32;
            let fits = held as i128 == i128::from(v);
            let expected = || "whole numbers that f32 holds, which it does up to 16777216".to_owned();
            Mismatch::check(fits, expected(), v.to_string()).map(|()| held)
        };
        let held = values.iter().map(held).collect::<Result<Vec<f32>, _>>()?;
        HostTensor::from_f32(shape, held).map_err(|e| Mismatch::new("f32", e.to_string()))
    }

    /// A tensor in a file of its own, as ONNX's tests keep inputs and outputs.
    ///
    /// # Errors
    /// When the bytes are no tensor, or its values do not fit its type.
    pub fn decode(bytes: &[u8]) -> Result<Self, Mismatch> {
        let broken = |e: prost::DecodeError| {
            Mismatch::new("a tensor", format!("{} bytes that are none: {e}", bytes.len()))
        };
        Self::read(&prost::Message::decode(bytes).map_err(broken)?, None)
    }

    /// Out of a file; `folder` is where external data may lie.
    pub(crate) fn read(proto: &TensorProto, folder: Option<&Path>) -> Result<Self, Mismatch> {
        let element = ElementType::of(proto.data_type.unwrap_or(0));
        let (shape, count) = elements(&proto.dims)?;
        let Some(size) = element.size() else {
            return Err(Mismatch::new("numbers or truth values", element.to_string()));
        };
        let outside;
        let raw: Option<&[u8]> = if proto.data_location == Some(1) {
            outside = super::external::read(&proto.external_data, folder)?;
            Some(&outside)
        } else {
            proto.raw_data.as_deref().filter(|raw| !raw.is_empty() || count == 0)
        };
        if let Some(raw) = raw {
            let bytes = count.checked_mul(size);
            let expected =
                || format!("{count} elements of {element} in {} bytes", bytes.unwrap_or(usize::MAX));
            Mismatch::check(bytes == Some(raw.len()), expected(), format!("{} bytes", raw.len()))?;
            return match element.is_float() {
                true => Self::of_floats(element, shape, floats_of(element, raw)),
                false => Ok(Self::of_ints(element, shape, ints_of(element, raw))),
            };
        }
        let listed = Self::listed(element, proto);
        let found = match &listed {
            Listed::Floats(values) => values.len(),
            Listed::Ints(values) => values.len(),
        };
        Mismatch::check(found == count, format!("{count} elements of {element}"), found.to_string())?;
        match listed {
            Listed::Floats(values) => Self::of_floats(element, shape, values),
            Listed::Ints(values) => Ok(Self::of_ints(element, shape, values)),
        }
    }

    /// Values in the fields of their types.
    fn listed(element: ElementType, proto: &TensorProto) -> Listed {
        let halves = || proto.int32_data.iter().map(|&v| v as u16);
        match element {
            ElementType::Float => Listed::Floats(proto.float_data.clone()),
            ElementType::Double => Listed::Floats(proto.double_data.iter().map(|&v| v as f32).collect()),
            ElementType::Float16 => Listed::Floats(halves().map(|v| f16::from_bits(v).to_f32()).collect()),
            ElementType::Bfloat16 => Listed::Floats(halves().map(|v| bf16::from_bits(v).to_f32()).collect()),
            ElementType::Int64 => Listed::Ints(proto.int64_data.clone()),
            ElementType::Uint32 | ElementType::Uint64 => {
                Listed::Ints(proto.uint64_data.iter().map(|&v| v as i64).collect())
            }
            // All shorter ones lie in one field.
            _ => Listed::Ints(proto.int32_data.iter().map(|&v| v.into()).collect()),
        }
    }

    /// Of the values that are not 0 and their positions.
    pub(crate) fn sparse(proto: &SparseTensorProto, folder: Option<&Path>) -> Result<Self, Mismatch> {
        /// Elements that a sparse tensor may have beside each that it writes.
        const MOST: usize = 1 << 24;
        let missing = || Mismatch::new("values and indices of a sparse tensor", "none");
        let values = Self::read(proto.values.as_ref().ok_or_else(missing)?, folder)?;
        let positions = Self::read(proto.indices.as_ref().ok_or_else(missing)?, folder)?;
        let (shape, count) = elements(&proto.dims)?;
        let expected = format!("a sparse tensor of at most {MOST} elements");
        Mismatch::check(count <= MOST, expected, count.to_string())?;
        let strides = Shape::from(shape.clone()).strides();
        let linear = positions.shape.len() < 2;
        let width = if linear { 1 } else { shape.len().max(1) };
        let at: Vec<usize> = positions
            .as_ints()
            .unwrap_or_default()
            .chunks(width)
            .map(|position| {
                let one = |(&i, stride): (&i64, usize)| {
                    usize::try_from(i).unwrap_or(usize::MAX).saturating_mul(stride)
                };
                let strides = if linear { vec![1] } else { strides.clone() };
                position.iter().zip(strides).map(one).fold(0, usize::saturating_add)
            })
            .collect();
        let fits = at.len() == values.len() && at.iter().all(|&at| at < count);
        Mismatch::check(fits, "an index within the tensor for each value", format!("{} indices", at.len()))?;
        match &values.data {
            Data::Floats(found) => {
                let mut dense = vec![0.0; count];
                at.iter().zip(found.as_f32().unwrap_or_default()).for_each(|(&at, &v)| dense[at] = v);
                Self::of_floats(values.element, shape, dense)
            }
            Data::Ints(found) => {
                let mut dense = vec![0; count];
                at.iter().zip(found.iter()).for_each(|(&at, &v)| dense[at] = v);
                Ok(Self::of_ints(values.element, shape, dense))
            }
        }
    }
}

enum Listed {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}
