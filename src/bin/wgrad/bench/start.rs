//! `wgrad bench start`: how long a fresh process takes to its first training step.
//!
//! Each measurement is a process of its own, this command with `--once`: first with empty caches in a temporary folder,
//! then with what the first one left there.

use super::session::{MeasureArgs, Session};
use super::table;
use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use wgrad::bench::train::{self, ModelRun, Pass, TrainModel};
use wgrad::bench::{Row, Status, Summary, Timing};
use wgrad::exec::Clock;

/// `wgrad bench start`.
#[derive(Debug, Args)]
pub struct StartArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Only these models; the SimpleCNN if none is named.
    #[arg(long)]
    model: Vec<String>,
    /// Pairs of processes for each model.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..1000))]
    pairs: u32,
    /// List how much longer each kernel's first run takes than its second, with empty caches: there, many drivers
    /// compile it.
    #[arg(long)]
    kernels: bool,
    /// Be the process that is measured.
    #[arg(long, hide = true)]
    once: bool,
}

/// What the measured process says: seconds of its parts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Parts {
    /// To find and open the device.
    device: f64,
    /// To build the graph, plan it and make its pipelines.
    compile: f64,
    /// Of the first step, its loss read back.
    first: f64,
    /// Of the second one.
    second: f64,
}

/// Caches, by the variables that name their folder: ours, and those of drivers that can be told.
const FOLDERS: [&str; 4] =
    ["WGRAD_PIPELINES", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH", "XDG_CACHE_HOME"];

/// What switches Mesa's cache off.
const NO_CACHE: &str = "MESA_SHADER_CACHE_DISABLE";

/// Runs it.
pub fn run(args: &StartArgs) -> anyhow::Result<()> {
    let default = ["simple-cnn".to_owned()];
    let names = if args.model.is_empty() { &default[..] } else { &args.model[..] };
    let models: Vec<&TrainModel> = names.iter().map(|n| train::model(n)).collect::<wgrad::Result<_>>()?;
    if args.once {
        return once(args, models[0]);
    }
    if args.kernels {
        return models
            .iter()
            .try_for_each(|model| with_folder(model, |caches| kernels_of(args, model, caches)));
    }
    let session = Session::open(&args.measure)?;
    table::start_header();
    let mut rows = Vec::new();
    for model in models {
        let found = pairs(args, model, &session).unwrap_or_else(|error| vec![row(model, "cold", Err(error))]);
        found.iter().for_each(table::start);
        rows.extend(found);
    }
    let expected = rows.len();
    session.finish(rows, None, expected)
}

/// The process that is measured: one step, its loss, and a line about it.
fn once(args: &StartArgs, model: &TrainModel) -> anyhow::Result<()> {
    let start = Instant::now();
    let device = args.measure.device.open()?;
    let opened = start.elapsed();
    let mut step = ModelRun::new(&device, model, Pass::Step, model.batch)?;
    let compiled = start.elapsed();
    if args.kernels {
        return kernels(&mut step);
    }
    let mut run = || -> anyhow::Result<f64> {
        let start = Instant::now();
        step.run()?;
        anyhow::ensure!(step.result()?[0].is_finite(), "expected a finite loss");
        Ok(start.elapsed().as_secs_f64())
    };
    let (first, second) = (run()?, run()?);
    let (device, compile) = (opened.as_secs_f64(), (compiled - opened).as_secs_f64());
    println!("{}", serde_json::to_string(&Parts { device, compile, first, second })?);
    Ok(())
}

/// Starts processes with empty caches and with full ones, alternately.
fn pairs(args: &StartArgs, model: &TrainModel, session: &Session) -> anyhow::Result<Vec<Row>> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        if session.stopped() {
            break;
        }
        let (first, second) =
            with_folder(model, |caches| Ok((process(args, model, caches)?, process(args, model, caches)?)))?;
        cold.push(first);
        warm.push(second);
    }
    Ok(vec![row(model, "cold", Ok(cold)), row(model, "warm", Ok(warm))])
}

/// Has an empty folder for caches while `work` runs.
fn with_folder<T>(model: &TrainModel, work: impl FnOnce(&Path) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let folder = std::env::temp_dir().join(format!("wgrad-start-{}-{}", std::process::id(), model.name));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let outcome = work(&folder);
    // What cannot be removed lies in the system's folder for such files.
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

/// The process that is measured, with its caches in this folder.
fn command(args: &StartArgs, model: &TrainModel, caches: &Path) -> anyhow::Result<Command> {
    let own = std::env::current_exe().context("the path of this command")?;
    let mut command = Command::new(own);
    command.args([
        "bench",
        "start",
        "--once",
        "--model",
        model.name,
        "--device",
        &args.measure.device.device,
    ]);
    if let Some(backend) = args.measure.device.backend {
        command.args(["--backend", &backend.to_string()]);
    }
    command.envs(FOLDERS.map(|variable| (variable, caches))).stdin(Stdio::null());
    Ok(command)
}

/// Has a process with empty caches print its kernels.
fn kernels_of(args: &StartArgs, model: &TrainModel, caches: &Path) -> anyhow::Result<()> {
    let mut command = command(args, model, caches)?;
    // Without the driver's cache nothing is compiled ahead, and first runs take what they take.
    command.arg("--kernels").env(NO_CACHE, "true");
    let status = command.status().context("a process of this command")?;
    anyhow::ensure!(status.success(), "{}: the measured process failed", model.name);
    Ok(())
}

/// Prints how much longer the first run of each kernel takes than the second.
fn kernels(step: &mut ModelRun) -> anyhow::Result<()> {
    let (first, second) = (step.profile()?, step.profile()?);
    let mut longer: Vec<_> = first
        .steps
        .iter()
        .zip(&second.steps)
        .filter_map(|(a, b)| {
            let (first, second) = (a.span?.1, b.span?.1);
            Some((first - second, second, a))
        })
        .collect();
    longer.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("{:>10} {:>10}  kernel, what of", "first run", "later runs");
    for (more, second, step) in &longer {
        println!(
            "{:>10} {:>10}  {} {}: {}",
            table::time(more.max(0.0)),
            table::time(*second),
            step.kernel,
            step.label,
            step.why
        );
    }
    let sum: f64 = longer.iter().map(|(more, ..)| more.max(0.0)).sum();
    println!("{:>10} of first runs together", table::time(sum));
    Ok(())
}

/// Seconds from the start of a process to the loss of its first step, and their parts.
fn process(args: &StartArgs, model: &TrainModel, caches: &Path) -> anyhow::Result<(f64, Parts)> {
    let mut command = command(args, model, caches)?;
    let start = Instant::now();
    let output = command.output().context("a process of this command")?;
    let whole = start.elapsed().as_secs_f64();
    let complaints = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the measured process failed: {}", complaints.trim());
    let parts: Parts = serde_json::from_slice(&output.stdout).context("what the measured process says")?;
    // What follows the first step is not part of it: the second step, and the end of the process.
    Ok((whole - parts.second, parts))
}

fn row(model: &TrainModel, pass: &str, found: anyhow::Result<Vec<(f64, Parts)>>) -> Row {
    let [c, h, w] = model.image;
    let row = Row {
        set: "start".into(),
        layer: model.name.into(),
        count: 1,
        pass: pass.into(),
        shape: format!("n{}c{c}h{h}w{w}", model.batch),
        ..Row::default()
    };
    let found = match found {
        Err(error) => return Row { status: Status::Failed(error.to_string()), ..row },
        Ok(found) if found.is_empty() => return Row { status: Status::Skipped("interrupted".into()), ..row },
        Ok(found) => found,
    };
    let median = |part: fn(&Parts) -> f64| {
        Summary::of(&found.iter().map(|(_, p)| part(p)).collect::<Vec<_>>()).map_or(0.0, |s| s.median)
    };
    let parts = [
        ("device", median(|p| p.device)),
        ("graph, plan and pipelines", median(|p| p.compile)),
        ("first step", median(|p| p.first)),
        ("second step", median(|p| p.second)),
    ];
    let parts = parts.map(|(name, seconds)| format!("{name} {}", table::time(seconds)));
    Row {
        variant: parts.join(", "),
        check: "the loss is finite".into(),
        timing: Some(Timing {
            clock: Clock::Wall,
            runs: 1,
            bursts: vec![found.len()],
            samples: found.iter().map(|(whole, _)| *whole).collect(),
            dropped: 0,
            set_aside: 0,
            disturbed: None,
            stable: true,
        }),
        ..row
    }
}
