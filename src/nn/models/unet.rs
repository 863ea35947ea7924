//! Networks from images to images: U-Net and a convolutional autoencoder.

use super::Images;
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::nn::{Activation, BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, Module, Sequential};
use crate::ops::{Elementwise, Pad};

/// U-Net (Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015), with batch norm and
/// padded convolutions: `(N, in_channels, H, W)` to `(N, classes, H, W)`.
///
/// Keys are `inc`, `down1` to `down4`, `up1` to `up4` and `outc`, as PyTorch programs of it usually have them. Images of
/// any size from 16 pixels a side: what pooling lost is padded before an image is joined with its skip connection.
#[derive(Debug, Clone)]
pub struct UNet {
    in_channels: usize,
    classes: usize,
    width: usize,
}

/// Halvings of the image.
const DEPTH: usize = 4;

/// Twice convolution without bias, batch norm, relu.
fn double_conv(from: usize, to: usize) -> Sequential {
    let mut layers = Sequential::new();
    for from in [from, to] {
        layers = layers
            .add(Conv2d::new(from, to, 3).padding(1).bias(false))
            .add(BatchNorm2d::new(to))
            .add(Activation(Elementwise::relu()));
    }
    Sequential::new().named("double_conv", layers)
}

impl UNet {
    /// With 64 channels at full size, twice as many each time it is halved: 31 million parameters.
    pub fn new(in_channels: usize, classes: usize) -> Self {
        Self { in_channels, classes, width: 64 }
    }

    /// Sets the channels at full size.
    #[must_use]
    pub fn width(self, width: usize) -> Self {
        Self { width, ..self }
    }
}

/// An image with zeros around it, as large as another one.
fn padded_to(image: &Tensor, larger: &Tensor) -> Result<Tensor> {
    let missing = |d: usize| (larger.shape()[d] - image.shape()[d]) as i64;
    let (rows, columns) = (missing(2), missing(3));
    let pads = [columns / 2, columns - columns / 2, rows / 2, rows - rows / 2];
    if pads == [0; 4] { Ok(image.clone()) } else { image.pad(&pads, Pad::Constant(0.0)) }
}

impl Module for UNet {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let graph = input.graph().clone();
        let shape = input.shape();
        let fits = shape.len() == 4 && shape[1] == self.in_channels && shape[2].min(shape[3]) >= 1 << DEPTH;
        let expected =
            || format!("images (N, {}, H, W) of {} pixels a side or more", self.in_channels, 1 << DEPTH);
        Mismatch::check(fits && self.width > 0, expected(), format!("{shape}, width {}", self.width))
            .map_err(|m| Error::op("unet", &graph.label(), m))?;
        let channels = |level: usize| self.width << level;
        let mut skips = vec![graph.scoped("inc", || double_conv(shape[1], channels(0)).forward(input))?];
        for level in 1..=DEPTH {
            let layers = Sequential::new()
                .add(MaxPool2d::new(2))
                .add(double_conv(channels(level - 1), channels(level)));
            let down = Sequential::new()
                .named(&format!("down{level}"), Sequential::new().named("maxpool_conv", layers));
            let x = down.forward(&skips[level - 1])?;
            skips.push(x);
        }
        let Some(mut x) = skips.pop() else { return Ok(input.clone()) };
        for (i, skip) in skips.iter().rev().enumerate() {
            let (from, to) = (channels(DEPTH - i), channels(DEPTH - i - 1));
            x = graph.scoped(&format!("up{}", i + 1), || {
                let up = ConvTranspose2d::new(from, to, 2).stride(2);
                let up = graph.scoped("up", || up.forward(&x))?;
                let joined = Tensor::concat(&[skip, &padded_to(&up, skip)?], 1)?;
                graph.scoped("conv", || double_conv(from, to).forward(&joined))
            })?;
        }
        let head = Sequential::new().named("conv", Conv2d::new(channels(0), self.classes, 1));
        graph.scoped("outc", || head.forward(&x))
    }
}

/// An autoencoder: convolutions that halve the image twice and transposed ones that double it twice, a sigmoid at the end.
///
/// # Errors
/// When height or width is no multiple of 4.
pub fn conv_autoencoder(images: &Images) -> Result<Sequential> {
    let [channels, h, w] = images.shape;
    if !h.is_multiple_of(4) || !w.is_multiple_of(4) || h.min(w) == 0 {
        return Err(Error::argument(
            "conv_autoencoder",
            "images whose sides are multiples of 4",
            images.to_string(),
        ));
    }
    let relu = || Activation(Elementwise::relu());
    let halve = |from, to| Conv2d::new(from, to, 3).stride(2).padding(1);
    let double = |from, to| ConvTranspose2d::new(from, to, 3).stride(2).padding(1).output_padding(1);
    let encoder = Sequential::new()
        .add(halve(channels, 16))
        .add(relu())
        .add(halve(16, 32))
        .add(relu())
        .add(Conv2d::new(32, 8, 3).padding(1));
    let decoder = Sequential::new()
        .add(Conv2d::new(8, 32, 3).padding(1))
        .add(relu())
        .add(double(32, 16))
        .add(relu())
        .add(double(16, channels))
        .add(Activation(Elementwise::sigmoid()));
    Ok(Sequential::new().named("encoder", encoder).named("decoder", decoder))
}
