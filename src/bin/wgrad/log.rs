//! What a run writes down of its steps: `steps.jsonl` and `steps.csv`, and TensorBoard's event files where they are asked for.

use crate::run::{EVENTS, RunFolder};
use crate::ways::WaysArgs;
use std::time::Instant;
use wgrad::Error;
use wgrad::ops::Role;
use wgrad::optim::LEARNING_RATE;
use wgrad::train::{EpochReport, EventWriter, LOSS, Look, Measures, StepLog, StepRow, Trainer};

/// Writes down the steps of a run. Where the disk is full it says so once and writes no more: the run goes on.
pub struct Log {
    steps: Option<StepLog>,
    events: Option<EventWriter>,
    began: Instant,
    /// Examples of this process.
    examples: usize,
    /// The learning rate at first.
    rate: f64,
}

impl Log {
    /// Begins, or goes on after the steps that are done.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn open(folder: &RunFolder, ways: &WaysArgs, trainer: &Trainer) -> anyhow::Result<Self> {
        let (step, place) = (trainer.position().2 as u64, folder.path().join(EVENTS));
        let steps = match step {
            0 => StepLog::create(folder.path())?,
            step => StepLog::reopen(folder.path(), step)?,
        };
        let events = || match step {
            0 => EventWriter::create(&place),
            step => EventWriter::resume(&place, step),
        };
        let events = ways.tensorboard.then(events).transpose()?;
        let rate = trainer.parameters().get(LEARNING_RATE).ok();
        let rate = rate.and_then(|rate| rate.as_f32().ok()?.first().copied()).map_or(f64::NAN, f64::from);
        Ok(Self { steps: Some(steps), events, began: Instant::now(), examples: 0, rate })
    }

    /// Looks that have arrived.
    ///
    /// # Errors
    /// When an event cannot be written for another reason than a disk that is full.
    pub fn steps(&mut self, trainer: &Trainer, looks: &[Look]) -> wgrad::Result<()> {
        for look in looks {
            self.examples += look.measures.examples;
            let seconds = self.began.elapsed().as_secs_f64();
            let metrics: Vec<(&str, f64)> = others(&look.measures).collect();
            let row = StepRow {
                step: look.step as u64,
                epoch: trainer.position().0 + 1,
                loss: look.measures.loss(),
                metrics: &metrics,
                rate: trainer.rate().map_or(self.rate, f64::from),
                examples_per_second: self.examples as f64 / seconds.max(1e-9),
                seconds,
            };
            let written = self.steps.as_mut().map_or(Ok(()), |log| log.row(&row));
            if let Err(error) = written {
                self.give_up(error)?;
            }
            let events = self.events.as_mut().map_or(Ok(()), |events| {
                events.scalar("train/loss", row.step, row.loss)?;
                if row.rate.is_finite() {
                    events.scalar("train/rate", row.step, row.rate)?;
                }
                metrics
                    .iter()
                    .try_for_each(|(name, value)| events.scalar(&format!("train/{name}"), row.step, *value))
            });
            if let Err(error) = events {
                self.give_up(error)?;
            }
        }
        Ok(())
    }

    /// How an epoch was judged, and what the weights are like.
    ///
    /// # Errors
    /// As [`Log::steps`], and when the device failed.
    pub fn epoch(&mut self, trainer: &Trainer, report: &EpochReport, judged: &str) -> wgrad::Result<()> {
        let Some(events) = &mut self.events else { return Ok(()) };
        let step = trainer.position().2 as u64;
        let mut write = || {
            for (name, value) in report.test.values() {
                events.scalar(&format!("{judged}/{name}"), step, *value)?;
            }
            for name in trainer.parameters().names(Role::Parameter) {
                events.histogram(
                    &format!("weights/{name}"),
                    step,
                    trainer.parameters().get(&name)?.as_f32()?,
                )?;
            }
            events.flush()
        };
        match write() {
            Ok(()) => Ok(()),
            Err(error) => self.give_up(error),
        }
    }

    /// Writes no more where the disk does not take it.
    fn give_up(&mut self, error: Error) -> wgrad::Result<()> {
        match error {
            Error::Io { .. } => {
                eprintln!("{error}; steps are not written down any more");
                (self.steps, self.events) = (None, None);
                Ok(())
            }
            other => Err(other),
        }
    }
}

/// All that was measured but the loss.
fn others(measures: &Measures) -> impl Iterator<Item = (&str, f64)> {
    let values = measures.values().iter().filter(|(name, _)| name != LOSS);
    values.map(|(name, value)| (name.as_str(), *value))
}
