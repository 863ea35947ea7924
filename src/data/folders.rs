//! Folders in which each folder is a class.

use super::some_of;
use crate::error::{Error, Result};
use crate::platform::{all, cores};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What to do with files that do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBad {
    /// They are an error, which names the first and counts the others.
    #[default]
    Stop,
    /// They are left out, and named on request.
    Skip,
}

/// The files of all classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassFiles {
    /// Each file and its class, by class and name.
    pub(super) files: Vec<(PathBuf, u32)>,
    /// The names of the classes: of their folders, sorted.
    pub(super) classes: Vec<String>,
    /// What was left out, and why.
    pub(super) skipped: Vec<(PathBuf, String)>,
}

/// The entries of a folder by name, without those that are hidden.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let read = fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut found = Vec::new();
    for entry in read {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Error::file(&path, "a name in UTF-8", "another"))?.to_owned();
        if !name.starts_with('.') {
            found.push((name, path));
        }
    }
    found.sort();
    Ok(found)
}

/// A folder's parts: `train`, `val` (or `valid`) and `test`, where it has them.
#[derive(Debug, Clone)]
pub struct Parts<T> {
    /// What is learned from: all, where there are no parts.
    pub train: T,
    /// What is validated on.
    pub valid: Option<T>,
    /// What is evaluated on.
    pub test: Option<T>,
}

impl<T> Parts<T> {
    /// Reads the parts of a folder: the training part, then the others given it.
    #[cfg(feature = "images")]
    pub(super) fn open(
        folder: &Path,
        first: impl FnOnce(&Path) -> Result<T>,
        other: impl Fn(&Path, &T) -> Result<T>,
    ) -> Result<Self> {
        let part = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
        let Some(train) = part(&["train"]) else {
            return Ok(Self { train: first(folder)?, valid: None, test: None });
        };
        let train = first(&train)?;
        let valid = part(&["val", "valid"]).map(|path| other(&path, &train)).transpose()?;
        let test = part(&["test"]).map(|path| other(&path, &train)).transpose()?;
        Ok(Self { train, valid, test })
    }
}

/// The files below a folder by name. Links to folders are not followed, so that there is an end.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for (_, path) in entries(folder)? {
        if !path.is_dir() {
            files.push(path);
        } else if !path.is_symlink() {
            files_below(&path, files)?;
        }
    }
    Ok(())
}

/// The folders of the classes.
fn class_folders(folder: &Path, known: Option<&[String]>) -> Result<Vec<(String, PathBuf)>> {
    let all = entries(folder)?;
    let classes: Vec<(String, PathBuf)> = all.iter().filter(|(_, path)| path.is_dir()).cloned().collect();
    if let Some(known) = known {
        let new = classes.iter().find(|(name, _)| !known.contains(name));
        if let Some((new, _)) = new {
            let expected = format!("the classes of the training part, {}", some_of(known));
            return Err(Error::file(folder, expected, format!("a folder {new}")));
        }
    }
    if classes.len() >= if known.is_some() { 1 } else { 2 } {
        return Ok(classes);
    }
    let archive = all.iter().find(|(name, _)| {
        [".zip", ".tar", ".gz", ".tgz", ".7z"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
    });
    let got = match archive {
        Some((name, _)) => format!("{} and an archive, {name}, that is not unpacked", classes.len()),
        None => classes.len().to_string(),
    };
    Err(Error::file(folder, "at least two folders, one a class", got))
}

/// The files of `folder/CLASS/`, in deeper folders too, with one of these extensions, in any case. `known` are the classes
/// there may be, where another part of the data has settled them.
///
/// # Errors
/// When there are fewer than two classes, a class has no such file or is not known, or a name is no UTF-8.
pub(super) fn find(folder: &Path, extensions: &[&str], known: Option<&[String]>) -> Result<ClassFiles> {
    let wanted = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|e| extensions.contains(&e.to_ascii_lowercase().as_str()))
    };
    let words = || extensions.iter().map(|e| format!(".{e}")).collect::<Vec<_>>().join(", ");
    let found = class_folders(folder, known)?;
    let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
    let classes = known.map_or(names, <[String]>::to_vec);
    let mut files = Vec::new();
    for (class, name) in (0u32..).zip(&classes) {
        let Some((_, path)) = found.iter().find(|(own, _)| own == name) else { continue };
        let mut own = Vec::new();
        files_below(path, &mut own)?;
        own.retain(|path| wanted(path));
        if own.is_empty() {
            return Err(Error::file(path, format!("files of a class ({})", words()), "none"));
        }
        files.extend(own.into_iter().map(|path| (path, class)));
    }
    Ok(ClassFiles { files, classes, skipped: Vec::new() })
}

/// `make` of each of these files, on all cores, in their order; an error where it panics, as decoders of other people's files
/// may.
pub(super) fn each<T: Send>(
    files: &[(PathBuf, u32)],
    make: impl Fn(&Path) -> Result<T> + Sync,
) -> Vec<Result<T>> {
    let next = AtomicUsize::new(0);
    let made: Mutex<Vec<(usize, Result<T>)>> = Mutex::default();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((path, _)) = files.get(number) else { break };
            let gave_up =
                |_| Err(Error::file(path, "a file that decodes", "one at which the decoder panics"));
            let one = catch_unwind(AssertUnwindSafe(|| make(path))).unwrap_or_else(gave_up);
            made.lock().unwrap_or_else(PoisonError::into_inner).push((number, one));
        }
    };
    all((0..cores()).map(|_| &work));
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, one)| one).collect()
}

impl ClassFiles {
    /// Looks at every file, on all cores; what `look` refuses is an error or left out. With what it made of the others.
    ///
    /// # Errors
    /// When a file is refused and that is to stop, or a class has none that is not.
    pub(super) fn checked<T: Send>(
        mut self,
        on_bad: OnBad,
        look: impl Fn(&Path) -> Result<T> + Sync,
    ) -> Result<(Self, Vec<T>)> {
        let had: Vec<u32> = self.files.iter().map(|(_, class)| *class).collect();
        let (mut good, mut refused) = (Vec::new(), Vec::new());
        let looked = each(&self.files, look);
        for (file, result) in std::mem::take(&mut self.files).into_iter().zip(looked) {
            match result {
                Ok(one) => {
                    self.files.push(file);
                    good.push(one);
                }
                Err(error) => refused.push((file.0, error)),
            }
        }
        if on_bad == OnBad::Stop && !refused.is_empty() {
            return Err(first_of(refused));
        }
        self.skipped = refused.into_iter().map(|(path, error)| (path, error.to_string())).collect();
        for (class, name) in (0u32..).zip(&self.classes) {
            if had.contains(&class) && !self.files.iter().any(|(_, of)| *of == class) {
                let got = format!("none: {}", self.skipped.last().map_or("", |(_, why)| why.as_str()));
                return Err(Error::argument(&format!("class {name}"), "a file that decodes", got));
            }
        }
        Ok((self, good))
    }
}

/// The first of some refusals, which counts the others and names a few.
fn first_of(refused: Vec<(PathBuf, Error)>) -> Error {
    let others: Vec<String> = refused.iter().skip(1).map(|(path, _)| path.display().to_string()).collect();
    let more = match others.len() {
        0 => String::new(),
        n => format!(" (and {n} more like it: {})", some_of(&others)),
    };
    match refused.into_iter().next() {
        Some((path, Error::File { expected, got, .. })) => {
            Error::file(&path, expected, format!("{got}{more}"))
        }
        Some((_, other)) => other,
        None => Error::argument("files", "files that decode", "others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folders_and_what_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let found = || find(folder.path(), &["txt"], None);
        assert!(found().unwrap_err().to_string().contains("at least two folders, one a class, got 0"));
        fs::write(at("all.tar.gz"), b"").unwrap();
        assert!(found().unwrap_err().to_string().contains("an archive, all.tar.gz, that is not unpacked"));
        for (class, count) in [("b", 12), ("a", 1), (".hidden", 1)] {
            fs::create_dir(at(class)).unwrap();
            (0..count).for_each(|i| fs::write(at(class).join(format!("{i}.TXT")), format!("{i}")).unwrap());
        }
        fs::write(at("b/note.md"), b"").unwrap();
        let files = found().unwrap();
        assert_eq!((files.classes.clone(), files.files.len()), (vec!["a".to_owned(), "b".into()], 13));
        let look = |path: &Path| match fs::read_to_string(path).unwrap().as_str() {
            "7" => panic!("as decoders may"),
            "3" => Err(Error::file(path, "another number", "it")),
            _ => Ok(()),
        };
        let error = files.clone().checked(OnBad::Stop, look).unwrap_err().to_string();
        assert!(error.contains("b/3.TXT") && error.contains("(and 1 more like it: "), "{error}");
        let (left, _) = files.clone().checked(OnBad::Skip, look).unwrap();
        let names: Vec<_> =
            left.skipped.iter().map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
        assert_eq!((left.files.len(), names), (11, vec!["3.TXT".into(), "7.TXT".into()]));
        let nothing = files.checked(OnBad::Skip, |path| match path.starts_with(at("a")) {
            true => Err(Error::file(path, "a number", "none")),
            false => Ok(()),
        });
        assert!(nothing.unwrap_err().to_string().contains("class a: expected a file that decodes"));
        fs::create_dir(at("c")).unwrap();
        assert!(found().unwrap_err().to_string().contains("files of a class (.txt), got none"));
        let known = ["a", "c"].map(str::to_owned);
        let other = find(folder.path(), &["txt"], Some(&known)).unwrap_err().to_string();
        assert!(other.contains("the training part, a, c, got a folder b"), "{other}");
    }
}
