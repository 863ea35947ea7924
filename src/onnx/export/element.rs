//! Types of elements in a file.

use crate::{DType, HostTensor};

/// `FLOAT`.
pub(super) const FLOAT: i32 = 1;
/// `INT32`.
pub(super) const INT32: i32 = 6;
/// `INT64`.
pub(super) const INT64: i32 = 7;
/// `BOOL`.
pub(super) const BOOL: i32 = 9;
/// `FLOAT16`.
pub(super) const FLOAT16: i32 = 10;

/// How a file calls a type: `u32`, which counts and points, is of 64 bits there, as operators want indices.
pub(super) fn data_type(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => FLOAT,
        DType::F16 => FLOAT16,
        DType::U32 => INT64,
    }
}

/// Its name in words.
pub(super) fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float32",
        DType::F16 => "float16",
        DType::U32 => "int64",
    }
}

/// The elements as a file has them, little end first.
pub(super) fn bits(value: &HostTensor) -> Vec<u8> {
    let bytes = value.as_bytes();
    match value.ty().dtype {
        DType::F32 | DType::F16 => bytes.to_vec(),
        DType::U32 => {
            let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            words.flat_map(|word| i64::from(word).to_le_bytes()).collect()
        }
    }
}
