//! Tensors out of a file and into one.

use super::file::{ReadOptions, TensorFile};
#[cfg(feature = "pytorch")]
use super::npz;
use super::{npy, safetensors};
use crate::error::{Error, Mismatch, Result};
use crate::files::write_atomically;
use crate::tensor::HostTensor;
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors by name, in the order of their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensors {
    by_name: BTreeMap<String, HostTensor>,
}

impl Tensors {
    /// Reads all tensors of a safetensors, PyTorch or NumPy file, recognised by what it holds. Floats of every width become
    /// `f32`, of `f64` the nearest; whole numbers and truth values become `u32`. A `.npy` file's array is called as the file
    /// without its extension.
    ///
    /// # Errors
    /// As [`TensorFile::open`] and [`TensorFile::read`].
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self> {
        Ok(Self { by_name: TensorFile::open(path, options)?.read_all()? })
    }

    /// All tensors of a file that was opened.
    ///
    /// # Errors
    /// As [`TensorFile::read`].
    pub fn of(file: &TensorFile) -> Result<Self> {
        Ok(Self { by_name: file.read_all()? })
    }

    /// The tensor called `name`.
    pub fn get(&self, name: &str) -> Option<&HostTensor> {
        self.by_name.get(name)
    }

    /// Names and tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HostTensor)> + Clone {
        self.by_name.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Writes them as safetensors, whole or not at all; `u32` as 64-bit numbers, as PyTorch has them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        safetensors::save(path, self.iter())
    }

    /// Writes them as `.npz`, not compressed, whole or not at all.
    ///
    /// # Errors
    /// When a name is no name of a file in an archive, or the file cannot be written.
    #[cfg(feature = "pytorch")]
    pub fn save_npz(&self, path: &Path) -> Result<()> {
        write(path, npz::encode(self.iter()))
    }
}

impl FromIterator<(String, HostTensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, HostTensor)>>(tensors: I) -> Self {
        Self { by_name: tensors.into_iter().collect() }
    }
}

impl IntoIterator for Tensors {
    type Item = (String, HostTensor);
    type IntoIter = std::collections::btree_map::IntoIter<String, HostTensor>;
    fn into_iter(self) -> Self::IntoIter {
        self.by_name.into_iter()
    }
}

/// Reads the array of a `.npy` file of any shape, in C or Fortran order, of little or big endian: of `f2`, `f4` and `f8` as
/// `f32`, of whole numbers and truth values as `u32`.
///
/// # Errors
/// When the file is missing, is no such file, is cut off or longer than its shape, or a number is none of the type here.
pub fn read_npy(path: &Path) -> Result<HostTensor> {
    let file = TensorFile::open(path, &ReadOptions::default())?;
    let name = file.tensors().next().map(|(name, ..)| name.to_owned()).unwrap_or_default();
    file.read(&name)
}

/// Writes a tensor as `.npy`, whole or not at all: `<f4`, `<f2` or `<u4` in C order.
///
/// # Errors
/// When the file cannot be written, or the shape is too long for its header.
pub fn write_npy(path: &Path, tensor: &HostTensor) -> Result<()> {
    write(path, npy::encode(tensor))
}

/// Reads the arrays of a `.npz` file, packed or not, by their names; as [`read_npy`] each.
///
/// # Errors
/// When the file is missing, is no such file, is cut off or changed, or a number is none of the type here.
#[cfg(feature = "pytorch")]
pub fn read_npz(path: &Path) -> Result<Tensors> {
    Tensors::read(path, &ReadOptions { strip_prefix: Some(String::new()), ..ReadOptions::default() })
}

/// Writes the bytes of a file where there are any.
fn write(path: &Path, bytes: Result<Vec<u8>, Mismatch>) -> Result<()> {
    write_atomically(path, &bytes.map_err(|Mismatch { expected, got }| Error::file(path, expected, got))?)
}
