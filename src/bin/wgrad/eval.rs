//! `wgrad eval`.

use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::trained::{Evaluated, TrainedArgs};
use clap::Args;
use indicatif::ProgressBar;
use std::path::PathBuf;
use wgrad::train::Confusion;

/// `wgrad eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    trained: TrainedArgs,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Images in a batch.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Write a picture of the confusion matrix.
    #[arg(long, value_name = "FILE.svg")]
    confusion: Option<PathBuf>,
}

/// Evaluates on the test images.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    output::check_all([("--confusion", &args.confusion)])?;
    let evaluated = args.trained.evaluated(&args.data, &args.device, args.batch_size)?;
    let Evaluated { model, mut network, sets, weights, device } = evaluated;
    println!("device   {device}");
    println!("model    {} from {}", model.name(), weights.display());
    println!("data     {}", sets.about);
    let batch_size = args.batch_size.min(sets.test.len());
    let bar = ProgressBar::new(sets.test.len() as u64);
    let result = network.evaluate(&sets.test, batch_size, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let result = result?;
    let Some(confusion) = result.confusion() else {
        anyhow::ensure!(
            args.confusion.is_none(),
            "--confusion: expected a classification run, got a regression run"
        );
        let numbers = result.values().iter().map(|(name, value)| format!("{name} {value:.4}"));
        println!("test     {} ({} examples)", numbers.collect::<Vec<_>>().join(" "), result.examples);
        return Ok(());
    };
    let (loss, accuracy, examples) = (result.loss(), result.metric("accuracy")?, result.examples);
    let right = (accuracy * examples as f64).round();
    println!("test     loss {loss:.4} accuracy {:.2} % ({right} of {examples})", 100.0 * accuracy);
    print!("{}", by_class(confusion, sets.test.classes()));
    if let Some(path) = &args.confusion {
        output::write(path, plot::confusion(confusion, sets.test.classes())?.as_bytes())?;
    }
    Ok(())
}

/// A line a class: how many were recognised, and what the others were mostly predicted as.
fn by_class(confusion: &Confusion, names: &[String]) -> String {
    let widest = names.iter().map(String::len).max().unwrap_or(0).max(2);
    let line = |(class, name): (usize, &String)| {
        let (right, all) = (confusion.count(class, class), confusion.of_class(class));
        let mistaken = (0..confusion.classes()).filter(|&p| p != class && confusion.count(class, p) > 0);
        let worst = mistaken.max_by_key(|&p| confusion.count(class, p));
        let worst = worst.map_or(String::new(), |p| {
            format!(
                ", {} predicted as {}",
                confusion.count(class, p),
                names.get(p).map_or("", String::as_str)
            )
        });
        let [recall, precision, f1] =
            [confusion.recall(class), confusion.precision(class), confusion.f1(class)]
                .map(|share| 100.0 * share);
        format!(
            "class {name:<widest$} {right:5} of {all:5} right ({recall:.1} %), precision {precision:.1} %, F1 {f1:.1} %{worst}\n"
        )
    };
    names.iter().enumerate().map(line).collect()
}
