//! Epochs until it is enough: validation, early stopping, the best weights, checkpoints, and what a user hooks in.

use super::checkpoints::Checkpoints;
use super::looks::{Flow, Progress};
use super::measures::Measures;
use super::report::EpochReport;
use super::trainer::Trainer;
use super::watch::{EarlyStopping, Monitor, Verdict, Watch};
use crate::data::Examples;
use crate::error::Result;
use crate::exec::Checkpoint;
use crate::optim::ReduceOnPlateau;
use crate::platform::Instant;
use std::sync::Arc;

/// Hooks that [`Fit`] calls during a run. Each does nothing by default.
pub trait Callback {
    /// Before the first step.
    ///
    /// # Errors
    /// What ends the run.
    fn train_begins(&mut self, _trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// After a step was given to the device.
    ///
    /// # Errors
    /// What ends the run.
    fn step_ends(&mut self, _trainer: &Trainer, _now: &Progress) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// After an epoch was evaluated.
    ///
    /// # Errors
    /// What ends the run.
    fn epoch_ends(&mut self, _trainer: &mut Trainer, _report: &EpochReport) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// After the last epoch, whyever it was the last.
    ///
    /// # Errors
    /// What the run fails with.
    fn train_ends(&mut self, _trainer: &mut Trainer, _reports: &[EpochReport]) -> Result<()> {
        Ok(())
    }
}

/// Trains for a number of epochs, with validation, checkpoints and early stopping.
///
/// ```
/// use std::sync::Arc;
/// use wgrad::data::{self, Examples};
/// use wgrad::train::{Classification, EarlyStopping, Fit, Options, Trainer};
/// use wgrad::{Device, nn, optim};
///
/// # fn main() -> wgrad::Result<()> {
/// let all: Arc<dyn Examples> = Arc::new(data::digits(600, 1)?);
/// let (train, held) = data::split(&all, 0.2, 0)?;
/// let train: Arc<dyn Examples> = Arc::new(train);
/// let model = nn::Sequential::new().add(nn::Flatten).add(nn::Linear::new(28 * 28, 10));
/// let (task, adam) = (Classification::new(model).top_k(3), optim::Adam::new(1e-3));
/// let mut trainer = Trainer::new(&Device::cpu(), task, adam, train.as_ref(), Options::default())?;
/// let reports = Fit::new(3)
///     .validation(Arc::new(held))
///     .early_stopping(EarlyStopping::new(2))
///     .restore_best(true)
///     .run(&mut trainer, &train)?;
/// assert!(reports[0].test.get("top3_accuracy").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Fit {
    epochs: u64,
    validation: Option<Arc<dyn Examples>>,
    watch: Watch,
    checkpoints: Option<(Checkpoints, Option<usize>)>,
    restore_best: bool,
    callbacks: Vec<Box<dyn Callback>>,
    best_weights: Option<Checkpoint>,
}

impl Fit {
    /// Until so many epochs are done, those before a checkpoint among them.
    pub fn new(epochs: u64) -> Self {
        Self { epochs, ..Self::default() }
    }

    /// Evaluates every epoch on these examples: with the averaged weights where an average is kept.
    #[must_use]
    pub fn validation(self, data: Arc<dyn Examples>) -> Self {
        Self { validation: Some(data), ..self }
    }

    /// Sets the metric that decides which epoch is best; the loss.
    #[must_use]
    pub fn monitor(mut self, metric: &str, maximize: bool) -> Self {
        self.watch.monitor = Monitor { metric: metric.to_owned(), maximize };
        self
    }

    /// Ends when the metric no longer becomes better.
    #[must_use]
    pub fn early_stopping(mut self, stopping: EarlyStopping) -> Self {
        self.watch.stopping = Some(stopping);
        self
    }

    /// Lowers the learning rates where the metric no longer becomes better; which way is better, [`Fit::monitor`] says.
    #[must_use]
    pub fn reduce_on_plateau(mut self, plateau: ReduceOnPlateau) -> Self {
        self.watch.plateau = Some(plateau);
        self
    }

    /// Writes a checkpoint after every epoch, and every so many steps, while the device works; the best one, too.
    #[must_use]
    pub fn checkpoints(self, checkpoints: Checkpoints, every: Option<usize>) -> Self {
        Self { checkpoints: Some((checkpoints, every)), ..self }
    }

    /// Whether all is put back at the end to what it was after the best epoch; no.
    #[must_use]
    pub fn restore_best(self, restore_best: bool) -> Self {
        Self { restore_best, ..self }
    }

    /// Adds a callback, which is called after those that were added before.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Goes on from a checkpoint that [`Fit::run`] wrote, as if it had not stopped. Of the best weights before it, the file
    /// `best.safetensors` alone knows.
    ///
    /// # Errors
    /// As [`Trainer::resume`].
    pub fn resume(&mut self, trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<()> {
        let mut watch = self.watch.clone();
        watch.resume(checkpoint)?;
        trainer.resume(checkpoint)?;
        self.watch = watch;
        Ok(())
    }

    /// Trains: the reports of the epochs that this call did.
    ///
    /// # Errors
    /// When an option is out of range or does not go with another, an epoch fails, a checkpoint cannot be written, or a
    /// callback fails.
    pub fn run(mut self, trainer: &mut Trainer, data: &Arc<dyn Examples>) -> Result<Vec<EpochReport>> {
        self.watch.begin(trainer)?;
        let mut callbacks = std::mem::take(&mut self.callbacks);
        callbacks.iter_mut().try_for_each(|callback| callback.train_begins(trainer))?;
        let mut reports = Vec::new();
        while trainer.position().0 < self.epochs {
            let Some(report) = self.epoch(trainer, data, &mut callbacks)? else { break };
            let goes_on = self.evaluated(trainer, &report, &mut callbacks)?;
            reports.push(report);
            if !goes_on {
                break;
            }
        }
        if let Some((checkpoints, _)) = &mut self.checkpoints {
            checkpoints.finish()?;
        }
        if let Some(best) = self.best_weights.take().filter(|_| self.restore_best) {
            trainer.parameters().restore(&best)?;
        }
        callbacks.iter_mut().try_for_each(|callback| callback.train_ends(trainer, &reports))?;
        Ok(reports)
    }

    /// One epoch, or the rest of it; `None` where it was stopped in its midst.
    fn epoch(
        &mut self,
        trainer: &mut Trainer,
        data: &Arc<dyn Examples>,
        callbacks: &mut [Box<dyn Callback>],
    ) -> Result<Option<EpochReport>> {
        let began = Instant::now();
        let train = trainer.epoch(data, |trainer, now| {
            let mut flow = Flow::Continue;
            for callback in &mut *callbacks {
                if callback.step_ends(trainer, now)? == Flow::Stop {
                    flow = Flow::Stop;
                }
            }
            let notes = self.watch.notes();
            if let Some((checkpoints, every)) = &mut self.checkpoints {
                let step = trainer.position().2;
                if flow == Flow::Stop || every.is_some_and(|every| step.is_multiple_of(every.max(1))) {
                    checkpoints.write(step as u64, trainer.checkpoint(notes)?, false)?;
                }
            }
            Ok(flow)
        })?;
        let seconds = began.elapsed().as_secs_f64();
        if trainer.position().1 > 0 {
            return Ok(None);
        }
        let test = match &self.validation {
            None => Measures::default(),
            Some(held) if trainer.options().average.is_some() => trainer.evaluate_average(held)?,
            Some(held) => trainer.evaluate(held)?,
        };
        Ok(Some(EpochReport { epoch: trainer.position().0 as usize, train, test, seconds }))
    }

    /// Looks at a report; whether the run goes on.
    fn evaluated(
        &mut self,
        trainer: &mut Trainer,
        report: &EpochReport,
        callbacks: &mut [Box<dyn Callback>],
    ) -> Result<bool> {
        let Verdict { best, last } = self.watch.look(trainer, report)?;
        let mut goes_on = !last;
        for callback in callbacks {
            goes_on &= callback.epoch_ends(trainer, report)? == Flow::Continue;
        }
        let notes = self.watch.notes();
        if best && self.restore_best {
            self.best_weights = Some(trainer.checkpoint(notes.clone())?.wait()?);
        }
        if let Some((checkpoints, _)) = &mut self.checkpoints {
            checkpoints.write(trainer.position().2 as u64, trainer.checkpoint(notes)?, best)?;
        }
        Ok(goes_on)
    }
}
