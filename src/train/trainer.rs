//! The training loop.

use super::looks::Look;
use super::measures::Measures;
use super::metric::{self, Spec};
use super::network::Network;
use super::rates::Rates;
use super::step::{AVERAGE, Part, Size, Step};
use super::task::Task;
use crate::data::{Batch, Examples};
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, Device, Executable, Parameters, PendingCheckpoint, Profile};
use crate::ops::Role;
use crate::optim::{Optimizer, Schedule};
use crate::platform::block_on;
use crate::tensor::HostTensor;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What becomes of a step whose loss or gradients are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NonFinite {
    /// The run ends with an error within some steps: the sum of the losses is looked at, which costs nothing.
    #[default]
    Stop,
    /// Its parameters, averages and optimizer states stay as they were, and it counts in no metric but `skipped`; counters of
    /// steps go on. Costs one more pass over the gradients and the states; with a `micro_batch` a copy of the metrics and of
    /// running statistics, too.
    Skip,
}

/// How to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Examples a step.
    pub batch_size: usize,
    /// Of the first weights, of the order of the examples and of what is drawn for them.
    pub seed: u64,
    /// Examples that are on the device at a time: their gradients are added up over the batch, which then needs less memory.
    /// All of a batch. The gradient is that of the whole batch, but for the order of the sums; batch norm sees parts.
    pub micro_batch: Option<usize>,
    /// The norm to which all gradients together are clipped; they are not.
    pub max_norm: Option<f32>,
    /// The decay, such as 0.999, of an exponential moving average of the weights: see [`Trainer::evaluate_average`]; none.
    pub average: Option<f32>,
    /// Patterns of the names of parameters that stay as they are, `*` standing for any text; none. Batch norm's running
    /// statistics are no parameters and go on.
    pub frozen: Vec<String>,
    /// What becomes of steps whose loss or gradients are not finite; the run stops.
    pub non_finite: NonFinite,
}

impl Default for Options {
    /// Batches of 64, seed 0, nothing more.
    fn default() -> Self {
        let (micro_batch, max_norm, average) = (None, None, None);
        let (frozen, non_finite) = (Vec::new(), NonFinite::Stop);
        Self { batch_size: 64, seed: 0, micro_batch, max_norm, average, frozen, non_finite }
    }
}

/// Where a run stands, as its checkpoints note it.
const EPOCH: &str = "trainer.epoch";
const EXAMPLES: &str = "trainer.images";
const STEPS: &str = "trainer.steps";
const SEED: &str = "trainer.seed";

/// A network with its task, an optimizer and a device.
pub struct Trainer {
    pub(super) network: Network,
    /// The network with averaged weights.
    averaged: Option<Network>,
    optimizer: Box<dyn Optimizer>,
    pub(super) options: Options,
    pub(super) epochs: u64,
    /// Examples of the epoch that were given to the device.
    pub(super) examples: usize,
    programs: HashMap<Size, Step>,
    pub(super) steps: usize,
    pub(super) schedule: Schedule,
    pub(super) rates: Option<Rates>,
    pub(super) profiled: Range<usize>,
    pub(super) profiles: Vec<(usize, Profile)>,
    pub(super) late: Vec<Look>,
}

impl Trainer {
    /// Compiles the training for a task on examples like those of `like`.
    ///
    /// # Errors
    /// When the batch size is 0, the network does not accept such examples, an option is out of range, or the device cannot
    /// hold the program.
    pub fn new(
        device: &Device,
        task: impl Task + 'static,
        optimizer: impl Optimizer + 'static,
        like: &dyn Examples,
        options: Options,
    ) -> Result<Self> {
        block_on("Trainer::new_async", Self::new_async(device, task, optimizer, like, options))
    }

    /// As [`Trainer::new`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub async fn new_async(
        device: &Device,
        task: impl Task + 'static,
        optimizer: impl Optimizer + 'static,
        like: &dyn Examples,
        options: Options,
    ) -> Result<Self> {
        if let Some(0) = options.micro_batch {
            return Err(Error::argument("micro_batch", "at least 1", "0"));
        }
        let network = Network::new(&Parameters::new(device, options.seed), task, like)?;
        let mut trainer = Self {
            network,
            averaged: None,
            optimizer: Box::new(optimizer),
            options,
            epochs: 0,
            examples: 0,
            programs: HashMap::new(),
            steps: 0,
            schedule: Schedule::Unchanged,
            rates: None,
            profiled: 0..0,
            profiles: Vec::new(),
            late: Vec::new(),
        };
        for (_, size) in trainer.parts(trainer.options.batch_size) {
            trainer.program(size).await?;
        }
        Ok(trainer)
    }

    /// How it trains.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Lets the learning rates follow a schedule, a step of which is a batch.
    ///
    /// # Errors
    /// When one of its numbers is out of range or the device failed.
    pub fn follow(&mut self, schedule: Schedule) -> Result<()> {
        block_on("Trainer::follow_async", self.follow_async(schedule))
    }

    /// As [`Trainer::follow`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::follow`].
    pub async fn follow_async(&mut self, schedule: Schedule) -> Result<()> {
        schedule.check()?;
        self.rates_async().await?;
        self.schedule = schedule;
        Ok(())
    }

    /// The schedule that the learning rates follow.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The learning rates, to be set by another rule than a schedule, such as [`crate::optim::ReduceOnPlateau`].
    ///
    /// # Errors
    /// When the device failed.
    pub fn rates(&mut self) -> Result<&mut Rates> {
        block_on("Trainer::rates_async", self.rates_async())
    }

    /// As [`Trainer::rates`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::rates`].
    pub async fn rates_async(&mut self) -> Result<&mut Rates> {
        match &mut self.rates {
            Some(rates) => Ok(rates),
            none => Ok(none.insert(Rates::new_async(self.network.parameters()).await?)),
        }
    }

    /// The learning rate of the last step; `None` where nothing changes it.
    pub fn rate(&self) -> Option<f32> {
        self.rates.as_ref().map(Rates::now)
    }

    /// Epochs that are done, examples of the next one that are, and steps in all.
    pub fn position(&self) -> (u64, usize, usize) {
        (self.epochs, self.examples, self.steps)
    }

    /// All that the run needs to go on as if it had not stopped, on its way, with these notes.
    ///
    /// # Errors
    /// When the device failed.
    pub fn checkpoint(&self, mut notes: BTreeMap<String, String>) -> Result<PendingCheckpoint> {
        let numbers = [
            (EPOCH, self.epochs),
            (EXAMPLES, self.examples as u64),
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
    /// When it is of another network, optimizer or seed, or of no [`Trainer`].
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        block_on("Trainer::resume_async", self.resume_async(checkpoint))
    }

    /// As [`Trainer::resume`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::resume`].
    pub async fn resume_async(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let number = |key: &str| {
            let note = checkpoint.note(key)?;
            note.parse::<u64>().map_err(|_| Error::argument(key, "a number", note))
        };
        if number(SEED)? != self.options.seed {
            let expected = format!("that of the checkpoint, {}", number(SEED)?);
            return Err(Error::argument("seed", expected, self.options.seed.to_string()));
        }
        let (epochs, examples, steps) = (number(EPOCH)?, number(EXAMPLES)? as usize, number(STEPS)? as usize);
        self.parameters().restore(checkpoint)?;
        if let Some(rates) = &mut self.rates {
            rates.refresh_async().await?;
        }
        (self.epochs, self.examples, self.steps) = (epochs, examples, steps);
        Ok(())
    }

    /// The network, for evaluation and prediction with the weights of the moment.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Weights, optimizer state and metrics, on the device.
    pub fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    /// The program of a whole batch, or of the last part of one: its plan and its memory.
    ///
    /// # Errors
    /// When it has to be compiled again and the device failed.
    pub fn executable(&mut self) -> Result<&Executable> {
        let parts = self.parts(self.options.batch_size);
        let size = parts.last().map_or((0, 0, Part::Whole), |(_, size)| *size);
        block_on("Trainer::new_async", self.program(size)).map(|step| &step.program)
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

    /// The looks of an epoch that was stopped which arrived only then, and of which no [`Progress`](crate::train::Progress) has
    /// reported.
    pub fn take_late_looks(&mut self) -> Vec<Look> {
        std::mem::take(&mut self.late)
    }

    /// The parts in which the device gets a batch: their rows, and the programs for them.
    pub(super) fn parts(&self, total: usize) -> Vec<(Range<usize>, Size)> {
        let most = self.options.micro_batch.unwrap_or(total).clamp(1, total.max(1));
        let count = total.div_ceil(most).max(1);
        let part = |number: usize| {
            let rows = number * most..(number * most + most).min(total);
            (rows.clone(), (rows.len(), total, Part::of(number, count)))
        };
        (0..count).map(part).collect()
    }

    pub(super) async fn program(&mut self, size: Size) -> Result<&mut Step> {
        use std::collections::hash_map::Entry;
        match self.programs.entry(size) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(position) => {
                let step = Step::build(&self.network, self.optimizer.as_ref(), &self.options, size).await?;
                Ok(position.insert(step))
            }
        }
    }

    /// What an epoch measures: that of the programs which change the parameters.
    pub(super) async fn specs(&mut self) -> Result<Vec<Spec>> {
        let parts = self.parts(self.options.batch_size);
        let size = parts.last().map_or((0, 0, Part::Whole), |(_, size)| *size);
        Ok(self.program(size).await?.specs.clone())
    }

    /// The names of what an epoch and an evaluation on `data` measure, in the order of [`Measures::values`].
    ///
    /// # Errors
    /// When a program has to be compiled and the device failed.
    pub fn measured(&mut self, data: &Arc<dyn Examples>) -> Result<[Vec<String>; 2]> {
        let batch_size = self.evaluation_batch(data);
        let specs = block_on("Trainer::new_async", self.specs())?;
        Ok([metric::names(&specs), self.network.measured(batch_size)?])
    }

    /// The loss and the metrics on a dataset, in batches of the training's size. In the midst of an epoch, too, whose own stay.
    ///
    /// # Errors
    /// As [`Network::evaluate`].
    pub fn evaluate(&mut self, data: &Arc<dyn Examples>) -> Result<Measures> {
        let batch_size = self.evaluation_batch(data);
        self.network.evaluate(data, batch_size, |_| ())
    }

    /// As [`Trainer::evaluate`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub async fn evaluate_async(&mut self, data: &Arc<dyn Examples>) -> Result<Measures> {
        let batch_size = self.evaluation_batch(data);
        self.network.evaluate_async(data, batch_size, |_| ()).await
    }

    /// As [`Trainer::evaluate`], with the averaged weights; batch norm's running statistics are those of the moment.
    ///
    /// # Errors
    /// As [`Network::evaluate`], and when no average is kept.
    pub fn evaluate_average(&mut self, data: &Arc<dyn Examples>) -> Result<Measures> {
        let batch_size = self.evaluation_batch(data);
        self.average(batch_size)?.evaluate(data, batch_size, |_| ())
    }

    /// Writes the averaged weights, whole or not at all.
    ///
    /// # Errors
    /// When no average is kept, the device failed or the file cannot be written.
    pub fn save_average(&mut self, path: &Path) -> Result<()> {
        let batch_size = self.options.batch_size;
        self.average(batch_size)?.parameters().save(path)
    }

    /// The gradients of the loss of some training examples, as [`Network::gradients`], without those of frozen parameters.
    ///
    /// # Errors
    /// As [`Network::gradients`].
    pub fn gradients(&self, batch: &Batch) -> Result<Vec<(String, HostTensor)>> {
        self.network.gradients(batch, &self.options.frozen)
    }

    fn evaluation_batch(&self, data: &Arc<dyn Examples>) -> usize {
        self.options.micro_batch.unwrap_or(usize::MAX).min(self.options.batch_size).min(data.len())
    }

    /// The network with the averages of the moment.
    fn average(&mut self, batch_size: usize) -> Result<&mut Network> {
        if self.options.average.is_none() {
            return Err(Error::argument("average", "a decay among the options", "none"));
        }
        let network = match &mut self.averaged {
            Some(network) => network,
            none => {
                let states = Parameters::new(self.network.parameters().device(), self.options.seed);
                none.insert(self.network.over(&states))
            }
        };
        network.prepare(batch_size)?;
        let (from, to) = (self.network.parameters(), network.parameters());
        for role in [Role::Parameter, Role::Buffer] {
            for name in to.names(role) {
                let averaged = format!("{AVERAGE}{name}");
                let source = if from.ty(&averaged).is_ok() { &averaged } else { &name };
                to.set(&name, &from.get(source)?)?;
            }
        }
        Ok(network)
    }
}
