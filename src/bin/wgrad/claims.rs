//! How a new run gets a folder of its own, whoever else is looking for one.

use anyhow::{Context, anyhow, bail};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where run folders are made by default.
pub const RUNS: &str = "runs";
/// The file that tells what a run was.
pub const SETTINGS: &str = "run.json";
/// Numbers of runs that are tried before giving up: others take them, too.
const TRIES: u32 = 1000;
/// Those in which it waits for the claims of others.
const PATIENT_TRIES: u32 = 200;

/// Makes a folder and those above it that are missing, and adds them to `made`, outermost first. That it exists
/// already is no error.
fn make(folder: &Path, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make(parent, made)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => made.push(folder.to_owned()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Claims a folder that was asked for: of those who try, one makes its `run.json`.
pub fn claim_named(path: &Path, made: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let expected = "expected a new or empty folder";
    let bad = |got: String| anyhow!("--out {}: {expected}, got {got}", path.display());
    if path.exists() && !path.is_dir() {
        return Err(bad("a file".to_owned()));
    }
    make(path, made).map_err(|error| bad(format!("one that cannot be made: {error}")))?;
    let found = fs::read_dir(path).map_err(|error| bad(error.to_string()))?;
    if found.count() > 0 {
        return Err(bad("one with files in it".to_owned()));
    }
    claim_settings(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => bad("one that another run has just taken".to_owned()),
        _ => bad(format!("one that cannot be written: {error}")),
    })
}

/// Makes `run.json`, which only one can.
fn claim_settings(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(SETTINGS);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    file.write_all(b"{}\n").inspect_err(|_| {
        // The first failure is the one to report.
        let _ = fs::remove_file(&path);
    })
}

/// Claims the next number under `runs`. A number belongs to who makes the folder `.NUMBER`, for as long as it takes
/// to make the run's folder: its name alone, `NUMBER-MODEL`, would let two models have one number.
pub fn claim_next(runs: &Path, model: &str, made: &mut Vec<PathBuf>) -> anyhow::Result<PathBuf> {
    for attempt in 0..TRIES {
        // A claim lasts for the time that a folder takes; one that a killed run left is passed over in the end.
        let passed_over = attempt >= PATIENT_TRIES;
        // Again each time: a run that ended with nothing may have taken the folder with it.
        make(runs, made).with_context(|| format!("making {}", runs.display()))?;
        let counts = |path: &Path| passed_over || !is_claim(path);
        let next = entries(runs).filter(|(_, path)| counts(path)).map(|(number, _)| number).max();
        let next = next.unwrap_or(0) + 1;
        let claim = runs.join(format!(".{next:04}"));
        match fs::create_dir(&claim) {
            Ok(()) => {}
            Err(error) if [ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&error.kind()) => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) => {
                return Err(error).with_context(|| format!("making a folder in {}", runs.display()));
            }
        }
        // Those made before the claim are seen now, and none is made while it lasts.
        let taken = entries(runs).any(|(number, path)| number >= next && !is_claim(&path));
        let path = runs.join(format!("{next:04}-{model}"));
        let outcome = if taken { Ok(()) } else { fs::create_dir(&path).and_then(|()| claim_settings(&path)) };
        let released = fs::remove_dir(&claim);
        if taken {
            continue;
        }
        made.push(path.clone());
        outcome.and(released).with_context(|| format!("making {}", path.display()))?;
        return Ok(path);
    }
    bail!("{}: expected a free number for a run, got {TRIES} that others took", runs.display())
}

/// Whether it is only the claim of a number.
fn is_claim(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// What in a folder begins with a number, behind a dot if it is only a claim.
pub fn entries(runs: &Path) -> impl Iterator<Item = (u64, PathBuf)> {
    let number = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        // Numbers of more digits are none of ours.
        let digits = name.trim_start_matches('.').split('-').next().filter(|d| d.len() <= 18)?;
        digits.parse().ok()
    };
    let found = fs::read_dir(runs).into_iter().flatten().flatten().map(|entry| entry.path());
    found.filter_map(move |path| Some((number(&path)?, path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn of_many_who_claim_at_once_each_gets_a_number_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        let claim = |model: &'static str| {
            let runs = runs.clone();
            std::thread::spawn(move || {
                (0..20).map(|_| claim_next(&runs, model, &mut Vec::new()).unwrap()).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = ["mlp", "mlp", "lenet", "text"].into_iter().map(claim).collect();
        let paths: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        let numbers: BTreeSet<u64> = entries(&runs).map(|(number, _)| number).collect();
        assert_eq!(numbers, (1..=80).collect(), "none left out: {paths:?}");
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 80, "{paths:?}");
        assert!(paths.iter().all(|path| path.join(SETTINGS).is_file()));
    }

    #[test]
    fn a_claim_that_a_killed_run_left_costs_its_number_alone() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        let claim = || claim_next(&runs, "mlp", &mut Vec::new()).unwrap();
        assert_eq!(claim(), runs.join("0001-mlp"));
        fs::create_dir(runs.join(".0002")).unwrap();
        assert_eq!(claim(), runs.join("0003-mlp"));
        assert_eq!(claim(), runs.join("0004-mlp"));
    }

    #[test]
    fn of_many_who_claim_one_folder_one_gets_it() {
        let place = tempfile::tempdir().unwrap();
        // Both have found the folder empty: the second is refused whatever the timing.
        claim_settings(place.path()).unwrap();
        assert_eq!(claim_settings(place.path()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        for round in 0..20 {
            let out = place.path().join(format!("a/{round}"));
            let claim = |_| {
                let out = out.clone();
                std::thread::spawn(move || claim_named(&out, &mut Vec::new()).map_err(|e| e.to_string()))
            };
            let threads: Vec<_> = (0..4).map(claim).collect();
            let claims: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1, "{claims:?}");
            let refused = |e: &&String| e.contains("new or empty folder") && e.contains("another run");
            assert!(
                claims
                    .iter()
                    .filter_map(|c| c.as_ref().err())
                    .all(|e| { refused(&e) || e.contains("files in it") })
            );
        }
    }
}
