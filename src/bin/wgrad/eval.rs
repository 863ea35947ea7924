//! `wgrad eval`.

use crate::data::{DataArgs, images};
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::trained::{Trained, TrainedArgs};
use anyhow::Context;
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
    output::check_all([("--confusion", &args.confusion)])?;
    let Trained { model, trained_on, weights } = args.trained.find()?;
    let sets = args.data.load(trained_on.map(|(_, labels)| labels))?;
    let images = images(&sets.test);
    if let Some((expected, _)) = trained_on.filter(|(expected, _)| *expected != images) {
        let (weights, name) = (weights.display(), model.name);
        anyhow::bail!("{weights}: a {name} for {expected}, got {images} from {}", sets.about);
    }
    // Few images are one pass, whatever its size.
    let batch_size = args.batch_size.min(sets.test.len());
    wgrad::data::check_batch_size(sets.test.as_ref(), batch_size)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let mut classifier = Classifier::new(&parameters, layers, images.shape)?;
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
    print!("{}", classes(&result.confusion, sets.test.first_label()));
    if let Some(path) = &args.confusion {
        output::write(path, plot::confusion(&result.confusion, sets.test.first_label())?.as_bytes())?;
    }
    Ok(())
}

/// A line a class: how many were recognised, and what the others were mostly taken for.
fn classes(confusion: &Confusion, first_label: u8) -> String {
    let label = |class: usize| usize::from(first_label) + class;
    let line = |class: usize| {
        let (right, all) = (confusion.count(class, class), confusion.of_class(class));
        let mistaken = (0..confusion.classes()).filter(|&p| p != class && confusion.count(class, p) > 0);
        let worst = mistaken.max_by_key(|&p| confusion.count(class, p));
        let worst = worst
            .map_or(String::new(), |p| format!(", {} taken for {}", confusion.count(class, p), label(p)));
        format!(
            "class {:<2} {right:5} of {all:5} right ({:.1} %){worst}\n",
            label(class),
            100.0 * right as f64 / all.max(1) as f64
        )
    };
    (0..confusion.classes()).map(line).collect()
}
