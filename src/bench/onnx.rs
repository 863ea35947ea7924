//! ONNX files instead of named models.

use super::models::{Forward, Pass, Trainable};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::onnx::{Declared, Dimension, ElementType, ImportOptions, Model, Port};
use crate::random::Rng;
use crate::tensor::HostTensor;
use std::path::Path;

/// A network in a file. The first dimension of an input, where the file leaves it open and nobody says what it is, is the
/// batch.
#[derive(Debug)]
pub struct OnnxModel {
    model: Model,
    name: String,
    about: String,
    /// Sizes of dimensions and inputs.
    said: ImportOptions,
}

impl OnnxModel {
    /// Reads a file. `sizes` are of dimensions that the file names, one number each, and of whole inputs.
    ///
    /// # Errors
    /// When it cannot be read, or has no dimension and no input of such a name.
    pub fn read(path: &Path, sizes: &[(String, Vec<usize>)]) -> Result<Self> {
        let model = Model::read(path)?;
        let said = ImportOptions::sized(&model, sizes)?;
        let nodes: usize = model.operators().values().sum();
        let about =
            format!("{nodes} nodes of {} operators, opset {}", model.operators().len(), model.opset());
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = file.unwrap_or_else(|| path.display().to_string());
        Ok(Self { model, name, about, said })
    }

    /// Whether the first dimension of this input is the batch.
    fn is_batched(&self, input: &Declared) -> bool {
        let open = match input.dims.as_ref().and_then(|dims| dims.first()) {
            Some(Dimension::Named(name)) => self.said.size_of(name).is_none(),
            Some(Dimension::Unknown) => true,
            Some(Dimension::Fixed(_)) | None => false,
        };
        open && self.said.shape_of(&input.name).is_none()
    }

    /// The shape of an input, for a batch of so many.
    fn shape_of(&self, input: &Declared, batch: usize) -> Result<Vec<usize>> {
        if let Some(shape) = self.said.shape_of(&input.name) {
            return Ok(shape.to_vec());
        }
        let unknown = || {
            let expected =
                format!("--shape {}=AxBxC, or a size for each of its dimensions' names", input.name);
            Error::argument("shape", expected, input.to_string())
        };
        // What is called as a batch is as large.
        let inputs = self.model.inputs();
        let first = |name: &str| {
            let firsts = inputs.iter().filter(|input| self.is_batched(input));
            let mut firsts = firsts.filter_map(|input| input.dims.as_ref()?.first());
            firsts.any(|dim| matches!(dim, Dimension::Named(other) if other == name))
        };
        let size = |(at, dim): (usize, &Dimension)| match dim {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Named(name) => self.said.size_of(name).or(first(name).then_some(batch)),
            Dimension::Unknown => (at == 0).then_some(batch),
        };
        let dims = input.dims.as_ref().ok_or_else(unknown)?;
        dims.iter().enumerate().map(size).collect::<Option<_>>().ok_or_else(unknown)
    }
}

/// Random numbers of an input: from -1 to 1; 0 and 1 where it takes whole ones, which are valid wherever any index is.
fn random(port: &Port, tensor: &Tensor) -> Result<HostTensor> {
    let mut rng = Rng::named(5, &port.name);
    let whole = !port.element.is_float();
    let mut number = || if whole { rng.below(2) as f64 } else { rng.range(-1.0, 1.0) };
    let values = (0..tensor.shape().elements()).map(|_| number() as f32).collect();
    HostTensor::from_f32(tensor.shape(), values)
}

impl Trainable for OnnxModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn batch(&self) -> usize {
        self.fixed_batch().unwrap_or(1)
    }

    fn fixed_batch(&self) -> Option<usize> {
        let inputs = self.model.inputs();
        if inputs.iter().any(|input| self.is_batched(input)) {
            return None;
        }
        let first = inputs.first().and_then(|input| self.shape_of(input, 1).ok());
        Some(first.and_then(|shape| shape.first().copied()).unwrap_or(1))
    }

    fn shape(&self, batch: usize) -> String {
        let sizes = |shape: Vec<usize>| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let one = |input: &Declared| {
            let shape = self.shape_of(input, batch).map_or_else(|_| "?".to_owned(), sizes);
            format!("{}={shape}", input.name)
        };
        self.model.inputs().iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn forward(&self, pass: Pass, batch: usize) -> Result<Forward> {
        if let Some(only) = self.fixed_batch().filter(|&only| only != batch) {
            let expected = format!("{only}, as the file or --shape has it");
            return Err(Error::argument("batch size", expected, batch.to_string()));
        }
        let mut options = ImportOptions::new().training(pass == Pass::Step);
        for input in self.model.inputs() {
            if input.element.is_some_and(ElementType::is_numeric) {
                options = options.shape(&input.name, &self.shape_of(&input, batch)?);
            }
        }
        let imported = self.model.import(&options)?;
        let data = imported.inputs.iter().filter_map(|port| Some((port, port.tensor()?)));
        let data = data.map(|(port, tensor)| Ok((tensor.clone(), random(port, tensor)?)));
        let data = data.collect::<Result<_>>()?;
        let floats = imported.outputs.iter().filter(|port| port.element.is_float() || pass == Pass::Forward);
        let outputs = floats.filter_map(|port| Some((port.name.clone(), port.tensor()?.clone()))).collect();
        Ok(Forward { graph: imported.graph, outputs, data })
    }
}
