//! The first networks one meets: perceptron, SimpleCNN, LeNet-5, and recurrent cells that read an image by rows.

use super::Images;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::nn::{Activation, AvgPool2d, Conv2d, Flatten, Gru, Linear, Lstm, MaxPool2d, Module, Sequential};
use crate::ops::Elementwise;

/// The hidden size of the networks that read rows.
const HIDDEN: usize = 128;

pub(super) fn rows(images: &Images, cell: Rows) -> Sequential {
    Sequential::new().named("rows", cell).named("classifier", Linear::new(HIDDEN, images.classes))
}

/// Reads images `(N, C, H, W)` row by row, from the top, and gives its last state `(N, 128)`.
pub(super) enum Rows {
    Lstm,
    Gru,
}

impl Module for Rows {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let shape = input.shape();
        let [n, channels, rows, columns] = shape[..] else {
            let mismatch = Mismatch::new("images (N, C, H, W)", shape.to_string());
            return Err(Error::op("rows", &input.graph().label(), mismatch));
        };
        // A row of all channels is a step.
        let columns = channels * columns;
        let by_rows = if channels == 1 { input.clone() } else { input.permute(&[0, 2, 1, 3])? };
        let steps = by_rows.reshape([n, rows, columns])?;
        let read = match self {
            Rows::Lstm => Lstm::new(columns, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
            Rows::Gru => Gru::new(columns, HIDDEN).batch_first(true).sequence(&steps, None, None)?,
        };
        read.state[0].reshape([n, HIDDEN])
    }
}

/// PyTorch's SimpleCNN for images `(N, 1, 28, 28)` of 10 classes, with the keys `features.0.weight` to
/// `classifier.3.bias`.
pub fn simple_cnn() -> Sequential {
    let Images { shape: [channels, h, w], classes } = Images::MNIST;
    simple_cnn_of(channels, 64 * (h / 4) * (w / 4), classes)
}

/// The same for other images.
pub(super) fn simple_cnn_for(images: &Images) -> Result<Sequential> {
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

pub(super) fn lenet(images: &Images) -> Result<Sequential> {
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

pub(super) fn mlp(images: &Images) -> Result<Sequential> {
    let pixels = images.shape.iter().product();
    let layers =
        Sequential::new().add(Flatten).add(Linear::new(pixels, 256)).add(Activation(Elementwise::relu()));
    Ok(layers.add(Linear::new(256, images.classes)))
}
