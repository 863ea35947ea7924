//! Small networks: MobileNetV2 and SqueezeNet.

use super::{Images, fan_out, hundredth, zeros};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::nn::{
    Activation, BatchNorm2d, Branches, Conv2d, Dropout, Lambda, Linear, MaxPool2d, Module, Residual,
    Sequential,
};
use crate::ops::{self, Elementwise, Init};

/// MobileNetV2 as torchvision has it (Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018).
#[derive(Debug, Clone)]
pub struct MobileNetV2 {
    width_mult: f64,
    dropout: f32,
}

impl Default for MobileNetV2 {
    /// Of the usual width, with dropout 0.2.
    fn default() -> Self {
        Self { width_mult: 1.0, dropout: 0.2 }
    }
}

/// Expansion, channels, blocks and stride of each stage.
const STAGES: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

/// A multiple of 8 close to `channels * width_mult`, no more than a tenth below it.
fn channels(channels: usize, width_mult: f64) -> usize {
    let wanted = channels as f64 * width_mult;
    let near = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (near as f64) < 0.9 * wanted { near + 8 } else { near }
}

/// Convolution without bias, batch norm, relu6.
fn conv_norm_relu6(from: usize, to: usize, kernel_size: usize, stride: usize, groups: usize) -> Sequential {
    let conv = Conv2d::new(from, to, kernel_size).stride(stride).padding(kernel_size / 2).groups(groups);
    Sequential::new()
        .add(conv.bias(false).init(fan_out))
        .add(BatchNorm2d::new(to))
        .add(Activation(Elementwise::relu6()))
}

fn inverted_residual(from: usize, to: usize, stride: usize, expansion: usize) -> Box<dyn Module> {
    let hidden = from * expansion;
    let mut layers = Sequential::new();
    if expansion != 1 {
        layers = layers.add(conv_norm_relu6(from, hidden, 1, 1, 1));
    }
    let layers = layers
        .add(conv_norm_relu6(hidden, hidden, 3, stride, hidden))
        .add(Conv2d::new(hidden, to, 1).bias(false).init(fan_out))
        .add(BatchNorm2d::new(to));
    let block = Sequential::new().named("conv", layers);
    if stride == 1 && from == to { Box::new(Residual::new(block)) } else { Box::new(block) }
}

impl MobileNetV2 {
    /// Sets by how much all channels are multiplied; they stay multiples of 8.
    #[must_use]
    pub fn width_mult(self, width_mult: f64) -> Self {
        Self { width_mult, ..self }
    }

    /// Sets the probability of the dropout before the linear layer.
    #[must_use]
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// The network.
    ///
    /// # Errors
    /// When `width_mult` is not from 1/100 to 100.
    pub fn build(&self, images: &Images) -> Result<Sequential> {
        let width_mult = self.width_mult;
        if !(0.01..=100.0).contains(&width_mult) {
            return Err(Error::argument("width_mult", "a number from 0.01 to 100", width_mult.to_string()));
        }
        let mut from = channels(32, width_mult);
        let mut features = Sequential::new().add(conv_norm_relu6(images.shape[0], from, 3, 2, 1));
        for [expansion, to, blocks, stride] in STAGES {
            let to = channels(to, width_mult);
            for block in 0..blocks {
                let stride = if block == 0 { stride } else { 1 };
                features = features.add(inverted_residual(from, to, stride, expansion));
                from = to;
            }
        }
        let last = channels(1280, width_mult.max(1.0));
        let features = features.add(conv_norm_relu6(from, last, 1, 1, 1));
        let linear = Linear::new(last, images.classes).init(hundredth).bias_init(zeros);
        Ok(Sequential::new()
            .named("features", features)
            .named("avgpool", Lambda(|x: &Tensor| x.mean([2, 3], false)))
            .named("classifier", Sequential::new().add(Dropout::new(self.dropout)).add(linear)))
    }
}

/// SqueezeNet 1.1 as torchvision has it (Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, 2016).
#[derive(Debug, Clone)]
pub struct SqueezeNet {
    dropout: f32,
}

impl Default for SqueezeNet {
    /// With dropout 0.5.
    fn default() -> Self {
        Self { dropout: 0.5 }
    }
}

fn he_uniform(weight: &crate::Shape) -> Init {
    Init::kaiming_uniform(weight, 0.0)
}

/// A convolution of 1x1 to few channels, then one of 1x1 and one of 3x3 beside each other.
fn fire(from: usize, squeeze: usize, expand: usize) -> Sequential {
    let relu = || Activation(Elementwise::relu());
    let conv = |from, to, k| Conv2d::new(from, to, k).padding(k / 2).init(he_uniform).bias_init(zeros);
    let beside = |name: &str, k| {
        Sequential::new().named(name, conv(squeeze, expand, k)).named(&format!("{name}_activation"), relu())
    };
    Sequential::new()
        .named("squeeze", conv(from, squeeze, 1))
        .named("squeeze_activation", relu())
        .named("", Branches::new().branch(beside("expand1x1", 1)).branch(beside("expand3x3", 3)))
}

impl SqueezeNet {
    /// Sets the probability of the dropout before the last convolution.
    #[must_use]
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout }
    }

    /// The network.
    ///
    /// # Errors
    /// For images of less than 17 pixels a side.
    pub fn build(&self, images: &Images) -> Result<Sequential> {
        images.at_least(17)?;
        let relu = || Activation(Elementwise::relu());
        let pool = || MaxPool2d(ops::MaxPool2d::new(3).stride(2).ceil_mode(true));
        let features = Sequential::new()
            .add(Conv2d::new(images.shape[0], 64, 3).stride(2).init(he_uniform).bias_init(zeros))
            .add(relu())
            .add(pool())
            .add(fire(64, 16, 64))
            .add(fire(128, 16, 64))
            .add(pool())
            .add(fire(128, 32, 128))
            .add(fire(256, 32, 128))
            .add(pool())
            .add(fire(256, 48, 192))
            .add(fire(384, 48, 192))
            .add(fire(384, 64, 256))
            .add(fire(512, 64, 256));
        let classifier = Sequential::new()
            .add(Dropout::new(self.dropout))
            .add(Conv2d::new(512, images.classes, 1).init(hundredth).bias_init(zeros))
            .add(relu())
            .add(Lambda(|x: &Tensor| x.mean([2, 3], false)));
        Ok(Sequential::new().named("features", features).named("classifier", classifier))
    }
}
