//! Training: image classifiers with their loop, metrics and confusion matrix; character models; forecasts.
//!
//! A [`Trainer`] owns a model and an optimizer and runs epochs; a [`Classifier`] evaluates and predicts. Both
//! compile a program for each batch size they meet (the last, short batch of an epoch is a size of its own)
//! over one set of [`crate::Parameters`]. Loss and accuracy are added up on the device and read back while it
//! works.

mod checkpoints;
mod classifier;
mod crc32c;
mod forecast;
mod histogram;
mod log;
mod metrics;
mod rates;
mod tensorboard;
mod text;
mod trainer;

pub use checkpoints::Checkpoints;
pub use classifier::{Classifier, Evaluation};
pub use forecast::{ForecastModel, Forecaster};
pub use log::{StepLog, StepRow};
pub use metrics::{CSV_HEAD, Confusion, EpochReport, Totals};
pub use rates::Rates;
pub use tensorboard::EventWriter;
pub use text::{Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
pub use trainer::{Flow, Options, Progress, Trainer};
