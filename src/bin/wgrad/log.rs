//! What a run writes down of its steps: `steps.jsonl` and `steps.csv`, and TensorBoard's event files where they are asked for.

use crate::data::Sets;
use crate::pictures::{self, Image};
use crate::run::{EVENTS, RunFolder};
use crate::ways::WaysArgs;
use std::time::Instant;
use wgrad::Error;
use wgrad::data::Batch;
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

    /// How an epoch was evaluated, what weights and gradients are like, the first filters; after the first epoch some training
    /// examples.
    ///
    /// # Errors
    /// As [`Log::steps`], and when the device failed.
    pub fn epoch(&mut self, trainer: &Trainer, report: &EpochReport, sets: &Sets) -> anyhow::Result<()> {
        let Some(events) = &mut self.events else { return Ok(()) };
        match seen(events, trainer, report, sets) {
            Err(error) => match error.downcast() {
                Ok(error) => Ok(self.give_up(error)?),
                Err(error) => Err(error),
            },
            Ok(()) => Ok(()),
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

/// Training examples that are shown.
const SHOWN: usize = 32;

/// Writes what an epoch has made.
fn seen(
    events: &mut EventWriter,
    trainer: &Trainer,
    report: &EpochReport,
    sets: &Sets,
) -> anyhow::Result<()> {
    let (step, options, parameters) = (trainer.position().2 as u64, trainer.options(), trainer.parameters());
    for (name, value) in report.test.values() {
        events.scalar(&format!("{}/{name}", sets.evaluated()), step, *value)?;
    }
    for name in parameters.names(Role::Parameter) {
        events.histogram(&format!("weights/{name}"), step, parameters.get(&name)?.as_f32()?)?;
    }
    // Those of the first examples, the same every time, as they would be read in this epoch.
    let (train, epoch) = (sets.train.as_ref(), report.epoch as u64);
    let rows = options.micro_batch.unwrap_or(options.batch_size).min(options.batch_size).min(train.len());
    let batch = Batch::read(train, &(0..rows).collect::<Vec<_>>(), options.seed, epoch)?;
    for (name, gradient) in trainer.gradients(&batch)? {
        events.histogram(&format!("gradients/{name}"), step, gradient.as_f32()?)?;
    }
    if let Some((name, _, Image { size, png })) = pictures::filters(parameters)? {
        events.image(&format!("filters/{name}"), step, &png, size.0, size.1)?;
    }
    if report.epoch == 1 {
        let indices: Vec<usize> = (0..SHOWN.min(train.len())).collect();
        if let Some(Image { size, png }) = pictures::examples(train, &indices, (options.seed, 0))? {
            events.image("train/examples", step, &png, size.0, size.1)?;
        }
    }
    Ok(events.flush()?)
}

/// All that was measured but the loss.
fn others(measures: &Measures) -> impl Iterator<Item = (&str, f64)> {
    let values = measures.values().iter().filter(|(name, _)| name != LOSS);
    values.map(|(name, value)| (name.as_str(), *value))
}
