//! Files that a command writes: their folder is tried before the work, and where writing fails after it,
//! what there is goes to another place.

use anyhow::{Context, anyhow, bail};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use wgrad::write_atomically;

/// Tries that a file can be written at `path`, the value of `option`, so that no work is lost for want of a place.
///
/// # Errors
/// When it is a folder, or its folder does not exist or cannot be written.
pub fn check(option: &str, path: &Path) -> anyhow::Result<()> {
    let bad =
        |got: String| anyhow!("{option} {}: expected a file that can be written, got {got}", path.display());
    if path.is_dir() {
        return Err(bad("a folder".to_owned()));
    }
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Ok(()); // a pipe or a device: opening it may wait for a reader
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(bad(format!("no folder {}", folder.display())));
    }
    let probe = folder.join(format!(".wgrad-{}.tmp", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe);
    made.and_then(|_| fs::remove_file(&probe)).map_err(|error| bad(format!("{}: {error}", folder.display())))
}

/// Tries the places of all options that are given.
pub fn check_all<'a>(
    options: impl IntoIterator<Item = (&'a str, &'a Option<PathBuf>)>,
) -> anyhow::Result<()> {
    options.into_iter().try_for_each(|(option, path)| path.iter().try_for_each(|path| check(option, path)))
}

/// Writes a file; see [`keep`].
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    keep(path, |path| write_atomically(path, bytes))
}

/// Has `save` write at `path`, and where that fails in a fresh folder.
///
/// # Errors
/// When it could not be written at `path`: the message says why, and where it is.
pub fn keep(path: &Path, save: impl Fn(&Path) -> wgrad::Result<()>) -> anyhow::Result<()> {
    let Err(error) = save(path) else { return Ok(()) };
    let other = fresh_folder()?.join(path.file_name().unwrap_or("output".as_ref()));
    match save(&other) {
        Ok(()) => bail!("{error}; it is kept as {}", other.display()),
        Err(second) => bail!("{error}, and {second}"),
    }
}

/// A folder that nobody else has: among the system's temporary files, or where the command runs.
pub fn fresh_folder() -> anyhow::Result<PathBuf> {
    let places = [Some(std::env::temp_dir()), std::env::current_dir().ok()];
    let mut refusal = anyhow!("no place for temporary files");
    for place in places.into_iter().flatten() {
        let name = |number: u32| place.join(format!("wgrad-kept-{}-{number}", std::process::id()));
        for path in (1..100).map(name) {
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    refusal = anyhow!(error).context(format!("making {}", path.display()));
                    break;
                }
            }
        }
    }
    Err(refusal).context("no other place to keep it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_tried_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        let refused = |path: &Path, part: &str| {
            let error = check("--json", path).unwrap_err().to_string();
            assert!(error.starts_with("--json") && error.contains(part), "{error}");
        };
        refused(folder.path(), "a folder");
        refused(&at("gone/out.json"), "no folder");
        refused(&at("file/out.json"), "no folder");
        #[cfg(target_os = "linux")]
        refused(Path::new("/proc/out.json"), "/proc");
        check("--json", &at("out.json")).unwrap();
        check("--json", &at("file")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "trying left a file");
    }

    #[test]
    fn what_cannot_be_written_is_kept_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("gone/out.json"), b"words").unwrap_err().to_string();
        let (_, place) = error.split_once("it is kept as ").expect(&error);
        assert_eq!(fs::read(place).unwrap(), b"words");
        fs::remove_dir_all(Path::new(place).parent().unwrap()).unwrap();
    }
}
