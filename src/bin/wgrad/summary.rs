//! `wgrad summary`: the layers of a network, and what it takes to run and to train it.

use crate::device::DeviceArgs;
use crate::models::{self, SizeArgs};
use anyhow::Context;
use clap::Args;
use wgrad::bench::train::{Forward, Pass, ZOO, build_loss};
use wgrad::kernels::Limits;
use wgrad::nn::{self, Images, Module};
use wgrad::ops::{CrossEntropy, Reduction};
use wgrad::optim::{Adam, Optimizer};
use wgrad::plan::{Summary, plan, summary};
use wgrad::{Graph, Tensor};

/// `wgrad summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The network, by its name in `wgrad train --model`, or an ONNX file.
    #[arg(value_name = "NAME|FILE.onnx")]
    model: String,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Channels, height and width of an image [default: 3x224x224 for torchvision's networks, 1x28x28 for others].
    #[arg(long, value_name = "CxHxW", value_parser = image)]
    image: Option<[usize; 3]>,
    /// The number of classes [default: 1000 for torchvision's networks, 10 for others].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    classes: Option<u32>,
    /// Examples of a batch [default: 1, or what an ONNX file takes].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
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
    if args.model.ends_with(".onnx") {
        return file(args);
    }
    let model = nn::model(&args.model)?;
    anyhow::ensure!(
        args.sizes.shape.is_empty(),
        "--shape: expected an ONNX file as the model, got {}",
        args.model
    );
    let large = ZOO.iter().any(|other| other.name == model.name);
    let usual = if large { Images { shape: [3, 224, 224], classes: 1000 } } else { Images::MNIST };
    let shape = args.image.unwrap_or(usual.shape);
    let images = Images { shape, classes: args.classes.map_or(usual.classes, |classes| classes as usize) };
    let device = args.device.open()?;
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let batch = args.batch_size.unwrap_or(1) as usize;
    let costs = |training| {
        let (graph, result) = of_images(&layers, &images, batch, training)?;
        costs(&graph, &[result], training, &device.limits())
    };
    let head = format!("model    {}: {}\nimages   a batch of {batch}, {images}", model.name, model.about);
    print(&head, costs(false)?, Some(&costs(true)?));
    println!("         a step is forward, backward and Adam; planned for {}", device.describe());
    Ok(())
}

/// The same of an ONNX file.
fn file(args: &SummaryArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.image.is_none() && args.classes.is_none(),
        "--image, --classes: expected a network with a name, got an ONNX file, whose sizes are its own or --shape's"
    );
    let found = models::find(&args.model, &args.sizes)?;
    let model = found.model();
    let device = args.device.open()?;
    let batch = args.batch_size.map_or(model.fixed_batch().unwrap_or(1), |size| size as usize);
    let costs = |training: bool| {
        let (graph, results) = match training {
            true => build_loss(model, batch).map(|(forward, loss)| (forward.graph, vec![loss]))?,
            false => {
                let Forward { graph, outputs, .. } = model.forward(Pass::Forward, batch)?;
                (graph, outputs.into_iter().map(|(_, output)| output).collect())
            }
        };
        costs(&graph, &results, training, &device.limits())
    };
    let head = format!("model    {}: {}\ninputs   {}", model.name(), model.about(), model.shape(batch));
    let step = costs(true);
    print(&head, costs(false)?, step.as_ref().ok());
    match step {
        Ok(_) => println!("         a step is forward, backward and Adam; planned for {}", device.describe()),
        Err(error) => {
            println!("         there is no training step: {error}; planned for {}", device.describe())
        }
    }
    Ok(())
}

fn print(head: &str, inference: Costs, step: Option<&Costs>) {
    println!("{head}\n");
    print!("{}", inference.summary);
    let Summary { parameters, buffers, .. } = inference.summary;
    println!("\nweights  {:.2} MiB: {parameters} parameters and {buffers} values of running statistics", {
        mib(4 * (parameters + buffers))
    });
    let both = [("forward", Some(&inference)), ("step", step)];
    for (name, costs) in both.into_iter().filter_map(|(name, costs)| Some((name, costs?))) {
        let Costs { summary, memory, dispatches } = costs;
        println!("{name:8} {:.3} GFLOP, {dispatches} dispatches, {memory}", summary.flops() as f64 / 1e9);
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A network's result, or its loss.
fn of_images(
    layers: &dyn Module,
    images: &Images,
    batch: usize,
    training: bool,
) -> anyhow::Result<(Graph, Tensor)> {
    let graph = Graph::new();
    graph.set_training(training);
    let [c, h, w] = images.shape;
    let mut result = layers.forward(&graph.input("image", [batch, c, h, w])?)?;
    if training {
        let labels = graph.input_u32("label", [batch])?;
        result = result.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean)?;
    }
    Ok((graph, result))
}

fn costs(graph: &Graph, results: &[Tensor], training: bool, limits: &Limits) -> anyhow::Result<Costs> {
    if let ([loss], true) = (results, training) {
        Adam::new(1e-3).minimize(loss)?;
    }
    let outputs: Vec<_> = results.iter().map(Tensor::id).collect();
    let (summary, plan) = graph.with(|data| (summary(data, &outputs), plan(data, &outputs, limits)));
    let plan = plan?;
    Ok(Costs { summary, memory: plan.memory, dispatches: plan.work().dispatches })
}
