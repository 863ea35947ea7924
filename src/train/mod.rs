//! Training image classifiers: the loop, its metrics, and the confusion matrix.
//!
//! A [`Trainer`] owns a model and an optimizer and runs epochs; a [`Classifier`] evaluates and predicts. Both
//! compile a program for each batch size they meet (the last, short batch of an epoch is a size of its own)
//! over one set of [`crate::Parameters`]. Loss and accuracy are added up on the device and read back while it
//! works.

mod classifier;
mod metrics;
mod trainer;

pub use classifier::{Classifier, Evaluation};
pub use metrics::{Confusion, EpochReport, Totals, to_csv};
pub use trainer::{Options, Progress, Trainer};
