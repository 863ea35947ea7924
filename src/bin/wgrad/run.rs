//! Run folders: what a training writes, and how later commands find it again.

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use wgrad::nn::{self, Model};

/// Where run folders are made by default.
const RUNS: &str = "runs";
/// The file that tells what a run was.
const SETTINGS: &str = "run.json";
/// The weights of a run.
const WEIGHTS: &str = "model.safetensors";

/// The folder of a new run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// `out`, or the next number under `runs/`. Nothing is made yet.
    ///
    /// # Errors
    /// When `out` exists and is not an empty folder.
    pub fn plan(out: Option<&Path>, model: &str) -> anyhow::Result<Self> {
        let Some(path) = out else {
            let next = numbered().iter().map(|(number, _)| number + 1).max().unwrap_or(1);
            return Ok(Self { path: Path::new(RUNS).join(format!("{next:04}-{model}")) });
        };
        let mut entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(_) if !path.exists() => return Ok(Self { path: path.to_owned() }),
            Err(error) => {
                return Err(error).with_context(|| format!("--out {}: expected a folder", path.display()));
            }
        };
        match entries.next() {
            None => Ok(Self { path: path.to_owned() }),
            Some(_) => {
                bail!("--out {}: expected a new or empty folder, got one with files in it", path.display())
            }
        }
    }

    /// Makes the folder and notes the settings in it.
    pub fn create(&self, settings: &Value) -> anyhow::Result<()> {
        fs::create_dir_all(&self.path).with_context(|| format!("making {}", self.path.display()))?;
        self.write(SETTINGS, &format!("{settings:#}\n"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the weights.
    pub fn weights(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// Writes a text file, whole or not at all.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(wgrad::write_atomically(&self.path.join(name), text.as_bytes())?)
    }
}

/// What a run notes about itself.
pub fn settings(model: &Model, pairs: Value) -> Value {
    json!({ "wgrad": env!("CARGO_PKG_VERSION"), "model": model.name, "training": pairs })
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

/// The folders under `runs/` that begin with a number.
fn numbered() -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(RUNS) else { return Vec::new() };
    let number = |path: &Path| path.file_name()?.to_str()?.split('-').next()?.parse().ok();
    entries.flatten().filter_map(|e| number(&e.path()).map(|n| (n, e.path()))).collect()
}

/// A trained network.
#[derive(Debug, Clone, Args)]
pub struct TrainedArgs {
    /// The run folder; without it, the newest under runs/.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// A weight file in place of the run's; with --model no run is needed.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The network the weights belong to.
    #[arg(long, requires = "weights")]
    model: Option<String>,
}

impl TrainedArgs {
    /// The network and its weight file.
    pub fn find(&self) -> anyhow::Result<(&'static Model, PathBuf)> {
        if let (Some(model), Some(weights)) = (&self.model, &self.weights) {
            return Ok((nn::model(model)?, weights.clone()));
        }
        let newest = || numbered().into_iter().max().map(|(_, path)| path);
        let Some(folder) = self.run.clone().or_else(newest) else {
            bail!("no run folder under {RUNS}/: run `wgrad train` first, or name one with --run DIR");
        };
        let (settings, weights) = read(&folder)?;
        let Some(name) = settings["model"].as_str() else {
            bail!("{}: expected the name of a model, got none", folder.join(SETTINGS).display());
        };
        let model = nn::model(self.model.as_deref().unwrap_or(name))?;
        Ok((model, self.weights.clone().unwrap_or(weights)))
    }
}
