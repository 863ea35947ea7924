//! AlexNet and VGG: convolutions and pools one after the other, then linear layers with dropout.

use super::{Images, fan_out, hundredth, zeros};
use crate::error::Result;
use crate::graph::Tensor;
use crate::nn::{Activation, BatchNorm2d, Conv2d, Dropout, Flatten, Lambda, Linear, MaxPool2d, Sequential};
use crate::ops::{self, Elementwise};

fn relu() -> Activation {
    Activation(Elementwise::relu())
}

/// Averages of windows, so many a side, as one row an image.
fn pooled(features: Sequential, side: usize, classifier: Sequential) -> Sequential {
    let pool = Lambda(move |x: &Tensor| x.adaptive_avg_pool2d(side));
    Sequential::new()
        .named("features", features)
        .named("avgpool", pool)
        .named("flatten", Flatten)
        .named("classifier", classifier)
}

/// AlexNet as torchvision has it (Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014).
#[derive(Debug, Clone)]
pub struct AlexNet {
    dropout: f32,
}

impl Default for AlexNet {
    /// With dropout 0.5.
    fn default() -> Self {
        Self { dropout: 0.5 }
    }
}

impl AlexNet {
    /// Sets the probability of the dropout before both hidden linear layers.
    #[must_use]
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout }
    }

    /// The network.
    ///
    /// # Errors
    /// For images of less than 63 pixels a side.
    pub fn build(&self, images: &Images) -> Result<Sequential> {
        images.at_least(63)?;
        let pool = || MaxPool2d(ops::MaxPool2d::new(3).stride(2));
        let features = Sequential::new()
            .add(Conv2d::new(images.shape[0], 64, 11).stride(4).padding(2))
            .add(relu())
            .add(pool())
            .add(Conv2d::new(64, 192, 5).padding(2))
            .add(relu())
            .add(pool())
            .add(Conv2d::new(192, 384, 3).padding(1))
            .add(relu())
            .add(Conv2d::new(384, 256, 3).padding(1))
            .add(relu())
            .add(Conv2d::new(256, 256, 3).padding(1))
            .add(relu())
            .add(pool());
        let classifier = Sequential::new()
            .add(Dropout::new(self.dropout))
            .add(Linear::new(256 * 6 * 6, 4096))
            .add(relu())
            .add(Dropout::new(self.dropout))
            .add(Linear::new(4096, 4096))
            .add(relu())
            .add(Linear::new(4096, images.classes));
        Ok(pooled(features, 6, classifier))
    }
}

/// VGG with batch norm as torchvision has it (Simonyan and Zisserman, Very deep convolutional networks, 2014).
#[derive(Debug, Clone)]
pub struct Vgg {
    stages: [&'static [usize]; 5],
    dropout: f32,
}

impl Vgg {
    /// Configuration A: eight convolutions.
    pub fn vgg11_bn() -> Self {
        Self { stages: [&[64], &[128], &[256, 256], &[512, 512], &[512, 512]], dropout: 0.5 }
    }

    /// Configuration D: 13 convolutions.
    pub fn vgg16_bn() -> Self {
        let stages: [&[usize]; 5] =
            [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];
        Self { stages, ..Self::vgg11_bn() }
    }

    /// Sets the probability of the dropout behind both hidden linear layers, 0.5.
    #[must_use]
    pub fn dropout(self, dropout: f32) -> Self {
        Self { dropout, ..self }
    }

    /// The network.
    ///
    /// # Errors
    /// For images of less than 32 pixels a side.
    pub fn build(&self, images: &Images) -> Result<Sequential> {
        images.at_least(1 << self.stages.len())?;
        let (mut features, mut channels) = (Sequential::new(), images.shape[0]);
        for stage in self.stages {
            for &to in stage {
                let conv = Conv2d::new(channels, to, 3).padding(1).init(fan_out).bias_init(zeros);
                features = features.add(conv).add(BatchNorm2d::new(to)).add(relu());
                channels = to;
            }
            features = features.add(MaxPool2d::new(2));
        }
        let linear = |from, to| Linear::new(from, to).init(hundredth).bias_init(zeros);
        let classifier = Sequential::new()
            .add(linear(channels * 7 * 7, 4096))
            .add(relu())
            .add(Dropout::new(self.dropout))
            .add(linear(4096, 4096))
            .add(relu())
            .add(Dropout::new(self.dropout))
            .add(linear(4096, images.classes));
        Ok(pooled(features, 7, classifier))
    }
}
