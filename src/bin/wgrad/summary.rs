//! `wgrad summary`: the layers of a network, and what it takes to run and to train it.

use crate::device::DeviceArgs;
use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;
use wgrad::Graph;
use wgrad::bench::train::ZOO;
use wgrad::nn::{self, Images, Module};
use wgrad::ops::{CrossEntropy, Reduction};
use wgrad::optim::{Adam, Optimizer};
use wgrad::plan::{Summary, plan, summary};

/// `wgrad summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The network.
    #[arg(value_parser = PossibleValuesParser::new(nn::MODELS.iter().map(|m| m.name)))]
    model: String,
    /// Channels, height and width of an image [default: 3x224x224 for torchvision's networks, 1x28x28 for others].
    #[arg(long, value_name = "CxHxW", value_parser = image)]
    image: Option<[usize; 3]>,
    /// The classes it tells apart [default: 1000 for torchvision's networks, 10 for others].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// Images of a batch.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Three whole numbers from 1 on, with an x between them.
fn image(text: &str) -> Result<[usize; 3], String> {
    let side = |side: &str| side.parse().ok().filter(|&side: &usize| side > 0);
    let sides: Option<Vec<usize>> = text.split('x').map(side).collect();
    let sides: Option<[usize; 3]> = sides.and_then(|sides| sides.try_into().ok());
    sides.ok_or_else(|| format!("expected channels, height and width such as 3x224x224, got {text}"))
}

/// What a run of the network takes.
struct Costs {
    summary: Summary,
    memory: wgrad::Memory,
    dispatches: u64,
}

/// Prints the layers and the costs.
pub fn run(args: &SummaryArgs) -> anyhow::Result<()> {
    let model = nn::model(&args.model)?;
    let large = ZOO.iter().any(|other| other.name == model.name);
    let usual = if large { Images { shape: [3, 224, 224], classes: 1000 } } else { Images::MNIST };
    let shape = args.image.unwrap_or(usual.shape);
    let images = Images { shape, classes: args.classes.map_or(usual.classes, |classes| classes as usize) };
    let device = args.device.open()?;
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let batch = args.batch_size as usize;
    let costs = |training| costs(&layers, &images, batch, training, &device.limits());
    let (inference, step) = (costs(false)?, costs(true)?);
    println!("model    {}: {}", model.name, model.about);
    println!("images   a batch of {batch}, {images}\n");
    print!("{}", inference.summary);
    let Summary { parameters, buffers, .. } = inference.summary;
    println!("\nweights  {:.2} MiB: {parameters} parameters and {buffers} numbers of running statistics", {
        mib(4 * (parameters + buffers))
    });
    for (name, costs) in [("forward", inference), ("step", step)] {
        let Costs { summary, memory, dispatches } = costs;
        println!("{name:8} {:.3} GFLOP, {dispatches} dispatches, {memory}", summary.flops() as f64 / 1e9);
    }
    println!("         a step is forward, backward and Adam; planned for {}", device.describe());
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn costs(
    layers: &dyn Module,
    images: &Images,
    batch: usize,
    training: bool,
    limits: &wgrad::kernels::Limits,
) -> anyhow::Result<Costs> {
    let graph = Graph::new();
    graph.set_training(training);
    let [c, h, w] = images.shape;
    let mut result = layers.forward(&graph.input("image", [batch, c, h, w])?)?;
    if training {
        let labels = graph.input_u32("label", [batch])?;
        result = result.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean)?;
        Adam::new(1e-3).minimize(&result)?;
    }
    let outputs = [result.id()];
    let (summary, plan) = graph.with(|data| (summary(data, &outputs), plan(data, &outputs, limits)));
    let plan = plan?;
    Ok(Costs { summary, memory: plan.memory, dispatches: plan.work().dispatches })
}
