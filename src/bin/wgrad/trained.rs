//! Networks that `wgrad train` trained: what a run notes of them, and how later commands find them again.

use crate::device::name;
use crate::run::{RUNS, SETTINGS, newest, read};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use wgrad::data::Labels;
use wgrad::nn::{self, Images, Model};

/// What a run on images notes about itself.
pub fn settings(model: &Model, images: &Images, names: &[String], pairs: Value) -> Value {
    let first = names.first().and_then(|name| name.parse::<u8>().ok()).unwrap_or(0);
    json!({
        "wgrad": env!("CARGO_PKG_VERSION"), "command": "train", "model": model.name, "image": images.shape,
        "classes": images.classes, "first_label": first, "names": names, "training": pairs,
    })
}

/// A trained network.
#[derive(Debug, Clone, Args)]
pub struct TrainedArgs {
    /// The run folder; without it, the newest under runs/ that has weights.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// A weight file in place of the run's; with --model no run is needed.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The network the weights belong to.
    #[arg(long, value_parser = name, requires = "weights")]
    model: Option<String>,
}

/// A network that was trained.
pub struct Trained {
    /// Its kind.
    pub model: &'static Model,
    /// What it was trained on; `None` where only a weight file is known.
    pub trained_on: Option<(Images, Labels)>,
    /// Its weights.
    pub weights: PathBuf,
}

impl TrainedArgs {
    /// Finds the network and its weight file.
    pub fn find(&self) -> anyhow::Result<Trained> {
        if let (Some(model), Some(weights), None) = (&self.model, &self.weights, &self.run) {
            return Ok(Trained { model: nn::model(model)?, trained_on: None, weights: weights.clone() });
        }
        let Some(folder) = self.run.clone().or_else(newest) else {
            bail!("no run with weights under {RUNS}/: run `wgrad train` first, or name one with --run DIR");
        };
        let (settings, weights) = read(&folder)?;
        let Some(name) = settings["model"].as_str() else {
            bail!("{}: expected the name of a model, got none", folder.join(SETTINGS).display());
        };
        let model = nn::model(self.model.as_deref().unwrap_or(name))?;
        let trained_on = trained_on(&settings).with_context(|| {
            format!("{}: expected the sizes of its images", folder.join(SETTINGS).display())
        })?;
        Ok(Trained { model, trained_on: Some(trained_on), weights: self.weights.clone().unwrap_or(weights) })
    }
}

/// Sizes and labels of the images of a run. Runs of before they were noted had MNIST's.
fn trained_on(settings: &Value) -> Option<(Images, Labels)> {
    if settings["image"].is_null() {
        return Some((Images::MNIST, Labels::DIGITS));
    }
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|&n| n > 0);
    let shape: Vec<usize> = settings["image"].as_array()?.iter().map(number).collect::<Option<_>>()?;
    let classes = number(&settings["classes"])?;
    let first = u8::try_from(settings["first_label"].as_u64()?).ok()?;
    Some((Images { shape: shape.try_into().ok()?, classes }, Labels { first, classes }))
}
