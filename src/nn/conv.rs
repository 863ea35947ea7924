//! Convolutions of lines and images, and transposed ones.

use super::Module;
use super::layers::{WeightInit, weight_and_bias};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{self, ConvPadding, Ends, Init, PaddingMode};
use crate::shape::{Padding, Pair, Shape};

/// What all convolutions have: channels, bias and how the weight begins.
#[derive(Debug, Clone, Copy)]
struct Channels {
    input: usize,
    output: usize,
    bias: bool,
    init: WeightInit,
    bias_init: WeightInit,
}

impl Channels {
    fn new(input: usize, output: usize) -> Self {
        Self { input, output, bias: true, init: Init::torch_weight, bias_init: Init::torch_bias }
    }

    /// The parameters of a layer of `groups` whose weight is `(of all channels first, of a group's second, kernel ..)`.
    fn parameters(
        &self,
        x: &Tensor,
        [first, second]: [usize; 2],
        groups: usize,
        kernel: &[usize],
    ) -> Result<(Tensor, Option<Tensor>)> {
        // Groups of 0 are refused by the op, which names them.
        let second = second.checked_div(groups).unwrap_or(second);
        let shape = Shape::from([&[first, second], kernel].concat());
        weight_and_bias(x, &shape, self.bias.then_some(self.output), [self.init, self.bias_init])
    }
}

/// That a layer of so many groups has channels that they divide.
fn divided(layer: &str, x: &Tensor, channels: &Channels, groups: usize) -> Result<()> {
    let Channels { input, output, .. } = *channels;
    let fits = groups == 0 || input.is_multiple_of(groups) && output.is_multiple_of(groups);
    let expected = format!("{input} input and {output} output channels divisible by groups");
    Mismatch::check(fits, expected, format!("groups = {groups}"))
        .map_err(|m| Error::op(layer, &x.graph().label(), m))
}

/// What is set on every layer.
macro_rules! of_channels {
    ($size:ty) => {
        /// Sets the stride.
        #[must_use]
        pub fn stride(self, stride: $size) -> Self {
            Self { options: self.options.stride(stride), ..self }
        }

        /// Sets the dilation.
        #[must_use]
        pub fn dilation(self, dilation: $size) -> Self {
            Self { options: self.options.dilation(dilation), ..self }
        }

        /// Sets the number of groups.
        #[must_use]
        pub fn groups(self, groups: usize) -> Self {
            Self { options: self.options.groups(groups), ..self }
        }

        /// Sets whether there is a bias.
        #[must_use]
        pub fn bias(self, bias: bool) -> Self {
            Self { channels: Channels { bias, ..self.channels }, ..self }
        }

        /// Sets how the weight begins, such as `|shape| Init::kaiming_normal(shape, 0.0)`.
        #[must_use]
        pub fn init(self, init: WeightInit) -> Self {
            Self { channels: Channels { init, ..self.channels }, ..self }
        }

        /// Sets how the bias begins, from the shape of the weight.
        #[must_use]
        pub fn bias_init(self, bias_init: WeightInit) -> Self {
            Self { channels: Channels { bias_init, ..self.channels }, ..self }
        }
    };
}

/// A two-dimensional convolution: `(N, in_channels, H, W)` to `(N, out_channels, OH, OW)`. Without N as well.
///
/// Parameters `weight (out_channels, in_channels / groups, R, S)` and `bias (out_channels)`, initialised as
/// PyTorch does.
#[derive(Debug, Clone)]
pub struct Conv2d {
    channels: Channels,
    kernel_size: Pair,
    options: ops::Conv2d,
    padding: ConvPadding,
    padding_mode: PaddingMode,
}

impl Conv2d {
    /// Stride 1, no padding, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        let (channels, kernel_size) = (Channels::new(in_channels, out_channels), kernel_size.into());
        let (options, padding) = (ops::Conv2d::default(), ConvPadding::Valid);
        Self { channels, kernel_size, options, padding, padding_mode: PaddingMode::Zeros }
    }

    of_channels!(impl Into<Pair>);

    /// Sets the padding: a number, `(height, width)`, a [`Padding`], [`ConvPadding::Same`] or [`ConvPadding::Valid`].
    #[must_use]
    pub fn padding(self, padding: impl Into<ConvPadding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets what the image is padded with.
    #[must_use]
    pub fn padding_mode(self, padding_mode: PaddingMode) -> Self {
        Self { padding_mode, ..self }
    }
}

impl Module for Conv2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let Self { channels, kernel_size: Pair { h, w }, options, .. } = self;
        divided("conv2d", input, channels, options.groups)?;
        let sizes = [channels.output, channels.input];
        let (weight, bias) = channels.parameters(input, sizes, options.groups, &[*h, *w])?;
        input.conv2d_padded(&weight, bias.as_ref(), *options, self.padding, self.padding_mode)
    }
}

/// A one-dimensional convolution: `(N, in_channels, L)` to `(N, out_channels, OL)`. Without N as well.
///
/// Parameters `weight (out_channels, in_channels / groups, S)` and `bias (out_channels)`, initialised as PyTorch does.
#[derive(Debug, Clone)]
pub struct Conv1d {
    channels: Channels,
    kernel_size: usize,
    options: ops::Conv1d,
}

impl Conv1d {
    /// Stride 1, no padding, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Self {
        let channels = Channels::new(in_channels, out_channels);
        Self { channels, kernel_size, options: ops::Conv1d::default() }
    }

    of_channels!(usize);

    /// Sets the padding: a number, `(left, right)`, [`ConvPadding::Same`] or [`ConvPadding::Valid`].
    #[must_use]
    pub fn padding(self, padding: impl Into<ConvPadding<Ends>>) -> Self {
        Self { options: self.options.padding(padding), ..self }
    }

    /// Sets what the line is padded with.
    #[must_use]
    pub fn padding_mode(self, padding_mode: PaddingMode) -> Self {
        Self { options: self.options.padding_mode(padding_mode), ..self }
    }
}

impl Module for Conv1d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let Self { channels, kernel_size, options } = self;
        divided("conv1d", input, channels, options.groups)?;
        let sizes = [channels.output, channels.input];
        let (weight, bias) = channels.parameters(input, sizes, options.groups, &[*kernel_size])?;
        input.conv1d(&weight, bias.as_ref(), *options)
    }
}

/// A two-dimensional transposed convolution: `(N, in_channels, H, W)` to `(N, out_channels, OH, OW)`; see
/// [`Tensor::conv_transpose2d`]. Without N as well.
///
/// Parameters `weight (in_channels, out_channels / groups, R, S)` and `bias (out_channels)`, initialised as PyTorch does.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    channels: Channels,
    kernel_size: Pair,
    options: ops::ConvTranspose2d,
}

impl ConvTranspose2d {
    /// Stride 1, no padding, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Self {
        let (channels, kernel_size) = (Channels::new(in_channels, out_channels), kernel_size.into());
        Self { channels, kernel_size, options: ops::ConvTranspose2d::default() }
    }

    of_channels!(impl Into<Pair>);

    /// Sets the padding: what is cut off each side of the output.
    #[must_use]
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { options: self.options.padding(padding), ..self }
    }

    /// Sets by how much the output is larger at the bottom and on the right.
    #[must_use]
    pub fn output_padding(self, output_padding: impl Into<Pair>) -> Self {
        Self { options: self.options.output_padding(output_padding), ..self }
    }

    /// With the output padding that gives an output of `output_size`, `(height, width)`.
    ///
    /// # Errors
    /// As [`Module::forward`]; when no output padding below the stride gives this size.
    pub fn forward_to(&self, input: &Tensor, output_size: impl Into<Pair>) -> Result<Tensor> {
        let size = output_size.into();
        let shape = input.shape();
        let refused = |m| Error::op("conv_transpose2d", &input.graph().label(), m);
        let [.., _, h, w] = shape[..] else {
            return Err(refused(Mismatch::new("3 or 4 dimensions", shape.to_string())));
        };
        let options = self.options.for_output(size, Pair { h, w }, self.kernel_size).map_err(refused)?;
        Self { options, ..self.clone() }.forward(input)
    }
}

impl Module for ConvTranspose2d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let Self { channels, kernel_size: Pair { h, w }, options } = self;
        divided("conv_transpose2d", input, channels, options.groups)?;
        let sizes = [channels.input, channels.output];
        let (weight, bias) = channels.parameters(input, sizes, options.groups, &[*h, *w])?;
        input.conv_transpose2d(&weight, bias.as_ref(), *options)
    }
}

/// A one-dimensional transposed convolution: `(N, in_channels, L)` to `(N, out_channels, OL)`; see
/// [`Tensor::conv_transpose1d`]. Without N as well.
///
/// Parameters `weight (in_channels, out_channels / groups, S)` and `bias (out_channels)`, initialised as PyTorch does.
#[derive(Debug, Clone)]
pub struct ConvTranspose1d {
    channels: Channels,
    kernel_size: usize,
    options: ops::ConvTranspose1d,
}

impl ConvTranspose1d {
    /// Stride 1, no padding, with bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Self {
        let channels = Channels::new(in_channels, out_channels);
        Self { channels, kernel_size, options: ops::ConvTranspose1d::default() }
    }

    of_channels!(usize);

    /// Sets the padding: what is cut off each end of the output, a number or `(left, right)`.
    #[must_use]
    pub fn padding(self, padding: impl Into<Ends>) -> Self {
        Self { options: self.options.padding(padding), ..self }
    }

    /// Sets by how much the output is longer at the end.
    #[must_use]
    pub fn output_padding(self, output_padding: usize) -> Self {
        Self { options: self.options.output_padding(output_padding), ..self }
    }

    /// With the output padding that gives an output of `output_size` elements a line.
    ///
    /// # Errors
    /// As [`Module::forward`]; when no output padding below the stride gives this size.
    pub fn forward_to(&self, input: &Tensor, output_size: usize) -> Result<Tensor> {
        let refused = |m| Error::op("conv_transpose1d", &input.graph().label(), m);
        let along = |w| Pair { h: 1, w };
        let length = input.shape().last().copied().unwrap_or(1);
        let (size, input_size, kernel) = (along(output_size), along(length), along(self.kernel_size));
        let rows = self.options.of_rows().for_output(size, input_size, kernel).map_err(refused)?;
        let options = self.options.output_padding(rows.output_padding.w);
        Self { options, ..self.clone() }.forward(input)
    }
}

impl Module for ConvTranspose1d {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let Self { channels, kernel_size, options } = self;
        divided("conv_transpose1d", input, channels, options.groups)?;
        let sizes = [channels.input, channels.output];
        let (weight, bias) = channels.parameters(input, sizes, options.groups, &[*kernel_size])?;
        input.conv_transpose1d(&weight, bias.as_ref(), *options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;

    /// The shape of a state, and what one is divided by the end of its uniform range squared: the fan.
    fn state(graph: &Graph, name: &str) -> (Vec<usize>, u32) {
        graph.with(|data| {
            let of = |op: &ops::Op| match op {
                ops::Op::State(state) if state.name == name => match state.init {
                    Init::Uniform { high, .. } => {
                        Some((state.ty.shape.to_vec(), (high * high).recip().round() as u32))
                    }
                    _ => None,
                },
                // Others are no states.
                _ => None,
            };
            data.nodes.iter().find_map(|node| of(&node.op)).unwrap_or_default()
        })
    }

    /// PyTorch's layouts, keys and ranges: `1 / sqrt(fan_in)`, where a transposed weight's fan is that of its second dimension.
    #[test]
    fn weights_lie_and_begin_as_pytorchs() -> Result<()> {
        let graph = Graph::new();
        let (image, line) = (graph.input("image", [2, 6, 8, 9])?, graph.input("line", [2, 6, 9])?);
        let run = |name: &str, layer: &dyn Module, x: &Tensor| graph.scoped(name, || layer.forward(x));
        let shape = |y: Tensor| y.shape().to_vec();
        let conv = Conv2d::new(6, 4, (3, 5)).groups(2).padding(ConvPadding::Same);
        assert_eq!(shape(run("a", &conv.padding_mode(PaddingMode::Reflect), &image)?), [2, 4, 8, 9]);
        assert_eq!(state(&graph, "a.weight"), (vec![4, 3, 3, 5], 45));
        assert_eq!(state(&graph, "a.bias"), (vec![4], 45));
        assert_eq!(shape(run("b", &Conv1d::new(6, 8, 3).stride(2).padding((0, 1)), &line)?), [2, 8, 4]);
        assert_eq!(state(&graph, "b.weight"), (vec![8, 6, 3], 18));
        let up = ConvTranspose2d::new(6, 4, 3).groups(2).stride(2).padding(1);
        assert_eq!(shape(run("c", &up, &image)?), [2, 4, 15, 17]);
        assert_eq!(state(&graph, "c.weight"), (vec![6, 2, 3, 3], 18));
        assert_eq!(state(&graph, "c.bias"), (vec![4], 18));
        let up1 = ConvTranspose1d::new(6, 5, 4).stride(2).bias(false);
        assert_eq!(shape(run("d", &up1, &line)?), [2, 5, 20]);
        assert_eq!(state(&graph, "d.weight"), (vec![6, 5, 4], 20));
        assert_eq!(state(&graph, "d.bias"), (vec![], 0));
        // Sizes that an output padding gives, and one that none gives.
        assert_eq!(shape(graph.scoped("c", || up.forward_to(&image, (16, 17)))?), [2, 4, 16, 17]);
        assert_eq!(shape(graph.scoped("d", || up1.forward_to(&line, 21))?), [2, 5, 21]);
        let error = up.forward_to(&image, (17, 17)).expect_err("two rows more").to_string();
        assert!(error.contains("15 to 16") && error.contains("17"), "{error}");
        let error = Conv2d::new(6, 4, 3).groups(4).forward(&image).expect_err("groups").to_string();
        assert!(error.starts_with("conv2d") && error.contains("groups = 4"), "{error}");
        Ok(())
    }
}
