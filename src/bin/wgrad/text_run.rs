//! A text that is being learned: its steps, its checkpoints, a device that is lost meanwhile.

use crate::recovery::{Found, Losses};
use crate::resume::{DEVICE, ROWS, number, tell_change};
use crate::run::RunFolder;
use crate::signals::{Interrupted, Signals};
use crate::text::{MODEL, TextArgs};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Instant;
use wgrad::train::TextTrainer;
use wgrad::{Checkpoint, Device, Parameters, Pending};

/// Steps whose loss may be on its way.
const AHEAD: usize = 4;

/// One row of `metrics.csv`.
pub struct Row {
    /// Steps done.
    pub step: u32,
    /// The mean loss since the row before.
    pub train: f64,
    /// That on the validation text.
    pub validation: f64,
    seconds: f64,
}

/// The head of `metrics.csv`.
pub const CSV_HEAD: &str = "step,train_loss,validation_loss,seconds";

impl Row {
    fn of(row: &str) -> anyhow::Result<Self> {
        let numbers: Option<Vec<f64>> = row.split(',').map(|field| field.parse().ok()).collect();
        let Some([step, train, validation, seconds]) = numbers.as_deref() else {
            anyhow::bail!("metrics: expected four numbers, {CSV_HEAD}, got {row}");
        };
        Ok(Self { step: *step as u32, train: *train, validation: *validation, seconds: *seconds })
    }

    fn csv(&self) -> String {
        let Self { step, train, validation, seconds } = self;
        format!("{step},{train:.6},{validation:.6},{seconds:.3}")
    }
}

/// What a checkpoint of `wgrad text` notes besides: the text's checksum, and the losses since the last row.
const TEXT: &str = "text";
const SUM: &str = "sum";
const COUNT: &str = "count";
const SECONDS: &str = "seconds";
const BEST: &str = "best";

/// What came before, and what the rows have to go on with.
#[derive(Default)]
pub struct Past {
    /// The text's checksum.
    text: u32,
    /// The rows of metrics.csv.
    pub rows: Vec<Row>,
    /// The losses since the last row.
    sum: f64,
    count: f64,
    seconds: f64,
    best: Option<f64>,
}

impl Past {
    /// Nothing yet, of this text.
    pub fn of(text: &str) -> Self {
        Self { text: crc32fast::hash(text.as_bytes()), ..Self::default() }
    }

    /// Takes over what a checkpoint notes.
    ///
    /// # Errors
    /// When it notes something else.
    pub fn go_on(&mut self, checkpoint: &Checkpoint, device: &str) -> anyhow::Result<()> {
        tell_change("device", checkpoint.note(DEVICE)?, device);
        tell_change("text's checksum", checkpoint.note(TEXT)?, &self.text.to_string());
        self.rows = checkpoint.note(ROWS)?.lines().skip(1).map(Row::of).collect::<anyhow::Result<_>>()?;
        self.sum = f64::from_bits(number(checkpoint, SUM)?);
        (self.count, self.seconds) = (number(checkpoint, COUNT)?, number(checkpoint, SECONDS)?);
        self.best = checkpoint.note(BEST)?.parse().ok();
        Ok(())
    }

    fn notes(&self, folder: &RunFolder, parameters: &Parameters, seconds: f64) -> BTreeMap<String, String> {
        let best = self.best.map_or(String::new(), |best| best.to_string());
        [
            (ROWS, folder.metrics().to_owned()),
            (DEVICE, parameters.device().describe()),
            (TEXT, self.text.to_string()),
            (SUM, self.sum.to_bits().to_string()),
            (COUNT, self.count.to_string()),
            (SECONDS, seconds.to_string()),
            (BEST, best),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Takes in losses until so many are left on their way.
    fn settle(&mut self, pending: &mut VecDeque<Pending>, left: usize, step: usize) -> anyhow::Result<()> {
        while pending.len() > left {
            let Some(first) = pending.pop_front() else { break };
            let loss = f64::from(first.wait()?.as_f32()?[0]);
            if !loss.is_finite() {
                anyhow::bail!("step {step}: expected a finite loss, got {loss}; try a smaller --lr");
            }
            (self.sum, self.count) = (self.sum + loss, self.count + 1.0);
        }
        Ok(())
    }
}

/// What learns a text, on a device.
pub struct Learner {
    /// The states.
    pub parameters: Parameters,
    /// The program.
    pub trainer: TextTrainer,
}

/// A text that is being learned.
pub struct TextRun<'a> {
    /// What was asked for.
    pub args: &'a TextArgs,
    /// Makes what learns it.
    pub build: &'a dyn Fn(&Device) -> anyhow::Result<Learner>,
    /// Where it is kept.
    pub folder: RunFolder,
    /// What came before.
    pub past: Past,
    /// How often its device was lost on purpose.
    pub given_up: usize,
}

impl TextRun<'_> {
    /// All steps that are left, with looks at the validation text, each kept; from the last checkpoint again where the device
    /// was lost. Where it fails for another reason, what is safe is said.
    ///
    /// # Errors
    /// When a step fails, a signal ends the run, or no device opens instead of a lost one.
    pub fn learn(&mut self, learner: &mut Learner) -> anyhow::Result<()> {
        let (signals, mut losses) = (Signals::watch()?, Losses::default());
        loop {
            let Err(error) = self.steps(learner, &signals) else { return Ok(()) };
            let (step, device) = (learner.trainer.position(), learner.parameters.device());
            let lost = device.lost().filter(|_| !error.is::<Interrupted>()).map(str::to_owned);
            let Some(why) = lost else {
                self.folder.event("ends", step, &format!("{error:#}"));
                return Err(self.folder.safe(MODEL, error));
            };
            self.folder.event("the device was lost", step, &why);
            self.recover(&why, learner, &mut losses).map_err(|error| self.folder.safe(MODEL, error))?;
        }
    }

    /// Goes back to the last checkpoint, on a device that works.
    fn recover(&mut self, why: &str, learner: &mut Learner, losses: &mut Losses) -> anyhow::Result<()> {
        let Found { device, path, checkpoint } =
            losses.recover(why, &self.folder.checkpoints(), &self.args.device)?;
        *learner = (self.build)(&device.check_finite(self.args.check_finite))?;
        self.resume(learner, &path, &checkpoint)?;
        self.folder.go_back(checkpoint.note(ROWS)?)
    }

    /// Goes on from a checkpoint, and says so.
    ///
    /// # Errors
    /// When it is of another run.
    pub fn resume(
        &mut self,
        learner: &mut Learner,
        path: &Path,
        checkpoint: &Checkpoint,
    ) -> anyhow::Result<()> {
        let of = || path.display().to_string();
        let device = learner.parameters.device().describe();
        self.past.go_on(checkpoint, &device).with_context(of)?;
        learner.trainer.resume(checkpoint).with_context(of)?;
        println!("resumed  {}: {} steps", path.display(), learner.trainer.position());
        self.folder.event("goes on", learner.trainer.position(), &device);
        Ok(())
    }

    fn steps(&mut self, learner: &mut Learner, signals: &Signals) -> anyhow::Result<()> {
        let Self { args, folder, past, given_up, .. } = self;
        let Learner { parameters, trainer } = learner;
        let (steps, first) = (args.steps() as usize, trainer.position());
        let bar = ProgressBar::new(steps as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {msg}, {eta} left")?);
        let (began, before) = (Instant::now(), past.seconds);
        let mut checkpoints = folder.keeps(args.keep.keep)?;
        let every = args.validate_every.map_or(steps.div_ceil(10), |every| every as usize);
        let mut pending: VecDeque<Pending> = VecDeque::new();
        if first == 0 {
            // One from the beginning: whenever the run ends, it can go on.
            let pending = trainer.checkpoint(past.notes(folder, parameters, 0.0))?;
            folder.checkpoint(&mut checkpoints, 0, pending, false)?;
        }
        for step in first + 1..=steps {
            pending.push_back(trainer.step()?);
            let due = step.is_multiple_of(every) || step == steps;
            let signal = signals.caught();
            let keep = due || args.keep.due(step) || signal.is_some();
            past.settle(&mut pending, if keep { 0 } else { AHEAD }, step)?;
            let rate = (step - first) as f64 * (args.batch_size * args.window) as f64
                / began.elapsed().as_secs_f64();
            bar.set_position(step as u64);
            let mean = past.sum / f64::max(past.count, 1.0);
            bar.set_message(format!("loss {mean:.3}, {rate:.0} characters/s"));
            let mut better = false;
            if due {
                let seconds = before + began.elapsed().as_secs_f64();
                let row = Row { step: step as u32, train: mean, validation: trainer.validate()?, seconds };
                let Row { train, validation, seconds, .. } = row;
                bar.suspend(|| {
                    println!("step {step}  train {train:.4}  validation {validation:.4}  {seconds:.0} s")
                });
                folder.save(parameters)?;
                folder.row(&row.csv())?;
                better = past.best.is_none_or(|best| validation < best);
                past.best = past.best.map_or(Some(validation), |best| Some(best.min(validation)));
                past.rows.push(row);
                (past.sum, past.count) = (0.0, 0.0);
            }
            if keep {
                let notes = past.notes(folder, parameters, before + began.elapsed().as_secs_f64());
                folder.checkpoint(&mut checkpoints, step, trainer.checkpoint(notes)?, better)?;
                folder.keep_as_it_is();
            }
            if args.keep.loses(step, *given_up) {
                *given_up += 1;
                parameters.device().lose();
            }
            if let Some(signal) = signal.filter(|_| step < steps) {
                folder.settle(&mut checkpoints)?;
                bar.finish_and_clear();
                return Err(Interrupted::at(signal, folder.path()).into());
            }
        }
        folder.settle(&mut checkpoints)?;
        bar.finish_and_clear();
        Ok(())
    }
}
