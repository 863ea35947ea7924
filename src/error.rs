//! The one error type: what failed, what was expected and what came.

use std::path::{Path, PathBuf};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, each with what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An op was given shapes, types or attributes it does not accept; raised while the graph is built.
    #[error("{op}{}: expected {expected}, got {got}", quoted(label))]
    Op {
        /// The op, by its PyTorch name.
        op: String,
        /// The label of the node, such as `features.0`; empty when it has none.
        label: String,
        /// What the op accepts.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// A file does not hold what it should.
    #[error("{}: expected {expected}, got {got}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        got: String,
    },
    /// A file could not be read or written.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: std::io::Error,
    },
    /// An argument is out of its range.
    #[error("{name}: expected {expected}, got {got}")]
    Argument {
        /// The argument or option.
        name: String,
        /// What it accepts.
        expected: String,
        /// What it was given.
        got: String,
    },
    /// A program needs more memory than there is.
    #[error("memory: expected a program of at most {room}, got one of {needed}: {largest}{hint}")]
    Memory {
        /// What there is, in MiB.
        room: String,
        /// What the program needs, in MiB.
        needed: String,
        /// The largest of its tensors.
        largest: String,
        /// What would fit; empty where that is not known.
        hint: String,
    },
    /// No device fits, or the device failed.
    #[error("device: expected {expected}, got {got}")]
    Device {
        /// What was asked of the device.
        expected: String,
        /// What it answered.
        got: String,
    },
}

fn quoted(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!(" '{label}'") }
}

impl Error {
    /// An op or layer, of this label, that refuses its inputs: what layers of your own say, as those of this crate do.
    pub fn op(op: &str, label: &str, mismatch: Mismatch) -> Self {
        let Mismatch { expected, got } = mismatch;
        Self::Op { op: op.into(), label: label.into(), expected, got }
    }

    /// A file that should have held what was `expected` and holds what was `got`.
    pub fn file(path: &Path, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::File { path: path.into(), expected: expected.into(), got: got.into() }
    }

    /// A file that could not be read or written, for the operating system's reason.
    pub fn io(path: &Path, reason: std::io::Error) -> Self {
        Self::Io { path: path.into(), reason }
    }

    /// An argument called `name` that should have been `expected` and was `got`, in words where that is blank.
    pub fn argument(name: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        let got = Some(got.into()).filter(|got| !got.trim().is_empty()).unwrap_or_else(|| "nothing".into());
        Self::Argument { name: name.into(), expected: expected.into(), got }
    }

    pub(crate) fn device(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Device { expected: expected.into(), got: got.into() }
    }
}

/// Why an op refuses its inputs; the graph adds the op's name and the node's label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What the op accepts.
    pub expected: String,
    /// What it was given.
    pub got: String,
}

impl Mismatch {
    /// `expected` and `got`, in words.
    pub fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { expected: expected.into(), got: got.into() }
    }

    /// `Err` unless `holds`.
    pub fn check(holds: bool, expected: impl Into<String>, got: impl Into<String>) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(expected, got)) }
    }
}
