//! Whole networks: those that classify images, by name, others as functions.
//!
//! Names, keys, initial values and numbers of parameters are torchvision's where it has the network; all take any number of
//! channels and classes, and images of any size above the least.

mod lecture;
mod mobilenet;
mod plain;
mod resnet;
mod sequences;
mod signals;
mod tables;
mod unet;

pub use lecture::simple_cnn;
pub use mobilenet::{MobileNetV2, SqueezeNet};
pub use plain::{AlexNet, Vgg};
pub use resnet::ResNet;
pub use sequences::{Crnn, waveform_cnn};
pub use signals::{Heard, SIGNAL_MODELS, SignalModel, Signals};
pub use tables::{TABLE_MODELS, TableModel};
pub use unet::{UNet, conv_autoencoder};

use super::Sequential;
use crate::error::{Error, Result};
use crate::ops::Init;
use crate::shape::Shape;
use lecture::Rows;
use std::fmt;

/// The images and the number of classes that a network is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Images {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// The number of classes.
    pub classes: usize,
}

impl Images {
    /// MNIST's.
    pub const MNIST: Self = Self { shape: [1, 28, 28], classes: 10 };

    /// Refuses images that are smaller than `least` pixels a side.
    pub(super) fn at_least(&self, least: usize) -> Result<()> {
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

/// Settings of deep networks without batch norm.
const DEEP: Model = Model { batch_size: 32, lr: 1e-4, ..USUAL };

/// All networks.
pub static MODELS: [Model; 13] = [
    Model {
        name: "simple-cnn",
        about: "conv 32, relu, max-pool, conv 64, relu, max-pool, linear 128, relu, linear",
        build: lecture::simple_cnn_for,
        ..USUAL
    },
    Model {
        name: "lenet",
        about: "LeNet-5: conv 6 5x5, tanh, avg-pool, conv 16 5x5, tanh, avg-pool, linear 120, tanh, linear 84, tanh, linear",
        build: lecture::lenet,
        ..USUAL
    },
    Model { name: "mlp", about: "linear 256, relu, linear", build: lecture::mlp, ..USUAL },
    Model {
        name: "lstm-rows",
        about: "the image's rows as steps, LSTM 128, linear of its last state",
        build: |images| Ok(lecture::rows(images, Rows::Lstm)),
        ..ROWS
    },
    Model {
        name: "gru-rows",
        about: "the image's rows as steps, GRU 128, linear of its last state",
        build: |images| Ok(lecture::rows(images, Rows::Gru)),
        ..ROWS
    },
    Model {
        name: "alexnet",
        about: "torchvision's AlexNet: five convolutions, three linear layers with dropout, 61 million parameters",
        build: |images| AlexNet::default().build(images),
        ..DEEP
    },
    Model {
        name: "vgg11-bn",
        about: "torchvision's VGG-11 with batch norm: eight convolutions, three linear layers, 133 million parameters",
        build: |images| Vgg::vgg11_bn().build(images),
        ..USUAL
    },
    Model {
        name: "vgg16-bn",
        about: "torchvision's VGG-16 with batch norm: 13 convolutions, three linear layers, 138 million parameters",
        build: |images| Vgg::vgg16_bn().build(images),
        ..USUAL
    },
    Model {
        name: "resnet18",
        about: "torchvision's ResNet-18: residual blocks of two convolutions, batch norm, 11.7 million parameters",
        build: |images| ResNet::resnet18().build(images),
        ..USUAL
    },
    Model {
        name: "resnet34",
        about: "torchvision's ResNet-34, 21.8 million parameters",
        build: |images| ResNet::resnet34().build(images),
        ..USUAL
    },
    Model {
        name: "resnet50",
        about: "torchvision's ResNet-50: bottleneck blocks of three convolutions, 25.6 million parameters",
        build: |images| ResNet::resnet50().build(images),
        ..USUAL
    },
    Model {
        name: "mobilenet-v2",
        about: "torchvision's MobileNetV2: inverted residuals with depthwise convolutions, 3.5 million parameters",
        build: |images| MobileNetV2::default().build(images),
        ..USUAL
    },
    Model {
        name: "squeezenet1-1",
        about: "torchvision's SqueezeNet 1.1: fire modules, 1.2 million parameters",
        build: |images| SqueezeNet::default().build(images),
        ..DEEP
    },
];

/// The network called `name`.
///
/// # Errors
/// When there is none.
pub fn model(name: &str) -> Result<&'static Model> {
    let known: Vec<_> = MODELS.iter().map(|m| m.name).collect();
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| Error::argument("model", known.join(", "), name))
}

/// What He's normal initialisation is with the fan of the outputs, as torchvision begins its convolutions.
fn fan_out(weight: &Shape) -> Init {
    Init::kaiming_normal_fan_out(weight, 0.0)
}

/// Zeros.
fn zeros(_weight: &Shape) -> Init {
    Init::Zeros
}

/// Normal with a deviation of 1/100, as torchvision begins most of its linear layers.
fn hundredth(_weight: &Shape) -> Init {
    Init::Normal { mean: 0.0, std: 0.01 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use crate::nn::Module;

    /// The parameters of a network for images of one channel.
    fn keys(model: &Model, side: usize) -> Vec<(String, Vec<usize>)> {
        let graph = Graph::new();
        let x = graph.input("image", [2, 1, side, side]).unwrap();
        let images = Images { shape: [1, side, side], classes: 10 };
        assert_eq!((model.build)(&images).unwrap().forward(&x).unwrap().shape()[..], [2, 10]);
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
        assert_eq!(keys(&MODELS[0], 28), expected);
    }

    #[test]
    fn every_model_maps_images_to_10_classes() {
        assert!(MODELS.iter().all(|m| !keys(m, 64).is_empty()));
        assert!(model("simple").is_err());
    }

    #[test]
    fn every_model_takes_its_sizes_from_the_images() {
        let logits = |model: &Model, shape: [usize; 3]| {
            let layers = (model.build)(&Images { shape, classes: 47 })?;
            let [c, h, w] = shape;
            layers.forward(&Graph::new().input("image", [3, c, h, w]).unwrap()).map(|y| y.shape().to_vec())
        };
        let least = |name: &str| match name {
            "simple-cnn" => 4,
            "lenet" => 12,
            "alexnet" => 63,
            "vgg11-bn" | "vgg16-bn" => 32,
            "squeezenet1-1" => 17,
            _ => 1,
        };
        for model in &MODELS {
            let least = least(model.name);
            for shape in
                [[1, 12, 12], [1, 13, 21], [3, 32, 20], [1, 64, 64], [1, 40, least - 1], [2, least, least]]
            {
                let [_, h, w] = shape;
                let name = model.name;
                if h.min(w) >= least {
                    assert_eq!(logits(model, shape).unwrap(), [3, 47], "{name} of {shape:?}");
                } else if least > 1 && h.min(w) > 0 {
                    let error = logits(model, shape).unwrap_err().to_string();
                    assert!(error.contains(&format!("at least {least}x{least}, got images of")), "{error}");
                }
            }
        }
    }
}
