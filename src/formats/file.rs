//! Files of tensors, recognised by their first bytes: what they hold, and one tensor after another out of them.

use super::budget::Budget;
use super::entry::{Contents, Entry, Format, Location};
use super::prefix::strip;
use super::recognise::{parse, recognise};
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::tensor::HostTensor;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is read of a file, and under which names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Where in a training checkpoint the tensors lie: a key of its dictionary, such as `model`, or several with dots between
    /// them. Blank is the dictionary itself. `None` is what is under `state_dict`, `model_state_dict` or `model` where that is
    /// its only entry that is a dictionary of tensors, else itself.
    pub key: Option<String>,
    /// What is taken off the names that begin with it. `None` is `module.` and `_orig_mod.`, which PyTorch's wrappers add,
    /// where all names begin so; blank is nothing.
    pub strip_prefix: Option<String>,
}

/// A file of tensors that was opened: their names, types and shapes are known, and their values are read when they are asked
/// for.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    format: Format,
    bytes: Vec<u8>,
    parts: Vec<Vec<u8>>,
    entries: BTreeMap<String, Entry>,
    remarks: Vec<String>,
    metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Opens a file of any [`Format`]; its name does not matter.
    ///
    /// # Errors
    /// When the file is missing, is none of them, is cut off, names anything but tensors and plain containers, or has no
    /// tensors under the key.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::of(path, bytes, options)
    }

    /// A file of these bytes, called `path` in errors.
    ///
    /// # Errors
    /// As [`TensorFile::open`], but for a missing file.
    pub fn of(path: &Path, bytes: Vec<u8>, options: &ReadOptions) -> Result<Self> {
        let made = recognise(&bytes).and_then(|format| {
            let contents = parse(format, &bytes, options.key.as_deref())?;
            Ok((format, contents))
        });
        let refused = |Mismatch { expected, got }| Error::file(path, expected, got);
        let (format, Contents { mut entries, parts, mut remarks, metadata }) = made.map_err(refused)?;
        for (name, _) in entries.iter_mut().filter(|(name, _)| name.is_empty()) {
            *name = path.file_stem().map_or("tensor".into(), |stem| stem.to_string_lossy().into_owned());
        }
        let entries = strip(entries, options.strip_prefix.as_deref(), &mut remarks).map_err(refused)?;
        Ok(Self { path: path.into(), format, bytes, parts, entries, remarks, metadata })
    }

    /// What kind of file it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What was chosen in reading it and what was left out, a sentence each: a key, a prefix, entries without tensors.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The words of a safetensors file about itself; other formats have none.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names, types and shapes of its tensors as the file has them, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &'static str, &[usize])> {
        self.entries.iter().map(|(name, e)| (name.as_str(), e.element.name(), e.layout.shape()))
    }

    /// The tensor called `name`: floats of every width as `f32`, which of an `f64` is the nearest; whole numbers and truth
    /// values as `u32`.
    ///
    /// # Errors
    /// When there is none, its elements are of another type (complex, quantised), a number is none of the type here, or it
    /// repeats its elements more often than fits a file of this size.
    pub fn read(&self, name: &str) -> Result<HostTensor> {
        let Some(entry) = self.entries.get(name) else {
            let names: Vec<&str> = self.entries.keys().map(String::as_str).take(20).collect();
            let got = format!("only such as {}", names.join(", "));
            return Err(Error::file(&self.path, format!("a tensor {name}"), got));
        };
        self.value(entry, None).map_err(|Mismatch { expected, got }| {
            let words = entry.words();
            let got = if entry.ty(None).is_ok() { format!("{got}, in {words}") } else { words };
            Error::file(&self.path, format!("{name} of {expected}"), got)
        })
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`TensorFile::read`], and when together they are more than fits a file of this size.
    pub(super) fn read_all(&self) -> Result<BTreeMap<String, HostTensor>> {
        let mut budget = Budget::of(self.bytes.len());
        for (name, entry) in &self.entries {
            let spent = entry.cost().and_then(|cost| budget.spend(cost, &format!("a tensor {name}")));
            spent.map_err(|Mismatch { expected, got }| Error::file(&self.path, expected, got))?;
        }
        self.entries.keys().map(|name| Ok((name.clone(), self.read(name)?))).collect()
    }

    /// A tensor as `f32`, whatever it is in the file: whole numbers, those below 0 among them, as far as `f32` holds them.
    ///
    /// # Errors
    /// As [`TensorFile::read`], and when `f32` does not hold a whole number.
    pub fn read_f32(&self, name: &str) -> Result<HostTensor> {
        let whole = self.entries.get(name).map(|entry| (entry, entry.element.whole(&[], false)));
        let Some((entry, Some(_))) = whole else {
            return self.read(name).map(|tensor| tensor.cast(DType::F32));
        };
        let refused =
            |Mismatch { expected, got }| Error::file(&self.path, format!("{name} of {expected}"), got);
        let bytes = self.elements(entry).map_err(refused)?;
        let held = |value: i128| {
            let held = value as f32;
            let expected = "whole numbers that f32 holds, which it does up to 16777216";
            Mismatch::check(held as i128 == value, expected, value.to_string()).map(|()| held)
        };
        let values = entry.element.whole(&bytes, entry.big_endian).unwrap_or_default().into_iter().map(held);
        HostTensor::from_f32(entry.layout.shape(), values.collect::<Result<_, _>>().map_err(refused)?)
    }

    /// Its tensors by name.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The tensor of an entry; one of `f16` stays so where that is `wanted`.
    pub(crate) fn value(&self, entry: &Entry, wanted: Option<DType>) -> Result<HostTensor, Mismatch> {
        entry.element.dtype(wanted)?;
        let bytes = self.elements(entry)?;
        entry.element.decode(entry.layout.shape(), &bytes, entry.big_endian, wanted)
    }

    /// The bytes of an entry's elements in row-major order.
    fn elements(&self, entry: &Entry) -> Result<Cow<'_, [u8]>, Mismatch> {
        Budget::of(self.bytes.len()).spend(entry.cost()?, "a tensor")?;
        let storage = match &entry.location {
            Location::File(range) => self.bytes.get(range.clone()),
            Location::Part(part, range) => self.parts.get(*part).and_then(|part| part.get(range.clone())),
        };
        entry.layout.gather(storage.unwrap_or_default(), entry.element.size())
    }
}
