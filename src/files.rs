//! Files that are written whole or not at all.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes `bytes` under a temporary name in the same folder and renames it, so that `path` never holds half
/// a file. On failure the temporary file is removed.
///
/// # Errors
/// When the folder does not exist or cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().map_or_else(|| OsString::from("file"), OsString::from);
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary: PathBuf = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
        Error::io(path, source)
    })
}
