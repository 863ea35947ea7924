//! `wgrad eval`.

use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::plot;
use crate::run::TrainedArgs;
use clap::Args;
use indicatif::ProgressBar;
use std::path::PathBuf;
use wgrad::Parameters;
use wgrad::train::{Classifier, Confusion};

/// `wgrad eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Images a pass.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Write a picture of which classes are taken for which.
    #[arg(long, value_name = "FILE.svg")]
    confusion: Option<PathBuf>,
}

/// Evaluates on the test images.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let (model, weights) = args.trained.find()?;
    let sets = args.data.load()?;
    // Few images are one pass, whatever its size.
    let batch_size = args.batch_size.min(sets.test.len());
    sets.test.check_batch_size(batch_size)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let mut classifier = Classifier::new(&parameters, (model.build)(), sets.test.image_shape())?;
    classifier.prepare(batch_size)?;
    parameters.load(&weights)?;
    println!("device   {}", device.describe());
    println!("model    {} from {}", model.name, weights.display());
    println!("data     {}", sets.about);
    let bar = ProgressBar::new(sets.test.len() as u64);
    let result = classifier.evaluate(&sets.test, batch_size, |images| bar.set_position(images as u64));
    bar.finish_and_clear();
    let result = result?;
    let totals = result.totals;
    let (loss, accuracy) = (totals.loss(), 100.0 * totals.accuracy());
    println!("test     loss {loss:.4} accuracy {accuracy:.2} % ({} of {})", totals.correct, totals.images);
    print!("{}", classes(&result.confusion));
    if let Some(path) = &args.confusion {
        wgrad::write_atomically(path, plot::confusion(&result.confusion)?.as_bytes())?;
    }
    Ok(())
}

/// A line a class: how many were recognised, and what the others were mostly taken for.
fn classes(confusion: &Confusion) -> String {
    let line = |class: usize| {
        let (right, all) = (confusion.count(class, class), confusion.of_class(class));
        let mistaken = (0..confusion.classes()).filter(|&p| p != class && confusion.count(class, p) > 0);
        let worst = mistaken.max_by_key(|&p| confusion.count(class, p));
        let worst = worst.map_or(String::new(), |p| format!(", {} taken for {p}", confusion.count(class, p)));
        format!(
            "class {class}  {right:5} of {all:5} right ({:.1} %){worst}\n",
            100.0 * right as f64 / all.max(1) as f64
        )
    };
    (0..confusion.classes()).map(line).collect()
}
