//! Weights of programs out of files and into them.

use super::checkpoint;
use super::parameters::Parameters;
use super::weights::{self, Which};
use crate::error::{Error, Result};
use crate::formats::{self, ReadOptions, TensorFile};
use crate::ops::Role;
use std::path::Path;

impl Parameters {
    /// What is saved with the model: parameters and buffers.
    fn saved(&self) -> Vec<String> {
        let mut names = self.names(Role::Parameter);
        names.extend(self.names(Role::Buffer));
        names.sort();
        names
    }

    /// Writes parameters and buffers as safetensors under their names, whole or not at all.
    ///
    /// # Errors
    /// When the device failed or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = self.saved().into_iter().map(|name| self.get(&name).map(|value| (name, value)));
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        formats::save(path, tensors.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// Reads parameters and buffers from a safetensors, PyTorch or NumPy file, see [`crate::formats`]: exactly those there are,
    /// with their shapes. Floats of other widths become those that are wanted, but for `f16`, which is read from `f16` alone.
    /// Of a checkpoint its weights. On an error nothing is changed.
    ///
    /// # Errors
    /// When the file is missing, is no such file, or holds other tensors: all that are missing, unexpected or of another type.
    pub fn load(&self, path: &Path) -> Result<()> {
        self.read(path, Which::All).map(drop)
    }

    /// As [`Parameters::load`], of those alone whose names match one of `patterns`, in which `*` stands for any text: to go on
    /// from a network that is partly another, as fine-tuning does. Gives their names.
    ///
    /// # Errors
    /// When the file lacks one of them or has it with another type, or no name matches.
    pub fn load_matching(&self, path: &Path, patterns: &[&str]) -> Result<Vec<String>> {
        self.read(path, Which::Matching(patterns))
    }

    fn read(&self, path: &Path, which: Which<'_>) -> Result<Vec<String>> {
        let wanted = self.saved().into_iter().map(|name| self.ty(&name).map(|ty| (name, ty)));
        let wanted = wanted.collect::<Result<Vec<_>>>()?;
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let aside = checkpoint::aside(path, &bytes)?;
        // Names that begin as those of PyTorch's wrappers are left as they are where the network has such.
        let own = wanted.iter().any(|(name, _)| formats::is_wrapped(name));
        let options = ReadOptions { strip_prefix: own.then(String::new), ..ReadOptions::default() };
        let file = TensorFile::of(path, bytes, &options)?;
        let found = weights::load((path, &file), &wanted, which, &aside)?;
        for (name, value) in &found {
            self.set(name, value)?;
        }
        Ok(found.into_iter().map(|(name, _)| name).collect())
    }
}
