//! The training loop.

use super::classifier::{Batched, Classifier, Evaluation};
use super::metrics::{self, PendingTotals, Totals};
use super::rates::Rates;
use crate::data::{Batch, Dataset, Examples, Loader, Order};
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, Device, Executable, Parameters, PendingCheckpoint, Profile};
use crate::nn::Module;
use crate::optim::{Optimizer, Schedule};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// Steps between two looks at the loss. Reading costs the device a few microseconds.
const REPORT_EVERY: usize = 8;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Images a step.
    pub batch_size: usize,
    /// Of the first weights and of the order of the images.
    pub seed: u64,
}

impl Default for Options {
    /// Batches of 64, seed 0.
    fn default() -> Self {
        Self { batch_size: 64, seed: 0 }
    }
}

/// Where an epoch stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps given to the device.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Images given to the device.
    pub images: usize,
    /// Loss and accuracy over the steps between the last two looks; no images before the first.
    pub recent: Totals,
}

/// Whether an epoch goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// With the next batch.
    Continue,
    /// Not now: the next call of [`Trainer::epoch`] goes on where this one stopped.
    Stop,
}

/// Where a run stands, as its checkpoints note it.
const EPOCH: &str = "trainer.epoch";
const IMAGES: &str = "trainer.images";
const STEPS: &str = "trainer.steps";
const SEED: &str = "trainer.seed";

/// A model, an optimizer and a device.
pub struct Trainer {
    classifier: Classifier,
    optimizer: Box<dyn Optimizer>,
    options: Options,
    epochs: u64,
    /// Images of the epoch that were given to the device.
    images: usize,
    programs: HashMap<usize, Batched>,
    steps: usize,
    schedule: Schedule,
    rates: Option<Rates>,
    profiled: Range<usize>,
    profiles: Vec<(usize, Profile)>,
}

impl Trainer {
    /// Compiles the training of `model` on images of `image_shape` (channels, height, width).
    ///
    /// # Errors
    /// When the batch size is 0, the model does not accept such images, an option is out of range, or the
    /// device cannot hold the program.
    pub fn new(
        device: &Device,
        model: impl Module + 'static,
        optimizer: impl Optimizer + 'static,
        image_shape: [usize; 3],
        options: Options,
    ) -> Result<Self> {
        let parameters = Parameters::new(device, options.seed);
        let classifier = Classifier::new(&parameters, model, image_shape)?;
        let optimizer = Box::new(optimizer);
        let (programs, profiles) = (HashMap::new(), Vec::new());
        let (epochs, images, steps, profiled) = (0, 0, 0, 0..0);
        let (schedule, rates) = (Schedule::Unchanged, None);
        let mut trainer = Self {
            classifier,
            optimizer,
            options,
            epochs,
            images,
            programs,
            steps,
            schedule,
            rates,
            profiled,
            profiles,
        };
        trainer.program(options.batch_size)?;
        Ok(trainer)
    }

    /// Lets the learning rates follow a schedule, a step of which is a batch.
    ///
    /// # Errors
    /// When one of its numbers is out of range or the device failed.
    pub fn follow(&mut self, schedule: Schedule) -> Result<()> {
        schedule.check()?;
        if self.rates.is_none() {
            self.rates = Some(Rates::new(self.parameters())?);
        }
        self.schedule = schedule;
        Ok(())
    }

    /// The learning rate of the last step; `None` where no schedule changes it.
    pub fn rate(&self) -> Option<f32> {
        self.rates.as_ref().map(Rates::now)
    }

    /// Epochs that are done, images of the next one that are, and steps in all.
    pub fn position(&self) -> (u64, usize, usize) {
        (self.epochs, self.images, self.steps)
    }

    /// All that the run needs to go on as if it had not stopped, on its way, with these notes.
    ///
    /// # Errors
    /// When the device failed.
    pub fn checkpoint(&self, mut notes: BTreeMap<String, String>) -> Result<PendingCheckpoint> {
        let numbers = [
            (EPOCH, self.epochs),
            (IMAGES, self.images as u64),
            (STEPS, self.steps as u64),
            (SEED, self.options.seed),
        ];
        notes.extend(numbers.map(|(key, number)| (key.to_owned(), number.to_string())));
        self.parameters().checkpoint(notes)
    }

    /// Goes on from a checkpoint: with the same options and data each bit is what it would have been. Another device, or
    /// another batch size, is no error.
    ///
    /// # Errors
    /// When it is of another model, optimizer or seed, or of no [`Trainer`].
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let number = |key: &str| {
            let note = checkpoint.note(key)?;
            note.parse::<u64>().map_err(|_| Error::argument(key, "a number", note))
        };
        if number(SEED)? != self.options.seed {
            let expected = format!("that of the checkpoint, {}", number(SEED)?);
            return Err(Error::argument("seed", expected, self.options.seed.to_string()));
        }
        let (epochs, images, steps) = (number(EPOCH)?, number(IMAGES)? as usize, number(STEPS)? as usize);
        self.parameters().restore(checkpoint)?;
        if let Some(rates) = &mut self.rates {
            rates.refresh()?;
        }
        (self.epochs, self.images, self.steps) = (epochs, images, steps);
        Ok(())
    }

    /// The model, for evaluation and prediction with the weights of the moment.
    pub fn classifier(&mut self) -> &mut Classifier {
        &mut self.classifier
    }

    /// Weights, optimizer state and metrics, on the device.
    pub fn parameters(&self) -> &Parameters {
        self.classifier.parameters()
    }

    /// The program of a whole batch: its plan and its memory.
    ///
    /// # Errors
    /// When it has to be compiled again and the device failed.
    pub fn executable(&mut self) -> Result<&Executable> {
        self.program(self.options.batch_size).map(|held| &held.program)
    }

    /// Measures every kernel of these steps, counted from 0 over all epochs, while they train: the weights
    /// become the same, and the host waits for each such step.
    pub fn profile(&mut self, steps: Range<usize>) {
        self.profiled = steps;
    }

    /// What was measured so far: the number of the step and its kernels.
    pub fn profiles(&self) -> &[(usize, Profile)] {
        &self.profiles
    }

    fn program(&mut self, batch_size: usize) -> Result<&mut Batched> {
        use std::collections::hash_map::Entry;
        match self.programs.entry(batch_size) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => {
                Ok(place.insert(self.classifier.build(batch_size, Some(self.optimizer.as_ref()))?))
            }
        }
    }

    /// One pass over the dataset in a seeded random order, the last short batch included, or the rest of one that was stopped.
    /// `progress` is told after every step and may stop. The loss comes back while the device works; at the end it waits for
    /// the device.
    ///
    /// # Errors
    /// When the dataset does not fit the model or has fewer images than a batch, the loss is not finite, the device failed, or
    /// `progress` did.
    pub fn epoch(
        &mut self,
        data: &Arc<Dataset>,
        mut progress: impl FnMut(&Trainer, &Progress) -> Result<Flow>,
    ) -> Result<Totals> {
        self.classifier.accepts(data)?;
        let order = Order::Shuffled { seed: self.options.seed, epoch: self.epochs };
        let examples: Arc<dyn Examples> = data.clone();
        let loader = Loader::starting_at(&examples, self.options.batch_size, order, self.images)?;
        let mut looks = Looks::default();
        let before = self.images / self.options.batch_size;
        let steps = before + loader.len();
        let mut now = Progress { step: before, steps, images: self.images, recent: Totals::default() };
        if self.images == 0 {
            metrics::reset(self.parameters())?;
        } else {
            looks.last = metrics::read(self.parameters(), self.images)?;
        }
        for batch in loader {
            let batch = batch?;
            let rows = batch.rows;
            let profile = self.profiled.contains(&self.steps);
            if let Some(rates) = &mut self.rates {
                rates.follow(&self.schedule, self.steps as u64)?;
            }
            let held = self.program(rows)?;
            let profile = held.run(&batch, profile)?;
            let number = self.steps;
            self.profiles.extend(profile.map(|profile| (number, profile)));
            self.steps += 1;
            now.step += 1;
            now.images += rows;
            self.images = now.images;
            if now.step.is_multiple_of(REPORT_EVERY) {
                looks.pending.push_back(PendingTotals::start(self.parameters(), now.images)?);
            }
            looks.collect()?;
            now.recent = looks.recent;
            if progress(self, &now)? == Flow::Stop {
                return metrics::read(self.parameters(), now.images);
            }
        }
        (self.epochs, self.images) = (self.epochs + 1, 0);
        metrics::read(self.parameters(), now.images)
    }

    /// Loss, accuracy and confusion on a dataset, in batches of the training's size. In the midst of an epoch, too, whose totals
    /// stay.
    ///
    /// # Errors
    /// As [`Classifier::evaluate`].
    pub fn evaluate(&mut self, data: &Arc<Dataset>) -> Result<Evaluation> {
        let batch_size = self.options.batch_size.min(data.len());
        let totals = metrics::kept(self.parameters())?;
        let evaluation = self.classifier.evaluate(data, batch_size, |_| ());
        totals.into_iter().try_for_each(|(name, total)| self.parameters().set(name, &total))?;
        evaluation
    }
}

impl Batched {
    /// Runs one step, with the time of every kernel where that is asked for.
    fn run(&mut self, batch: &Batch, profile: bool) -> Result<Option<Profile>> {
        let inputs = [(&self.images, &batch.tensors[0]), (&self.labels, &batch.tensors[1])];
        if profile {
            self.program.run_profiled(&inputs).map(Some)
        } else {
            self.program.run(&inputs).map(|()| None)
        }
    }
}

/// Totals on their way from the device, and the last two that arrived.
#[derive(Default)]
struct Looks {
    pending: VecDeque<PendingTotals>,
    last: Totals,
    recent: Totals,
}

impl Looks {
    /// Takes in what has arrived, without waiting.
    fn collect(&mut self) -> Result<()> {
        while let Some(first) = self.pending.front_mut() {
            let Some(totals) = first.try_get()? else { break };
            self.recent = totals.since(&self.last);
            self.last = totals;
            self.pending.pop_front();
        }
        Ok(())
    }
}
