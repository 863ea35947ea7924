//! Run folders: what a training writes, and how later commands find it again.

use crate::canvas::Picture;
pub use crate::claims::{RUNS, SETTINGS};
use crate::claims::{claim_named, claim_next, entries};
use crate::output;
use crate::signals::Interrupted;
use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use wgrad::exec::PendingCheckpoint;
use wgrad::ops::Role;
use wgrad::train::{Checkpoints, Trainer};
use wgrad::{Error, Parameters, write_atomically};

/// The weights of a run.
const WEIGHTS: &str = "model.safetensors";
/// The averaged ones.
const AVERAGE: &str = "average.safetensors";
/// A row for every look at the losses.
pub const METRICS: &str = "metrics.csv";
/// A line for whatever happens to a run: that it begins, goes on, loses its device, ends.
const HAPPENED: &str = "events.jsonl";
/// The folder of event files in that of a run.
pub const EVENTS: &str = "tensorboard";
/// The folder of a run's checkpoints.
const CHECKPOINTS: &str = "checkpoints";
/// The file among them that a run locks while it goes on.
const LOCK: &str = ".lock";

/// The folder of a new run: nobody else's from [`RunFolder::claim`] on, and gone again if the run ends before it has
/// anything to keep. Where a file cannot be written any more, it and all that follow go to another folder.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// The folders that were made for it, innermost first.
    made: Vec<PathBuf>,
    settings: String,
    metrics: String,
    kept: bool,
    /// Why the folder was left for another one.
    left: Option<String>,
    /// Held while the run goes on: what else would go on with it is refused.
    lock: Option<File>,
}

impl RunFolder {
    /// Claims `out`, or the next number under `runs/`, by making what nobody else can make a second time.
    ///
    /// # Errors
    /// When `out` exists and is not an empty folder, or the folder cannot be made or written.
    pub fn claim(out: Option<&Path>, model: &str) -> anyhow::Result<Self> {
        let mut made = Vec::new();
        let claimed = match out {
            Some(path) => claim_named(path, &mut made).map(|()| path.to_owned()),
            None => claim_next(Path::new(RUNS), model, &mut made),
        };
        made.reverse();
        let (settings, metrics) = (String::new(), String::new());
        let path = claimed.as_ref().map_or_else(|_| PathBuf::new(), Clone::clone);
        // Made here, so that dropping it takes back what a refused claim has made.
        let folder = Self { path, made, settings, metrics, kept: false, left: None, lock: None };
        claimed.map(|_| folder)
    }

    /// Opens the folder of a run that is to go on, which no other run may do until this one ends.
    ///
    /// # Errors
    /// When it is no run's folder, or another run goes on in it.
    pub fn reopen(path: &Path) -> anyhow::Result<Self> {
        if !path.join(SETTINGS).is_file() {
            bail!("--resume {}: expected the folder of a run, got one without {SETTINGS}", path.display());
        }
        let place = path.join(CHECKPOINTS).join(LOCK);
        let lock = place.parent().is_some_and(Path::is_dir).then(|| File::create(&place)).transpose();
        let lock = lock.with_context(|| place.display().to_string())?;
        if let Some(Err(error)) = lock.as_ref().map(File::try_lock) {
            let taken = || {
                anyhow!(
                    "--resume {}: expected a run that stands still, got one that another process trains",
                    path.display()
                )
            };
            return Err(match error {
                TryLockError::WouldBlock => taken(),
                TryLockError::Error(error) => anyhow!("{}: {error}", place.display()),
            });
        }
        let (settings, metrics, path) = (String::new(), String::new(), path.to_owned());
        Ok(Self { path, made: Vec::new(), settings, metrics, kept: true, left: None, lock })
    }

    /// Notes the settings of a run that goes on, and the metrics as they were at its checkpoint.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn go_on(&mut self, settings: &Value, metrics: &str) -> anyhow::Result<()> {
        self.settings = format!("{settings:#}\n");
        write_atomically(&self.path.join(SETTINGS), self.settings.as_bytes())?;
        self.go_back(metrics)
    }

    /// Notes the metrics as they were at an earlier checkpoint.
    ///
    /// # Errors
    /// When they can be written nowhere.
    pub fn go_back(&mut self, metrics: &str) -> anyhow::Result<()> {
        self.metrics = metrics.to_owned();
        let kept = self.kept;
        self.keep(|folder| write_atomically(&folder.join(METRICS), metrics.as_bytes()))?;
        self.kept = kept;
        Ok(())
    }

    /// Adds to `events.jsonl` what happens to the run at a step. A place that cannot be written ends no run: what is lost with
    /// it is printed on the terminal anyway.
    pub fn event(&self, what: &str, step: usize, more: &str) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let line = json!({"time": time, "event": what, "step": step, "more": more});
        let file = OpenOptions::new().append(true).create(true).open(self.path.join(HAPPENED));
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }

    /// The checkpoints of the run, of which the last `keep` stay; from now on no other process may go on with it.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn keeps(&mut self, keep: u32) -> anyhow::Result<Checkpoints> {
        let folder = self.checkpoints();
        if self.lock.is_none() {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            // Where files cannot be locked, nothing is.
            self.lock = File::create(folder.join(LOCK)).ok().filter(|lock| lock.try_lock().is_ok());
        }
        if self.lock.is_some() {
            // What a killed process was writing when it was killed: nobody else writes here.
            let half = |path: &PathBuf| path.extension().is_some_and(|e| e == "tmp");
            let places =
                [&folder, &self.path].into_iter().flat_map(|place| fs::read_dir(place).into_iter().flatten());
            places
                .flatten()
                .map(|entry| entry.path())
                .filter(half)
                .for_each(|path| drop(fs::remove_file(path)));
        }
        Ok(Checkpoints::new(&folder, keep as usize)?)
    }

    /// Writes a checkpoint; where the one before could not be written, the run goes on in another folder, as with all its
    /// files.
    ///
    /// # Errors
    /// When it can be written nowhere.
    pub fn checkpoint(
        &mut self,
        checkpoints: &mut Checkpoints,
        step: usize,
        pending: PendingCheckpoint,
        best: bool,
    ) -> anyhow::Result<()> {
        self.settle(checkpoints)?;
        match checkpoints.write(step as u64, pending, best) {
            Err(error @ Error::Io { .. }) => self.leave(&error),
            written => Ok(written?),
        }
    }

    /// Waits for the checkpoint that is being written.
    ///
    /// # Errors
    /// As [`RunFolder::checkpoint`].
    pub fn settle(&mut self, checkpoints: &mut Checkpoints) -> anyhow::Result<()> {
        let here = checkpoints.folder() == self.checkpoints();
        match checkpoints.finish() {
            Err(error @ Error::Io { .. }) if here => self.leave(&error)?,
            // The run has left that folder already.
            Err(Error::Io { .. }) => {}
            finished => finished?,
        }
        checkpoints.move_to(&self.checkpoints());
        Ok(())
    }

    /// Adds to what ended a run of `wgrad COMMAND` where it can go on, unless that is said anyway or there is nothing to keep.
    pub fn safe(&self, command: &str, error: anyhow::Error) -> anyhow::Error {
        if error.is::<Interrupted>() || !self.kept {
            return error;
        }
        let Ok((path, _)) = Checkpoints::latest(&self.checkpoints(), |_| ()) else { return error };
        let (path, run) = (path.display(), self.path.display());
        anyhow!(
            "{error:#}\nwhat was learned until {path} is safe: `wgrad {command} --resume {run}` goes on from there"
        )
    }

    /// The folder of its checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// The rows of the metrics so far, and their head.
    pub fn metrics(&self) -> &str {
        &self.metrics
    }

    /// Leaves the folder, whatever is in it.
    pub fn keep_as_it_is(&mut self) {
        self.kept = true;
    }

    /// Notes the settings and the head of the metrics, and tries that there is room for the weights.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn begin(&mut self, settings: &Value, head: &str, parameters: &Parameters) -> anyhow::Result<()> {
        self.settings = format!("{settings:#}\n");
        self.metrics = format!("{head}\n");
        write_atomically(&self.path.join(SETTINGS), self.settings.as_bytes())?;
        write_atomically(&self.path.join(METRICS), self.metrics.as_bytes())?;
        let names = parameters.names(Role::Parameter).into_iter().chain(parameters.names(Role::Buffer));
        let sizes = names.map(|name| Ok(parameters.ty(&name)?.bytes()));
        let bytes = sizes.sum::<wgrad::Result<u64>>()?;
        let room = self.path.join(".room");
        let tried = write_atomically(&room, &vec![b'w'; usize::try_from(bytes)?]);
        let removed = fs::remove_file(&room);
        tried.with_context(|| format!("no room for weights of {bytes} bytes"))?;
        removed.with_context(|| room.display().to_string())
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a row to the metrics; after it, the file holds it even if the process is killed.
    ///
    /// # Errors
    /// When it can be written nowhere.
    pub fn row(&mut self, row: &str) -> anyhow::Result<()> {
        self.metrics += row;
        self.metrics += "\n";
        let path = self.path.join(METRICS);
        let add = || {
            // Opened each time: a file that was removed meanwhile must not take rows that nobody will see.
            let mut file = OpenOptions::new().append(true).open(&path)?;
            file.write_all(format!("{row}\n").as_bytes())?;
            file.sync_data()
        };
        if let Err(reason) = add() {
            self.leave(&Error::Io { path, reason })?;
        }
        self.kept = true;
        Ok(())
    }

    /// Writes the weights, whole or not at all.
    ///
    /// # Errors
    /// When the device failed or they can be written nowhere.
    pub fn save(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        self.keep(|folder| parameters.save(&folder.join(WEIGHTS)))
    }

    /// Writes the averaged weights, whole or not at all.
    ///
    /// # Errors
    /// As [`RunFolder::save`].
    pub fn save_average(&mut self, trainer: &mut Trainer) -> anyhow::Result<()> {
        self.keep(|folder| trainer.save_average(&folder.join(AVERAGE)))
    }

    /// Writes a text file, whole or not at all.
    ///
    /// # Errors
    /// When it can be written nowhere.
    pub fn write(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        self.keep(|folder| write_atomically(&folder.join(name), text.as_bytes()))
    }

    /// Writes a picture as `STEM.svg` and `STEM.png`.
    ///
    /// # Errors
    /// As [`RunFolder::write`].
    pub fn picture(&mut self, stem: &str, picture: &Picture) -> anyhow::Result<()> {
        self.write(&format!("{stem}.svg"), &picture.svg)?;
        self.keep(|folder| write_atomically(&folder.join(format!("{stem}.png")), &picture.png))
    }

    fn keep(&mut self, mut write: impl FnMut(&Path) -> wgrad::Result<()>) -> anyhow::Result<()> {
        match write(&self.path) {
            Ok(()) => {}
            Err(error @ Error::Io { .. }) => {
                self.leave(&error)?;
                write(&self.path)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.kept = true;
        Ok(())
    }

    /// Goes on in another folder, with what there is, and says so.
    fn leave(&mut self, error: &Error) -> anyhow::Result<()> {
        if self.left.is_some() {
            bail!("{error}");
        }
        let other = output::fresh_folder().with_context(|| error.to_string())?;
        eprintln!("{error}; the run is kept in {} from now on", other.display());
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            // What cannot be read any more is written again, or was said to be lost.
            let _ = fs::copy(entry.path(), other.join(entry.file_name()));
        }
        self.left = Some(error.to_string());
        self.kept = true;
        self.path = other;
        write_atomically(&self.path.join(SETTINGS), self.settings.as_bytes())?;
        Ok(write_atomically(&self.path.join(METRICS), self.metrics.as_bytes())?)
    }

    /// Ends the run: says what was written, and fails where it is not in the folder that was asked for.
    ///
    /// # Errors
    /// When a file could not be written where it should be.
    pub fn finish(&mut self, files: &[&str], parameters: &Parameters) -> anyhow::Result<()> {
        if self.left.is_some() {
            // Those that were copied may be of an earlier look.
            self.save(parameters)?;
        }
        println!("wrote {METRICS}, {} and {WEIGHTS} to {}", files.join(", "), self.path.display());
        match &self.left {
            None => Ok(()),
            Some(error) => bail!("{error}; the run is kept in {}", self.path.display()),
        }
    }
}

impl Drop for RunFolder {
    /// Takes back what was made for a run that has nothing to keep.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if !self.path.as_os_str().is_empty() {
            for name in [SETTINGS, METRICS, HAPPENED, "steps.jsonl", "steps.csv"] {
                let _ = fs::remove_file(self.path.join(name));
            }
            // Of nothing but the beginning.
            let _ = fs::remove_dir_all(self.checkpoints());
            let _ = fs::remove_dir_all(self.path.join(EVENTS));
        }
        for folder in &self.made {
            // One that others use, too, is not empty and stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The number as it was typed, without the digits that f32 adds in f64.
pub fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// What a run folder notes about itself, and its weight file.
pub fn read(folder: &Path) -> anyhow::Result<(Value, PathBuf)> {
    let path = folder.join(SETTINGS);
    let text =
        fs::read_to_string(&path).with_context(|| format!("{}: expected a run folder", folder.display()))?;
    let settings = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    Ok((settings, folder.join(WEIGHTS)))
}

/// A number that a run notes.
///
/// # Errors
/// When it notes none.
pub fn number(settings: &Value, key: &str, run: &Path) -> anyhow::Result<usize> {
    let found = settings[key].as_u64().and_then(|n| usize::try_from(n).ok());
    found.with_context(|| format!("{}: expected a number {key}, got {}", run.display(), settings[key]))
}

/// The newest run that has weights: one that is under way may have none yet.
pub fn newest() -> Option<PathBuf> {
    let trained = |(_, path): &(u64, PathBuf)| path.join(WEIGHTS).is_file();
    entries(Path::new(RUNS)).filter(trained).max().map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_nothing_to_keep_is_taken_back() {
        let place = tempfile::tempdir().unwrap();
        let left = || fs::read_dir(place.path()).unwrap().count();
        drop(RunFolder::claim(Some(&place.path().join("a/b/c")), "mlp").unwrap());
        assert_eq!(left(), 0, "folders that were made for it");
        let empty = place.path().join("mine");
        fs::create_dir(&empty).unwrap();
        drop(RunFolder::claim(Some(&empty), "mlp").unwrap());
        assert!(left() == 1 && fs::read_dir(&empty).unwrap().count() == 0, "a folder that was there before");
        let mut folder = RunFolder::claim(Some(&empty), "mlp").unwrap();
        folder.write("note.txt", "words").unwrap();
        drop(folder);
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 2, "what was kept");
    }
}
