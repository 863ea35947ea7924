//! The training loop.

use super::classifier::{Batched, Classifier, Evaluation};
use super::metrics::{self, PendingTotals, Totals};
use crate::data::{Batch, Dataset, Loader, Order};
use crate::error::Result;
use crate::exec::{Device, Executable, Parameters, Profile};
use crate::nn::Module;
use crate::optim::Optimizer;
use std::collections::{HashMap, VecDeque};
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

/// A model, an optimizer and a device.
pub struct Trainer {
    classifier: Classifier,
    optimizer: Box<dyn Optimizer>,
    options: Options,
    epochs: u64,
    programs: HashMap<usize, Batched>,
    steps: usize,
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
        let (steps, profiled) = (0, 0..0);
        let mut trainer =
            Self { classifier, optimizer, options, epochs: 0, programs, steps, profiled, profiles };
        trainer.program(options.batch_size)?;
        Ok(trainer)
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

    /// One pass over the dataset in a seeded random order, the last short batch included. `progress` is told
    /// after every step. The loss comes back while the device works; at the end it waits for the device.
    ///
    /// # Errors
    /// When the dataset does not fit the model or has fewer images than a batch, the loss is not finite, or
    /// the device failed.
    pub fn epoch(&mut self, data: &Arc<Dataset>, mut progress: impl FnMut(&Progress)) -> Result<Totals> {
        self.classifier.accepts(data)?;
        let order = Order::Shuffled { seed: self.options.seed, epoch: self.epochs };
        let loader = Loader::new(data, self.options.batch_size, order)?;
        let mut looks = Looks::default();
        let mut now = Progress { step: 0, steps: loader.len(), images: 0, recent: Totals::default() };
        metrics::reset(self.parameters())?;
        for batch in loader {
            let batch = batch?;
            let rows = batch.labels.shape().elements();
            let profile = self.profiled.contains(&self.steps);
            let held = self.program(rows)?;
            let profile = held.run(&batch, profile)?;
            let number = self.steps;
            self.profiles.extend(profile.map(|profile| (number, profile)));
            self.steps += 1;
            now.step += 1;
            now.images += rows;
            if now.step.is_multiple_of(REPORT_EVERY) {
                looks.pending.push_back(PendingTotals::start(self.parameters(), now.images)?);
            }
            looks.collect()?;
            now.recent = looks.recent;
            progress(&now);
        }
        self.epochs += 1;
        metrics::read(self.parameters(), now.images)
    }

    /// Loss, accuracy and confusion on a dataset, in batches of the training's size.
    ///
    /// # Errors
    /// As [`Classifier::evaluate`].
    pub fn evaluate(&mut self, data: &Arc<Dataset>) -> Result<Evaluation> {
        let batch_size = self.options.batch_size.min(data.len());
        self.classifier.evaluate(data, batch_size, |_| ())
    }
}

impl Batched {
    /// Runs one step, with the time of every kernel where that is asked for.
    fn run(&mut self, batch: &Batch, profile: bool) -> Result<Option<Profile>> {
        let inputs = [(&self.images, &batch.images), (&self.labels, &batch.labels)];
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
