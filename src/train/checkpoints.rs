//! Checkpoints of a run in a folder: the last few and the best, written while the device works.

use super::measures::LOSS;
use super::step::is_scratch;
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, PendingCheckpoint};
use crate::ops::Role;
use crate::platform::{Task, spawn};
use std::fs;
use std::path::{Path, PathBuf};

/// The best one's file.
const BEST: &str = "best.safetensors";

/// The folder of a run's checkpoints: `step-000000100.safetensors` and so on, of which the last few are kept, and
/// `best.safetensors`.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    /// Whether the folder was made: one that is gone later is not made again.
    made: bool,
    /// The one that is being written.
    writer: Option<Task<Result<()>>>,
}

/// A file of a step.
fn file(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step:09}.safetensors"))
}

/// The steps of which there are files, ascending.
fn steps(folder: &Path) -> Vec<u64> {
    let step = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut steps: Vec<u64> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(step).collect();
    steps.sort_unstable();
    steps
}

impl Checkpoints {
    /// Checkpoints in `folder`, which is made when the first one is written; of those of steps the last `keep`, at least one.
    ///
    /// # Errors
    /// When none is to be kept.
    pub fn new(folder: &Path, keep: usize) -> Result<Self> {
        if keep == 0 {
            return Err(Error::argument("checkpoints", "at least 1 to keep", "0"));
        }
        Ok(Self { folder: folder.to_owned(), keep, made: false, writer: None })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes those to come in another folder.
    pub fn move_to(&mut self, folder: &Path) {
        if folder != self.folder {
            (self.folder, self.made) = (folder.to_owned(), false);
        }
    }

    /// Writes the checkpoint of a step on a thread, as the best one too if it is; first waits for the one before. Those that
    /// are one too many go when it is on disk. One with a weight or a number of the optimizer that is not finite is not
    /// written.
    ///
    /// # Errors
    /// When the one before could not be written, or was not finite.
    pub fn write(&mut self, step: u64, pending: PendingCheckpoint, best: bool) -> Result<()> {
        self.finish()?;
        if !self.made {
            fs::create_dir_all(&self.folder).map_err(|e| Error::io(&self.folder, e))?;
            self.made = true;
        }
        let (folder, keep) = (self.folder.clone(), self.keep);
        self.writer = Some(spawn(move || {
            let checkpoint = pending.wait()?;
            if let Some(name) = not_finite(&checkpoint) {
                // Nothing is to go on from there: the one before stays the newest.
                return Err(Error::argument(LOSS, "finite numbers in what a checkpoint keeps", name));
            }
            if best {
                checkpoint.write(&folder.join(BEST))?;
            }
            checkpoint.write(&file(&folder, step))?;
            let all = steps(&folder);
            for old in &all[..all.len().saturating_sub(keep)] {
                let path = file(&folder, *old);
                fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            }
            Ok(())
        }));
        Ok(())
    }

    /// Waits until all is on disk.
    ///
    /// # Errors
    /// When the last one could not be written.
    pub fn finish(&mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        writer.join().unwrap_or_else(|_| Err(Error::device("a checkpoint", "a thread that failed")))
    }

    /// The newest checkpoint in a folder, and where it is. One that is broken gives way to the one before it, with a line to
    /// `tell`.
    ///
    /// # Errors
    /// When there is none, or none that can be read: why not the newest.
    pub fn latest(folder: &Path, mut tell: impl FnMut(&str)) -> Result<(PathBuf, Checkpoint)> {
        let mut first = None;
        for step in steps(folder).into_iter().rev() {
            let path = file(folder, step);
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return Ok((path, checkpoint)),
                Err(error) => {
                    tell(&error.to_string());
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| {
            Error::file(folder, "a folder with a checkpoint step-NUMBER.safetensors", "none")
        }))
    }
}

/// The first weight, number of the optimizer or sum that is not finite, or NaN among what else is kept with a network: a run
/// that goes on from there is lost.
fn not_finite(checkpoint: &Checkpoint) -> Option<String> {
    let bad = |role: Role, value: f32| match role {
        Role::Buffer => value.is_nan(),
        Role::Parameter | Role::Optimizer | Role::Metric => !value.is_finite(),
    };
    checkpoint.states().filter(|(name, ..)| !is_scratch(name)).find_map(|(name, role, value)| {
        let values = value.as_f32().ok()?;
        values.iter().find(|&&value| bad(role, value)).map(|value| format!("{value} in {name}"))
    })
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        // Whoever wants to know how it ended has asked `finish`.
        let _ = self.finish();
    }
}
