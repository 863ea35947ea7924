//! Whole training steps and forward passes of named models.

use super::measure::{Policy, Watch, measure};
use super::report::{Footprint, Row, Status};
use super::statistics::Summary;
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Counters, Device, Executable, Parameters, Profile, Stopwatch};
use crate::graph::{Graph, Tensor};
use crate::nn::{
    self, Activation, AvgPool2d, Conv2d, Flatten, Linear, MaxPool2d, Module, Residual, Sequential,
};
use crate::ops::{CrossEntropy, Elementwise, Reduction, Role};
use crate::optim::{Optimizer, Sgd};
use crate::plan::{Plan, Step};
use crate::random::Rng;
use crate::tensor::HostTensor;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

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

/// A graph, its result and the inputs of a run.
type Built = (Graph, Tensor, Vec<(Tensor, HostTensor)>);

impl TrainModel {
    /// What of the model runs, as a graph: its result, and random images and labels.
    ///
    /// # Errors
    /// When the model does not take a batch of this size.
    pub fn graph(&self, pass: Pass, batch: usize) -> Result<Built> {
        let graph = Graph::new();
        let [c, h, w] = self.image;
        let image = graph.input("image", [batch, c, h, w])?;
        let images = nn::Images { shape: self.image, ..nn::Images::MNIST };
        let logits = (self.build)(&images)?.forward(&image)?;
        let mut rng = Rng::new(5);
        let pixels = (0..batch * c * h * w).map(|_| rng.range(0.1, 1.0) as f32).collect();
        let mut data = vec![(image.clone(), HostTensor::from_f32(image.shape(), pixels)?)];
        let result = match pass {
            Pass::Forward => logits,
            Pass::Step => {
                let label = graph.input_u32("label", [batch])?;
                let labels = (0..batch).map(|_| rng.below(10) as u32).collect();
                let loss = logits.cross_entropy(&label, CrossEntropy::default(), Reduction::Mean)?;
                data.push((label, HostTensor::from_u32([batch], labels)?));
                Sgd::new(0.01).momentum(0.9).minimize(&loss)?;
                loss
            }
        };
        Ok((graph, result, data))
    }
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

/// What of a model runs.
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

/// A model's step or forward pass, compiled for a device.
pub struct ModelRun {
    /// The states.
    pub parameters: Parameters,
    /// The program.
    pub program: Executable,
    graph: Graph,
    result: Tensor,
    data: Vec<(Tensor, HostTensor)>,
}

impl ModelRun {
    /// Of a batch of random images and labels.
    ///
    /// # Errors
    /// When the device cannot hold it.
    pub fn new(device: &Device, model: &TrainModel, pass: Pass, batch: usize) -> Result<Self> {
        let (graph, result, data) = model.graph(pass, batch)?;
        let parameters = Parameters::new(device, 1);
        let program = parameters.compile(&graph, &[&result])?;
        Ok(Self { parameters, program, graph, result, data })
    }

    /// The graph, and its result.
    pub fn graph(&self) -> (&Graph, &Tensor) {
        (&self.graph, &self.result)
    }

    /// Uploads the batch, runs. Does not wait.
    ///
    /// # Errors
    /// When the device failed.
    pub fn run(&mut self) -> Result<()> {
        let inputs: Vec<_> = self.data.iter().map(|(tensor, values)| (tensor, values)).collect();
        self.program.run(&inputs)
    }

    /// A run with a timestamp around each kernel.
    ///
    /// # Errors
    /// When the device failed or is the CPU reference.
    pub fn profile(&mut self) -> Result<Profile> {
        let inputs: Vec<_> = self.data.iter().map(|(tensor, values)| (tensor, values)).collect();
        self.program.run_profiled(&inputs)
    }

    /// The loss or the logits of the last run; waits for it.
    ///
    /// # Errors
    /// When the device failed.
    pub fn result(&self) -> Result<Vec<f32>> {
        Ok(self.program.read(&self.result)?.as_f32()?.to_vec())
    }

    /// What one run asks of the device, its result read back.
    ///
    /// # Errors
    /// When the device failed.
    pub fn count(&mut self) -> Result<Counters> {
        let before = self.parameters.device().counters();
        self.run()?;
        self.result()?;
        Ok(self.parameters.device().counters() - before)
    }

    /// Operations of a run without those of taps in the padding.
    fn valid_flops(&self) -> u64 {
        self.graph.with(|data| {
            let needed = data.reachable(&[self.result.id()]);
            let ops = data.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
            ops.map(|(node, _)| {
                let types = |ids: &[usize]| ids.iter().map(|&v| data.ty(v)).collect::<Vec<_>>();
                node.op.valid_flops(&types(&node.inputs), &types(&node.outputs))
            })
            .sum()
        })
    }
}

/// Images of the run that is checked: the reference takes its time.
const CHECKED: usize = 2;

/// Compares the result of one run, and all weights after it, with the CPU reference.
fn check(device: &Device, model: &TrainModel, pass: Pass) -> Result<String> {
    let on = |device: &Device| -> Result<ModelRun> {
        let mut run = ModelRun::new(device, model, pass, CHECKED)?;
        run.run()?;
        Ok(run)
    };
    let (got, expected) = (on(device)?, on(&Device::cpu())?);
    let compare = |what: &str, bound: f64, a: &[f32], b: &[f32]| {
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let size = norm(&mut b.iter().map(|b| f64::from(*b)));
        // NaN is within no bound.
        if error <= bound * size {
            return Ok(());
        }
        let (expected, got) = (format!("at most {bound:e}"), format!("{:e}", error / size));
        Err(Error::op(model.name, &format!("relative error of {what}"), Mismatch::new(expected, got)))
    };
    let what = if pass == Pass::Step { "loss" } else { "logits" };
    compare(what, 1e-5, &got.result()?, &expected.result()?)?;
    if pass == Pass::Forward {
        return Ok(format!("logits of {CHECKED} images within 1e-5"));
    }
    for name in expected.parameters.names(Role::Parameter) {
        let (a, b) = (got.parameters.get(&name)?, expected.parameters.get(&name)?);
        compare(&name, 1e-4, a.as_f32()?, b.as_f32()?)?;
    }
    Ok(format!("loss within 1e-5 and weights within 1e-4 after a step of {CHECKED} images"))
}

/// What a row is of.
pub struct Subject<'a> {
    /// The model.
    pub model: &'a TrainModel,
    /// What of it runs.
    pub pass: Pass,
    /// Images of a batch.
    pub batch: usize,
}

/// Checks and times a model's training step or forward pass.
///
/// # Errors
/// When the device failed or the result is wrong.
pub fn row(
    device: &Device,
    subject: &Subject<'_>,
    stopwatch: &Stopwatch,
    watch: &mut impl Watch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Row> {
    let &Subject { model, pass, batch } = subject;
    let checked = check(device, model, pass)?;
    let mut step = ModelRun::new(device, model, pass, batch)?;
    step.run()?;
    let counted = step.count()?;
    let timing = measure(&mut &mut step.program, stopwatch, watch, policy, stop)?;
    let footprint =
        if timing.is_some() { Some(footprint(&mut step, batch, counted, policy, stop)?) } else { None };
    let plan = step.program.plan();
    let nominal =
        plan.map_or(0, |p| p.steps.iter().map(|s| if let Step::Dispatch(d) = s { d.flops } else { 0 }).sum());
    let [c, h, w] = model.image;
    Ok(Row {
        set: "train".into(),
        layer: model.name.into(),
        count: 1,
        op: String::new(),
        pass: pass.name().into(),
        shape: format!("n{batch}c{c}h{h}w{w}"),
        case: String::new(),
        requested: String::new(),
        variant: if pass == Pass::Step { "SGD with momentum".into() } else { String::new() },
        status: if timing.is_some() { Status::Ok } else { Status::Skipped("interrupted".into()) },
        check: checked,
        flops: step.valid_flops(),
        nominal_flops: nominal,
        bytes: footprint.as_ref().map_or(0, |f| f.bound_bytes),
        timing,
        footprint,
        cold: false,
    })
}

fn footprint(
    step: &mut ModelRun,
    batch: usize,
    counted: Counters,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Footprint> {
    let mut encode = Vec::new();
    for _ in 0..10 {
        step.result()?;
        let start = Instant::now();
        step.run()?;
        encode.push(start.elapsed().as_secs_f64());
    }
    step.result()?;
    let (start, mut steps) = (Instant::now(), 0);
    while steps < 3 || start.elapsed() < policy.budget && !stop.load(Ordering::Relaxed) {
        step.run()?;
        steps += 1;
    }
    step.result()?;
    let step_seconds = start.elapsed().as_secs_f64() / f64::from(steps);
    let plan = step.program.plan();
    Ok(Footprint {
        images: batch,
        step_seconds,
        encode_seconds: Summary::of(&encode).map_or(0.0, |s| s.median),
        // The result is read back in a submission of its own.
        submits: counted.submits - 1,
        passes: counted.passes,
        dispatches: counted.dispatches,
        pipelines: plan.map_or(0, |p| p.kernels.len() as u64),
        bound_bytes: plan.map_or(0, Plan::bound_bytes),
        uploaded: counted.uploaded,
        peak_bytes: step.program.memory().peak,
    })
}
