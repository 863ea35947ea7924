//! The models that are measured by name, and what any model is to the benchmarks.

use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::nn::{
    self, Activation, AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Residual, Sequential,
};
use crate::ops::{CrossEntropy, Elementwise, Reduction};
use crate::optim::{Optimizer, Sgd};
use crate::random::Rng;
use crate::tensor::HostTensor;

/// The forward pass of a model, or a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// A training step: forward, backward and SGD with momentum. Its result is the loss.
    Step,
    /// The forward pass alone. Its results are the logits.
    Forward,
}

impl Pass {
    /// As in result files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Forward => "fwd",
        }
    }
}

/// A network that can be measured, explained and held to the reference.
pub trait Trainable {
    /// Its name.
    fn name(&self) -> &str;

    /// One line about it.
    fn about(&self) -> &str;

    /// Examples of a batch, if nothing else is asked for.
    fn batch(&self) -> usize;

    /// The only number of examples that it takes, if there is one.
    fn fixed_batch(&self) -> Option<usize> {
        None
    }

    /// What a batch of so many examples is, such as `n16c3h32w32`.
    fn shape(&self, batch: usize) -> String;

    /// Builds the forward pass for a batch, with random examples; a file's as it is in this pass, that of a model by name
    /// always as in training.
    ///
    /// # Errors
    /// When it does not take a batch of this size.
    fn forward(&self, pass: Pass, batch: usize) -> Result<Forward>;
}

/// The forward pass of a network.
#[derive(Debug)]
pub struct Forward {
    /// The graph.
    pub graph: Graph,
    /// What it gives, by name.
    pub outputs: Vec<(String, Tensor)>,
    /// What a run is given.
    pub data: Vec<(Tensor, HostTensor)>,
}

/// What of a network runs, as a graph.
#[derive(Debug)]
pub struct Built {
    /// The graph.
    pub graph: Graph,
    /// What a run gives, by name: the loss alone, or what the forward pass gives.
    pub results: Vec<(String, Tensor)>,
    /// What a run is given: random examples and labels.
    pub data: Vec<(Tensor, HostTensor)>,
}

/// Builds what runs of a network; a step ends in SGD with momentum, of the loss of [`build_loss`].
///
/// # Errors
/// When the network does not take a batch of this size, or cannot be trained.
pub fn build(model: &dyn Trainable, pass: Pass, batch: usize) -> Result<Built> {
    match pass {
        Pass::Forward => {
            let Forward { graph, outputs, data } = model.forward(pass, batch)?;
            Ok(Built { graph, results: outputs, data })
        }
        Pass::Step => {
            let (forward, loss) = build_loss(model, batch)?;
            Sgd::new(0.01).momentum(0.9).minimize(&loss)?;
            let Forward { graph, mut data, .. } = forward;
            // What only other outputs read is not given.
            let needed = graph.with(|data| data.reachable(&[loss.id()]));
            data.retain(|(tensor, _)| graph.with(|data| needed[data.values[tensor.id()].node]));
            Ok(Built { graph, results: vec![("loss".to_owned(), loss)], data })
        }
    }
}

/// Builds a network and its loss for training: the cross-entropy with random labels where the first output is `(N, C)`, else
/// the mean of the squares of all outputs.
///
/// # Errors
/// As [`build`].
pub fn build_loss(model: &dyn Trainable, batch: usize) -> Result<(Forward, Tensor)> {
    let mut forward = model.forward(Pass::Step, batch)?;
    let loss = forward.loss(model.name())?;
    Ok((forward, loss))
}

impl Forward {
    fn loss(&mut self, model: &str) -> Result<Tensor> {
        let none = || Error::op(model, "", Mismatch::new("an output to train", "none that a run computes"));
        let first = self.outputs.first().map(|(_, tensor)| tensor.clone()).ok_or_else(none)?;
        if let [rows, classes] = first.shape()[..]
            && classes > 1
        {
            let label = self.graph.input_u32("label", [rows])?;
            let mut rng = Rng::named(5, "label");
            let labels = (0..rows).map(|_| rng.below(classes) as u32).collect();
            self.data.push((label.clone(), HostTensor::from_u32([rows], labels)?));
            return first.cross_entropy(&label, CrossEntropy::default(), Reduction::Mean);
        }
        let square = |output: &Tensor| output.mul(output)?.mean((), false);
        let mut others = self.outputs.iter().skip(1);
        others.try_fold(square(&first)?, |sum, (_, output)| sum.add(&square(output)?))
    }
}

/// A model and the images it takes; all have 10 classes.
pub struct TrainModel {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Channels, height and width of an image.
    pub image: [usize; 3],
    /// Images of a batch, if nothing else is asked for.
    pub batch: usize,
    build: fn(&nn::Images) -> Result<Sequential>,
}

impl Trainable for TrainModel {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn shape(&self, batch: usize) -> String {
        let [c, h, w] = self.image;
        format!("n{batch}c{c}h{h}w{w}")
    }

    fn forward(&self, _: Pass, batch: usize) -> Result<Forward> {
        let images = nn::Images { shape: self.image, ..nn::Images::MNIST };
        let [c, h, w] = self.image;
        layers(&(self.build)(&images)?, "image", &[batch, c, h, w])
    }
}

impl Trainable for nn::SignalModel {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn batch(&self) -> usize {
        self.batch_size
    }

    fn shape(&self, batch: usize) -> String {
        let [c, l] = signals(self.reads);
        format!("n{batch}c{c}l{l}")
    }

    fn forward(&self, _: Pass, batch: usize) -> Result<Forward> {
        let [c, l] = signals(self.reads);
        let built = (self.build)(&nn::Signals { shape: [c, l], classes: 10 })?;
        layers(&built, "signal", &[batch, c, l])
    }
}

/// Channels and length of the signals that a network is measured with.
fn signals(reads: nn::Heard) -> [usize; 2] {
    match reads {
        nn::Heard::Waveforms => [1, 8000],
        nn::Heard::Spectra => [40, 64],
        nn::Heard::Dna => [4, 200],
    }
}

/// The forward pass of layers that read one tensor, of numbers as pixels are.
fn layers(layers: &Sequential, input: &str, shape: &[usize]) -> Result<Forward> {
    let graph = Graph::new();
    let input = graph.input(input, shape)?;
    let output = layers.forward(&input)?;
    let mut rng = Rng::new(5);
    let values = (0..input.shape().elements()).map(|_| rng.range(0.1, 1.0) as f32).collect();
    let data = vec![(input.clone(), HostTensor::from_f32(input.shape(), values)?)];
    Ok(Forward { graph, outputs: vec![("logits".to_owned(), output)], data })
}

/// A model of [`nn::MODELS`], for its images.
const fn digits(model: &nn::Model) -> TrainModel {
    TrainModel {
        name: model.name,
        about: model.about,
        image: nn::Images::MNIST.shape,
        batch: model.batch_size,
        build: model.build,
    }
}

/// Small models.
pub static MODELS: [TrainModel; 8] = [
    digits(&nn::MODELS[2]),
    digits(&nn::MODELS[0]),
    digits(&nn::MODELS[1]),
    TrainModel {
        name: "vgg-like",
        about: "3x3 convolutions 3-32-32, 32-64-64, 64-128-128 with max pools, linear 2048-128-10",
        image: [3, 32, 32],
        batch: 16,
        build: |_| Ok(vgg_like()),
    },
    TrainModel {
        name: "resnet-like-without-batch-norm",
        about: "3x3 stem, three stages of two residual blocks (16, 32, 64 channels), global average pool, linear",
        image: [3, 32, 32],
        batch: 16,
        build: |_| Ok(resnet_like()),
    },
    TrainModel {
        name: "bottlenecks-without-batch-norm",
        about: "3x3 stem, max pool, two stages of two bottleneck blocks (1x1, 3x3, 1x1; 256 and 512 channels), global average pool, linear",
        image: [3, 32, 32],
        batch: 16,
        build: |_| Ok(bottlenecks()),
    },
    digits(&nn::MODELS[3]),
    digits(&nn::MODELS[4]),
];

/// A network of [`nn::MODELS`], for small pictures.
const fn pictures(model: &nn::Model) -> TrainModel {
    TrainModel { name: model.name, about: model.about, image: [3, 64, 64], batch: 8, build: model.build }
}

/// torchvision's networks, which take their time: measured where they are asked for.
pub static ZOO: [TrainModel; 8] = [
    pictures(&nn::MODELS[5]),
    pictures(&nn::MODELS[6]),
    pictures(&nn::MODELS[7]),
    pictures(&nn::MODELS[8]),
    pictures(&nn::MODELS[9]),
    pictures(&nn::MODELS[10]),
    pictures(&nn::MODELS[11]),
    pictures(&nn::MODELS[12]),
];

/// The models that are measured by default, and those that are not.
pub fn all() -> impl Iterator<Item = &'static TrainModel> {
    MODELS.iter().chain(&ZOO)
}

/// The network of this name: one of [`all`] or of [`nn::SIGNAL_MODELS`].
///
/// # Errors
/// Lists those there are.
pub fn named(name: &str) -> Result<&'static dyn Trainable> {
    let signals = || nn::SIGNAL_MODELS.iter().map(|model| model as &dyn Trainable);
    let mut known = all().map(|model| model as &dyn Trainable).chain(signals());
    let names = || all().map(|m| m.name).chain(nn::SIGNAL_MODELS.iter().map(|m| m.name)).collect::<Vec<_>>();
    known.find(|model| model.name() == name).ok_or_else(|| Error::argument("model", names().join(", "), name))
}

/// The model called `name`.
///
/// # Errors
/// Lists those there are.
pub fn model(name: &str) -> Result<&'static TrainModel> {
    let known = || all().map(|m| m.name).collect::<Vec<_>>().join(", ");
    all().find(|m| m.name == name).ok_or_else(|| Error::argument("model", known(), name))
}

fn vgg_like() -> Sequential {
    let relu = || Activation(Elementwise::relu());
    let mut layers = Sequential::new();
    for (from, to) in [(3, 32), (32, 64), (64, 128)] {
        layers = layers.add(Conv2d::new(from, to, 3).padding(1)).add(relu());
        layers = layers.add(Conv2d::new(to, to, 3).padding(1)).add(relu()).add(MaxPool2d::new(2));
    }
    layers.add(Flatten).add(Linear::new(2048, 128)).add(relu()).add(Linear::new(128, 10))
}

/// `relu(shortcut(x) + body(x))`, the shortcut a convolution of 1x1 where the shape changes; without batch norm.
fn residual(body: Sequential, from: usize, to: usize, stride: usize) -> Residual {
    let block = Residual::new(body).activation(Elementwise::relu());
    if from == to && stride == 1 {
        return block;
    }
    block.shortcut("shortcut", Conv2d::new(from, to, 1).stride(stride).bias(false))
}

/// A block of two convolutions of 3x3.
fn basic(from: usize, to: usize, stride: usize) -> Residual {
    let body = Sequential::new()
        .add(Conv2d::new(from, to, 3).padding(1).stride(stride))
        .add(Activation(Elementwise::relu()))
        .add(Conv2d::new(to, to, 3).padding(1));
    residual(body, from, to, stride)
}

/// A block of a convolution of 3x3 between two of 1x1, with a quarter of the channels.
fn bottleneck(from: usize, to: usize, stride: usize) -> Residual {
    let relu = || Activation(Elementwise::relu());
    let body = Sequential::new().add(Conv2d::new(from, to / 4, 1)).add(relu());
    let body = body.add(Conv2d::new(to / 4, to / 4, 3).padding(1).stride(stride)).add(relu());
    residual(body.add(Conv2d::new(to / 4, to, 1)), from, to, stride)
}

fn resnet_like() -> Sequential {
    let mut layers =
        Sequential::new().add(Conv2d::new(3, 16, 3).padding(1)).add(Activation(Elementwise::relu()));
    for (from, to, stride) in [(16, 16, 1), (16, 32, 2), (32, 64, 2)] {
        layers = layers.add(basic(from, to, stride)).add(basic(to, to, 1));
    }
    layers.add(AvgPool2d::new(8)).add(Flatten).add(Linear::new(64, 10))
}

fn bottlenecks() -> Sequential {
    let mut layers =
        Sequential::new().add(Conv2d::new(3, 64, 3).padding(1)).add(Activation(Elementwise::relu()));
    layers = layers.add(MaxPool2d::new(2));
    for (from, to, stride) in [(64, 256, 1), (256, 512, 2)] {
        layers = layers.add(bottleneck(from, to, stride)).add(bottleneck(to, to, 1));
    }
    layers.add(AvgPool2d::new(8)).add(Flatten).add(Linear::new(512, 10))
}
