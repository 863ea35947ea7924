//! Element types of ONNX, and what becomes of them here.

use std::fmt;

/// The type of a tensor's elements in an ONNX file.
///
/// Every number is computed as `f32`: `float16`, `bfloat16` and `double` are converted when they are read, integers that are
/// not known in advance are whole numbers of up to 2^24, truth values are 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// `float`.
    Float,
    /// `uint8`.
    Uint8,
    /// `int8`.
    Int8,
    /// `uint16`.
    Uint16,
    /// `int16`.
    Int16,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `string`.
    String,
    /// `bool`.
    Bool,
    /// `float16`.
    Float16,
    /// `double`.
    Double,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `bfloat16`.
    Bfloat16,
    /// Complex numbers, numbers of 8 bits and less, and whatever else there may be, by its number in the file.
    Other(i32),
}

use ElementType as E;

/// Numbers in a file, types, names.
const TYPES: [(i32, E, &str); 14] = [
    (1, E::Float, "float"),
    (2, E::Uint8, "uint8"),
    (3, E::Int8, "int8"),
    (4, E::Uint16, "uint16"),
    (5, E::Int16, "int16"),
    (6, E::Int32, "int32"),
    (7, E::Int64, "int64"),
    (8, E::String, "string"),
    (9, E::Bool, "bool"),
    (10, E::Float16, "float16"),
    (11, E::Double, "double"),
    (12, E::Uint32, "uint32"),
    (13, E::Uint64, "uint64"),
    (16, E::Bfloat16, "bfloat16"),
];

impl ElementType {
    /// Of its number in a file.
    pub fn of(code: i32) -> Self {
        TYPES.iter().find(|(number, ..)| *number == code).map_or(Self::Other(code), |(_, ty, _)| *ty)
    }

    /// Its number in a file.
    pub fn code(self) -> i32 {
        match self {
            Self::Other(code) => code,
            known => TYPES.iter().find(|(_, ty, _)| *ty == known).map_or(0, |(number, ..)| *number),
        }
    }

    /// Whether it is one of numbers with a fraction.
    pub fn is_float(self) -> bool {
        matches!(self, E::Float | E::Float16 | E::Double | E::Bfloat16)
    }

    /// Whether it is one of whole numbers.
    pub fn is_integer(self) -> bool {
        self.range().is_some() && self != E::Bool
    }

    /// Whether tensors of it can be computed with.
    pub fn is_numeric(self) -> bool {
        !matches!(self, E::String | E::Other(_))
    }

    /// The least and the largest whole number; `None` for others.
    pub fn range(self) -> Option<(i128, i128)> {
        Some(match self {
            E::Bool => (0, 1),
            E::Uint8 => (0, u8::MAX.into()),
            E::Int8 => (i8::MIN.into(), i8::MAX.into()),
            E::Uint16 => (0, u16::MAX.into()),
            E::Int16 => (i16::MIN.into(), i16::MAX.into()),
            E::Uint32 => (0, u32::MAX.into()),
            E::Int32 => (i32::MIN.into(), i32::MAX.into()),
            E::Uint64 => (0, u64::MAX.into()),
            E::Int64 => (i64::MIN.into(), i64::MAX.into()),
            E::Float | E::Double | E::Float16 | E::Bfloat16 | E::String | E::Other(_) => return None,
        })
    }

    /// Bytes of one element in `raw_data`; `None` where it is not read.
    pub(crate) fn size(self) -> Option<usize> {
        Some(match self {
            E::Bool | E::Uint8 | E::Int8 => 1,
            E::Uint16 | E::Int16 | E::Float16 | E::Bfloat16 => 2,
            E::Float | E::Uint32 | E::Int32 => 4,
            E::Double | E::Uint64 | E::Int64 => 8,
            E::String | E::Other(_) => return None,
        })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(14) => f.write_str("complex64"),
            Self::Other(15) => f.write_str("complex128"),
            Self::Other(code) => write!(f, "element type {code}"),
            known => f.write_str(TYPES.iter().find(|(_, ty, _)| ty == known).map_or("", |(.., name)| name)),
        }
    }
}
