//! The option with which commands choose their images.

use crate::device::name;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;
use wgrad::data::{self, Examples, Labels};
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
///
/// # Errors
/// When they are none.
pub fn images(set: &dyn Examples) -> anyhow::Result<Images> {
    let fields = set.fields();
    let image = fields.iter().find(|field| field.name == "image").context("expected images, got none")?;
    let shape: [usize; 3] = image.ty.shape[..]
        .try_into()
        .with_context(|| format!("expected images (C, H, W), got {}", image.ty))?;
    Ok(Images { shape, classes: set.classes().len() })
}

/// A training and a test set.
pub struct Sets {
    /// Learned.
    pub train: Arc<dyn Examples>,
    /// Judged on.
    pub test: Arc<dyn Examples>,
    /// Held back from those that are learned, and judged on after every epoch.
    pub held: Option<Arc<dyn Examples>>,
    /// Where they come from, in words.
    pub about: String,
}

impl Sets {
    /// Holds a share of the training examples back.
    ///
    /// # Errors
    /// When it leaves nothing for one of the parts.
    pub fn held_back(mut self, share: Option<f64>, seed: u64) -> anyhow::Result<Self> {
        if let Some(share) = share {
            let (train, held) = data::split(&self.train, share, seed).context("--validation")?;
            self.about += &format!(", {} of the training ones held back", held.len());
            self.train = Arc::new(train);
            self.held = Some(Arc::new(held));
        }
        Ok(self)
    }

    /// What every epoch is judged on.
    pub fn judge(&self) -> &Arc<dyn Examples> {
        self.held.as_ref().unwrap_or(&self.test)
    }

    /// What that is called.
    pub fn judged(&self) -> &'static str {
        if self.held.is_some() { "validation" } else { "test" }
    }
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
        Ok(Sets { train: Arc::new(train), test: Arc::new(test), held: None, about })
    }
}
