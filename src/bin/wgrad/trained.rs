//! Networks that `wgrad train` trained: what a run notes of them, and how later commands find them again.

use crate::data::{DataArgs, Like, Sets};
use crate::device::{DeviceArgs, name};
use crate::networks::{self, Head, Named};
use crate::run::{RUNS, SETTINGS, newest, read};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use wgrad::Parameters;
use wgrad::data::{Labels, Statistics, TableSchema};
use wgrad::nn::Images;
use wgrad::train::Network;

/// What a run notes about itself: of what shape its examples were, in which classes, and what images were normalised by where
/// that is no writing.
pub fn settings(
    model: &Named,
    shape: &[usize],
    names: &[String],
    normalised_by: Option<&Statistics>,
    training: Value,
) -> Value {
    let mut settings = json!({
        "wgrad": env!("CARGO_PKG_VERSION"), "command": "train", "model": model.name(), "classes": names.len(),
        "names": names, "training": training,
    });
    settings[model.field()] = json!(shape);
    if let Some(head) = model.head() {
        settings["head"] = json!(head.name());
    }
    if let Some(Statistics { mean, std }) = normalised_by {
        settings["normalised_by"] = json!({ "mean": mean, "std": std });
    }
    settings
}

/// A trained network.
#[derive(Debug, Clone, Args)]
pub struct TrainedArgs {
    /// The run folder; without it, the newest under runs/ that has weights.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// A weight file instead of the run's; with --model no run is needed.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The network the weights belong to.
    #[arg(long, value_parser = name, requires = "weights")]
    model: Option<String>,
}

/// A network that was trained.
pub struct Trained {
    /// Its kind.
    pub model: Named,
    /// What it was trained on; `None` where only a weight file is known.
    pub on: Option<TrainedOn>,
    /// Its weights.
    pub weights: PathBuf,
}

/// What a network was trained on.
pub struct TrainedOn {
    /// The shape of an example.
    pub shape: Vec<usize>,
    /// What the classes are called.
    pub names: Vec<String>,
    /// What its images were normalised by, where that are their own numbers.
    pub normalised_by: Option<Statistics>,
    /// Of a table, what its columns are.
    pub table: Option<TableSchema>,
    /// Its data, where that was noted.
    pub data: Option<DataArgs>,
}

impl TrainedOn {
    /// MNIST's images.
    pub fn digits() -> Self {
        let names = (0..Images::MNIST.classes).map(|class| class.to_string()).collect();
        Self { shape: Images::MNIST.shape.to_vec(), names, normalised_by: None, table: None, data: None }
    }

    /// How IDX files count its classes, where they are called by numbers.
    pub fn labels(&self) -> Option<Labels> {
        let first = self.names.first()?.parse().ok()?;
        Some(Labels { first, classes: self.names.len() })
    }
}

/// A trained network with its weights, and the examples that it is evaluated on.
pub struct Evaluated {
    /// Its kind.
    pub model: Named,
    /// The network.
    pub network: Network,
    /// The examples.
    pub sets: Sets,
    /// Its weights.
    pub weights: PathBuf,
    /// The device, in words.
    pub device: String,
}

impl TrainedArgs {
    /// The network of a run.
    pub fn of_run(run: &Path) -> Self {
        Self { run: Some(run.to_owned()), weights: None, model: None }
    }

    /// Loads a network and what it is evaluated on: the data that was asked for, or else that of its run.
    ///
    /// # Errors
    /// When there is no such network, or it does not fit the data.
    pub fn evaluated(
        &self,
        data: &DataArgs,
        device: &DeviceArgs,
        batch_size: usize,
    ) -> anyhow::Result<Evaluated> {
        let Trained { model, on, weights } = self.find()?;
        let noted = on.as_ref().and_then(|on| on.data.as_ref()).filter(|_| !data.given());
        let like = Like {
            labels: on.as_ref().and_then(TrainedOn::labels),
            by: on.as_ref().and_then(|on| on.normalised_by.as_ref()),
            table: on.as_ref().and_then(|on| on.table.as_ref()),
            other: data.given(),
        };
        let sets = noted.unwrap_or(data).load(model.reads(), like)?;
        let (shape, classes) = (model.shape(sets.test.as_ref())?, sets.test.classes().len());
        if let Some(on) = on.filter(|on| on.shape != shape || on.names.len() != classes) {
            let expected = model.words(&on.shape, on.names.len());
            let (weights, got) = (weights.display(), model.words(&shape, classes));
            bail!("{weights}: a {} for {expected}, got {got} from {}", model.name(), sets.about);
        }
        // Few examples are one pass, whatever its size.
        let batch_size = batch_size.min(sets.test.len());
        wgrad::data::check_batch_size(sets.test.as_ref(), batch_size)?;
        let device = device.open()?;
        let parameters = Parameters::new(&device, 0);
        let mut network = model.network(&parameters, (&shape, classes), sets.test.fields())?;
        network.prepare(batch_size)?;
        parameters.load(&weights)?;
        Ok(Evaluated { model, network, sets, weights, device: device.describe() })
    }

    /// Finds the network and its weight file.
    pub fn find(&self) -> anyhow::Result<Trained> {
        if let (Some(model), Some(weights), None) = (&self.model, &self.weights, &self.run) {
            return Ok(Trained {
                model: networks::find(model, Head::Auto)?,
                on: None,
                weights: weights.clone(),
            });
        }
        let Some(folder) = self.run.clone().or_else(newest) else {
            bail!("no run with weights under {RUNS}/: run `wgrad train` first, or name one with --run DIR");
        };
        let (settings, weights) = read(&folder)?;
        let Some(name) = settings["model"].as_str() else {
            bail!("{}: expected the name of a model, got none", folder.join(SETTINGS).display());
        };
        let model = networks::find(self.model.as_deref().unwrap_or(name), Head::noted(&settings["head"]))?;
        let of_file = || format!("{}: expected the sizes of its examples", folder.join(SETTINGS).display());
        let mut on = trained_on(&settings, &model).with_context(of_file)?;
        on.table = serde_json::from_value(settings["table"].clone()).with_context(of_file)?;
        on.data = DataArgs::noted(&settings["training"]["data_words"]).with_context(of_file)?;
        Ok(Trained { model, on: Some(on), weights: self.weights.clone().unwrap_or(weights) })
    }
}

/// Shape and classes of the examples of a run. Runs of before they were noted had MNIST's.
fn trained_on(settings: &Value, model: &Named) -> Option<TrainedOn> {
    let shape = &settings[model.field()];
    if shape.is_null() {
        return Some(TrainedOn::digits());
    }
    let number = |value: &Value| usize::try_from(value.as_u64()?).ok().filter(|&n| n > 0);
    let shape: Vec<usize> = shape.as_array()?.iter().map(number).collect::<Option<_>>()?;
    // A regression has none.
    let classes = usize::try_from(settings["classes"].as_u64()?).ok()?;
    let names = match settings["names"].as_array() {
        Some(names) => {
            names.iter().map(|name| Some(name.as_str()?.to_owned())).collect::<Option<Vec<_>>>()?
        }
        // Of before there were names.
        None => {
            let first = usize::try_from(settings["first_label"].as_u64()?).ok()?;
            (first..first + classes).map(|class| class.to_string()).collect()
        }
    };
    let numbers = |key: &str| -> Option<Vec<f32>> {
        let list = settings["normalised_by"][key].as_array()?;
        list.iter().map(|value| value.as_f64().map(|value| value as f32)).collect()
    };
    let normalised_by = numbers("mean").zip(numbers("std")).map(|(mean, std)| Statistics { mean, std });
    (names.len() == classes).then_some(TrainedOn { shape, names, normalised_by, table: None, data: None })
}
