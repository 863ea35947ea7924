//! Files that are written whole or not at all.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` under a temporary name in the same folder and renames it, so that `path` never holds half
/// a file. On failure the temporary file is removed. What is no regular file, such as a pipe or `/dev/stdout`, is
/// written to in place; a link keeps leading to its file.
///
/// # Errors
/// When the folder does not exist or cannot be written, or the disk is full.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => fs::write(path, bytes),
        Ok(_) => fs::canonicalize(path).and_then(|path| replace(&path, bytes)),
        Err(_) => replace(path, bytes),
    };
    written.map_err(|source| Error::io(path, source))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().map_or_else(|| OsString::from("file"), OsString::from);
    name.push(format!(".{}.tmp", crate::platform::process()));
    let temporary: PathBuf = path.with_file_name(name);
    let written = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        // Some file systems tell only now that the disk is full.
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    };
    written().inspect_err(|_| {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

/// Makes a rename last: on Unix a power cut may otherwise take it back.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let error = write_atomically(&folder.path().join("gone/a.txt"), b"one").unwrap_err().to_string();
        assert!(error.contains("gone/a.txt"), "{error}");
        assert!(write_atomically(folder.path(), b"one").is_err(), "a folder was written over");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, null) = ["a.txt", "link", "null"].map(|name| folder.path().join(name)).into();
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        for path in [&link, &null] {
            write_atomically(path, b"two").unwrap();
            assert!(path.is_symlink(), "{} is no link any more", path.display());
        }
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::metadata("/dev/null").unwrap().permissions().mode() & 0o170_000 == 0o020_000);
        #[cfg(target_os = "linux")]
        assert!(write_atomically(Path::new("/dev/full"), b"one").unwrap_err().to_string().contains("space"));
    }

    #[cfg(unix)]
    use std::os::unix::fs::PermissionsExt;
}
