//! The networks that commands know, by name or by file, whatever they read.

use anyhow::{Context, bail};
use clap::ValueEnum;
use std::path::Path;
use std::sync::Arc;
use wgrad::Parameters;
use wgrad::data::{Examples, Field};
use wgrad::nn::{
    self, Heard, Images, MSELoss, Model, SIGNAL_MODELS, Sequential, SignalModel, Signals, TABLE_MODELS,
    TableModel,
};
use wgrad::onnx;
use wgrad::train::{Classification, Network, Regression};

/// A network by name or by file.
#[derive(Clone)]
pub enum Named {
    /// Of images.
    Images(&'static Model),
    /// Of signals.
    Signals(&'static SignalModel),
    /// Of rows of tables.
    Tables(&'static TableModel),
    /// Of images, in an ONNX file.
    File(Arc<OnnxFile>),
}

/// A network in an ONNX file, and what becomes of its last layer.
pub struct OnnxFile {
    name: String,
    about: String,
    model: Arc<onnx::Model>,
    head: Head,
}

/// What becomes of the last layer of a network in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Head {
    /// Keep it if it has as many outputs as there are classes, else replace it.
    Auto,
    /// Keep it.
    Keep,
    /// Replace it by a new linear layer.
    Replace,
}

impl Head {
    /// As options have it.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What a run notes; that of runs that note none.
    pub fn noted(value: &serde_json::Value) -> Self {
        value.as_str().and_then(|name| Self::from_str(name, false).ok()).unwrap_or(Self::Auto)
    }
}

impl OnnxFile {
    /// How many classes it has, for images of this shape.
    fn classes(&self, shape: &[usize]) -> anyhow::Result<usize> {
        let input = self.model.inputs().into_iter().next().context("a network with an input")?;
        let shape = [&[1], shape].concat();
        let logits = self.model.head()?.logits;
        let options = onnx::ImportOptions::new().shape(&input.name, &shape).outputs(&[&logits]);
        let built = self.model.import(&options)?;
        let output = built.outputs.first().map(onnx::Port::shape).unwrap_or_default();
        output.get(1).copied().with_context(|| format!("an output (N, C), got {output:?}"))
    }

    fn build(&self, shape: &[usize], classes: usize) -> anyhow::Result<Sequential> {
        let (model, options) = (self.model.clone(), onnx::ImportOptions::new());
        let own = if self.head == Head::Replace { None } else { Some(self.classes(shape)?) };
        if let (Head::Keep, Some(own)) = (self.head, own.filter(|&own| own != classes)) {
            anyhow::bail!("a network of {own} classes, got {classes}: --head replace");
        }
        let network = match own == Some(classes) {
            true => onnx::Network::logits(model, options)?,
            false => onnx::Network::with_head(model, options, classes)?,
        };
        Ok(Sequential::new().named("", network))
    }
}

/// What a network reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Images.
    Images,
    /// Sound or DNA.
    Signals(Heard),
    /// Rows of a table.
    Tables,
}

/// All names.
fn names() -> Vec<&'static str> {
    let images = nn::MODELS.iter().map(|model| model.name);
    let others = SIGNAL_MODELS.iter().map(|model| model.name);
    images.chain(others).chain(TABLE_MODELS.iter().map(|model| model.name)).collect()
}

/// What an option says that takes a network.
pub fn help() -> String {
    format!("The network: an ONNX file, which is trained further, or one of {}", names().join(", "))
}

/// The network of this name, or of this ONNX file.
///
/// # Errors
/// When there is none, or the file holds none of images.
pub fn find(name: &str, head: Head) -> anyhow::Result<Named> {
    if Path::new(name).extension().is_some_and(|extension| extension == "onnx") {
        let path = Path::new(name).canonicalize().with_context(|| name.to_owned())?;
        let model = Arc::new(onnx::Model::read(&path)?);
        let name = path.to_str().with_context(|| format!("{}: expected a name in UTF-8", path.display()))?;
        let layer = model.head()?.layer;
        let inputs = model.inputs();
        let images = matches!(&inputs[..], [input] if input.dims.as_ref().is_none_or(|dims| dims.len() == 4));
        anyhow::ensure!(
            images,
            "{name}: expected a network of one input (N, C, H, W), got {} inputs",
            inputs.len()
        );
        let about = format!("{} nodes, the last layer {layer}", model.operators().values().sum::<usize>());
        return Ok(Named::File(Arc::new(OnnxFile { name: name.to_owned(), about, model, head })));
    }
    let signals = SIGNAL_MODELS.iter().find(|model| model.name == name).map(Named::Signals);
    let images = || nn::MODELS.iter().find(|model| model.name == name).map(Named::Images);
    let tables = || TABLE_MODELS.iter().find(|model| model.name == name).map(Named::Tables);
    let Some(found) = signals.or_else(images).or_else(tables) else {
        bail!("model: expected an ONNX file or one of {}, got {name}", names().join(", "));
    };
    Ok(found)
}

/// Examples of a step and learning rate of a network that is trained further.
const TUNED: (usize, f32) = (32, 1e-4);

impl Named {
    /// What its runs are called.
    pub fn stem(&self) -> &str {
        match self {
            Self::Images(_) | Self::Signals(_) | Self::Tables(_) => self.name(),
            Self::File(file) => {
                Path::new(&file.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or("onnx")
            }
        }
    }

    /// Of a file, what becomes of its last layer.
    pub fn head(&self) -> Option<Head> {
        match self {
            Self::Images(_) | Self::Signals(_) | Self::Tables(_) => None,
            Self::File(file) => Some(file.head),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Images(model) => model.name,
            Self::Signals(model) => model.name,
            Self::Tables(model) => model.name,
            Self::File(file) => &file.name,
        }
    }

    /// One line about it.
    pub fn about(&self) -> &str {
        match self {
            Self::Images(model) => model.about,
            Self::Signals(model) => model.about,
            Self::Tables(model) => model.about,
            Self::File(file) => &file.about,
        }
    }

    /// What it reads.
    pub fn reads(&self) -> Reads {
        match self {
            Self::Images(_) | Self::File(_) => Reads::Images,
            Self::Signals(model) => Reads::Signals(model.reads),
            Self::Tables(_) => Reads::Tables,
        }
    }

    /// The name of the field that it reads.
    pub fn field(&self) -> &'static str {
        match self.reads() {
            Reads::Images => "image",
            Reads::Signals(Heard::Dna) => "sequence",
            Reads::Signals(_) => "audio",
            Reads::Tables => "x",
        }
    }

    /// What its examples are called.
    pub fn many(&self) -> &'static str {
        match self.reads() {
            Reads::Images => "images",
            Reads::Signals(Heard::Dna) => "sequences",
            Reads::Signals(_) => "recordings",
            Reads::Tables => "rows",
        }
    }

    /// Examples of a step with which Adam trains it well.
    pub fn batch_size(&self) -> usize {
        match self {
            Self::Images(model) => model.batch_size,
            Self::Signals(model) => model.batch_size,
            Self::Tables(model) => model.batch_size,
            Self::File(_) => TUNED.0,
        }
    }

    /// Adam's learning rate for that.
    pub fn lr(&self) -> f32 {
        match self {
            Self::Images(model) => model.lr,
            Self::Signals(model) => model.lr,
            Self::Tables(model) => model.lr,
            Self::File(_) => TUNED.1,
        }
    }

    /// Builds it for examples of this shape in so many classes; of none for one number.
    ///
    /// # Errors
    /// When it does not read such examples.
    pub fn build(&self, shape: &[usize], classes: usize) -> anyhow::Result<Sequential> {
        let layers = match self {
            Self::Images(model) => {
                let shape = shape.try_into().with_context(|| format!("images (C, H, W), got {shape:?}"))?;
                (model.build)(&Images { shape, classes })
            }
            Self::File(file) => return file.build(shape, classes).with_context(|| file.name.clone()),
            Self::Signals(model) => {
                let shape = shape.try_into().with_context(|| format!("signals (C, L), got {shape:?}"))?;
                (model.build)(&Signals { shape, classes })
            }
            Self::Tables(model) => {
                let [features] = shape[..] else { bail!("rows (features), got {shape:?}") };
                (model.build)(features, classes.max(1))
            }
        };
        layers.with_context(|| self.name().to_owned())
    }

    /// Examples of this shape in so many classes, in words.
    pub fn words(&self, shape: &[usize], classes: usize) -> String {
        let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        match (self, <[usize; 3]>::try_from(shape)) {
            (Self::Images(_) | Self::File(_), Ok(shape)) => Images { shape, classes }.to_string(),
            (Self::Images(_) | Self::File(_), Err(_)) => format!("images of {sizes} in {classes} classes"),
            (Self::Tables(_), _) if classes == 0 => format!("rows of {sizes} values, to one number"),
            (Self::Tables(_), _) => format!("rows of {sizes} values in {classes} classes"),
            (Self::Signals(_), _) => {
                format!("{}s of {sizes} in {classes} classes", self.field()).replace("audios", "audio")
            }
        }
    }

    /// The shape of what it reads in a dataset.
    ///
    /// # Errors
    /// When there is nothing of the kind.
    pub fn shape(&self, set: &dyn Examples) -> anyhow::Result<Vec<usize>> {
        let field = set.fields().into_iter().find(|field| field.name == self.field());
        let field =
            field.with_context(|| format!("expected examples with a field {}, got none", self.field()))?;
        Ok(field.ty.shape.to_vec())
    }

    /// The network over some parameters, for what it was trained for: classes, or of none a number.
    ///
    /// # Errors
    /// When it does not read such examples.
    pub fn network(
        &self,
        parameters: &Parameters,
        (shape, classes): (&[usize], usize),
        fields: Vec<Field>,
    ) -> anyhow::Result<Network> {
        let layers = self.build(shape, classes)?;
        Ok(match classes {
            0 => Network::of_fields(parameters, Regression::new(layers, MSELoss::default()), fields, 0)?,
            _ => Network::of_fields(parameters, Classification::new(layers), fields, classes)?,
        })
    }
}
