//! The networks of the zoo, in evaluation, and those of signals.

use super::{Sample, sample};
use wgrad::nn::models::{Crnn, UNet, conv_autoencoder, waveform_cnn};
use wgrad::nn::{self, Heard, Images, MODELS, Module, SIGNAL_MODELS, Signals};
use wgrad::onnx::ExportOptions;
use wgrad::train::{ForecastModel, TextCell, TextModel};
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

/// Every network for images by name that is wanted.
pub fn images(options: &ExportOptions, wanted: impl Fn(&str) -> bool) -> Result<Vec<Sample>> {
    let of = |model: &nn::Model| {
        let side = side(model.name);
        let layers = (model.build)(&Images { shape: [1, side, side], classes: 5 })?;
        of_module(model.name, &layers, &[2, 1, side, side], options)
    };
    MODELS.iter().filter(|model| wanted(model.name)).map(of).collect()
}

/// Every network for signals by name, and those that are functions.
pub fn others(options: &ExportOptions) -> Result<Vec<Sample>> {
    let of = |model: &nn::SignalModel| {
        let shape = match model.reads {
            Heard::Waveforms => [1, 6848],
            Heard::Spectra => [8, 24],
            Heard::Dna => [4, 40],
        };
        let layers = (model.build)(&Signals { shape, classes: 5 })?;
        of_module(model.name, &layers, &[2, shape[0], shape[1]], options)
    };
    let mut found = SIGNAL_MODELS.iter().map(of).collect::<Result<Vec<_>>>()?;
    let images = Images { shape: [1, 12, 20], classes: 10 };
    let networks: [(&str, Box<dyn Module>, &[usize]); 5] = [
        ("unet", Box::new(UNet::new(3, 2).width(4)), &[2, 3, 32, 32]),
        ("crnn", Box::new(Crnn::new(1, 7).width(2).hidden(6)), &[2, 1, 32, 40]),
        ("conv-autoencoder", Box::new(conv_autoencoder(&images)?), &[2, 1, 12, 20]),
        ("waveform-cnn", Box::new(waveform_cnn(1, 5, 4)), &[2, 1, 6848]),
        ("forecast", Box::new(ForecastModel { input: 9, horizon: 3, hidden_size: 5 }), &[2, 9, 1]),
    ];
    for (name, network, shape) in networks {
        found.push(of_module(name, network.as_ref(), shape, options)?);
    }
    for cell in [TextCell::Lstm, TextCell::Gru] {
        found.push(text(cell, options)?);
    }
    Ok(found)
}

/// A character model with its state before and after.
fn text(cell: TextCell, options: &ExportOptions) -> Result<Sample> {
    let model =
        TextModel { cell, vocabulary: 11, embedding_dim: 6, hidden_size: 5, num_layers: 2, dropout: 0.3 };
    let graph = Graph::new();
    graph.set_training(false);
    let tokens = graph.input_u32("tokens", [4, 3])?;
    let names: &[&str] = if cell == TextCell::Lstm { &["h", "c"] } else { &["h"] };
    let states: Vec<Tensor> = names.iter().map(|name| graph.input(name, [2, 3, 5])).collect::<Result<_>>()?;
    let (logits, after) = model.forward(&tokens, &states)?;
    let after_names: Vec<String> = names.iter().map(|name| format!("{name}_after")).collect();
    let mut outputs = vec![("logits", &logits)];
    outputs.extend(after_names.iter().map(String::as_str).zip(&after));
    let inputs: Vec<&Tensor> = std::iter::once(&tokens).chain(&states).collect();
    let name = format!("text-{}", if cell == TextCell::Lstm { "lstm" } else { "gru" });
    sample(&name, &graph, &outputs, &inputs, 11, options)
}
