//! `wgrad predict`.

use crate::device::DeviceArgs;
use crate::image;
use crate::trained::{Trained, TrainedArgs};
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use wgrad::data::{Field, Labels};
use wgrad::nn::Images;
use wgrad::train::{Classification, Network};
use wgrad::{HostTensor, Parameters, TensorType, data};

/// `wgrad predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// PNG images of one digit or letter each, of any size; dark on light ones are inverted.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Prints the three likeliest classes of each image.
pub fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let Trained { model, trained_on, weights } = args.trained.find()?;
    // Weights alone are taken for those of a network for digits; others do not fit it, which loading them says.
    let (images, labels) = trained_on.unwrap_or((Images::MNIST, Labels::DIGITS));
    let [channels, h, w] = images.shape;
    anyhow::ensure!(channels == 1, "predict: expected a network for grey images, got one for {images}");
    let mut pixels = Vec::with_capacity(args.images.len() * h * w);
    for path in &args.images {
        pixels
            .extend(image::read(path)?.white_on_black().resize(w, h).pixels.into_iter().map(data::normalise));
    }
    let pictures = HostTensor::from_f32([args.images.len(), 1, h, w], pixels)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let fields =
        vec![Field::new("image", TensorType::f32(images.shape)), Field::new("label", TensorType::u32([]))];
    let task = Classification::new(layers);
    let mut network = Network::of_fields(&parameters, task, fields, images.classes)?;
    network.prepare(1)?;
    parameters.load(&weights)?;
    let probabilities = network.predict(&[&pictures])?;
    for (path, row) in args.images.iter().zip(probabilities.as_f32()?.chunks(images.classes)) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let best = order
            .iter()
            .take(3)
            .map(|&class| format!("{} ({:.1} %)", usize::from(labels.first) + class, 100.0 * row[class]));
        println!("{}: {}", path.display(), best.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}
