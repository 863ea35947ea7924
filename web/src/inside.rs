//! A look into the SimpleCNN: what it says of one digit, and what its first layer finds in it.

use crate::value::{floats, object};
use wasm_bindgen::JsValue;
use wgrad::data::normalise;
use wgrad::nn::{Conv2d, Module, simple_cnn};
use wgrad::{Error, Executable, Graph, HostTensor, Parameters, Result, Tensor};

/// Filters of the first layer, the pixels of a side of one, and those of an image.
const FILTERS: usize = 32;
const KERNEL: usize = 3;
const SIDE: usize = 28;
/// The weights of the first layer, by PyTorch's name.
const FIRST: &str = "features.0.weight";

/// A program that reads one digit with the weights of the moment.
pub struct Inside {
    parameters: Parameters,
    image: Tensor,
    probabilities: Tensor,
    maps: Tensor,
    program: Executable,
}

impl Inside {
    pub async fn new(parameters: &Parameters) -> Result<Self> {
        let graph = Graph::new();
        graph.set_training(false);
        let image = graph.input("image", [1, 1, SIDE, SIDE])?;
        // The first layer once more, by the same names: it is computed once.
        let first = || Conv2d::new(1, FILTERS, KERNEL).padding(1).forward(&image);
        let maps = graph.scoped("features", || graph.scoped("0", first))?.relu()?;
        let probabilities = simple_cnn().forward(&image)?.softmax(1)?;
        let program = parameters.compile_async(&graph, &[&probabilities, &maps]).await?;
        Ok(Self { parameters: parameters.clone(), image, probabilities, maps, program })
    }

    /// Probabilities and feature maps of an image of grey values.
    pub async fn told(&mut self, pixels: &[u8], step: usize) -> Result<JsValue> {
        if pixels.len() != SIDE * SIDE {
            let expected = format!("{} grey values", SIDE * SIDE);
            return Err(Error::argument("image", expected, pixels.len().to_string()));
        }
        let values = pixels.iter().map(|&pixel| normalise(f32::from(pixel))).collect();
        let image = HostTensor::from_f32([1, 1, SIDE, SIDE], values)?;
        self.program.run_async(&[(&self.image, &image)]).await?;
        let (probabilities, maps) =
            (self.program.read_async(&self.probabilities)?, self.program.read_async(&self.maps)?);
        let (probabilities, maps) = (probabilities.await?, maps.await?);
        Ok(object([
            ("step", step.into()),
            ("probabilities", floats(probabilities.as_f32()?)),
            ("maps", planes(maps.as_f32()?, SIDE, [])),
        ]))
    }

    /// The weights of the first layer.
    pub async fn filters(&self, step: usize) -> Result<JsValue> {
        let weights = self.parameters.get_async(FIRST)?.await?;
        Ok(planes(weights.as_f32()?, KERNEL, [("step", step.into())]))
    }
}

fn planes<const N: usize>(values: &[f32], side: usize, more: [(&str, JsValue); N]) -> JsValue {
    let made = object([
        ("count", FILTERS.into()),
        ("height", side.into()),
        ("width", side.into()),
        ("values", floats(values)),
    ]);
    for (name, value) in more {
        let _ = js_sys::Reflect::set(&made, &name.into(), &value);
    }
    made
}
