//! `wgrad train`.

use crate::data::{DataArgs, Sets, images};
use crate::device::DeviceArgs;
use crate::output;
use crate::plot;
use crate::resume::{DEVICE, KeepArgs, ROWS, Words, number, resumed, tell_change};
use crate::run::{RunFolder, decimal};
use crate::signals::{Interrupted, Signals};
use crate::trained;
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use wgrad::Checkpoint;
use wgrad::bench::trace::Trace;
use wgrad::nn::{self, Model};
use wgrad::ops::Role;
use wgrad::optim::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, Optimizer, RAdam, RmsProp, Rprop, Schedule,
    Sgd,
};
use wgrad::train::{CSV_HEAD, Checkpoints, Confusion, EpochReport, Flow, Options, Trainer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OptimizerName {
    Sgd,
    Adam,
    Adamw,
    Adamax,
    Rmsprop,
    Adagrad,
    Adadelta,
    Nadam,
    Radam,
    Lion,
    Lamb,
    Rprop,
}

/// `wgrad train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The network.
    #[arg(long, default_value = "simple-cnn", value_parser = clap::builder::PossibleValuesParser::new(nn::MODELS.iter().map(|m| m.name)))]
    model: String,
    /// Passes over the training images.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Images a step [default: 64; models that read rows 32].
    #[arg(long)]
    batch_size: Option<usize>,
    /// The rule by which weights change.
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: OptimizerName,
    /// Learning rate [default: 0.001; models that read rows 0.002].
    #[arg(long)]
    lr: Option<f32>,
    /// Momentum of sgd.
    #[arg(long, default_value_t = 0.0)]
    momentum: f32,
    /// Nesterov's momentum instead of the plain one.
    #[arg(long)]
    nesterov: bool,
    /// L2 penalty of sgd and adam, decoupled decay of adamw [default: 0; adamw 0.01].
    #[arg(long)]
    weight_decay: Option<f32>,
    /// Of the first weights and of the order of the images.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Look at every input, parameter and result: the first NaN or infinity is named. Slower.
    #[arg(long)]
    check_finite: bool,
    /// Measure every kernel of some steps, write them as a trace for Perfetto or chrome://tracing, and print
    /// the most expensive ones.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// The folder to write [default: a fresh one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the learning rate changes from step to step, such as cosine:t_max=1000 or one_cycle:max_lr=0.01,total_steps=471;
    /// PyTorch's names and defaults: unchanged, step, multi_step, exponential, cosine, cosine_restarts, one_cycle, cyclic,
    /// polynomial, linear, constant.
    #[arg(long)]
    schedule: Option<Schedule>,
    #[command(flatten)]
    keep: KeepArgs,
}

impl TrainArgs {
    fn batch_size(&self, model: &Model) -> usize {
        self.batch_size.unwrap_or(model.batch_size)
    }

    fn lr(&self, model: &Model) -> f32 {
        self.lr.unwrap_or(match self.optimizer {
            // Steps of another size than a gradient's or Adam's.
            OptimizerName::Adadelta => 1.0,
            OptimizerName::Lion => model.lr / 10.0,
            // The network's own.
            _ => model.lr,
        })
    }

    fn optimizer(&self, model: &Model) -> anyhow::Result<Box<dyn Optimizer>> {
        use OptimizerName as Name;
        let (decay, lr) = (self.weight_decay.unwrap_or(0.0), self.lr(model));
        let with_momentum = matches!(self.optimizer, Name::Sgd | Name::Rmsprop);
        if !with_momentum && self.momentum != 0.0 || self.optimizer != Name::Sgd && self.nesterov {
            let got = self.optimizer;
            anyhow::bail!(
                "--momentum and --nesterov: expected --optimizer sgd, or rmsprop with momentum alone, got {got:?}"
            );
        }
        if self.optimizer == Name::Rprop && decay != 0.0 {
            anyhow::bail!("--weight-decay: expected an optimizer that knows one, got Rprop");
        }
        Ok(match self.optimizer {
            Name::Sgd => {
                Box::new(Sgd::new(lr).momentum(self.momentum).nesterov(self.nesterov).weight_decay(decay))
            }
            Name::Adam => Box::new(Adam::new(lr).weight_decay(decay)),
            Name::Adamw => Box::new(AdamW::new(lr).weight_decay(self.weight_decay.unwrap_or(0.01))),
            Name::Adamax => Box::new(Adamax::new(lr).weight_decay(decay)),
            Name::Rmsprop => Box::new(RmsProp::new(lr).momentum(self.momentum).weight_decay(decay)),
            Name::Adagrad => Box::new(Adagrad::new(lr).weight_decay(decay)),
            Name::Adadelta => Box::new(Adadelta::new(lr).weight_decay(decay)),
            Name::Nadam => Box::new(NAdam::new(lr).weight_decay(decay)),
            Name::Radam => Box::new(RAdam::new(lr).weight_decay(decay)),
            Name::Lion => Box::new(Lion::new(lr).weight_decay(decay)),
            Name::Lamb => Box::new(Lamb::new(lr).weight_decay(decay)),
            Name::Rprop => Box::new(Rprop::new(lr)),
        })
    }

    /// What was asked for, as a command line that asks for it again, wherever it is run.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.add("model", Some(&self.model));
        words.add("epochs", Some(self.epochs));
        words.add("batch-size", self.batch_size);
        words.add("optimizer", self.optimizer.to_possible_value().map(|v| v.get_name().to_owned()));
        words.add("lr", self.lr);
        words.add("momentum", Some(self.momentum));
        words.add("weight-decay", self.weight_decay);
        words.add("seed", Some(self.seed));
        words.add("schedule", self.schedule.as_ref());
        words.add("split", self.data.split.as_ref());
        words.path("data", self.data.data.as_deref())?;
        words.add("device", Some(&self.device.device));
        words.add("backend", self.device.backend);
        words.flag("nesterov", self.nesterov);
        words.flag("check-finite", self.check_finite);
        words.kept(&self.keep);
        Ok(words.list())
    }

    fn settings(&self, model: &Model, sets: &Sets, device: &str) -> anyhow::Result<serde_json::Value> {
        let optimizer = self.optimizer.to_possible_value().map(|v| v.get_name().to_owned());
        let training = json!({
            "epochs": self.epochs, "batch_size": self.batch_size(model), "optimizer": optimizer, "lr": decimal(self.lr(model)),
            "momentum": decimal(self.momentum), "nesterov": self.nesterov,
            "weight_decay": self.weight_decay.map(decimal),
            "schedule": self.schedule.as_ref().map(Schedule::to_string),
            "seed": self.seed, "data": sets.about, "device": device, "words": self.words()?,
        });
        Ok(trained::settings(model, &sets.train, training))
    }
}

/// Trains and writes the run folder.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    match &args.keep.resume {
        Some(folder) => {
            let mut noted: TrainArgs = resumed("train", folder)?;
            noted.keep.resume = Some(folder.clone());
            train(&noted)
        }
        None => train(args),
    }
}

fn train(args: &TrainArgs) -> anyhow::Result<()> {
    let model = nn::model(&args.model)?;
    let (optimizer, batch_size) = (args.optimizer(model)?, args.batch_size(model));
    output::check_all([("--profile", &args.profile)])?;
    let mut folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), model.name)?,
    };
    let resumed = match &args.keep.resume {
        Some(_) => Some(Checkpoints::latest(&folder.checkpoints(), |line| eprintln!("{line}"))?),
        None => None,
    };
    let sets = args.data.load(None)?;
    wgrad::data::check_batch_size(sets.train.as_ref(), batch_size)?;
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {}", sets.about);
    let options = Options { batch_size, seed: args.seed };
    let images = images(&sets.train);
    let layers = (model.build)(&images).with_context(|| model.name)?;
    let mut trainer = Trainer::new(&device, layers, optimizer, images.shape, options)?;
    if let Some(schedule) = &args.schedule {
        trainer.follow(schedule.clone())?;
    }
    if args.profile.is_some() {
        anyhow::ensure!(!device.is_cpu(), "--profile: expected an adapter, got the CPU reference");
        trainer.profile(PROFILED);
    }
    println!("model    {} for {images}: {}, {} parameters", model.name, model.about, count(&trainer)?);
    println!("memory   {}", trainer.executable()?.memory());
    let settings = args.settings(model, &sets, &device.describe())?;
    let mut past = Past::default();
    match &resumed {
        None => folder.begin(&settings, CSV_HEAD, trainer.parameters())?,
        Some((path, checkpoint)) => {
            trainer.resume(checkpoint).with_context(|| path.display().to_string())?;
            past = Past::of(checkpoint).with_context(|| path.display().to_string())?;
            past.tell_changes(&settings, &device.describe());
            folder.go_on(&settings, checkpoint.note(ROWS)?)?;
            let (epochs, images, steps) = trainer.position();
            println!("resumed  {}: {epochs} epochs and {images} images, {steps} steps", path.display());
        }
    }
    println!("run      {}", folder.path().display());
    let confusion = epochs(args, &mut trainer, &sets, &mut folder, past)?;
    let Some(confusion) = confusion else {
        println!("nothing to do: {} epochs are done; --epochs asks for more", trainer.position().0);
        return Ok(());
    };
    folder.write("confusion.svg", &plot::confusion(&confusion, sets.test.first_label())?)?;
    let finished = folder.finish(&["history.svg", "confusion.svg"], trainer.parameters());
    args.profile.as_deref().map_or(Ok(()), |path| write_profile(&trainer, path))?;
    finished
}

/// What else a checkpoint of `wgrad train` notes: the best accuracy, and the batch size.
const BEST: &str = "best";
const BATCH_SIZE: &str = "batch_size";

/// What came before: the epochs that are done, and the best of them.
#[derive(Debug, Default)]
struct Past {
    reports: Vec<EpochReport>,
    best: f64,
    device: String,
    batch_size: String,
}

impl Past {
    fn of(checkpoint: &Checkpoint) -> anyhow::Result<Self> {
        let rows = checkpoint.note(ROWS)?.lines().skip(1);
        let reports = rows.map(EpochReport::of_csv_row).collect::<wgrad::Result<_>>()?;
        let note = |key| checkpoint.note(key).map(str::to_owned);
        let best = number(checkpoint, BEST)?;
        Ok(Self { reports, best, device: note(DEVICE)?, batch_size: note(BATCH_SIZE)? })
    }

    /// Says what makes the run another than it would have been.
    fn tell_changes(&self, settings: &serde_json::Value, device: &str) {
        tell_change("device", &self.device, device);
        tell_change("batch size", &self.batch_size, &settings["training"]["batch_size"].to_string());
    }
}

/// What a checkpoint of this moment notes.
fn notes(trainer: &Trainer, folder: &RunFolder, best: f64, batch_size: usize) -> BTreeMap<String, String> {
    let device = trainer.parameters().device().describe();
    [
        (ROWS, folder.metrics().to_owned()),
        (BEST, best.to_string()),
        (DEVICE, device),
        (BATCH_SIZE, batch_size.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// All epochs that are left, each kept when it is done; the last one's mistakes, `None` where none was left.
fn epochs(
    args: &TrainArgs,
    trainer: &mut Trainer,
    sets: &Sets,
    folder: &mut RunFolder,
    past: Past,
) -> anyhow::Result<Option<Confusion>> {
    let Past { mut reports, mut best, .. } = past;
    let mut checkpoints = folder.keeps(args.keep.keep)?;
    let signals = Signals::watch()?;
    let batch_size = args.batch_size(nn::model(&args.model)?);
    if args.keep.resume.is_none() {
        // One from the beginning: whenever the run ends, it can go on.
        let pending = trainer.checkpoint(notes(trainer, folder, best, batch_size))?;
        folder.checkpoint(&mut checkpoints, 0, pending, false)?;
    }
    let mut confusion = None;
    for epoch in trainer.position().0 as usize + 1..=args.epochs as usize {
        let mut failed = None;
        let mut every = |trainer: &Trainer| -> wgrad::Result<Flow> {
            let step = trainer.position().2;
            let stop = signals.caught().is_some();
            if stop || args.keep.due(step) {
                let pending = trainer.checkpoint(notes(trainer, folder, best, batch_size))?;
                failed = folder.checkpoint(&mut checkpoints, step, pending, false).err();
                folder.keep_as_it_is();
            }
            Ok(if stop || failed.is_some() { Flow::Stop } else { Flow::Continue })
        };
        let (report, mistaken) = one_epoch(trainer, sets, epoch, args.epochs, &mut every)?;
        if let Some(error) = failed {
            return Err(error);
        }
        let stopped = trainer.position().1 > 0;
        if stopped && let Some(signal) = signals.caught() {
            folder.settle(&mut checkpoints)?;
            return Err(Interrupted::at(signal, folder.path()).into());
        }
        println!("{}", line(&report, args.epochs));
        reports.push(report);
        confusion = Some(mistaken);
        folder.save(trainer.parameters())?;
        folder.row(&report.csv_row())?;
        let better = report.test.accuracy() > best;
        best = best.max(report.test.accuracy());
        let pending = trainer.checkpoint(notes(trainer, folder, best, batch_size))?;
        folder.checkpoint(&mut checkpoints, trainer.position().2, pending, better)?;
        // One that came while the epoch was judged.
        if let Some(signal) = signals.caught().filter(|_| epoch < args.epochs as usize) {
            folder.settle(&mut checkpoints)?;
            return Err(Interrupted::at(signal, folder.path()).into());
        }
    }
    folder.settle(&mut checkpoints)?;
    folder.write("history.svg", &plot::history(&reports)?)?;
    Ok(confusion)
}

/// The steps of a profile: the first ones warm the device up.
const PROFILED: std::ops::Range<usize> = 3..13;

/// Writes the trace and prints the ten most expensive kernels.
fn write_profile(trainer: &Trainer, path: &std::path::Path) -> anyhow::Result<()> {
    let mut trace = Trace::new();
    for (step, profile) in trainer.profiles() {
        trace.add(format!("step {step}"), profile.clone());
    }
    anyhow::ensure!(trace.runs() > 0, "--profile: expected a training of more than {} steps", PROFILED.start);
    output::keep(path, |path| trace.save(path))?;
    println!("profile of {} steps, {}:", trace.runs(), trace.clock());
    print!("{}", trace.table(10));
    println!("wrote {}", path.display());
    Ok(())
}

fn count(trainer: &Trainer) -> anyhow::Result<usize> {
    let parameters = trainer.parameters();
    let names = parameters.names(Role::Parameter);
    let sizes = names.iter().map(|name| Ok(parameters.ty(name)?.shape.elements()));
    sizes.sum()
}

fn one_epoch(
    trainer: &mut Trainer,
    sets: &Sets,
    epoch: usize,
    epochs: u32,
    every: &mut dyn FnMut(&Trainer) -> wgrad::Result<Flow>,
) -> anyhow::Result<(EpochReport, Confusion)> {
    let bar = ProgressBar::new(sets.train.len() as u64);
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} % {msg}, {eta} left")?);
    bar.set_prefix(format!("epoch {epoch}/{epochs}"));
    let (began, before) = (Instant::now(), trainer.position().1);
    let train = trainer.epoch(&sets.train, |trainer, now| {
        let rate = (now.images - before) as f64 / began.elapsed().as_secs_f64();
        bar.set_position(now.images as u64);
        let (loss, accuracy) = (now.recent.loss(), 100.0 * now.recent.accuracy());
        // Before the first look at the device's totals there is nothing to show.
        let recent = if now.recent.images == 0 {
            String::new()
        } else {
            format!("loss {loss:.4}, accuracy {accuracy:.1} %, ")
        };
        let learning = trainer.rate().map_or(String::new(), |rate| format!(", rate {rate:.2e}"));
        bar.set_message(format!("{recent}{rate:.0} images/s{learning}"));
        every(trainer)
    });
    bar.finish_and_clear();
    let (train, seconds) = (train?, began.elapsed().as_secs_f64());
    if trainer.position().1 > 0 {
        // Stopped in its midst: nothing to judge.
        return Ok((EpochReport { epoch, train, test: train, seconds }, Confusion::new(0)));
    }
    let test = trainer.evaluate(&sets.test)?;
    Ok((EpochReport { epoch, train, test: test.totals, seconds }, test.confusion))
}

/// One line about an epoch.
fn line(report: &EpochReport, epochs: u32) -> String {
    let of = |totals: &wgrad::train::Totals| {
        format!("loss {:.4} accuracy {:.2} %", totals.loss(), 100.0 * totals.accuracy())
    };
    let (train, test) = (of(&report.train), of(&report.test));
    let EpochReport { epoch, seconds, .. } = report;
    format!(
        "epoch {epoch}/{epochs}  train {train}  test {test}  {seconds:.1} s, {:.0} images/s",
        report.images_per_second()
    )
}
