//! Runs that go on: the options, the command line that a run notes and a later one takes up.

use crate::run;
use anyhow::{Context, anyhow};
use clap::{Args, Command};
use serde_json::Value;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use wgrad::Checkpoint;

/// How a run is kept, and whether an earlier one goes on.
#[derive(Debug, Clone, Args)]
pub struct KeepArgs {
    /// Steps between two checkpoints, besides those whenever metrics.csv gets a row.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint_every: Option<u32>,
    /// How many checkpoints are kept, besides the best one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,
    /// Continue the run in this folder, after an interruption or for more epochs. Its options are known; those given here
    /// override them.
    #[arg(long, value_name = "RUN", conflicts_with = "out")]
    pub resume: Option<PathBuf>,
    /// Lose the device after each of these steps, to try what is done then.
    #[arg(long, hide = true, value_name = "STEP,..", value_delimiter = ',')]
    lose_device_at: Vec<u32>,
}

impl KeepArgs {
    /// Whether the device is to be lost after this step, for the `count`th time.
    pub fn loses(&self, step: usize, count: usize) -> bool {
        self.lose_device_at.get(count).is_some_and(|&at| at as usize == step)
    }

    /// Whether a checkpoint is due after this step.
    pub fn due(&self, step: usize) -> bool {
        self.checkpoint_every.is_some_and(|every| step.is_multiple_of(every as usize))
    }
}

/// A command line, word by word.
#[derive(Debug, Default)]
pub struct Words(Vec<String>);

impl Words {
    /// An option with its value, where it has one.
    pub fn add(&mut self, name: &str, value: Option<impl Display>) {
        // In one word: a value may begin with a dash.
        self.0.extend(value.map(|value| format!("--{name}={value}")));
    }

    /// An option without a value, where it is set.
    pub fn flag(&mut self, name: &str, set: bool) {
        self.0.extend(set.then(|| format!("--{name}")));
    }

    /// An option with a path, as it is called from anywhere.
    ///
    /// # Errors
    /// When there is nothing, or its name is no UTF-8.
    pub fn path(&mut self, name: &str, path: Option<&Path>) -> anyhow::Result<()> {
        let Some(path) = path else { return Ok(()) };
        let path = std::fs::canonicalize(path).with_context(|| path.display().to_string())?;
        let text = path.to_str().with_context(|| format!("{}: expected a name in UTF-8", path.display()))?;
        self.add(name, Some(text));
        Ok(())
    }

    /// How it is kept.
    pub fn kept(&mut self, keep: &KeepArgs) {
        self.add("checkpoint-every", keep.checkpoint_every);
        self.add("keep", Some(keep.keep));
    }

    /// As a run notes them.
    pub fn list(self) -> Vec<String> {
        self.0
    }
}

/// The options of a run that goes on: what it noted, then what was given now.
///
/// # Errors
/// When the folder is none of such a run, or the two do not go together.
pub fn resumed<A: Args>(command: &'static str, folder: &Path) -> anyhow::Result<A> {
    noted(command, folder, without_resume(std::env::args_os().skip(2).collect()))
}

/// The options that a run noted, and then these.
///
/// # Errors
/// As [`resumed`].
pub fn noted<A: Args>(command: &'static str, folder: &Path, given: Vec<OsString>) -> anyhow::Result<A> {
    let (settings, _) = run::read(folder)?;
    let words = settings["training"]["words"].as_array();
    let noted = words.filter(|_| settings["command"] == command).with_context(|| {
        format!("{}: expected a run of `wgrad {command}` that notes how it was begun", folder.display())
    })?;
    let noted = noted.iter().filter_map(Value::as_str).map(OsString::from);
    let all = std::iter::once(OsString::from(command)).chain(noted).chain(given);
    let parser = A::augment_args(Command::new(command).args_override_self(true));
    let found = parser.try_get_matches_from(all).map_err(|e| anyhow!("{e}"))?;
    A::from_arg_matches(&found).map_err(|e| anyhow!("{e}"))
}

/// The words without `--resume RUN` or `--resume=RUN`.
fn without_resume(mut words: Vec<OsString>) -> Vec<OsString> {
    if let Some(place) = words.iter().position(|word| word == "--resume") {
        words.drain(place..(place + 2).min(words.len()));
    }
    words.retain(|word| !word.to_string_lossy().starts_with("--resume="));
    words
}

/// The notes of every checkpoint: the rows of metrics.csv, and the device.
pub const ROWS: &str = "metrics";
/// See [`ROWS`].
pub const DEVICE: &str = "device";

/// A note that is a number.
///
/// # Errors
/// When there is none, or it is something else.
pub fn number<T: std::str::FromStr>(checkpoint: &Checkpoint, key: &str) -> anyhow::Result<T> {
    let note = checkpoint.note(key)?;
    note.parse().map_err(|_| anyhow!("the note {key}: expected a number, got {note}"))
}

/// Says what makes a run another than it would have been.
pub fn tell_change(what: &str, before: &str, now: &str) {
    if before != now {
        println!(
            "changed  {what}: {now}, before {before}; results are no longer bit for bit those of one run"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_words_given_now_those_that_name_the_run_go() {
        let of = |text: &str| -> String {
            let words = without_resume(text.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("--epochs 5 --resume runs/1 --lr 2"), "--epochs 5 --lr 2");
        assert_eq!(of("--resume=runs/1 --lr 2"), "--lr 2");
        assert_eq!(of("--lr 2 --resume"), "--lr 2");
    }
}
