//! Convolutions of lines, of images padded by a mode, and transposed ones, made of conv2d and its input gradient.

use super::images::Images;
use crate::error::{Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{
    Conv1d, Conv2d, Conv2dBackwardInput, ConvGeometry, ConvPadding, ConvTranspose1d, ConvTranspose2d, Pad,
    PaddingMode,
};
use crate::shape::{Padding, Pair, Shape};

impl Tensor {
    /// Cross-correlation of lines `self (N, C, L)` with `weight (K, C / groups, S)`, plus `bias (K)`: `(N, K, OL)`. Without N
    /// as well.
    ///
    /// # Errors
    /// When the shapes do not fit, the window is longer than the padded line, padding `same` meets a stride, or the line is
    /// too short for the mode.
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: Conv1d) -> Result<Tensor> {
        let op = "conv1d";
        let (rows, rank) = (Images::new(self, op, 1)?, weight.shape().len());
        Mismatch::check(rank == 3, "weight (K, C / groups, S)", weight.shape().to_string())
            .map_err(self.refused(op))?;
        let (conv, padding) = options.of_rows();
        let weight = weight.unsqueeze(2)?;
        rows.back(&padded(&rows.tensor, op, &weight, bias, conv, padding, options.padding_mode)?)
    }

    /// As [`Tensor::conv2d`], padded by numbers, by `same` or `valid`, and with zeros or by another mode, as PyTorch's layer:
    /// `padding` takes the place of that in `options`.
    ///
    /// # Errors
    /// As [`Tensor::conv2d`]; when padding `same` meets a stride, or the image is too small for the mode.
    pub fn conv2d_padded(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: Conv2d,
        padding: impl Into<ConvPadding>,
        padding_mode: PaddingMode,
    ) -> Result<Tensor> {
        let images = Images::new(self, "conv2d", 2)?;
        let y = padded(&images.tensor, "conv2d", weight, bias, options, padding.into(), padding_mode)?;
        images.back(&y)
    }

    /// The transposed convolution of images `self (N, C, H, W)` with `weight (C, K / groups, R, S)`, plus `bias (K)`: each
    /// pixel spreads the weight, times itself, over an image `(N, K, OH, OW)`, where
    /// `OH = (H - 1) stride - padding on both sides + dilation (R - 1) + output_padding + 1`. The gradient of a convolution
    /// with respect to its input, run forward. Without N as well.
    ///
    /// # Errors
    /// When the shapes do not fit, the output padding is not below the stride or the dilation, or nothing is left of the output
    /// that taps reach.
    #[doc(alias = "deconvolution")]
    pub fn conv_transpose2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTranspose2d,
    ) -> Result<Tensor> {
        let images = Images::new(self, "conv_transpose2d", 2)?;
        images.back(&transposed(&images.tensor, "conv_transpose2d", weight, bias, &options)?)
    }

    /// The transposed convolution of lines `self (N, C, L)` with `weight (C, K / groups, S)`, plus `bias (K)`: `(N, K, OL)`.
    /// See [`Tensor::conv_transpose2d`]. Without N as well.
    ///
    /// # Errors
    /// As [`Tensor::conv_transpose2d`].
    pub fn conv_transpose1d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTranspose1d,
    ) -> Result<Tensor> {
        let op = "conv_transpose1d";
        let (rows, rank) = (Images::new(self, op, 1)?, weight.shape().len());
        Mismatch::check(rank == 3, "weight (C, K / groups, S)", weight.shape().to_string())
            .map_err(self.refused(op))?;
        rows.back(&transposed(&rows.tensor, op, &weight.unsqueeze(2)?, bias, &options.of_rows())?)
    }
}

/// A convolution of images that are padded before where the convolution does not pad so itself.
fn padded(
    x: &Tensor,
    op: &str,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: Conv2d,
    padding: ConvPadding,
    mode: PaddingMode,
) -> Result<Tensor> {
    let shape = weight.shape();
    let [_, _, h, w] = shape[..] else {
        return Err(x.refused(op)(Mismatch::new("weight (K, C / groups, R, S)", shape.to_string())));
    };
    let sides = padding.sides(Pair { h, w }, &options).map_err(x.refused(op))?;
    let (image, options) = match mode.pad() {
        None => (x.clone(), options.padding(sides)),
        Some(pad) => (around(x, op, pad, sides)?, options.padding(0)),
    };
    // Refused by the name that was called.
    let geometry = ConvGeometry::new(&options, &image.shape(), &shape).map_err(x.refused(op))?;
    of_channels(x, op, bias, geometry.k)?;
    image.conv2d(weight, bias, options)
}

/// `(N, C, H, W)` with more on each side.
fn around(x: &Tensor, op: &str, pad: Pad, sides: Padding) -> Result<Tensor> {
    let along = |x: &Tensor, dim, before: usize, after: usize| {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        x.mapped(op, dim, 0.0, |size| pad.matrix(size, number(before), number(after)))
    };
    along(&along(x, 2, sides.top, sides.bottom)?, 3, sides.left, sides.right)
}

fn transposed(
    x: &Tensor,
    op: &str,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvTranspose2d,
) -> Result<Tensor> {
    let laid = options.transposed(&x.shape(), &weight.shape()).map_err(x.refused(op))?;
    // Refused by the name that was called.
    let geometry = ConvGeometry::new(&laid.options, &laid.output, &weight.shape()).map_err(x.refused(op))?;
    let channels = geometry.c;
    of_channels(x, op, bias, channels)?;
    let gradient = Conv2dBackwardInput { options: laid.options, input: laid.output };
    let spread = x.one(gradient, &[x, weight])?;
    let behind = Padding { bottom: laid.behind.h, right: laid.behind.w, ..Padding::default() };
    let spread = around(&spread, op, Pad::Constant(0.0), behind)?;
    match bias {
        None => Ok(spread),
        Some(bias) => spread.add(&bias.reshape([channels, 1, 1])?),
    }
}

/// A bias has a number a channel.
fn of_channels(x: &Tensor, op: &str, bias: Option<&Tensor>, channels: usize) -> Result<()> {
    let Some(shape) = bias.map(Tensor::shape) else { return Ok(()) };
    let fits = shape == Shape::from([channels]);
    Mismatch::check(fits, format!("bias ({channels})"), format!("bias {shape}")).map_err(x.refused(op))
}

#[cfg(test)]
mod tests {
    use super::super::must_refuse;
    use super::*;
    use crate::Graph;

    /// What is refused says which op, what it takes and what came.
    #[test]
    fn what_is_refused_is_named() -> Result<()> {
        let graph = Graph::new();
        let (image, line) = (graph.input("image", [2, 4, 6, 5])?, graph.input("line", [2, 4, 6])?);
        let (w2, w1) = (graph.input("w2", [4, 4, 3, 3])?, graph.input("w1", [4, 4, 3])?);
        let (bias, one) = (graph.input("bias", [3])?, graph.input("one", [1])?);
        let lines = |options| line.conv1d(&w1, None, options);
        let images =
            |options, padding: ConvPadding, mode| image.conv2d_padded(&w2, None, options, padding, mode);
        let back = |options| image.conv_transpose2d(&w2, None, options);
        let (conv, usual) = (Conv2d::default(), ConvTranspose2d::default());
        let zeros = PaddingMode::Zeros;
        for (refused, words) in [
            (
                line.conv1d(&w2, None, Conv1d::default()),
                ["conv1d", "weight (K, C / groups, S)", "(4, 4, 3, 3)"],
            ),
            (image.conv1d(&w1, None, Conv1d::default()), ["conv1d", "2 or 3 dimensions", "4"]),
            (line.conv1d(&w1, Some(&bias), Conv1d::default()), ["conv1d", "bias (4)", "(3)"]),
            (lines(Conv1d::default().padding(ConvPadding::Same).stride(2)), ["conv1d", "stride of 1", "1x2"]),
            (
                lines(Conv1d::default().dilation(3)),
                ["conv1d", "at least as large as the dilated kernel", "7"],
            ),
            (lines(Conv1d::default().groups(3)), ["conv1d", "divisible by groups", "groups = 3"]),
            (lines(Conv1d::default().stride(0)), ["conv1d", "stride of 1", "0"]),
            (
                lines(Conv1d::default().padding((6, 0)).padding_mode(PaddingMode::Reflect)),
                ["conv1d", "less than the size 6", "6 before"],
            ),
            (
                lines(Conv1d::default().padding((0, 7)).padding_mode(PaddingMode::Circular)),
                ["conv1d", "at most 6", "7 behind"],
            ),
            (images(conv.stride((2, 1)), ConvPadding::Same, zeros), ["conv2d", "stride of 1", "2x1"]),
            (
                images(conv, (0, 5).into(), PaddingMode::Reflect),
                ["conv2d", "less than the size 5", "5 before"],
            ),
            (
                images(conv, usize::MAX.into(), PaddingMode::Replicate),
                ["conv2d", "at least one element", "behind 6"],
            ),
            (images(conv, usize::MAX.into(), zeros), ["conv2d", "padded input", "along the height"]),
            (back(usual.output_padding(1)), ["conv_transpose2d", "below 1", "1"]),
            (back(usual.stride((2, 1)).output_padding(1)), ["conv_transpose2d", "along the width", "1"]),
            (back(usual.padding(4)), ["conv_transpose2d", "output of at least 1", "8 cut off"]),
            (back(usual.padding(usize::MAX)), ["conv_transpose2d", "output of at least 1", "cut off"]),
            (back(usual.stride(usize::MAX)), ["conv_transpose2d", "stride of 1 to", "height"]),
            (back(usual.dilation(1 << 31)), ["conv_transpose2d", "at least 1", "spread over"]),
            (back(usual.groups(0)), ["conv_transpose2d", "groups of at least 1", "0"]),
            (back(usual.groups(3)), ["conv_transpose2d", "4 input channels divisible", "groups = 3"]),
            (image.conv_transpose2d(&w2, Some(&one), usual), ["conv_transpose2d", "bias (4)", "(1)"]),
            (
                line.conv_transpose1d(&w2, None, ConvTranspose1d::default()),
                ["conv_transpose1d", "weight (C, K / groups, S)", "(4, 4, 3, 3)"],
            ),
            (
                line.conv_transpose1d(&graph.input("w3", [3, 4, 3])?, None, ConvTranspose1d::default()),
                ["conv_transpose1d", "weight with 4 input channels", "3 in weight"],
            ),
        ] {
            must_refuse(refused, &words);
        }
        Ok(())
    }
}
