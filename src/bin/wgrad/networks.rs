//! The networks that commands know by name, whatever they read.

use anyhow::{Context, bail};
use wgrad::data::Examples;
use wgrad::nn::{self, Heard, Images, Model, SIGNAL_MODELS, Sequential, SignalModel, Signals};

/// A network by name.
#[derive(Clone, Copy)]
pub enum Named {
    /// Of images.
    Images(&'static Model),
    /// Of signals.
    Signals(&'static SignalModel),
}

/// What a network reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Images.
    Images,
    /// Sound or DNA.
    Signals(Heard),
}

/// All names.
pub fn names() -> Vec<&'static str> {
    let images = nn::MODELS.iter().map(|model| model.name);
    images.chain(SIGNAL_MODELS.iter().map(|model| model.name)).collect()
}

/// The network of this name.
///
/// # Errors
/// When there is none.
pub fn find(name: &str) -> anyhow::Result<Named> {
    let signals = SIGNAL_MODELS.iter().find(|model| model.name == name).map(Named::Signals);
    let images = || nn::MODELS.iter().find(|model| model.name == name).map(Named::Images);
    let Some(found) = signals.or_else(images) else {
        bail!("model: expected one of {}, got {name}", names().join(", "));
    };
    Ok(found)
}

impl Named {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images(model) => model.name,
            Self::Signals(model) => model.name,
        }
    }

    /// One line about it.
    pub fn about(self) -> &'static str {
        match self {
            Self::Images(model) => model.about,
            Self::Signals(model) => model.about,
        }
    }

    /// What it reads.
    pub fn reads(self) -> Reads {
        match self {
            Self::Images(_) => Reads::Images,
            Self::Signals(model) => Reads::Signals(model.reads),
        }
    }

    /// The name of the field that it reads.
    pub fn field(self) -> &'static str {
        match self.reads() {
            Reads::Images => "image",
            Reads::Signals(Heard::Dna) => "sequence",
            Reads::Signals(_) => "audio",
        }
    }

    /// What its examples are called.
    pub fn many(self) -> &'static str {
        match self.reads() {
            Reads::Images => "images",
            Reads::Signals(Heard::Dna) => "sequences",
            Reads::Signals(_) => "recordings",
        }
    }

    /// Examples of a step with which Adam trains it well.
    pub fn batch_size(self) -> usize {
        match self {
            Self::Images(model) => model.batch_size,
            Self::Signals(model) => model.batch_size,
        }
    }

    /// Adam's learning rate for that.
    pub fn lr(self) -> f32 {
        match self {
            Self::Images(model) => model.lr,
            Self::Signals(model) => model.lr,
        }
    }

    /// Builds it for examples of this shape in so many classes.
    ///
    /// # Errors
    /// When it does not read such examples.
    pub fn build(self, shape: &[usize], classes: usize) -> anyhow::Result<Sequential> {
        let layers = match self {
            Self::Images(model) => {
                let shape = shape.try_into().with_context(|| format!("images (C, H, W), got {shape:?}"))?;
                (model.build)(&Images { shape, classes })
            }
            Self::Signals(model) => {
                let shape = shape.try_into().with_context(|| format!("signals (C, L), got {shape:?}"))?;
                (model.build)(&Signals { shape, classes })
            }
        };
        layers.with_context(|| self.name())
    }

    /// Examples of this shape in so many classes, in words.
    pub fn words(self, shape: &[usize], classes: usize) -> String {
        let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        match (self, <[usize; 3]>::try_from(shape)) {
            (Self::Images(_), Ok(shape)) => Images { shape, classes }.to_string(),
            (Self::Images(_), Err(_)) => format!("images of {sizes} in {classes} classes"),
            (Self::Signals(_), _) => {
                format!("{}s of {sizes} in {classes} classes", self.field()).replace("audios", "audio")
            }
        }
    }

    /// The shape of what it reads in a dataset.
    ///
    /// # Errors
    /// When there is nothing of the kind.
    pub fn shape(self, set: &dyn Examples) -> anyhow::Result<Vec<usize>> {
        let field = set.fields().into_iter().find(|field| field.name == self.field());
        let field =
            field.with_context(|| format!("expected examples with a field {}, got none", self.field()))?;
        Ok(field.ty.shape.to_vec())
    }
}
