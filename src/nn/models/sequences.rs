//! Networks of waveforms and of lines of text.

use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::nn::{
    Activation, BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Lambda, Linear, Lstm, MaxPool1d, MaxPool2d, Module,
    Sequential,
};
use crate::ops::{self, Elementwise};

fn relu() -> Activation {
    Activation(Elementwise::relu())
}

/// A network of waveforms `(N, channels, L)`, logits `(N, classes)`: M5 of Dai et al., Very deep convolutional neural networks
/// for raw waveforms, 2016, with `width` channels (32 in PyTorch's tutorial on audio, whose keys it has). At 8 kHz its first
/// filters of 80 samples see 10 ms. Lines of at least 6,848 samples.
pub fn waveform_cnn(channels: usize, classes: usize, width: usize) -> Sequential {
    let mut net = Sequential::new();
    let blocks = [
        (channels, width, 80, 16),
        (width, width, 3, 1),
        (width, 2 * width, 3, 1),
        (2 * width, 2 * width, 3, 1),
    ];
    for (i, (from, to, kernel_size, stride)) in (1..).zip(blocks) {
        net = net
            .named(&format!("conv{i}"), Conv1d::new(from, to, kernel_size).stride(stride))
            .named(&format!("bn{i}"), BatchNorm1d::new(to))
            .named(&format!("relu{i}"), relu())
            .named(&format!("pool{i}"), MaxPool1d::new(4));
    }
    net.named("mean", Lambda(|x: &Tensor| x.mean([2], false))).named("fc1", Linear::new(2 * width, classes))
}

/// A network that reads a line of text in an image: convolutions, two bidirectional LSTMs over its columns, and a class for
/// each, for [`Tensor::ctc_loss`] (Shi et al., An end-to-end trainable neural network for image-based sequence recognition,
/// 2015). Images `(N, in_channels, 32, W)` become logarithms of probabilities `(W / 4 + 1, N, classes)`, class 0 the blank.
///
/// Keys are `cnn.conv0` to `cnn.conv6`, `cnn.batchnorm2`, `4` and `6`, `rnn.0.rnn` and `rnn.0.embedding`, `rnn.1`.., as
/// PyTorch programs of it usually have them.
#[derive(Debug, Clone)]
pub struct Crnn {
    in_channels: usize,
    classes: usize,
    hidden: usize,
    width: usize,
}

impl Crnn {
    /// With 256 hidden units a direction and convolutions of 64 to 512 channels: 8.3 million parameters.
    pub fn new(in_channels: usize, classes: usize) -> Self {
        Self { in_channels, classes, hidden: 256, width: 64 }
    }

    /// Sets the hidden units of a direction.
    #[must_use]
    pub fn hidden(self, hidden: usize) -> Self {
        Self { hidden, ..self }
    }

    /// Sets the channels of the first convolution; the last has eight times as many.
    #[must_use]
    pub fn width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Convolutions and pools, which leave a row.
    fn cnn(&self) -> Sequential {
        let tall = || {
            let pool = ops::MaxPool2d::new(2).stride((2, 1));
            MaxPool2d(pool.padding((0, 1)))
        };
        let (mut net, mut from) = (Sequential::new(), self.in_channels);
        for (i, times) in [1, 2, 4, 4, 8, 8, 8].into_iter().enumerate() {
            let to = self.width * times;
            let (kernel_size, padding) = if i == 6 { (2, 0) } else { (3, 1) };
            net = net.named(&format!("conv{i}"), Conv2d::new(from, to, kernel_size).padding(padding));
            if matches!(i, 2 | 4 | 6) {
                net = net.named(&format!("batchnorm{i}"), BatchNorm2d::new(to));
            }
            net = net.named(&format!("relu{i}"), relu());
            net = match i {
                0 | 1 => net.named(&format!("pooling{i}"), MaxPool2d::new(2)),
                3 | 5 => net.named(&format!("pooling{i}"), tall()),
                _ => net,
            };
            from = to;
        }
        net
    }
}

impl Module for Crnn {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph().clone();
        let shape = input.shape();
        let fits = shape.len() == 4 && shape[1..3] == [self.in_channels, 32] && shape[3] >= 4;
        let expected = || format!("images (N, {}, 32, W) of 4 columns or more", self.in_channels);
        Mismatch::check(fits, expected(), shape.to_string())
            .map_err(|m| Error::op("crnn", &graph.label(), m))?;
        let features = graph.scoped("cnn", || self.cnn().forward(input))?;
        let shape = features.shape();
        let columns = features.reshape([shape[0], shape[1], shape[3]])?.permute(&[2, 0, 1])?;
        let layer = |from: usize, to: usize| {
            let lstm = Lstm::new(from, self.hidden).bidirectional(true);
            Sequential::new().named("rnn", lstm).named("embedding", Linear::new(2 * self.hidden, to))
        };
        let read =
            Sequential::new().add(layer(8 * self.width, self.hidden)).add(layer(self.hidden, self.classes));
        graph.scoped("rnn", || read.forward(&columns))?.log_softmax(-1)
    }
}
