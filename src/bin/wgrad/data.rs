//! The option with which commands choose their images.

use crate::device::name;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use wgrad::data::{self, Dataset, Labels};
use wgrad::nn::Images;

/// Sizes of the drawn default set.
const DRAWN: (usize, usize) = (10_000, 2_000);

/// Which images.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// A folder with IDX files as MNIST's (train-images-idx3-ubyte and so on, plain or .gz) or EMNIST's, which are
    /// turned upright; without it, digits drawn by the program.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Of several sets in the folder this one, such as letters of emnist-letters-train-images-idx3-ubyte.
    #[arg(long, value_name = "NAME", value_parser = name, requires = "data")]
    pub split: Option<String>,
}

/// What a network for images like these is built for.
pub fn images(set: &Dataset) -> Images {
    Images { shape: set.image_shape(), classes: set.classes() }
}

/// A training and a test set.
pub struct Sets {
    /// Learned.
    pub train: Arc<Dataset>,
    /// Judged on.
    pub test: Arc<Dataset>,
    /// Where they come from, in words.
    pub about: String,
}

impl DataArgs {
    /// Loads or draws the images. The drawn ones are the same every time. The classes are those of `labels`, or those
    /// that occur.
    pub fn load(&self, labels: Option<Labels>) -> anyhow::Result<Sets> {
        let (train, test, from) = match &self.data {
            Some(folder) => {
                let (train, test) = data::load_idx(folder, self.split.as_deref(), labels)?;
                let split = self.split.as_ref().map_or(String::new(), |split| format!(", {split}"));
                (train, test, format!("{}{split}", folder.display()))
            }
            None => (data::digits(DRAWN.0, 1)?, data::digits(DRAWN.1, 2)?, "drawn digits".to_owned()),
        };
        let about = format!("{from}, {} training and {} test images", train.len(), test.len());
        Ok(Sets { train: Arc::new(train), test: Arc::new(test), about })
    }
}
