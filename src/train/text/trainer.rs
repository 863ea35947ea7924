//! Trains a character model on windows of a text, and evaluates it on another.

use super::super::rates::Rates;
use super::{Purpose, Reader, TextModel};
use crate::data::Streams;
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, Executable, Parameters, Pending, PendingCheckpoint};
use crate::optim::{Optimizer, Schedule};
use crate::platform::block_on;
use std::collections::BTreeMap;

/// How a text is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextOptions {
    /// Streams read side by side.
    pub batch_size: usize,
    /// Characters of a window: as far as gradients go back.
    pub steps: usize,
    /// The norm to which all gradients together are clipped.
    pub max_norm: f32,
}

/// What a checkpoint notes of where a run stands.
const STEP: &str = "text.step";
const WINDOW: &str = "text.window";

/// Learns a text.
pub struct TextTrainer {
    learner: Reader,
    evaluator: Reader,
    train: Streams,
    validation: Streams,
    step: usize,
    schedule: Option<(Schedule, Rates)>,
}

impl TextTrainer {
    /// Compiles the training of `model` on the first text, evaluated on the second: side by side as many streams of
    /// it as there are to learn from, fewer when it is too short for those.
    ///
    /// # Errors
    /// When a text is too short, an option is out of range, or the device cannot hold the program.
    pub fn new(
        parameters: &Parameters,
        model: &TextModel,
        optimizer: &dyn Optimizer,
        texts: (Vec<u32>, Vec<u32>),
        options: TextOptions,
    ) -> Result<Self> {
        block_on("TextTrainer::new_async", Self::new_async(parameters, model, optimizer, texts, options))
    }

    /// As [`TextTrainer::new`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::new`].
    pub async fn new_async(
        parameters: &Parameters,
        model: &TextModel,
        optimizer: &dyn Optimizer,
        texts: (Vec<u32>, Vec<u32>),
        options: TextOptions,
    ) -> Result<Self> {
        let TextOptions { batch_size, steps, max_norm } = options;
        let train = Streams::new(texts.0, batch_size, steps)?;
        let validation = Streams::fitting(texts.1, batch_size, steps)?;
        let learn = Purpose::Learn(optimizer, max_norm);
        let learner = Reader::new(parameters, model, [steps, batch_size], learn).await?;
        let evaluator =
            Reader::new(parameters, model, [steps, validation.batch()], Purpose::Evaluate).await?;
        Ok(Self { learner, evaluator, train, validation, step: 0, schedule: None })
    }

    /// The program of a training step: its plan and memory.
    pub fn executable(&self) -> &Executable {
        &self.learner.program
    }

    /// Lets the learning rates follow a schedule, a step of which is a window.
    ///
    /// # Errors
    /// When one of its numbers is out of range, there is no optimizer with a rate, or the device failed.
    pub fn follow(&mut self, schedule: Schedule) -> Result<()> {
        block_on("TextTrainer::follow_async", self.follow_async(schedule))
    }

    /// As [`TextTrainer::follow`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::follow`].
    pub async fn follow_async(&mut self, schedule: Schedule) -> Result<()> {
        schedule.check()?;
        self.schedule = Some((schedule, Rates::new_async(&self.learner.parameters).await?));
        Ok(())
    }

    /// Learns from the next window; at the end of the text it begins again with a zero state. The loss comes
    /// later.
    ///
    /// # Errors
    /// When the device failed.
    pub fn step(&mut self) -> Result<Pending> {
        block_on("TextTrainer::step_async", self.step_async())
    }

    /// As [`TextTrainer::step`], without waiting: done before the device is, unless that is several steps behind.
    ///
    /// # Errors
    /// As [`TextTrainer::step`].
    pub async fn step_async(&mut self) -> Result<Pending> {
        let window = self.step % self.train.windows();
        if window == 0 {
            self.learner.reset()?;
        }
        let (tokens, targets) = self.train.window(window)?;
        if let Some((schedule, rates)) = &mut self.schedule {
            rates.follow(schedule, self.step as u64)?;
        }
        self.step += 1;
        self.learner.run(&tokens, Some(&targets)).await
    }

    /// Steps so far.
    pub fn position(&self) -> usize {
        self.step
    }

    /// All that the run needs to go on as if it had not stopped, on its way, with these notes.
    ///
    /// # Errors
    /// When the device failed.
    pub fn checkpoint(&self, mut notes: BTreeMap<String, String>) -> Result<PendingCheckpoint> {
        notes.insert(STEP.to_owned(), self.step.to_string());
        notes.insert(WINDOW.to_owned(), self.window());
        self.learner.parameters.checkpoint(notes)
    }

    /// Streams and characters of a window, which tell with the number of the step where in the text it is.
    fn window(&self) -> String {
        self.learner.tokens.shape().to_string()
    }

    /// Goes on from a checkpoint: with the same options and texts each bit is what it would have been.
    ///
    /// # Errors
    /// When it is of another model, optimizer or window, or of no [`TextTrainer`].
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        block_on("TextTrainer::resume_async", self.resume_async(checkpoint))
    }

    /// As [`TextTrainer::resume`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::resume`].
    pub async fn resume_async(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let (step, window) = (checkpoint.note(STEP)?, checkpoint.note(WINDOW)?);
        if window != self.window() {
            let expected = format!("those of the checkpoint, {window}");
            return Err(Error::argument("characters of a window and streams", expected, self.window()));
        }
        let step = step.parse().map_err(|_| Error::argument(STEP, "a number", step))?;
        self.learner.parameters.restore(checkpoint)?;
        if let Some((_, rates)) = &mut self.schedule {
            rates.refresh_async().await?;
        }
        self.step = step;
        Ok(())
    }

    /// The mean loss on the validation text, read from its beginning with carried state.
    ///
    /// # Errors
    /// When the device failed.
    pub fn validate(&mut self) -> Result<f64> {
        block_on("TextTrainer::validate_async", self.validate_async())
    }

    /// As [`TextTrainer::validate`], without waiting.
    ///
    /// # Errors
    /// As [`TextTrainer::validate`].
    pub async fn validate_async(&mut self) -> Result<f64> {
        self.evaluator.reset()?;
        let mut sum = 0.0;
        for index in 0..self.validation.windows() {
            let (tokens, targets) = self.validation.window(index)?;
            sum += f64::from(self.evaluator.run(&tokens, Some(&targets)).await?.await?.as_f32()?[0]);
        }
        Ok(sum / self.validation.windows() as f64)
    }
}
