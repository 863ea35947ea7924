//! Whole networks, by name.

use super::{Activation, AvgPool2d, Conv2d, Flatten, Gru, Linear, Lstm, MaxPool2d, Module, Sequential};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::Unary;

/// A network for images `(N, 1, 28, 28)` of 10 classes, by name.
pub struct Model {
    /// What `--model` takes.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Images of a training step with which three epochs of Adam train it well.
    pub batch_size: usize,
    /// Adam's learning rate for that.
    pub lr: f32,
    /// Builds it.
    pub build: fn() -> Sequential,
}

/// Settings that suit most.
const USUAL: Model = Model { name: "", about: "", batch_size: 64, lr: 1e-3, build: Sequential::new };

/// Settings of the networks that read rows: an LSTM learns slowly at first.
const ROWS: Model = Model { batch_size: 32, lr: 2e-3, ..USUAL };

/// All networks.
pub const MODELS: [Model; 5] = [
    Model {
        name: "simple-cnn",
        about: "conv 1-32, relu, max-pool, conv 32-64, relu, max-pool, linear 3136-128, relu, linear 128-10",
        build: simple_cnn,
        ..USUAL
    },
    Model {
        name: "lenet",
        about: "LeNet-5: conv 1-6 5x5, tanh, avg-pool, conv 6-16 5x5, tanh, avg-pool, linear 400-120-84-10",
        build: lenet,
        ..USUAL
    },
    Model { name: "mlp", about: "linear 784-256, relu, linear 256-10", build: mlp, ..USUAL },
    Model {
        name: "lstm-rows",
        about: "the image as 28 steps of 28 pixels, LSTM 128, linear 128-10 of its last state",
        build: || Sequential::new().named("rows", Rows::Lstm).named("classifier", Linear::new(HIDDEN, 10)),
        ..ROWS
    },
    Model {
        name: "gru-rows",
        about: "the image as 28 steps of 28 pixels, GRU 128, linear 128-10 of its last state",
        build: || Sequential::new().named("rows", Rows::Gru).named("classifier", Linear::new(HIDDEN, 10)),
        ..ROWS
    },
];

/// The hidden size of the networks that read rows.
const HIDDEN: usize = 128;

/// Reads images `(N, 1, H, 28)` row by row, from the top, and gives its last state `(N, 128)`.
enum Rows {
    Lstm,
    Gru,
}

impl Module for Rows {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let [n, 1, rows, columns] = shape[..] else {
            let mismatch = Mismatch::new("images (N, 1, H, W)", shape.to_string());
            return Err(Error::op("rows", &input.graph().scoped_name(""), mismatch));
        };
        let steps = input.reshape([n, rows, columns])?;
        let read = match self {
            Rows::Lstm => Lstm::new(28, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
            Rows::Gru => Gru::new(28, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
        };
        read.state[0].reshape([n, HIDDEN])
    }
}

/// The network called `name`.
///
/// # Errors
/// When there is none.
pub fn model(name: &str) -> Result<&'static Model> {
    let known: Vec<_> = MODELS.iter().map(|m| m.name).collect();
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| Error::argument("model", known.join(", "), name))
}

/// PyTorch's SimpleCNN for images `(N, 1, 28, 28)` of 10 classes, with the keys `features.0.weight` to
/// `classifier.3.bias`.
pub fn simple_cnn() -> Sequential {
    let features = Sequential::new()
        .add(Conv2d::new(1, 32, 3).padding(1))
        .add(Activation(Unary::Relu))
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(32, 64, 3).padding(1))
        .add(Activation(Unary::Relu))
        .add(MaxPool2d::new(2));
    let classifier = Sequential::new()
        .add(Flatten)
        .add(Linear::new(64 * 7 * 7, 128))
        .add(Activation(Unary::Relu))
        .add(Linear::new(128, 10));
    Sequential::new().named("features", features).named("classifier", classifier)
}

fn lenet() -> Sequential {
    let tanh = || Activation(Unary::Tanh);
    let features = Sequential::new()
        .add(Conv2d::new(1, 6, 5).padding(2))
        .add(tanh())
        .add(AvgPool2d::new(2))
        .add(Conv2d::new(6, 16, 5))
        .add(tanh())
        .add(AvgPool2d::new(2));
    let classifier = Sequential::new()
        .add(Flatten)
        .add(Linear::new(400, 120))
        .add(tanh())
        .add(Linear::new(120, 84))
        .add(tanh())
        .add(Linear::new(84, 10));
    Sequential::new().named("features", features).named("classifier", classifier)
}

fn mlp() -> Sequential {
    let relu = Activation(Unary::Relu);
    Sequential::new().add(Flatten).add(Linear::new(784, 256)).add(relu).add(Linear::new(256, 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    fn keys(model: &Model) -> Vec<(String, Vec<usize>)> {
        let graph = Graph::new();
        let x = graph.input("image", [2, 1, 28, 28]).unwrap();
        assert_eq!((model.build)().forward(&x).unwrap().shape()[..], [2, 10]);
        graph.parameters().iter().map(|p| (p.name().unwrap(), p.shape().to_vec())).collect()
    }

    #[test]
    fn the_simple_cnn_has_pytorchs_keys_and_shapes() {
        let expected = [
            ("features.0.weight", vec![32, 1, 3, 3]),
            ("features.0.bias", vec![32]),
            ("features.3.weight", vec![64, 32, 3, 3]),
            ("features.3.bias", vec![64]),
            ("classifier.1.weight", vec![128, 3136]),
            ("classifier.1.bias", vec![128]),
            ("classifier.3.weight", vec![10, 128]),
            ("classifier.3.bias", vec![10]),
        ];
        let expected: Vec<_> = expected.map(|(name, shape)| (name.to_owned(), shape)).to_vec();
        assert_eq!(keys(&MODELS[0]), expected);
    }

    #[test]
    fn every_model_maps_images_to_10_classes() {
        assert!(MODELS.iter().all(|m| !keys(m).is_empty()));
        assert!(model("simple").is_err());
    }
}
