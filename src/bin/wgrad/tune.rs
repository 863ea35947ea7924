//! `wgrad tune`: measures the variants of products and convolutions on an adapter and writes a file for later runs.

use crate::bench::{sets, stop_on_ctrl_c};
use crate::device::DeviceArgs;
use crate::models::{self, SizeArgs};
use crate::output;
use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use wgrad::Device;
use wgrad::bench::Case;
use wgrad::bench::measure::Policy;
use wgrad::bench::sentinel::Sentinel;
use wgrad::bench::train::{ModelRun, Pass};
use wgrad::bench::tune::{Outcome, Task, TuningFile, default_path};
use wgrad::exec::Stopwatch;

/// `wgrad tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// Networks whose training step is tuned, by the names of `wgrad bench train --list` or as ONNX files; SimpleCNN if there
    /// are none.
    #[arg(value_name = "NAME|FILE.onnx")]
    model: Vec<String>,
    #[command(flatten)]
    sizes: SizeArgs,
    /// Examples of a batch [default: each network's own].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// A set of shapes by name, or a .csv file: see `wgrad bench ops --list`; several are allowed.
    #[arg(long, value_name = "NAME|FILE")]
    set: Vec<String>,
    /// Measure each variant for this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.15)]
    time: f64,
    /// The file to write [default: where later runs look for it].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Measures and writes the file, after each op.
pub fn run(args: &TuneArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.time.is_finite() && args.time > 0.0 && args.time <= 3600.0,
        "--time: expected seconds from 0 to 3600, got {}",
        args.time
    );
    output::check_all([("--out", &args.out)])?;
    let device = args.device.open_untuned()?;
    let stopwatch = Stopwatch::new(&device, false).context("only an adapter can be tuned")?;
    let path = args.out.clone().or_else(|| default_path(&device));
    let path = path.context("no folder for the file: expected --out FILE, or WGRAD_TUNING as a folder")?;
    let mut file = known(&path, &device)?;
    let tasks = tasks(args, &device)?;
    println!("device   {}", device.describe());
    println!("file     {}", path.display());
    println!("\n  planner     best  gain  variant and op");
    let mut sentinel = Sentinel::new(&device, &stopwatch)?;
    let policy = Policy { budget: Duration::from_secs_f64(args.time), ..Policy::default() };
    let stop = stop_on_ctrl_c()?;
    let bar = ProgressBar::new(tasks.len() as u64).with_style(style());
    let (mut measured, mut before, mut after) = (0, 0.0, 0.0);
    for task in &tasks {
        bar.set_message(task.key.clone());
        let Some(outcome) = task.measure(&device, &stopwatch, &mut sentinel, &policy, stop)? else { break };
        bar.suspend(|| line(task, &outcome));
        file.record(task, &outcome);
        output::keep(&path, |path| file.save(path))?;
        measured += 1;
        before += outcome.planner;
        after += outcome.better().map_or(outcome.planner, |(_, seconds)| *seconds);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let others = file.choices.iter().filter(|choice| choice.variant.is_some()).count();
    println!(
        "\n{measured} of {} ops measured: each once takes {} instead of {}; {others} of the {} in the file get a variant \
         of their own",
        tasks.len(),
        milliseconds(after),
        milliseconds(before),
        file.choices.len()
    );
    println!("later runs on this adapter use the file unless WGRAD_TUNING=off is set");
    anyhow::ensure!(
        !stop.load(Ordering::Relaxed),
        "interrupted: {measured} of {} ops are in the file",
        tasks.len()
    );
    Ok(())
}

/// What is in the file already, if it is for this device.
fn known(path: &std::path::Path, device: &Device) -> anyhow::Result<TuningFile> {
    if !path.exists() {
        return Ok(TuningFile::new(device)?);
    }
    let found = TuningFile::load(path).and_then(|file| file.choices_for(device).map(|_| file));
    found.or_else(|error| {
        println!("{}: begun anew ({error})", path.display());
        Ok(TuningFile::new(device)?)
    })
}

/// Everything asked for, each once.
fn tasks(args: &TuneArgs, device: &Device) -> anyhow::Result<Vec<Task>> {
    let limits = device.limits();
    let mut tasks = Vec::new();
    let usual = ["simple-cnn".to_owned()];
    let models = if args.model.is_empty() && args.set.is_empty() { &usual[..] } else { &args.model[..] };
    for name in models {
        let found = models::find(name, &args.sizes)?;
        let model = found.model();
        let batch = args.batch_size.map_or(model.batch(), |b| b as usize);
        let step = ModelRun::new(device, model, Pass::Step, batch)?;
        let (graph, results) = step.graph();
        tasks.extend(graph.with(|data| Task::of_graph(data, &results, &limits)));
    }
    for set in &args.set {
        for line in sets::lines(set)? {
            for case in Case::of_table(&line?)? {
                tasks.extend(Task::of_case(&case, &limits)?);
            }
        }
    }
    let mut known = HashSet::new();
    tasks.retain(|task| known.insert(task.key.clone()));
    Ok(tasks)
}

fn line(task: &Task, outcome: &Outcome) {
    let (name, seconds) = match outcome.better() {
        Some((name, seconds)) => (name.as_str(), *seconds),
        None => ("planner's", outcome.planner),
    };
    let gain = 100.0 * (1.0 - seconds / outcome.planner);
    println!(
        "{:>9} {:>8} {gain:4.0}%  {name:14} {}",
        milliseconds(outcome.planner),
        milliseconds(seconds),
        task.key
    );
    if !outcome.wrong.is_empty() {
        println!("{:26}other results, not taken: {}; run wgrad parity", "", outcome.wrong.join(", "));
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
