//! Weights out of files: which of them are wanted, and how those that there are differ.

use crate::error::{Error, Mismatch, Result};
use crate::formats::TensorFile;
use crate::graph::matches;
use crate::tensor::{HostTensor, TensorType};
use std::collections::BTreeSet;
use std::path::Path;

/// How the tensors that there are differ from those that are wanted.
#[derive(Debug, Default)]
pub(super) struct Differences {
    missing: Vec<String>,
    unexpected: Vec<String>,
    mismatched: Vec<(String, String)>,
}

impl Differences {
    pub(super) fn compare(&mut self, name: &str, wanted: Option<&TensorType>, got: Option<&TensorType>) {
        match (wanted, got) {
            (Some(wanted), None) => self.missing.push(format!("{name} ({wanted})")),
            (None, Some(got)) => self.unexpected.push(format!("{name} ({got})")),
            (Some(wanted), Some(got)) if wanted != got => self.mismatch(name, wanted, got.to_string()),
            _ => {}
        }
    }

    fn mismatch(&mut self, name: &str, wanted: &TensorType, got: String) {
        self.mismatched.push((format!("{name} of {wanted}"), got));
    }

    /// One error about all of them, where there are any, made of what was expected and what came.
    pub(super) fn refuse(self, error: impl Fn(String, String) -> Error) -> Result<()> {
        let Self { missing, unexpected, mismatched } = self;
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        let (wanted, types): (Vec<_>, Vec<_>) = mismatched.into_iter().unzip();
        if !wanted.is_empty() {
            expected.push(wanted.join(", "));
            got.push(types.join(", "));
        }
        if !missing.is_empty() {
            expected.push(format!("the keys {}", missing.join(", ")));
            got.push(format!("{} of them missing", missing.len()));
        }
        if !unexpected.is_empty() {
            expected.push("no other keys".to_owned());
            got.push(format!("also {}", unexpected.join(", ")));
        }
        if expected.is_empty() { Ok(()) } else { Err(error(expected.join("; "), got.join("; "))) }
    }
}

/// What of a file is loaded.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// Exactly what is wanted.
    All,
    /// What is wanted and matches one of these patterns; the file may hold other tensors.
    Matching(&'a [&'a str]),
}

/// The tensors `wanted` of a file. Those that are `aside` do not count.
pub(super) fn load(
    (path, file): (&Path, &TensorFile),
    wanted: &[(String, TensorType)],
    which: Which<'_>,
    aside: &BTreeSet<String>,
) -> Result<Vec<(String, HostTensor)>> {
    let chosen = |name: &str| match which {
        Which::All => true,
        Which::Matching(patterns) => patterns.iter().any(|pattern| matches(pattern, name)),
    };
    let mut differences = Differences::default();
    let mut found = Vec::new();
    for (name, wanted) in wanted.iter().filter(|(name, _)| chosen(name)) {
        let Some(entry) = file.entries().get(name) else {
            differences.compare(name, Some(wanted), None);
            continue;
        };
        match entry.ty(Some(wanted.dtype)) {
            Ok(got) if got == *wanted => match file.value(entry, Some(wanted.dtype)) {
                Ok(value) => found.push((name.clone(), value)),
                Err(Mismatch { got, .. }) => differences.mismatch(name, wanted, got),
            },
            Ok(got) => differences.mismatch(name, wanted, got.to_string()),
            Err(_) => differences.mismatch(name, wanted, entry.words()),
        }
    }
    if let Which::All = which {
        for (name, entry) in file.entries().iter().filter(|(name, _)| wanted.iter().all(|(w, _)| w != *name))
        {
            if !aside.contains(name) {
                let got = entry.ty(None).map_or_else(|_| entry.words(), |ty| ty.to_string());
                differences.unexpected.push(format!("{name} ({got})"));
            }
        }
    } else if found.is_empty() && differences.missing.is_empty() && differences.mismatched.is_empty() {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let expected = format!("patterns of some of {}", names.join(", "));
        return Err(Error::argument("load", expected, "none that matches"));
    }
    differences.refuse(|expected, got| Error::file(path, expected, got))?;
    Ok(found)
}
