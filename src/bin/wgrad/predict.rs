//! `wgrad predict`.

use crate::device::DeviceArgs;
use crate::image;
use crate::run::TrainedArgs;
use clap::Args;
use std::path::PathBuf;
use wgrad::train::Classifier;
use wgrad::{HostTensor, Parameters, data};

/// Height and width of the images the networks take.
const SIDE: usize = 28;

/// `wgrad predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// PNG images of one digit each, of any size; dark on light ones are inverted.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Prints the three likeliest classes of each image.
pub fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let (model, weights) = args.trained.find()?;
    let mut pixels = Vec::with_capacity(args.images.len() * SIDE * SIDE);
    for path in &args.images {
        pixels.extend(
            image::read(path)?.white_on_black().resize(SIDE, SIDE).pixels.into_iter().map(data::normalise),
        );
    }
    let images = HostTensor::from_f32([args.images.len(), 1, SIDE, SIDE], pixels)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let mut classifier = Classifier::new(&parameters, (model.build)(), [1, SIDE, SIDE])?;
    classifier.prepare(1)?;
    parameters.load(&weights)?;
    let probabilities = classifier.predict(&images)?;
    for (path, row) in args.images.iter().zip(probabilities.as_f32()?.chunks(classifier.classes())) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let best = order.iter().take(3).map(|&class| format!("{class} ({:.1} %)", 100.0 * row[class]));
        println!("{}: {}", path.display(), best.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}
