//! The training loop.

use super::measures::{self, LOSS, Measures, PendingSums, Sums};
use super::metric::{self, SKIPPED, Spec};
use super::network::Network;
use super::rates::Rates;
use super::step::{AVERAGE, Part, Size, Step};
use super::task::Task;
use crate::data::{Examples, Loader, Order};
use crate::error::{Error, Result};
use crate::exec::{Checkpoint, Device, Executable, Parameters, PendingCheckpoint, Profile};
use crate::ops::Role;
use crate::optim::{Optimizer, Schedule};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Steps between two looks at the loss. Reading costs the device a few microseconds.
const REPORT_EVERY: usize = 8;

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
    /// Examples that are on the device at a time: their gradients are added up over the batch, which then needs less memory. All
    /// of a batch. The gradient is that of the whole batch, but for the order of the sums; batch norm sees parts.
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

/// Where an epoch stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Steps given to the device.
    pub step: usize,
    /// Steps of the epoch.
    pub steps: usize,
    /// Examples given to the device.
    pub examples: usize,
    /// What was measured over the steps between the last two looks; of no examples before the first.
    pub recent: Measures,
    /// The looks that have arrived since the call before: one every eighth step of the epoch, all of them by its last step.
    pub looks: Vec<Look>,
    /// For how long batches were waited for in this call: time in which the device may have had nothing to do.
    pub waited: Duration,
}

/// What was measured over some steps in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The last of them: steps of the run, all epochs together.
    pub step: usize,
    /// Of their examples alone.
    pub measures: Measures,
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
const EXAMPLES: &str = "trainer.images";
const STEPS: &str = "trainer.steps";
const SEED: &str = "trainer.seed";

/// A network with its task, an optimizer and a device.
pub struct Trainer {
    network: Network,
    /// The network with averaged weights.
    averaged: Option<Network>,
    optimizer: Box<dyn Optimizer>,
    options: Options,
    epochs: u64,
    /// Examples of the epoch that were given to the device.
    examples: usize,
    programs: HashMap<Size, Step>,
    steps: usize,
    schedule: Schedule,
    rates: Option<Rates>,
    profiled: Range<usize>,
    profiles: Vec<(usize, Profile)>,
    late: Vec<Look>,
}

impl Trainer {
    /// Compiles the training for a task on examples like those of `like`.
    ///
    /// # Errors
    /// When the batch size is 0, the network does not accept such examples, an option is out of range, or the device cannot hold
    /// the program.
    pub fn new(
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
            trainer.program(size)?;
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
        schedule.check()?;
        self.rates()?;
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
        match &mut self.rates {
            Some(rates) => Ok(rates),
            none => Ok(none.insert(Rates::new(self.network.parameters())?)),
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
            rates.refresh()?;
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
        self.program(size).map(|step| &step.program)
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

    /// The looks of an epoch that was stopped which arrived only then, and of which no [`Progress`] has told.
    pub fn take_late_looks(&mut self) -> Vec<Look> {
        std::mem::take(&mut self.late)
    }

    /// The parts in which the device gets a batch: their rows, and the programs for them.
    fn parts(&self, total: usize) -> Vec<(Range<usize>, Size)> {
        let most = self.options.micro_batch.unwrap_or(total).clamp(1, total.max(1));
        let count = total.div_ceil(most).max(1);
        let part = |number: usize| {
            let rows = number * most..(number * most + most).min(total);
            (rows.clone(), (rows.len(), total, Part::of(number, count)))
        };
        (0..count).map(part).collect()
    }

    fn program(&mut self, size: Size) -> Result<&mut Step> {
        use std::collections::hash_map::Entry;
        match self.programs.entry(size) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => {
                let step = Step::build(&self.network, self.optimizer.as_ref(), &self.options, size)?;
                Ok(place.insert(step))
            }
        }
    }

    /// What an epoch measures: that of the programs which change the parameters.
    fn specs(&mut self) -> Result<Vec<Spec>> {
        let parts = self.parts(self.options.batch_size);
        let size = parts.last().map_or((0, 0, Part::Whole), |(_, size)| *size);
        Ok(self.program(size)?.specs.clone())
    }

    /// One pass over the dataset in a seeded random order, the last short batch included, or the rest of one that was stopped.
    /// `progress` is told after every step and may stop. What is measured comes back while the device works; at the end it waits
    /// for the device.
    ///
    /// # Errors
    /// When the dataset does not fit the network or has fewer examples than a batch, the loss is not finite, the device failed,
    /// or `progress` did.
    pub fn epoch(
        &mut self,
        data: &Arc<dyn Examples>,
        mut progress: impl FnMut(&Trainer, &Progress) -> Result<Flow>,
    ) -> Result<Measures> {
        self.network.accepts(data.as_ref())?;
        let order = Order::Shuffled { seed: self.options.seed, epoch: self.epochs };
        let mut loader = Loader::starting_at(data, self.options.batch_size, order, self.examples)?;
        let mut looks = Looks { specs: self.specs()?, ..Looks::default() };
        let before = self.examples / self.options.batch_size;
        let (steps, recent) = (before + loader.len(), Measures::default());
        let mut now = Progress {
            step: before,
            steps,
            examples: self.examples,
            recent,
            looks: vec![],
            waited: Duration::ZERO,
        };
        if self.examples == 0 {
            metric::reset(self.parameters(), &looks.specs)?;
        } else {
            looks.last = measures::read(self.parameters(), &looks.specs, self.examples)?;
        }
        while let Some(batch) = loader.next() {
            let batch = batch?;
            let profile = self.profiled.contains(&self.steps);
            // What follows no schedule may be set by others.
            if let (Some(rates), true) = (&mut self.rates, !matches!(self.schedule, Schedule::Unchanged)) {
                rates.follow(&self.schedule, self.steps as u64)?;
            }
            for (rows, size) in self.parts(batch.rows) {
                let held = self.program(size)?;
                let profile = match size.2 {
                    Part::Whole => held.run(&batch, profile)?,
                    _ => held.run(&batch.part(rows)?, profile)?,
                };
                let number = self.steps;
                self.profiles.extend(profile.map(|profile| (number, profile)));
            }
            self.steps += 1;
            now.step += 1;
            now.examples += batch.rows;
            now.waited = loader.waited();
            self.examples = now.examples;
            if now.step.is_multiple_of(REPORT_EVERY) {
                let pending = PendingSums::start(self.parameters(), &looks.specs, now.examples)?;
                looks.pending.push_back((self.steps, pending));
            }
            // At the end it waits for the device anyway.
            now.looks = looks.collect(now.step == now.steps)?;
            if let Some(look) = now.looks.last() {
                now.recent = look.measures.clone();
            }
            if progress(self, &now)? == Flow::Stop {
                self.late = looks.collect(true)?;
                return looks.end(self.parameters(), now.examples);
            }
        }
        (self.epochs, self.examples) = (self.epochs + 1, 0);
        looks.end(self.parameters(), now.examples)
    }

    /// The names of what an epoch and an evaluation on `data` measure, in the order of [`Measures::values`].
    ///
    /// # Errors
    /// When a program has to be compiled and the device failed.
    pub fn measured(&mut self, data: &Arc<dyn Examples>) -> Result<[Vec<String>; 2]> {
        let batch_size = self.judged_at(data);
        Ok([metric::names(&self.specs()?), self.network.measured(batch_size)?])
    }

    /// The loss and the metrics on a dataset, in batches of the training's size. In the midst of an epoch, too, whose own stay.
    ///
    /// # Errors
    /// As [`Network::evaluate`].
    pub fn evaluate(&mut self, data: &Arc<dyn Examples>) -> Result<Measures> {
        let batch_size = self.judged_at(data);
        self.network.evaluate(data, batch_size, |_| ())
    }

    /// As [`Trainer::evaluate`], with the averaged weights; batch norm's running statistics are those of the moment.
    ///
    /// # Errors
    /// As [`Network::evaluate`], and when no average is kept.
    pub fn evaluate_average(&mut self, data: &Arc<dyn Examples>) -> Result<Measures> {
        let batch_size = self.judged_at(data);
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

    fn judged_at(&self, data: &Arc<dyn Examples>) -> usize {
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

/// Sums on their way from the device, each with the step after which they were taken, and the last that arrived.
#[derive(Default)]
struct Looks {
    specs: Vec<Spec>,
    pending: VecDeque<(usize, PendingSums)>,
    last: Sums,
}

impl Looks {
    /// Takes in what has arrived; with `all` it waits for the rest.
    fn collect(&mut self, all: bool) -> Result<Vec<Look>> {
        let mut arrived = Vec::new();
        while let Some((step, first)) = self.pending.front_mut() {
            let (step, here) = (*step, first.try_get()?);
            let waited = self.pending.pop_front_if(|_| here.is_some() || all);
            let Some((_, first)) = waited else { break };
            let sums = here.map_or_else(|| first.wait(), Ok)?;
            let measures = sums.since(&self.last).measures(&self.specs, true);
            self.last = sums;
            let (skipped, examples) = (measures.get(SKIPPED).unwrap_or(0.0), measures.examples);
            if examples > 0 && skipped >= examples as f64 {
                let got = format!("none: all of the last {examples} examples were skipped");
                return Err(Error::argument(LOSS, "finite numbers", got));
            }
            arrived.push(Look { step, measures });
        }
        Ok(arrived)
    }

    /// All that was measured; waits for the device.
    fn end(&self, parameters: &Parameters, examples: usize) -> Result<Measures> {
        Ok(measures::read(parameters, &self.specs, examples)?.measures(&self.specs, false))
    }
}
