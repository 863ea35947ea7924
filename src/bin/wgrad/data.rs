//! The option with which commands choose their images.

use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use wgrad::data::{self, Dataset};

/// Sizes of the drawn default set.
const DRAWN: (usize, usize) = (10_000, 2_000);

/// Which images.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// A folder with IDX files as MNIST's (train-images-idx3-ubyte and so on, plain or .gz); without it, digits
    /// drawn by the program.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
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
    /// Loads or draws the images. The drawn ones are the same every time.
    pub fn load(&self) -> anyhow::Result<Sets> {
        let (train, test, from) = match &self.data {
            Some(folder) => {
                let (train, test) = data::load_mnist(folder)?;
                (train, test, folder.display().to_string())
            }
            None => (data::digits(DRAWN.0, 1)?, data::digits(DRAWN.1, 2)?, "drawn digits".to_owned()),
        };
        let about = format!("{from}, {} training and {} test images", train.len(), test.len());
        Ok(Sets { train: Arc::new(train), test: Arc::new(test), about })
    }
}
