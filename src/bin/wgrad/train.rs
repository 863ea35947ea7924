//! `wgrad train`.

use crate::data::{DataArgs, Sets};
use crate::device::DeviceArgs;
use crate::networks::{self, Named};
use crate::optimizer::OptimizerArgs;
use crate::output;
use crate::plot;
use crate::resume::{DEVICE, KeepArgs, ROWS, Words, resumed, tell_change};
use crate::run::RunFolder;
use crate::signals::{Interrupted, Signals};
use crate::trained;
use crate::ways::WaysArgs;
use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use wgrad::bench::trace::Trace;
use wgrad::ops::Role;
use wgrad::train::{Checkpoints, EpochReport, Flow, LOSS, Measures, Monitor, Trainer, Watch};
use wgrad::{Checkpoint, Device};

/// `wgrad train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The network.
    #[arg(long, default_value = "simple-cnn", value_parser = clap::builder::PossibleValuesParser::new(networks::names()))]
    model: String,
    /// Passes over the training images.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Images a step [default: 64; models that read rows 32].
    #[arg(long)]
    batch_size: Option<usize>,
    #[command(flatten)]
    optimizer: OptimizerArgs,
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
    #[command(flatten)]
    ways: WaysArgs,
    #[command(flatten)]
    keep: KeepArgs,
}

impl TrainArgs {
    fn batch_size(&self, model: Named) -> usize {
        self.batch_size.unwrap_or(model.batch_size())
    }

    /// What was asked for, as a command line that asks for it again, wherever it is run.
    fn words(&self) -> anyhow::Result<Vec<String>> {
        let mut words = Words::default();
        words.add("model", Some(&self.model));
        words.add("epochs", Some(self.epochs));
        words.add("batch-size", self.batch_size);
        words.add("seed", Some(self.seed));
        self.optimizer.words(&mut words);
        self.ways.words(&mut words)?;
        words.add("device", Some(&self.device.device));
        words.add("backend", self.device.backend);
        words.add("memory", self.device.memory);
        words.flag("check-finite", self.check_finite);
        words.kept(&self.keep);
        Ok([words.list(), self.data.words()?].concat())
    }

    fn settings(&self, model: Named, sets: &Sets, device: &str) -> anyhow::Result<Value> {
        let mut training = json!({
            "epochs": self.epochs, "batch_size": self.batch_size(model), "seed": self.seed, "data": sets.about,
            "device": device, "words": self.words()?, "data_words": self.data.words()?,
        });
        let own = self.optimizer.settings(model.lr()).into_iter().chain(self.ways.settings());
        own.for_each(|(name, value)| training[name] = value);
        Ok(trained::settings(model, &model.shape(sets.train.as_ref())?, sets.train.classes(), training))
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
    let model = networks::find(&args.model)?;
    let (optimizer, batch_size) = (args.optimizer.build(model.lr())?, args.batch_size(model));
    output::check_all([("--profile", &args.profile)])?;
    let mut folder = match &args.keep.resume {
        Some(path) => RunFolder::reopen(path)?,
        None => RunFolder::claim(args.out.as_deref(), model.name())?,
    };
    let resumed = match &args.keep.resume {
        Some(_) => Some(Checkpoints::latest(&folder.checkpoints(), |line| eprintln!("{line}"))?),
        None => None,
    };
    let sets = args.data.load(model.reads(), None)?.held_back(args.ways.validation, args.seed)?;
    wgrad::data::check_batch_size(sets.train.as_ref(), batch_size)?;
    let device = args.device.open()?.check_finite(args.check_finite);
    println!("device   {}", device.describe());
    println!("data     {}", sets.about);
    let (shape, classes) = (model.shape(sets.train.as_ref())?, sets.train.classes().len());
    let layers = model.build(&shape, classes)?;
    let (task, options) = (args.ways.classification(layers), args.ways.options(batch_size, args.seed));
    let mut trainer = Trainer::new(&device, task, optimizer, sets.train.as_ref(), options)?;
    if let Some(schedule) = &args.ways.schedule {
        trainer.follow(schedule.clone())?;
    }
    let mut watch = args.ways.watch();
    watch.begin(&mut trainer)?;
    if args.profile.is_some() {
        anyhow::ensure!(!device.is_cpu(), "--profile: expected an adapter, got the CPU reference");
        trainer.profile(PROFILED);
    }
    let of = model.words(&shape, classes);
    println!("model    {} for {of}: {}, {} parameters", model.name(), model.about(), count(&trainer)?);
    println!("memory   {}", trainer.executable()?.memory());
    let settings = args.settings(model, &sets, &device.describe())?;
    let mut past = Vec::new();
    match &resumed {
        None => {
            args.ways.begin(trainer.parameters())?;
            let head = EpochReport::head(sets.judged(), &trainer.measured(sets.judge())?);
            folder.begin(&settings, &head, trainer.parameters())?;
        }
        Some((path, checkpoint)) => {
            let of_file = || path.display().to_string();
            trainer.resume(checkpoint).with_context(of_file)?;
            watch.resume(checkpoint).with_context(of_file)?;
            past = reports(checkpoint).with_context(of_file)?;
            tell_change("device", checkpoint.note(DEVICE)?, &device.describe());
            tell_change("batch size", checkpoint.note(BATCH_SIZE)?, &batch_size.to_string());
            folder.go_on(&settings, checkpoint.note(ROWS)?)?;
            let (epochs, images, steps) = trainer.position();
            println!("resumed  {}: {epochs} epochs and {images} images, {steps} steps", path.display());
        }
    }
    println!("run      {}", folder.path().display());
    let mut run = Run { args, sets: &sets, folder, watch, reports: past };
    let done =
        run.epochs(&mut trainer).map_err(|error| run.folder.safe("train", run.diagnosed(error, &device)))?;
    if !done {
        println!("nothing to do: {} epochs are done; --epochs asks for more", trainer.position().0);
        return Ok(());
    }
    run.end(&mut trainer)
}

/// What else a checkpoint of `wgrad train` notes.
const BATCH_SIZE: &str = "batch_size";

/// The epochs that are done, as a checkpoint notes them.
fn reports(checkpoint: &Checkpoint) -> anyhow::Result<Vec<EpochReport>> {
    let mut rows = checkpoint.note(ROWS)?.lines();
    let head = rows.next().unwrap_or_default();
    Ok(rows.map(|row| EpochReport::of_csv(head, row)).collect::<wgrad::Result<_>>()?)
}

/// A run on its way.
struct Run<'a> {
    args: &'a TrainArgs,
    sets: &'a Sets,
    folder: RunFolder,
    watch: Watch,
    reports: Vec<EpochReport>,
}

impl Run<'_> {
    /// What a checkpoint of this moment notes.
    fn notes(&self, trainer: &Trainer) -> BTreeMap<String, String> {
        let own = [
            (ROWS, self.folder.metrics().to_owned()),
            (DEVICE, trainer.parameters().device().describe()),
            (BATCH_SIZE, trainer.options().batch_size.to_string()),
        ];
        let mut notes = self.watch.notes();
        notes.extend(own.map(|(key, value)| (key.to_owned(), value)));
        notes
    }

    /// All epochs that are left, each kept when it is done; whether there were any.
    fn epochs(&mut self, trainer: &mut Trainer) -> anyhow::Result<bool> {
        let mut checkpoints = self.folder.keeps(self.args.keep.keep)?;
        let signals = Signals::watch()?;
        if self.args.keep.resume.is_none() {
            // One from the beginning: whenever the run ends, it can go on.
            let pending = trainer.checkpoint(self.notes(trainer))?;
            self.folder.checkpoint(&mut checkpoints, 0, pending, false)?;
        }
        let (first, epochs) = (trainer.position().0 as usize + 1, self.args.epochs as usize);
        for epoch in first..=epochs {
            let mut failed = None;
            let (keep, sets, args) = (&self.args.keep, self.sets, self.args);
            let mut every = |trainer: &Trainer| -> wgrad::Result<Flow> {
                let step = trainer.position().2;
                let stop = signals.caught().is_some();
                if stop || keep.due(step) {
                    let pending = trainer.checkpoint(self.notes(trainer))?;
                    failed = self.folder.checkpoint(&mut checkpoints, step, pending, false).err();
                    self.folder.keep_as_it_is();
                }
                Ok(if stop || failed.is_some() { Flow::Stop } else { Flow::Continue })
            };
            let report = one_epoch(trainer, sets, args, epoch, &mut every)?;
            if let Some(error) = failed {
                return Err(error);
            }
            let stopped = trainer.position().1 > 0;
            if stopped && let Some(signal) = signals.caught() {
                self.folder.settle(&mut checkpoints)?;
                return Err(Interrupted::at(signal, self.folder.path()).into());
            }
            println!("{}", line(&report, self.args.epochs, self.sets.judged()));
            self.folder.save(trainer.parameters())?;
            self.folder.row(&report.csv_row())?;
            let verdict = self.watch.look(trainer, &report)?;
            self.reports.push(report);
            let pending = trainer.checkpoint(self.notes(trainer))?;
            self.folder.checkpoint(&mut checkpoints, trainer.position().2, pending, verdict.best)?;
            if verdict.last {
                let Monitor { metric, .. } = &self.watch.monitor;
                let best = self.watch.best().unwrap_or(f64::NAN);
                println!("ended    early: {metric} has not been better than {best:.4} for too long");
                break;
            }
            // One that came while the epoch was judged.
            if let Some(signal) = signals.caught().filter(|_| epoch < epochs) {
                self.folder.settle(&mut checkpoints)?;
                return Err(Interrupted::at(signal, self.folder.path()).into());
            }
        }
        self.folder.settle(&mut checkpoints)?;
        Ok(first <= epochs)
    }

    /// Judges what was learned on the test examples once more where others were held back, and writes what there is to see.
    fn end(mut self, trainer: &mut Trainer) -> anyhow::Result<()> {
        self.folder.write("history.svg", &plot::history(&self.reports, self.sets.judged())?)?;
        let mut files = vec!["history.svg"];
        let averages = self.args.ways.averages();
        let test = if averages {
            trainer.evaluate_average(&self.sets.test)?
        } else {
            trainer.evaluate(&self.sets.test)?
        };
        if self.sets.held.is_some() {
            println!("test     {}", words(&test, " "));
        }
        if let Some(confusion) = test.confusion() {
            self.folder.write("confusion.svg", &plot::confusion(confusion, self.sets.test.classes())?)?;
            files.push("confusion.svg");
        }
        if averages {
            self.folder.save_average(trainer)?;
            files.push("average.safetensors");
        }
        let finished = self.folder.finish(&files, trainer.parameters());
        self.args.profile.as_deref().map_or(Ok(()), |path| write_profile(trainer, path))?;
        finished
    }

    /// Where the loss was not finite: goes over the steps since the last checkpoint again, looking at every value, to name the
    /// first that went wrong.
    fn diagnosed(&self, error: anyhow::Error, device: &Device) -> anyhow::Error {
        let not_finite =
            matches!(error.downcast_ref(), Some(wgrad::Error::Argument { name, .. }) if name == LOSS);
        if !not_finite || self.args.check_finite {
            return error;
        }
        match self.replayed(device) {
            Ok(Some(found)) => error.context(found),
            Ok(None) => error,
            Err(other) => error.context(format!("looking for where it began: {other:#}")),
        }
    }

    fn replayed(&self, device: &Device) -> anyhow::Result<Option<String>> {
        let (path, checkpoint) = Checkpoints::latest(&self.folder.checkpoints(), |line| eprintln!("{line}"))?;
        eprintln!(
            "the loss is not finite: going over the steps since {} again, looking at every value",
            path.display()
        );
        let model = networks::find(&self.args.model)?;
        let device = device.clone().check_finite(true);
        let train = self.sets.train.as_ref();
        let layers = model.build(&model.shape(train)?, train.classes().len())?;
        let options = self.args.ways.options(self.args.batch_size(model), self.args.seed);
        let (task, optimizer) =
            (self.args.ways.classification(layers), self.args.optimizer.build(model.lr())?);
        let mut trainer = Trainer::new(&device, task, optimizer, self.sets.train.as_ref(), options)?;
        if let Some(schedule) = &self.args.ways.schedule {
            trainer.follow(schedule.clone())?;
        }
        trainer.resume(&checkpoint)?;
        let waited = trainer.parameters().names(Role::Metric).into_iter().next().unwrap_or_default();
        let mut last = (0, trainer.position().1, trainer.position().1);
        let again = trainer.epoch(&self.sets.train, |trainer, now| {
            last = (trainer.position().2, last.2, now.examples);
            // Waits for the step, so that what went wrong in it is told now.
            trainer.parameters().get(&waited)?;
            Ok(Flow::Continue)
        });
        let Err(found) = again else { return Ok(None) };
        let (step, first, end) = last;
        let (epoch, seed) = (trainer.position().0 + 1, self.args.seed);
        Ok(Some(format!(
            "step {step}, images {first} to {end} of epoch {epoch} in the order of seed {seed}: {found}"
        )))
    }
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
    args: &TrainArgs,
    epoch: usize,
    every: &mut dyn FnMut(&Trainer) -> wgrad::Result<Flow>,
) -> anyhow::Result<EpochReport> {
    let bar = ProgressBar::new(sets.train.len() as u64);
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} % {msg}, {eta} left")?);
    bar.set_prefix(format!("epoch {epoch}/{}", args.epochs));
    let (began, before) = (Instant::now(), trainer.position().1);
    let train = trainer.epoch(&sets.train, |trainer, now| {
        let rate = (now.examples - before) as f64 / began.elapsed().as_secs_f64();
        bar.set_position(now.examples as u64);
        // Before the first look at the device's sums there is nothing to show.
        let recent =
            if now.recent.examples == 0 { String::new() } else { format!("{}, ", words(&now.recent, ", ")) };
        let learning = trainer.rate().map_or(String::new(), |rate| format!(", rate {rate:.2e}"));
        bar.set_message(format!("{recent}{rate:.0} images/s{learning}"));
        every(trainer)
    });
    bar.finish_and_clear();
    let (train, seconds) = (train?, began.elapsed().as_secs_f64());
    let test = match trainer.position().1 {
        0 if args.ways.averages() => trainer.evaluate_average(sets.judge())?,
        0 => trainer.evaluate(sets.judge())?,
        // Stopped in its midst: nothing to judge.
        _ => train.clone(),
    };
    Ok(EpochReport { epoch, train, test, seconds })
}

/// Loss and metrics in words; shares of hits in percent.
fn words(measures: &Measures, between: &str) -> String {
    let word = |(name, value): &(String, f64)| match name.as_str() {
        "skipped" => format!("{name} {value}"),
        share if share.ends_with("accuracy") => format!("{name} {:.2} %", 100.0 * value),
        _ => format!("{name} {value:.4}"),
    };
    measures.values().iter().map(word).collect::<Vec<_>>().join(between)
}

/// One line about an epoch.
fn line(report: &EpochReport, epochs: u32, judged: &str) -> String {
    let (train, test) = (words(&report.train, " "), words(&report.test, " "));
    let EpochReport { epoch, seconds, .. } = report;
    format!(
        "epoch {epoch}/{epochs}  train {train}  {judged} {test}  {seconds:.1} s, {:.0} images/s",
        report.examples_per_second()
    )
}
