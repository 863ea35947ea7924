//! Residual networks.

use super::{Images, fan_out};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::nn::{Activation, BatchNorm2d, Conv2d, Lambda, Linear, MaxPool2d, Residual, Sequential};
use crate::ops::{self, Elementwise};

/// ResNet as torchvision has it (He et al., Deep residual learning for image recognition, 2015; the stride of a bottleneck is
/// that of its middle convolution).
#[derive(Debug, Clone)]
pub struct ResNet {
    blocks: [usize; 4],
    bottlenecks: bool,
    width: usize,
}

fn relu() -> Activation {
    Activation(Elementwise::relu())
}

/// A convolution as torchvision has it in a block: without bias.
fn conv(from: usize, to: usize, kernel_size: usize, stride: usize) -> Conv2d {
    Conv2d::new(from, to, kernel_size).stride(stride).padding(kernel_size / 2).bias(false).init(fan_out)
}

impl ResNet {
    /// Stages of so many blocks, each of two convolutions of 3x3.
    pub fn basic(blocks: [usize; 4]) -> Self {
        Self { blocks, bottlenecks: false, width: 64 }
    }

    /// Stages of so many blocks, each of a convolution of 3x3 between two of 1x1, the last of four times the channels.
    pub fn bottlenecks(blocks: [usize; 4]) -> Self {
        Self { bottlenecks: true, ..Self::basic(blocks) }
    }

    /// Sets the channels of the first stage, 64; each further one has twice as many.
    #[must_use]
    pub fn width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// ResNet-18.
    pub fn resnet18() -> Self {
        Self::basic([2, 2, 2, 2])
    }

    /// ResNet-34.
    pub fn resnet34() -> Self {
        Self::basic([3, 4, 6, 3])
    }

    /// ResNet-50.
    pub fn resnet50() -> Self {
        Self::bottlenecks([3, 4, 6, 3])
    }

    /// The network.
    ///
    /// # Errors
    /// When a stage has no block, or the width is 0.
    pub fn build(&self, images: &Images) -> Result<Sequential> {
        if self.blocks.contains(&0) || self.width == 0 {
            let got = format!("{:?} blocks of width {}", self.blocks, self.width);
            return Err(Error::argument("resnet", "at least one block a stage and one channel", got));
        }
        let width = self.width;
        let mut net = Sequential::new()
            .named("conv1", conv(images.shape[0], width, 7, 2))
            .named("bn1", BatchNorm2d::new(width))
            .named("relu", relu())
            .named("maxpool", MaxPool2d(ops::MaxPool2d::new(3).stride(2).padding(1)));
        let mut channels = width;
        for (i, blocks) in self.blocks.into_iter().enumerate() {
            let mut stage = Sequential::new();
            for block in 0..blocks {
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let (layer, to) = self.block(channels, width << i, stride);
                stage = stage.add(layer);
                channels = to;
            }
            net = net.named(&format!("layer{}", i + 1), stage);
        }
        let pool = Lambda(|x: &Tensor| x.mean([2, 3], false));
        Ok(net.named("avgpool", pool).named("fc", Linear::new(channels, images.classes)))
    }

    /// A block of inner `width`, and the channels that it gives.
    fn block(&self, from: usize, width: usize, stride: usize) -> (Residual, usize) {
        let body = Sequential::new();
        let (body, to) = if self.bottlenecks {
            let body = body
                .named("conv1", conv(from, width, 1, 1))
                .named("bn1", BatchNorm2d::new(width))
                .named("relu1", relu())
                .named("conv2", conv(width, width, 3, stride))
                .named("bn2", BatchNorm2d::new(width))
                .named("relu2", relu())
                .named("conv3", conv(width, 4 * width, 1, 1))
                .named("bn3", BatchNorm2d::new(4 * width));
            (body, 4 * width)
        } else {
            let body = body
                .named("conv1", conv(from, width, 3, stride))
                .named("bn1", BatchNorm2d::new(width))
                .named("relu", relu())
                .named("conv2", conv(width, width, 3, 1))
                .named("bn2", BatchNorm2d::new(width));
            (body, width)
        };
        let block = Residual::new(body).activation(Elementwise::relu());
        if stride == 1 && from == to {
            return (block, to);
        }
        let shortcut = Sequential::new().add(conv(from, to, 1, stride)).add(BatchNorm2d::new(to));
        (block.shortcut("downsample", shortcut), to)
    }
}
