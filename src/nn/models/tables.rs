//! Networks of the rows of tables.

use crate::error::Result;
use crate::nn::{Activation, Linear, Sequential};
use crate::ops::Elementwise;

/// A network of rows `(N, features)`, by name.
pub struct TableModel {
    /// What `--model` takes.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Rows of a training step with which Adam trains it well.
    pub batch_size: usize,
    /// Adam's learning rate for that.
    pub lr: f32,
    /// Builds it for so many features and so many outputs: classes, or one number.
    pub build: fn(usize, usize) -> Result<Sequential>,
}

/// All of them.
pub static TABLE_MODELS: [TableModel; 1] = [TableModel {
    name: "table-mlp",
    about: "linear 64, relu, linear 64, relu, linear",
    batch_size: 32,
    lr: 3e-3,
    build: mlp,
}];

fn mlp(features: usize, outputs: usize) -> Result<Sequential> {
    let relu = || Activation(Elementwise::relu());
    Ok(Sequential::new()
        .named("0", Linear::new(features, 64))
        .named("1", relu())
        .named("2", Linear::new(64, 64))
        .named("3", relu())
        .named("4", Linear::new(64, outputs)))
}
