//! Weights of programs out of files and into them.

use super::checkpoint;
use super::parameters::Parameters;
use super::weights::{self, Which};
use crate::error::{Error, Result};
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
        weights::save(path, &tensors.collect::<Result<Vec<_>>>()?)
    }

    /// Reads parameters and buffers from safetensors: exactly those there are, with their types. Of a checkpoint its weights. On
    /// an error nothing is changed.
    ///
    /// # Errors
    /// When the file is missing, is no safetensors file, or holds other tensors: all that are missing, unexpected or of another
    /// type.
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
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let aside = checkpoint::aside(path, &bytes)?;
        let found = weights::load((path, &bytes), &wanted.collect::<Result<Vec<_>>>()?, which, &aside)?;
        for (name, value) in &found {
            self.set(name, value)?;
        }
        Ok(found.into_iter().map(|(name, _)| name).collect())
    }
}
