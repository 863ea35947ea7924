//! The networks of the zoo and of the layers, in evaluation.

use super::{Sample, sample};
use wgrad::nn::{self, Heard, Images, MODELS, Module, SIGNAL_MODELS, Signals};
use wgrad::onnx::ExportOptions;
use wgrad::{Graph, Result, Tensor};

/// A network of one input, in evaluation.
pub fn of_module(
    name: &str,
    module: &dyn Module,
    shape: &[usize],
    options: &ExportOptions,
) -> Result<Sample> {
    let graph = Graph::new();
    graph.set_training(false);
    let input = graph.input("input", shape)?;
    let output = module.forward(&input)?;
    sample(name, &graph, &[("output", &output)], &[&input], 1, options)
}

/// Sizes of images that a network of the zoo takes.
fn side(name: &str) -> usize {
    match name {
        "alexnet" => 64,
        "simple-cnn" | "lenet" | "mlp" | "lstm-rows" | "gru-rows" => 16,
        _ => 32,
    }
}

/// Every network for images by name.
pub fn images(options: &ExportOptions, wanted: impl Fn(&str) -> bool) -> Result<Vec<Sample>> {
    let of = |model: &nn::Model| {
        let side = side(model.name);
        let layers = (model.build)(&Images { shape: [1, side, side], classes: 5 })?;
        of_module(model.name, &layers, &[2, 1, side, side], options)
    };
    MODELS.iter().filter(|model| wanted(model.name)).map(of).collect()
}

/// Every network for signals by name.
pub fn signals(options: &ExportOptions) -> Result<Vec<Sample>> {
    let of = |model: &nn::SignalModel| {
        let shape = match model.reads {
            Heard::Waveforms => [1, 6848],
            Heard::Spectra => [8, 24],
            Heard::Dna => [4, 40],
        };
        let layers = (model.build)(&Signals { shape, classes: 5 })?;
        of_module(model.name, &layers, &[2, shape[0], shape[1]], options)
    };
    SIGNAL_MODELS.iter().map(of).collect()
}

/// A function of one tensor as a module.
pub struct Of<F>(pub F);

impl<F: Fn(&Tensor) -> Result<Tensor>> Module for Of<F> {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        (self.0)(input)
    }
}
