//! The options that say how a training goes about it, besides its optimizer.

use crate::resume::Words;
use crate::run::decimal;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;
use wgrad::Parameters;
use wgrad::nn::Sequential;
use wgrad::optim::{ReduceOnPlateau, Schedule};
use wgrad::train::{Classification, EarlyStopping, Monitor, NonFinite, Options, Watch};

/// What to do with a step whose loss or gradients are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnNan {
    /// End the run, and report which value was first.
    Stop,
    /// Skip the step.
    Skip,
}

/// How to train.
#[derive(Debug, Clone, Args)]
pub struct WaysArgs {
    /// How the learning rate changes from step to step, such as cosine:t_max=1000 or one_cycle:max_lr=0.01,total_steps=471;
    /// PyTorch's names and defaults: unchanged, step, multi_step, exponential, cosine, cosine_restarts, one_cycle, cyclic,
    /// polynomial, linear, constant.
    #[arg(long)]
    pub schedule: Option<Schedule>,
    /// Lower the learning rate where the metric that is evaluated by no longer becomes better, such as factor=0.1,patience=3;
    /// PyTorch's names and defaults.
    #[arg(long, conflicts_with = "schedule")]
    pub plateau: Option<ReduceOnPlateau>,
    /// The fraction of the training examples that is held out for validation; every epoch is evaluated on it instead of the
    /// test set.
    #[arg(long, value_name = "SHARE")]
    pub validation: Option<f64>,
    /// Stop after this many epochs without improvement.
    #[arg(long, value_name = "EPOCHS")]
    early_stopping: Option<u64>,
    /// Examples on the device at a time; the gradients of a batch are accumulated [default: the whole batch].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    micro_batch: Option<u32>,
    /// Clip the norm of all gradients together to this.
    #[arg(long, value_name = "NORM")]
    max_norm: Option<f32>,
    /// Keep an exponential moving average of the weights with this decay, such as 0.99; it is what is evaluated and saved as
    /// average.safetensors.
    #[arg(long, value_name = "DECAY")]
    average: Option<f32>,
    /// Do not train these parameters: a pattern of their names such as 'features.*'; may be given several times.
    #[arg(long, value_name = "PATTERN")]
    freeze: Vec<String>,
    /// Start from the weights in this file: a run's, a checkpoint, or one of PyTorch's or NumPy's.
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Load only these of the weights, such as 'features.*'; may be given several times.
    #[arg(long, value_name = "PATTERN", requires = "init")]
    init_only: Vec<String>,
    /// Write event files for TensorBoard, too: loss, metrics and rate by step; after every epoch histograms of
    /// weights and gradients and the first filters; some training images.
    #[arg(long)]
    pub tensorboard: bool,
    /// What to do with a step whose loss or gradients are not finite.
    #[arg(long, value_enum, default_value = "stop")]
    on_nan: OnNan,
}

impl WaysArgs {
    /// The options of a trainer.
    pub fn options(&self, batch_size: usize, seed: u64) -> Options {
        Options {
            batch_size,
            seed,
            micro_batch: self.micro_batch.map(|rows| rows as usize),
            max_norm: self.max_norm,
            average: self.average,
            frozen: self.freeze.clone(),
            non_finite: match self.on_nan {
                OnNan::Stop => NonFinite::Stop,
                OnNan::Skip => NonFinite::Skip,
            },
        }
    }

    /// Whether averaged weights are what is evaluated.
    pub fn averages(&self) -> bool {
        self.average.is_some()
    }

    /// What decides which epoch is best, and when the run ends early or the rates fall.
    pub fn watch(&self, monitor: Monitor) -> Watch {
        let mut watch = Watch::new(monitor);
        watch.stopping = self.early_stopping.map(EarlyStopping::new);
        watch.plateau = self.plateau;
        watch
    }

    /// Gives the parameters the weights that they begin with, and says so.
    ///
    /// # Errors
    /// When the file does not hold them.
    pub fn begin(&self, parameters: &Parameters) -> anyhow::Result<()> {
        let Some(path) = &self.init else { return Ok(()) };
        if self.init_only.is_empty() {
            parameters.load(path).context("--init")?;
            println!("init     all weights of {}", path.display());
            return Ok(());
        }
        let patterns: Vec<&str> = self.init_only.iter().map(String::as_str).collect();
        let names = parameters.load_matching(path, &patterns).context("--init-only")?;
        println!("init     {} weights of {}", names.len(), path.display());
        Ok(())
    }

    /// What was asked for, as a command line that asks for it again.
    ///
    /// # Errors
    /// When a path has no name in UTF-8.
    pub fn words(&self, words: &mut Words) -> anyhow::Result<()> {
        words.add("schedule", self.schedule.as_ref());
        words.add("plateau", self.plateau.as_ref());
        words.add("validation", self.validation);
        words.add("early-stopping", self.early_stopping);
        words.add("micro-batch", self.micro_batch);
        words.flag("tensorboard", self.tensorboard);
        words.add("max-norm", self.max_norm);
        words.add("average", self.average);
        self.freeze.iter().for_each(|pattern| words.add("freeze", Some(pattern)));
        words.path("init", self.init.as_deref())?;
        self.init_only.iter().for_each(|pattern| words.add("init-only", Some(pattern)));
        words.add("on-nan", self.on_nan.to_possible_value().map(|value| value.get_name().to_owned()));
        Ok(())
    }

    /// What a run notes of it: what was asked for.
    pub fn settings(&self) -> Vec<(&'static str, Value)> {
        let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let all = [
            ("schedule", json!(self.schedule.as_ref().map(Schedule::to_string))),
            ("plateau", json!(self.plateau.as_ref().map(ReduceOnPlateau::to_string))),
            ("validation", json!(self.validation)),
            ("early_stopping", json!(self.early_stopping)),
            ("micro_batch", json!(self.micro_batch)),
            ("max_norm", json!(self.max_norm.map(decimal))),
            ("average", json!(self.average.map(decimal))),
            ("freeze", json!(given(&self.freeze))),
            ("init", json!(self.init)),
            ("init_only", json!(given(&self.init_only))),
            ("on_nan", json!(self.on_nan.to_possible_value().map(|value| value.get_name().to_owned()))),
        ];
        all.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

/// How a classifier learns.
#[derive(Debug, Clone, Args)]
pub struct ClassArgs {
    /// Change training images at random whenever they are read, such as flip,crop:padding=4,jitter:brightness=0.3:
    /// torchvision's crop, resized_crop, flip, vertical_flip, rotation, affine, jitter and erase, and noise.
    #[arg(long, value_name = "LIST")]
    pub augment: Option<String>,
    /// Learn from mixtures of two training examples and their classes (mixup), with weights drawn from Beta(ALPHA, ALPHA).
    #[arg(long, value_name = "ALPHA")]
    pub mixup: Option<f64>,
    /// Label smoothing: the fraction of the target that is distributed over all classes.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    label_smoothing: f32,
    /// Measure top-K accuracy, too.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
}

impl ClassArgs {
    /// The classification task.
    pub fn classification(&self, layers: Sequential) -> Classification {
        let task = Classification::new(layers).label_smoothing(self.label_smoothing);
        match self.top_k {
            Some(k) => task.top_k(k),
            None => task,
        }
    }

    /// What was asked for, as a command line that asks for it again.
    pub fn words(&self, words: &mut Words) {
        words.add("augment", self.augment.as_ref());
        words.add("mixup", self.mixup);
        words.add("label-smoothing", Some(self.label_smoothing));
        words.add("top-k", self.top_k);
    }

    /// What a run notes of it: what was asked for.
    pub fn settings(&self) -> Vec<(&'static str, Value)> {
        let all = [
            ("augment", json!(self.augment)),
            ("mixup", json!(self.mixup)),
            ("label_smoothing", json!(decimal(self.label_smoothing))),
            ("top_k", json!(self.top_k)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}
