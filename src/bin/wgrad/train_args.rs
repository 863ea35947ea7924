//! The options of `wgrad train`.

use crate::data::{DataArgs, Sets};
use crate::device::DeviceArgs;
use crate::networks::{self, Head, Named};
use crate::optimizer::OptimizerArgs;
use crate::resume::{KeepArgs, Words};
use crate::trained;
use crate::ways::{ClassArgs, WaysArgs};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// `wgrad train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    #[arg(long, default_value = "simple-cnn", value_name = "NAME|FILE", help = networks::help())]
    pub model: String,
    /// What to do with the last layer of an ONNX file.
    #[arg(long, value_enum, default_value = "auto")]
    pub head: Head,
    /// Passes over the training images.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Images a step [default: 64; models that read rows 32].
    #[arg(long)]
    pub batch_size: Option<usize>,
    #[command(flatten)]
    pub optimizer: OptimizerArgs,
    /// The seed of the initial weights and of the order of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub data: DataArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Check every input, parameter and result, and fail at the first NaN or infinity, naming it. Slower.
    #[arg(long)]
    pub check_finite: bool,
    /// Measure every kernel of some steps, write them as a trace for Perfetto or chrome://tracing, and print
    /// the most expensive ones.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub ways: WaysArgs,
    #[command(flatten)]
    pub classes: ClassArgs,
    #[command(flatten)]
    pub keep: KeepArgs,
}

impl TrainArgs {
    /// Examples of a step.
    pub fn batch_size(&self, model: &Named) -> usize {
        self.batch_size.unwrap_or(model.batch_size())
    }

    /// What was asked for, as a command line that asks for it again, wherever it is run.
    fn words(&self, model: &Named) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.add("model", Some(model.name()));
        words.add("head", model.head().map(Head::name));
        words.add("epochs", Some(self.epochs));
        words.add("batch-size", self.batch_size);
        words.add("seed", Some(self.seed));
        self.optimizer.words(&mut words);
        self.ways.words(&mut words)?;
        self.classes.words(&mut words);
        words.add("device", Some(&self.device.device));
        words.add("backend", self.device.backend);
        words.add("memory", self.device.memory);
        words.flag("check-finite", self.check_finite);
        words.kept(&self.keep);
        Ok([words.list(), self.data.words()?].concat())
    }

    /// What a run notes about itself.
    ///
    /// # Errors
    /// As [`TrainArgs::words`].
    pub fn settings(&self, model: &Named, sets: &Sets, device: &str) -> anyhow::Result<Value> {
        let mut training = json!({
            "epochs": self.epochs, "batch_size": self.batch_size(model), "seed": self.seed, "data": sets.about,
            "device": device, "words": self.words(model)?, "data_words": self.data.words()?,
        });
        let own = self.optimizer.settings(model.lr()).into_iter().chain(self.ways.settings());
        let own = own.chain(self.classes.settings());
        own.for_each(|(name, value)| training[name] = value);
        let train = sets.train.as_ref();
        let by = train.normalised_by().filter(|_| !sets.written);
        let mut settings = trained::settings(model, &model.shape(train)?, train.classes(), by, training);
        if let Some(table) = &sets.table {
            settings["table"] = serde_json::to_value(table)?;
        }
        Ok(settings)
    }
}
