//! Element types as files have them, and the only rules by which they become ours.

use crate::dtype::DType;
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::HostTensor;
use half::{bf16, f16};
use safetensors::tensor::Dtype;

/// The type of the elements in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
    /// One that nothing here computes with, by its name: complex, quantised, of 8 bits.
    Other(&'static str),
}

use Element::{BF16, Bool, F16, F32, F64, I8, I16, I32, I64, Other, U8, U16, U32, U64};

/// Names by safetensors, PyTorch and NumPy (kind and bytes); where a name is empty there is none.
const NAMES: [(Element, &str, &str, &str); 13] = [
    (Bool, "BOOL", "bool", "b1"),
    (U8, "U8", "uint8", "u1"),
    (I8, "I8", "int8", "i1"),
    (U16, "U16", "uint16", "u2"),
    (I16, "I16", "int16", "i2"),
    (U32, "U32", "uint32", "u4"),
    (I32, "I32", "int32", "i4"),
    (U64, "U64", "uint64", "u8"),
    (I64, "I64", "int64", "i8"),
    (F16, "F16", "float16", "f2"),
    (BF16, "BF16", "bfloat16", ""),
    (F32, "F32", "float32", "f4"),
    (F64, "F64", "float64", "f8"),
];

/// What PyTorch has besides.
#[cfg(feature = "pytorch")]
const OTHERS: [&str; 12] = [
    "complex32",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
    "qint8",
    "quint8",
    "qint32",
];

impl Element {
    /// Its name in safetensors.
    pub(crate) fn name(self) -> &'static str {
        let Other(name) = self else {
            return NAMES.iter().find(|(element, ..)| *element == self).map_or("", |(_, name, ..)| name);
        };
        name
    }

    /// Bytes of one; 1 for those that nothing here computes with.
    pub(crate) fn size(self) -> usize {
        match self {
            Bool | U8 | I8 | Other(_) => 1,
            U16 | I16 | F16 | BF16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 => 8,
        }
    }

    /// The type of a safetensors file.
    pub(crate) fn of_safetensors(dtype: Dtype) -> Self {
        let name = dtype.to_string();
        let known = NAMES.iter().find(|(_, known, ..)| *known == name).map(|(element, ..)| *element);
        known.unwrap_or(match dtype {
            Dtype::C64 => Other("complex64"),
            Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E8M0 => Other("a float of 8 bits"),
            _ => Other("a float of few bits"),
        })
    }

    /// The dtype of this name of PyTorch's, such as `float32` or `half`.
    #[cfg(feature = "pytorch")]
    pub(crate) fn of_torch(name: &str) -> Option<Self> {
        let name = match name {
            "float" => "float32",
            "double" => "float64",
            "half" => "float16",
            "int" => "int32",
            "long" => "int64",
            "short" => "int16",
            other => other,
        };
        let known = NAMES.iter().find(|(_, _, known, _)| *known == name).map(|(element, ..)| *element);
        known.or_else(|| OTHERS.iter().find(|known| **known == name).map(|name| Other(name)))
    }

    /// The type of a NumPy name without its byte order, such as `f4`.
    pub(crate) fn of_numpy(name: &str) -> Option<Self> {
        match name {
            "?" => Some(Bool),
            "c8" => Some(Other("complex64")),
            "c16" => Some(Other("complex128")),
            "" => None,
            other => NAMES.iter().find(|(.., known)| *known == other).map(|(element, ..)| *element),
        }
    }

    /// The type here: floats are `f32`, and `f16` where that is `wanted` of one; whole numbers and truth values are `u32`.
    ///
    /// # Errors
    /// For what nothing here computes with.
    pub(crate) fn dtype(self, wanted: Option<DType>) -> Result<DType, Mismatch> {
        match self {
            F16 if wanted == Some(DType::F16) => Ok(DType::F16),
            F16 | BF16 | F32 | F64 => Ok(DType::F32),
            Bool | U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64 => Ok(DType::U32),
            Other(name) => Err(Mismatch::new("floats, whole numbers or truth values", name)),
        }
    }

    /// The tensor of these row-major elements.
    ///
    /// # Errors
    /// When a number is none of the type here: a whole number below 0 or above 32 bits, a finite `f64` beyond `f32`, a type of
    /// [`Element::Other`]; when there are not as many as the shape has.
    pub(crate) fn decode(
        self,
        shape: &[usize],
        bytes: &[u8],
        big_endian: bool,
        wanted: Option<DType>,
    ) -> Result<HostTensor, Mismatch> {
        let floats = |values: Vec<f32>| HostTensor::from_f32(shape, values);
        let counts = |values: Vec<u32>| HostTensor::from_u32(shape, values);
        let small = |values: Vec<i64>| whole(values.into_iter());
        let made = match (self, self.dtype(wanted)?) {
            (F16, DType::F16) => {
                HostTensor::from_f16(Shape::from(shape), each(bytes, big_endian, f16::from_le_bytes))
            }
            (F16, _) => floats(each(bytes, big_endian, |b| f16::from_le_bytes(b).to_f32())),
            (BF16, _) => floats(each(bytes, big_endian, |b| bf16::from_le_bytes(b).to_f32())),
            (F64, _) => floats(narrowed(bytes, big_endian)?),
            (Bool, _) => counts(bytes.iter().map(|&byte| u32::from(byte != 0)).collect()),
            (U8, _) => counts(bytes.iter().map(|&byte| u32::from(byte)).collect()),
            (U16, _) => counts(each(bytes, big_endian, |b| u32::from(u16::from_le_bytes(b)))),
            (U32, _) => counts(each(bytes, big_endian, u32::from_le_bytes)),
            (I8, _) => counts(small(each(bytes, big_endian, |b| i64::from(i8::from_le_bytes(b))))?),
            (I16, _) => counts(small(each(bytes, big_endian, |b| i64::from(i16::from_le_bytes(b))))?),
            (I32, _) => counts(small(each(bytes, big_endian, |b| i64::from(i32::from_le_bytes(b))))?),
            (I64, _) => counts(small(each(bytes, big_endian, i64::from_le_bytes))?),
            (U64, _) => counts(whole(each(bytes, big_endian, u64::from_le_bytes).into_iter())?),
            (F32 | Other(_), _) => floats(each(bytes, big_endian, f32::from_le_bytes)),
        };
        made.map_err(|error| Mismatch::new("as many elements as the shape has", error.to_string()))
    }
}

impl Element {
    /// Whole numbers and truth values as they are; `None` for floats, and for what nothing here computes with.
    pub(super) fn whole(self, bytes: &[u8], big_endian: bool) -> Option<Vec<i128>> {
        Some(match self {
            Bool => bytes.iter().map(|&byte| i128::from(byte != 0)).collect(),
            U8 => bytes.iter().map(|&byte| byte.into()).collect(),
            I8 => each(bytes, big_endian, |b| i8::from_le_bytes(b).into()),
            U16 => each(bytes, big_endian, |b| u16::from_le_bytes(b).into()),
            I16 => each(bytes, big_endian, |b| i16::from_le_bytes(b).into()),
            U32 => each(bytes, big_endian, |b| u32::from_le_bytes(b).into()),
            I32 => each(bytes, big_endian, |b| i32::from_le_bytes(b).into()),
            U64 => each(bytes, big_endian, |b| u64::from_le_bytes(b).into()),
            I64 => each(bytes, big_endian, |b| i64::from_le_bytes(b).into()),
            F16 | BF16 | F32 | F64 | Other(_) => return None,
        })
    }
}

/// Every element of `N` bytes, read by `of` from its little-endian bytes.
fn each<const N: usize, T>(bytes: &[u8], big_endian: bool, of: impl Fn([u8; N]) -> T) -> Vec<T> {
    let words = bytes.as_chunks::<N>().0.iter().copied();
    let turned = |mut word: [u8; N]| {
        word.reverse();
        word
    };
    if big_endian { words.map(|word| of(turned(word))).collect() } else { words.map(of).collect() }
}

/// Whole numbers as `u32`: PyTorch counts batches and indices in 64 bits.
fn whole<T: Copy + std::fmt::Display + TryInto<u32>>(
    values: impl Iterator<Item = T>,
) -> Result<Vec<u32>, Mismatch> {
    let put = |(at, value): (usize, T)| {
        value.try_into().map_err(|_| {
            Mismatch::new(format!("whole numbers of 0 to {}", u32::MAX), format!("{value} as element {at}"))
        })
    };
    values.enumerate().map(put).collect()
}

fn narrowed(bytes: &[u8], big_endian: bool) -> Result<Vec<f32>, Mismatch> {
    let values = each(bytes, big_endian, f64::from_le_bytes);
    if let Some(value) = values.iter().find(|v| v.is_finite() && !(**v as f32).is_finite()) {
        return Err(Mismatch::new("numbers that f32 can hold", format!("{value:e}")));
    }
    Ok(values.into_iter().map(|value| value as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_type_are_read_in_both_orders() {
        let read = |element: Element, little: &[u8]| {
            let big: Vec<u8> = little.chunks(element.size()).flat_map(|w| w.iter().rev().copied()).collect();
            let count = [little.len() / element.size()];
            let [a, b] = [(little, false), (&big[..], true)].map(|(b, e)| element.decode(&count, b, e, None));
            assert_eq!(a, b, "{element:?}");
            a
        };
        let singles = |values: &[f32]| Ok(HostTensor::from_f32([values.len()], values.to_vec()).unwrap());
        let counts = |values: &[u32]| Ok(HostTensor::from_u32([values.len()], values.to_vec()).unwrap());
        assert_eq!(read(F16, &[0, 0x3c, 0, 0xc0]), singles(&[1.0, -2.0]));
        assert_eq!(read(BF16, &[0x80, 0x3f, 0, 0xc0]), singles(&[1.0, -2.0]));
        assert_eq!(read(F64, &(-0.5f64).to_le_bytes()), singles(&[-0.5]));
        assert_eq!(read(F64, &f64::INFINITY.to_le_bytes()), singles(&[f32::INFINITY]));
        assert!(read(F64, &1e39f64.to_le_bytes()).is_err());
        assert_eq!(read(Bool, &[0, 1, 2]), counts(&[0, 1, 1]));
        assert_eq!(read(U16, &[1, 2]), counts(&[0x201]));
        assert_eq!(read(I64, &u64::from(u32::MAX).to_le_bytes()), counts(&[u32::MAX]));
        for (element, bytes) in [
            (I8, vec![0xff]),
            (I16, vec![0, 0x80]),
            (I32, vec![0xff; 4]),
            (I64, (-1i64).to_le_bytes().to_vec()),
            (U64, (1u64 << 32).to_le_bytes().to_vec()),
            (Other("complex64"), vec![0; 8]),
        ] {
            assert!(read(element, &bytes).is_err(), "{element:?}");
        }
    }
}
