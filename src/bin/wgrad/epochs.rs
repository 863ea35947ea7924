//! One epoch of a training, and what is said of it.

use crate::data::Sets;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use wgrad::ops::Role;
use wgrad::train::{EpochReport, Flow, Measures, Progress, Trainer};

/// The fraction of the time that may go into waiting for data before that is said.
const WAITED: f64 = 0.05;

/// Trains and evaluates, with a bar.
///
/// # Errors
/// When a step fails.
pub fn one_epoch(
    trainer: &mut Trainer,
    sets: &Sets,
    (many, epochs, averages): (&str, usize, bool),
    epoch: usize,
    every: &mut dyn FnMut(&Trainer, &Progress) -> wgrad::Result<Flow>,
) -> anyhow::Result<EpochReport> {
    let bar = ProgressBar::new(sets.train.len() as u64);
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} % {msg}, {eta} left")?);
    bar.set_prefix(format!("epoch {epoch}/{epochs}"));
    let (began, before) = (Instant::now(), trainer.position().1);
    let mut waited = Duration::ZERO;
    let train = trainer.epoch(&sets.train, |trainer, now| {
        waited = now.waited;
        let rate = (now.examples - before) as f64 / began.elapsed().as_secs_f64();
        bar.set_position(now.examples as u64);
        // Before the first look at the device's sums there is nothing to show.
        let recent =
            if now.recent.examples == 0 { String::new() } else { format!("{}, ", words(&now.recent, ", ")) };
        let learning = trainer.rate().map_or(String::new(), |rate| format!(", rate {rate:.2e}"));
        bar.set_message(format!("{recent}{rate:.0} {many}/s{learning}"));
        every(trainer, now)
    });
    bar.finish_and_clear();
    let (train, seconds) = (train?, began.elapsed().as_secs_f64());
    if waited.as_secs_f64() > WAITED * seconds {
        let waited = waited.as_secs_f64();
        println!(
            "data     batches were waited for in {waited:.1} of {seconds:.1} s: reading them is the bottleneck"
        );
    }
    let test = match trainer.position().1 {
        0 if averages => trainer.evaluate_average(sets.evaluation())?,
        0 => trainer.evaluate(sets.evaluation())?,
        // Stopped in its midst: nothing to evaluate.
        _ => train.clone(),
    };
    Ok(EpochReport { epoch, train, test, seconds })
}

/// Loss and metrics in words; accuracies in percent.
pub fn words(measures: &Measures, between: &str) -> String {
    let word = |(name, value): &(String, f64)| match name.as_str() {
        "skipped" => format!("{name} {value}"),
        share if share.ends_with("accuracy") => format!("{name} {:.2} %", 100.0 * value),
        _ => format!("{name} {value:.4}"),
    };
    measures.values().iter().map(word).collect::<Vec<_>>().join(between)
}

/// One line about an epoch.
pub fn line(report: &EpochReport, (many, epochs): (&str, usize), evaluated: &str) -> String {
    let (train, test) = (words(&report.train, " "), words(&report.test, " "));
    let EpochReport { epoch, seconds, .. } = report;
    let rate = report.examples_per_second();
    format!("epoch {epoch}/{epochs}  train {train}  {evaluated} {test}  {seconds:.1} s, {rate:.0} {many}/s")
}

/// The numbers of all parameters.
pub fn count(trainer: &Trainer) -> anyhow::Result<usize> {
    let parameters = trainer.parameters();
    let names = parameters.names(Role::Parameter);
    let sizes = names.iter().map(|name| Ok(parameters.ty(name)?.shape.elements()));
    sizes.sum()
}
