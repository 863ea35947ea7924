//! Folders in which each folder is a class.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What becomes of files that do not hold what they should.
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

/// The files of `folder/CLASS/` with one of these extensions, in any case.
///
/// # Errors
/// When there are fewer than two classes, a class has no such file, or a name is no UTF-8.
pub(super) fn find(folder: &Path, extensions: &[&str]) -> Result<ClassFiles> {
    let wanted = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|e| extensions.contains(&e.to_ascii_lowercase().as_str()))
    };
    let words = || extensions.iter().map(|e| format!(".{e}")).collect::<Vec<_>>().join(", ");
    let all = entries(folder)?;
    let classes: Vec<(String, PathBuf)> = all.iter().filter(|(_, path)| path.is_dir()).cloned().collect();
    if classes.len() < 2 {
        let archive = all.iter().find(|(name, _)| {
            [".zip", ".tar", ".gz", ".tgz", ".7z"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
        });
        let got = match archive {
            Some((name, _)) => format!("{} and an archive, {name}, that is not unpacked", classes.len()),
            None => classes.len().to_string(),
        };
        return Err(Error::file(folder, "at least two folders, one a class", got));
    }
    let (mut files, mut names) = (Vec::new(), Vec::new());
    for (class, (name, path)) in (0u32..).zip(classes) {
        let own: Vec<PathBuf> =
            entries(&path)?.into_iter().map(|(_, path)| path).filter(|p| p.is_file() && wanted(p)).collect();
        if own.is_empty() {
            return Err(Error::file(&path, format!("files of a class ({})", words()), "none"));
        }
        files.extend(own.into_iter().map(|path| (path, class)));
        names.push(name);
    }
    Ok(ClassFiles { files, classes: names, skipped: Vec::new() })
}

impl ClassFiles {
    /// Looks at every file, on all cores; what `look` refuses is an error or left out.
    ///
    /// # Errors
    /// When a file is refused and that is to stop, or a class has none that is not.
    pub(super) fn checked(
        mut self,
        on_bad: OnBad,
        look: impl Fn(&Path) -> Result<()> + Sync,
    ) -> Result<Self> {
        let next = AtomicUsize::new(0);
        let refused: Mutex<Vec<(usize, Error)>> = Mutex::default();
        let threads = thread::available_parallelism().map_or(1, |n| n.get());
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some((path, _)) = self.files.get(number) else { break };
                        if let Err(error) = look(path) {
                            refused.lock().unwrap_or_else(PoisonError::into_inner).push((number, error));
                        }
                    }
                });
            }
        });
        let mut refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
        refused.sort_by_key(|(number, _)| *number);
        if let (OnBad::Stop, false) = (on_bad, refused.is_empty()) {
            let more = refused.len() - 1;
            let (number, error) = refused.swap_remove(0);
            let Some((path, _)) = self.files.get(number) else { return Err(error) };
            let more = if more == 0 { String::new() } else { format!(" (and {more} more like it)") };
            return Err(match error {
                Error::File { expected, got, .. } => Error::file(path, expected, format!("{got}{more}")),
                other => other,
            });
        }
        for (number, error) in refused.into_iter().rev() {
            let (path, _) = self.files.remove(number);
            self.skipped.push((path, error.to_string()));
        }
        self.skipped.reverse();
        for (class, name) in (0u32..).zip(&self.classes) {
            if !self.files.iter().any(|(_, of)| *of == class) {
                let got = format!("none: {}", self.skipped.last().map_or("", |(_, why)| why.as_str()));
                return Err(Error::argument(&format!("class {name}"), "a file that decodes", got));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folders_and_what_is_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let found = || find(folder.path(), &["txt"]);
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
            "3" | "7" => Err(Error::file(path, "another number", "it")),
            _ => Ok(()),
        };
        let error = files.clone().checked(OnBad::Stop, look).unwrap_err().to_string();
        assert!(error.contains("b/3.TXT") && error.contains("(and 1 more like it)"), "{error}");
        let left = files.clone().checked(OnBad::Skip, look).unwrap();
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
    }
}
