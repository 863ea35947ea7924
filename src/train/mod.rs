//! Training: the loop for any task, its metrics and checkpoints; character models; forecasts.
//!
//! A [`Task`] says how a batch becomes a loss and what is measured. A [`Trainer`] owns one, with an optimizer, and runs epochs
//! over any [`crate::data::Examples`]; a [`Network`] evaluates and predicts. Both compile a program for each batch size they
//! meet (the last, short batch of an epoch is a size of its own) over one set of [`crate::Parameters`]. What is measured is
//! added up on the device and read back while it works.

mod checkpoints;
mod crc32c;
mod epoch;
mod fit;
mod forecast;
mod histogram;
mod inside;
mod log;
mod looks;
mod measures;
mod metric;
mod network;
mod rates;
mod report;
mod step;
mod task;
mod tensorboard;
mod text;
mod trainer;
mod watch;

pub use checkpoints::Checkpoints;
pub use epoch::Epoch;
pub use fit::{Callback, Fit};
pub use forecast::{ForecastModel, forecasts};
pub use log::{StepLog, StepRow};
pub use looks::{Flow, Look, Progress};
pub use measures::{Confusion, LOSS, Measures};
pub use metric::Metric;
pub use network::Network;
pub use rates::Rates;
pub use report::EpochReport;
pub use task::{Classification, Inputs, Outcome, Reconstruction, Regression, SequenceClassification, Task};
pub use tensorboard::EventWriter;
pub use text::{Sampling, TextCell, TextModel, TextOptions, TextTrainer, TextWriter};
pub use trainer::{NonFinite, Options, Trainer};
pub use watch::{EarlyStopping, Monitor, Patience, Verdict, Watch};
