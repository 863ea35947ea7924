//! `wgrad eval`.

use crate::data::DataArgs;
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::trained::{Trained, TrainedArgs, TrainedOn};
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use std::path::PathBuf;
use wgrad::Parameters;
use wgrad::train::{Classification, Confusion, Network};

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
    let Trained { model, on, weights } = args.trained.find()?;
    // What the run was judged on, unless something else is asked for.
    let noted = on.as_ref().and_then(|on| on.data.as_ref()).filter(|_| !args.data.given());
    let by = on.as_ref().and_then(|on| on.normalised_by.as_ref());
    let labels = on.as_ref().and_then(TrainedOn::labels);
    let sets = noted.unwrap_or(&args.data).load(model.reads(), labels, by)?;
    let (shape, classes) = (model.shape(sets.test.as_ref())?, sets.test.classes().len());
    if let Some(on) = on.filter(|on| on.shape != shape || on.names.len() != classes) {
        let expected = model.words(&on.shape, on.names.len());
        let (weights, got) = (weights.display(), model.words(&shape, classes));
        anyhow::bail!("{weights}: a {} for {expected}, got {got} from {}", model.name(), sets.about);
    }
    // Few examples are one pass, whatever its size.
    let batch_size = args.batch_size.min(sets.test.len());
    wgrad::data::check_batch_size(sets.test.as_ref(), batch_size)?;
    let device = args.device.open()?;
    let parameters = Parameters::new(&device, 0);
    let task = Classification::new(model.build(&shape, classes)?);
    let mut network = Network::new(&parameters, task, sets.test.as_ref())?;
    network.prepare(batch_size)?;
    parameters.load(&weights)?;
    println!("device   {}", device.describe());
    println!("model    {} from {}", model.name(), weights.display());
    println!("data     {}", sets.about);
    let bar = ProgressBar::new(sets.test.len() as u64);
    let result = network.evaluate(&sets.test, batch_size, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    let result = result?;
    let (loss, accuracy, examples) = (result.loss(), result.metric("accuracy")?, result.examples);
    let right = (accuracy * examples as f64).round();
    println!("test     loss {loss:.4} accuracy {:.2} % ({right} of {examples})", 100.0 * accuracy);
    let confusion = result.confusion().context("a network that tells classes apart")?;
    print!("{}", by_class(confusion, sets.test.classes()));
    if let Some(path) = &args.confusion {
        output::write(path, plot::confusion(confusion, sets.test.classes())?.as_bytes())?;
    }
    Ok(())
}

/// A line a class: how many were recognised, and what the others were mostly taken for.
fn by_class(confusion: &Confusion, names: &[String]) -> String {
    let widest = names.iter().map(String::len).max().unwrap_or(0).max(2);
    let line = |(class, name): (usize, &String)| {
        let (right, all) = (confusion.count(class, class), confusion.of_class(class));
        let mistaken = (0..confusion.classes()).filter(|&p| p != class && confusion.count(class, p) > 0);
        let worst = mistaken.max_by_key(|&p| confusion.count(class, p));
        let worst = worst.map_or(String::new(), |p| {
            format!(", {} taken for {}", confusion.count(class, p), names.get(p).map_or("", String::as_str))
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
