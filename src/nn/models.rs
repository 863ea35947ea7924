//! Whole networks, by name.

use super::{Activation, AvgPool2d, Conv2d, Flatten, Gru, Linear, Lstm, MaxPool2d, Module, Sequential};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::Elementwise;
use std::fmt;

/// What a network for images is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Images {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The classes to tell apart.
    pub classes: usize,
}

impl Images {
    /// MNIST's.
    pub const MNIST: Self = Self { shape: [1, 28, 28], classes: 10 };

    /// Refuses images that are smaller than `least` pixels a side.
    fn at_least(&self, least: usize) -> Result<()> {
        let [_, h, w] = self.shape;
        if h.min(w) >= least {
            return Ok(());
        }
        Err(Error::argument("model", format!("images of at least {least}x{least}"), self.to_string()))
    }
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shape: [c, h, w], classes } = self;
        let channels = if *c == 1 { String::new() } else { format!("{c}x") };
        write!(f, "images of {channels}{h}x{w} in {classes} classes")
    }
}

/// A network for images `(N, C, H, W)` of some classes, by name.
pub struct Model {
    /// What `--model` takes.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Images of a training step with which three epochs of Adam train it well.
    pub batch_size: usize,
    /// Adam's learning rate for that.
    pub lr: f32,
    /// Builds it for images of these sizes.
    pub build: fn(&Images) -> Result<Sequential>,
}

/// Settings that suit most.
const USUAL: Model =
    Model { name: "", about: "", batch_size: 64, lr: 1e-3, build: |_| Ok(Sequential::new()) };

/// Settings of the networks that read rows: an LSTM learns slowly at first.
const ROWS: Model = Model { batch_size: 32, lr: 2e-3, ..USUAL };

/// All networks.
pub const MODELS: [Model; 5] = [
    Model {
        name: "simple-cnn",
        about: "conv 32, relu, max-pool, conv 64, relu, max-pool, linear 128, relu, linear",
        build: simple_cnn_for,
        ..USUAL
    },
    Model {
        name: "lenet",
        about: "LeNet-5: conv 6 5x5, tanh, avg-pool, conv 16 5x5, tanh, avg-pool, linear 120, tanh, linear 84, tanh, linear",
        build: lenet,
        ..USUAL
    },
    Model { name: "mlp", about: "linear 256, relu, linear", build: mlp, ..USUAL },
    Model {
        name: "lstm-rows",
        about: "the image's rows as steps, LSTM 128, linear of its last state",
        build: |images| Ok(rows(images, Rows::Lstm)),
        ..ROWS
    },
    Model {
        name: "gru-rows",
        about: "the image's rows as steps, GRU 128, linear of its last state",
        build: |images| Ok(rows(images, Rows::Gru)),
        ..ROWS
    },
];

/// The hidden size of the networks that read rows.
const HIDDEN: usize = 128;

fn rows(images: &Images, cell: Rows) -> Sequential {
    Sequential::new().named("rows", cell).named("classifier", Linear::new(HIDDEN, images.classes))
}

/// Reads images `(N, 1, H, W)` row by row, from the top, and gives its last state `(N, 128)`.
enum Rows {
    Lstm,
    Gru,
}

impl Module for Rows {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let [n, 1, rows, columns] = shape[..] else {
            let mismatch = Mismatch::new("images (N, 1, H, W)", shape.to_string());
            return Err(Error::op("rows", &input.graph().label(), mismatch));
        };
        let steps = input.reshape([n, rows, columns])?;
        let read = match self {
            Rows::Lstm => Lstm::new(columns, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
            Rows::Gru => Gru::new(columns, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
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
    let Images { shape: [channels, h, w], classes } = Images::MNIST;
    simple_cnn_of(channels, 64 * (h / 4) * (w / 4), classes)
}

/// The same for other images.
fn simple_cnn_for(images: &Images) -> Result<Sequential> {
    images.at_least(4)?;
    let [channels, h, w] = images.shape;
    Ok(simple_cnn_of(channels, 64 * (h / 4) * (w / 4), images.classes))
}

fn simple_cnn_of(channels: usize, flat: usize, classes: usize) -> Sequential {
    let features = Sequential::new()
        .add(Conv2d::new(channels, 32, 3).padding(1))
        .add(Activation(Elementwise::relu()))
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(32, 64, 3).padding(1))
        .add(Activation(Elementwise::relu()))
        .add(MaxPool2d::new(2));
    let classifier = Sequential::new()
        .add(Flatten)
        .add(Linear::new(flat, 128))
        .add(Activation(Elementwise::relu()))
        .add(Linear::new(128, classes));
    Sequential::new().named("features", features).named("classifier", classifier)
}

fn lenet(images: &Images) -> Result<Sequential> {
    // The second convolution takes four pixels of a half away, and a pool of 2 must be left.
    images.at_least(12)?;
    let [channels, h, w] = images.shape;
    let tanh = || Activation(Elementwise::tanh());
    let features = Sequential::new()
        .add(Conv2d::new(channels, 6, 5).padding(2))
        .add(tanh())
        .add(AvgPool2d::new(2))
        .add(Conv2d::new(6, 16, 5))
        .add(tanh())
        .add(AvgPool2d::new(2));
    let left = |side: usize| (side / 2 - 4) / 2;
    let classifier = Sequential::new()
        .add(Flatten)
        .add(Linear::new(16 * left(h) * left(w), 120))
        .add(tanh())
        .add(Linear::new(120, 84))
        .add(tanh())
        .add(Linear::new(84, images.classes));
    Ok(Sequential::new().named("features", features).named("classifier", classifier))
}

fn mlp(images: &Images) -> Result<Sequential> {
    let pixels = images.shape.iter().product();
    let layers =
        Sequential::new().add(Flatten).add(Linear::new(pixels, 256)).add(Activation(Elementwise::relu()));
    Ok(layers.add(Linear::new(256, images.classes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    fn keys(model: &Model) -> Vec<(String, Vec<usize>)> {
        let graph = Graph::new();
        let x = graph.input("image", [2, 1, 28, 28]).unwrap();
        assert_eq!((model.build)(&Images::MNIST).unwrap().forward(&x).unwrap().shape()[..], [2, 10]);
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

    #[test]
    fn every_model_takes_its_sizes_from_the_images() {
        let logits = |model: &Model, shape: [usize; 3]| {
            let layers = (model.build)(&Images { shape, classes: 47 })?;
            let [c, h, w] = shape;
            layers.forward(&Graph::new().input("image", [3, c, h, w]).unwrap()).map(|y| y.shape().to_vec())
        };
        for model in &MODELS {
            for shape in [[1, 12, 12], [1, 13, 21], [1, 32, 20], [1, 64, 64]] {
                assert_eq!(logits(model, shape).unwrap(), [3, 47], "{} of {shape:?}", model.name);
            }
        }
        for (name, least) in [("simple-cnn", 4), ("lenet", 12)] {
            assert!(logits(model(name).unwrap(), [1, least, least]).is_ok());
            let error = logits(model(name).unwrap(), [1, 40, least - 1]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("at least {least}x{least}, got images of 40x{}", least - 1)),
                "{error}"
            );
        }
    }
}
