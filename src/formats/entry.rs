//! What a parser finds in a file: tensors, and where their bytes are.

use super::element::Element;
use super::layout::Layout;
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// The kinds of files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Safetensors.
    Safetensors,
    /// PyTorch's, since 1.6: a zip archive of a pickle and the storages.
    TorchZip,
    /// PyTorch's of before: pickles, then the storages.
    TorchLegacy,
    /// A pickle alone, of NumPy arrays.
    Pickle,
    /// NumPy's of one array.
    Npy,
    /// NumPy's of several: a zip archive of `.npy`.
    Npz,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Safetensors => "safetensors",
            Format::TorchZip => "a PyTorch file",
            Format::TorchLegacy => "a PyTorch file of the form before 1.6",
            Format::Pickle => "a pickle",
            Format::Npy => "a NumPy array",
            Format::Npz => "NumPy arrays",
        })
    }
}

/// Where the bytes of a storage are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Location {
    /// In the file.
    File(Range<usize>),
    /// Among what was unpacked of it.
    #[cfg_attr(not(feature = "pytorch"), expect(dead_code, reason = "archives alone are unpacked"))]
    Part(usize, Range<usize>),
}

/// A tensor of a file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(super) element: Element,
    pub(super) layout: Layout,
    pub(super) big_endian: bool,
    pub(super) location: Location,
}

impl Entry {
    /// Its shape, and its type here; floats are of `wanted` where that is what the file has.
    ///
    /// # Errors
    /// When its elements are of a type without one like it.
    pub(crate) fn ty(&self, wanted: Option<DType>) -> Result<TensorType, Mismatch> {
        Ok(TensorType { shape: self.layout.shape().into(), dtype: self.element.dtype(wanted)? })
    }

    /// In words, for where it has no type here.
    pub(crate) fn words(&self) -> String {
        format!("{} of shape {:?}", self.element.name(), self.layout.shape())
    }

    /// Bytes in memory as what is computed with.
    pub(super) fn cost(&self) -> Result<u64, Mismatch> {
        Ok((self.layout.elements()? as u64).saturating_mul(4.max(self.element.size()) as u64))
    }
}

/// What the parser of a format found.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Tensors by name; of those of one name the last counts.
    pub(super) entries: Vec<(String, Entry)>,
    /// What was unpacked.
    pub(super) parts: Vec<Vec<u8>>,
    /// What the user should know of how it was read.
    pub(super) remarks: Vec<String>,
    /// The words of a safetensors file about itself.
    pub(super) metadata: BTreeMap<String, String>,
}
