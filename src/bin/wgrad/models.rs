//! A network that a command measures, explain or check: by name, or an ONNX file.

use anyhow::Context;
use clap::Args;
use std::path::Path;
use wgrad::bench::OnnxModel;
use wgrad::bench::train::{self, Trainable};

/// How an ONNX file is built.
#[derive(Debug, Clone, Args)]
pub struct SizeArgs {
    /// Of an ONNX file, the size of a dimension that it names, or the shape of an input [default: the batch size where the
    /// first dimension of an input is open].
    #[arg(long, value_name = "NAME=SIZE|INPUT=AxBxC", value_parser = size)]
    pub shape: Vec<(String, Vec<usize>)>,
}

/// A name and sizes, as in `N=16` or `image=1x3x224x224`.
fn size(text: &str) -> Result<(String, Vec<usize>), String> {
    let bad = || format!("expected a name and sizes such as N=16 or image=1x3x224x224, got {text}");
    let (name, sizes) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(bad)?;
    let size = |size: &str| size.parse().ok().filter(|&size: &usize| size > 0);
    let sizes: Option<Vec<usize>> = sizes.split('x').map(size).collect();
    Ok((name.to_owned(), sizes.ok_or_else(bad)?))
}

/// A model of the lists, or of a file.
pub enum Found {
    /// One with a name.
    Named(&'static dyn Trainable),
    /// One of a file.
    File(Box<OnnxModel>),
}

impl Found {
    /// What it is to the benchmarks.
    pub fn model(&self) -> &dyn Trainable {
        match self {
            Self::Named(model) => *model,
            Self::File(model) => model.as_ref(),
        }
    }
}

/// The network that `text` stands for: an ONNX file where it ends so, else one of a name.
///
/// # Errors
/// When there is none, or the file cannot be read.
pub fn find(text: &str, sizes: &SizeArgs) -> anyhow::Result<Found> {
    if text.ends_with(".onnx") {
        return Ok(Found::File(Box::new(OnnxModel::read(Path::new(text), &sizes.shape)?)));
    }
    anyhow::ensure!(sizes.shape.is_empty(), "--shape: expected an ONNX file as the model, got {text}");
    train::named(text).map(Found::Named).context("a model's name, or a file that ends in .onnx")
}
