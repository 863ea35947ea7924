//! A training on its way: its epochs, its checkpoints, what is said of it.

use crate::data::Sets;
use crate::device::DeviceArgs;
use crate::epochs::{count, line, one_epoch, words};
use crate::log::Log;
use crate::plot;
use crate::recovery::{Found, Losses};
use crate::resume::{DEVICE, KeepArgs, ROWS, tell_change};
use crate::run::RunFolder;
use crate::signals::{Interrupted, Signals};
use crate::ways::WaysArgs;
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use wgrad::ops::Role;
use wgrad::train::{Checkpoints, EpochReport, Flow, LOSS, Measures, Monitor, Progress, Trainer, Watch};
use wgrad::{Checkpoint, Device};

/// What else a checkpoint of `wgrad train` notes.
const BATCH_SIZE: &str = "batch_size";

/// The epochs that are done, as a checkpoint notes them.
///
/// # Errors
/// When it notes none.
fn reports(checkpoint: &Checkpoint) -> anyhow::Result<Vec<EpochReport>> {
    let mut rows = checkpoint.note(ROWS)?.lines();
    let head = rows.next().unwrap_or_default();
    Ok(rows.map(|row| EpochReport::of_csv(head, row)).collect::<wgrad::Result<_>>()?)
}

/// What is trained, and how.
pub struct Plan<'a> {
    /// The command.
    pub command: &'static str,
    /// The network and what it reads, in words.
    pub about: String,
    /// What examples are called.
    pub many: &'static str,
    /// How the run is kept.
    pub keep: &'a KeepArgs,
    /// Where it runs.
    pub device: &'a DeviceArgs,
    /// Passes over the examples.
    pub epochs: u32,
    /// How it goes about it.
    pub ways: &'a WaysArgs,
    /// The number that orders the examples.
    pub seed: u64,
    /// Whether every value is looked at anyway.
    pub checked: bool,
    /// The trainer, on a device.
    pub build: &'a dyn Fn(&Device) -> anyhow::Result<Trainer>,
}

/// A run on its way.
pub struct Run<'a> {
    /// What is trained, and how.
    pub plan: Plan<'a>,
    /// Its data.
    pub sets: &'a Sets,
    /// Where it is kept.
    pub folder: RunFolder,
    /// What looks at its epochs.
    pub watch: Watch,
    /// Those that are done.
    pub reports: Vec<EpochReport>,
    /// Where its steps are written down.
    log: Log,
    /// How often its device was lost on purpose.
    given_up: usize,
}

/// Gives a trainer, what looks at its epochs and the metrics all that a checkpoint holds of them; the epochs that are done.
fn restore(
    plan: &Plan<'_>,
    (trainer, watch): (&mut Trainer, &mut Watch),
    (path, checkpoint): (&Path, &Checkpoint),
) -> anyhow::Result<Vec<EpochReport>> {
    let of_file = || path.display().to_string();
    trainer.resume(checkpoint).with_context(of_file)?;
    watch.resume(checkpoint).with_context(of_file)?;
    let past = reports(checkpoint).with_context(of_file)?;
    tell_change("device", checkpoint.note(DEVICE)?, &trainer.parameters().device().describe());
    let batch_size = trainer.options().batch_size.to_string();
    tell_change("batch size", checkpoint.note(BATCH_SIZE)?, &batch_size);
    let ((epochs, done, steps), many) = (trainer.position(), plan.many);
    println!("resumed  {}: {epochs} epochs and {done} {many}, {steps} steps", path.display());
    Ok(past)
}

impl<'a> Run<'a> {
    /// Begins a run or goes on with one: makes its trainer, and says what it is.
    ///
    /// # Errors
    /// When an option is out of range, or the run goes on otherwise than it began.
    pub fn begin(
        plan: Plan<'a>,
        sets: &'a Sets,
        monitor: Monitor,
        mut folder: RunFolder,
        (device, settings): (&Device, &Value),
    ) -> anyhow::Result<(Self, Trainer)> {
        let resumed = match &plan.keep.resume {
            Some(_) => Some(Checkpoints::latest(&folder.checkpoints(), |line| eprintln!("{line}"))?),
            None => None,
        };
        let mut trainer = (plan.build)(device)?;
        let mut watch = plan.ways.watch(monitor);
        watch.begin(&mut trainer)?;
        println!("model    {}, {} parameters", plan.about, count(&trainer)?);
        println!("memory   {}", trainer.executable()?.memory());
        let mut past = Vec::new();
        match &resumed {
            None => {
                plan.ways.begin(trainer.parameters())?;
                let head = EpochReport::head(sets.evaluated(), &trainer.measured(sets.evaluation())?);
                folder.begin(settings, &head, trainer.parameters())?;
            }
            Some((path, checkpoint)) => {
                past = restore(&plan, (&mut trainer, &mut watch), (path, checkpoint))?;
                folder.go_on(settings, checkpoint.note(ROWS)?)?;
            }
        }
        println!("run      {}", folder.path().display());
        let log = Log::open(&folder, plan.ways, &trainer)?;
        let begins = if resumed.is_some() { "goes on" } else { "begins" };
        folder.event(begins, trainer.position().2, &device.describe());
        Ok((Self { plan, sets, folder, watch, reports: past, log, given_up: 0 }, trainer))
    }

    /// All epochs that are left; whether there were any. Where one fails, what is safe is said.
    ///
    /// # Errors
    /// When one fails, or a signal ends the run.
    pub fn train(&mut self, trainer: &mut Trainer, device: &mut Device) -> anyhow::Result<bool> {
        let signals = Signals::watch()?;
        let done = self.surviving((trainer, device), |run, trainer| run.epochs(trainer, &signals))?;
        if !done {
            println!("nothing to do: {} epochs are done; --epochs asks for more", trainer.position().0);
        }
        Ok(done)
    }

    /// Does what needs the device, again from the last checkpoint where that was lost. Where it fails for another reason, what
    /// is safe is said.
    ///
    /// # Errors
    /// When it fails, or no device opens instead of a lost one.
    pub fn surviving<T>(
        &mut self,
        (trainer, device): (&mut Trainer, &mut Device),
        mut work: impl FnMut(&mut Self, &mut Trainer) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut losses = Losses::default();
        loop {
            let error = match work(self, trainer) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let step = trainer.position().2;
            let lost = device.lost().filter(|_| !error.is::<Interrupted>()).map(str::to_owned);
            let Some(why) = lost else {
                self.folder.event("ends", step, &format!("{error:#}"));
                return Err(self.folder.safe(self.plan.command, self.diagnosed(error, device)));
            };
            self.folder.event("the device was lost", step, &why);
            let again = self.recover(&why, (trainer, device), &mut losses);
            again.map_err(|error| self.folder.safe(self.plan.command, error))?;
        }
    }

    /// Goes back to the last checkpoint, on a device that works.
    fn recover(
        &mut self,
        why: &str,
        (trainer, device): (&mut Trainer, &mut Device),
        losses: &mut Losses,
    ) -> anyhow::Result<()> {
        let Found { device: opened, path, checkpoint } =
            losses.recover(why, &self.folder.checkpoints(), self.plan.device)?;
        *device = opened.check_finite(self.plan.checked);
        *trainer = (self.plan.build)(device)?;
        self.watch.begin(trainer)?;
        self.reports = restore(&self.plan, (trainer, &mut self.watch), (&path, &checkpoint))?;
        self.folder.go_back(checkpoint.note(ROWS)?)?;
        self.log = Log::open(&self.folder, self.plan.ways, trainer)?;
        self.folder.event("goes on", trainer.position().2, &device.describe());
        Ok(())
    }

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
    fn epochs(&mut self, trainer: &mut Trainer, signals: &Signals) -> anyhow::Result<bool> {
        let mut checkpoints = self.folder.keeps(self.plan.keep.keep)?;
        if trainer.position().2 == 0 {
            // One from the beginning: whenever the run ends, it can go on.
            let pending = trainer.checkpoint(self.notes(trainer))?;
            self.folder.checkpoint(&mut checkpoints, 0, pending, false)?;
        }
        let (first, epochs) = (trainer.position().0 as usize + 1, self.plan.epochs as usize);
        let (many, averages) = (self.plan.many, self.plan.ways.averages());
        for epoch in first..=epochs {
            let mut failed = None;
            let (keep, sets) = (self.plan.keep, self.sets);
            let mut every = |trainer: &Trainer, now: &Progress| -> wgrad::Result<Flow> {
                let step = trainer.position().2;
                self.log.steps(trainer, &now.looks)?;
                let stop = signals.caught().is_some();
                if stop || keep.due(step) {
                    let pending = trainer.checkpoint(self.notes(trainer))?;
                    failed = self.folder.checkpoint(&mut checkpoints, step, pending, false).err();
                    self.folder.keep_as_it_is();
                }
                if keep.loses(step, self.given_up) {
                    self.given_up += 1;
                    trainer.parameters().device().lose();
                }
                Ok(if stop || failed.is_some() { Flow::Stop } else { Flow::Continue })
            };
            let report = one_epoch(trainer, sets, (many, epochs, averages), epoch, &mut every)?;
            let late = trainer.take_late_looks();
            self.log.steps(trainer, &late)?;
            if let Some(error) = failed {
                return Err(error);
            }
            let stopped = trainer.position().1 > 0;
            if stopped && let Some(signal) = signals.caught() {
                self.folder.settle(&mut checkpoints)?;
                return Err(Interrupted::at(signal, self.folder.path()).into());
            }
            println!("{}", line(&report, (many, epochs), self.sets.evaluated()));
            self.folder.save(trainer.parameters())?;
            self.folder.row(&report.csv_row())?;
            self.log.epoch(trainer, &report, self.sets)?;
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
            // One that came while the epoch was evaluated.
            if let Some(signal) = signals.caught().filter(|_| epoch < epochs) {
                self.folder.settle(&mut checkpoints)?;
                return Err(Interrupted::at(signal, self.folder.path()).into());
            }
        }
        self.folder.settle(&mut checkpoints)?;
        Ok(first <= epochs)
    }

    /// Evaluates on the test examples where every epoch was evaluated on others, and writes the curves and the
    /// averaged weights: how it was evaluated, and the files.
    ///
    /// # Errors
    /// When the device failed or a file can be written nowhere.
    pub fn evaluated(
        &mut self,
        trainer: &mut Trainer,
        device: &mut Device,
    ) -> anyhow::Result<(Measures, Vec<&'static str>)> {
        let evaluated = self.surviving((trainer, device), Self::evaluated_once)?;
        self.folder.event("is finished", trainer.position().2, "");
        Ok(evaluated)
    }

    fn evaluated_once(&mut self, trainer: &mut Trainer) -> anyhow::Result<(Measures, Vec<&'static str>)> {
        self.folder.picture("history", &plot::history(&self.reports, self.sets.evaluated())?)?;
        let mut files = vec!["history.svg", "history.png"];
        let averages = self.plan.ways.averages();
        let test = match (&self.sets.held, self.reports.last()) {
            // The last epoch was evaluated on them.
            (None, Some(last)) => last.test.clone(),
            _ if averages => trainer.evaluate_average(&self.sets.test)?,
            _ => trainer.evaluate(&self.sets.test)?,
        };
        if self.sets.held.is_some() {
            println!("test     {}", words(&test, " "));
        }
        if averages {
            self.folder.save_average(trainer)?;
            files.push("average.safetensors");
        }
        Ok((test, files))
    }

    /// Where the loss was not finite: goes over the steps since the last checkpoint again, looking at every value, to name the
    /// first that went wrong.
    fn diagnosed(&self, error: anyhow::Error, device: &Device) -> anyhow::Error {
        let not_finite =
            matches!(error.downcast_ref(), Some(wgrad::Error::Argument { name, .. }) if name == LOSS);
        if !not_finite || self.plan.checked {
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
        let mut trainer = (self.plan.build)(&device.clone().check_finite(true))?;
        trainer.resume(&checkpoint)?;
        let waited = trainer.parameters().names(Role::Metric).into_iter().next().unwrap_or_default();
        let mut last = (0, trainer.position().1, trainer.position().1);
        let again = trainer.epoch(&self.sets.train, |trainer, now| {
            last = (trainer.position().2, last.2, now.examples);
            // Waits for the step, so that what went wrong in it is reported now.
            trainer.parameters().get(&waited)?;
            Ok(Flow::Continue)
        });
        let Err(found) = again else { return Ok(None) };
        let (step, first, end) = last;
        let (epoch, seed) = (trainer.position().0 + 1, self.plan.seed);
        Ok(Some(format!(
            "step {step}, {} {first} to {end} of epoch {epoch} in the order of seed {seed}: {found}",
            self.plan.many
        )))
    }
}
