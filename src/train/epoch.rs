//! An epoch of training: its steps one by one, or all of them.

use super::looks::{Flow, Looks, Progress};
use super::measures::{self, Measures, PendingSums};
use super::metric;
use super::step::Part;
use super::trainer::Trainer;
use crate::data::{Examples, Loader, Order};
use crate::error::{Error, Result};
use crate::optim::Schedule;
use crate::platform::block_on;
use std::sync::Arc;
use std::time::Duration;

/// Steps between two looks at the loss. Reading costs the device a few microseconds.
const REPORT_EVERY: usize = 8;

/// An epoch that was begun: see [`Trainer::begin_epoch_async`].
pub struct Epoch {
    number: u64,
    loader: Loader,
    looks: Looks,
    now: Progress,
    /// Whether there are no more batches.
    over: bool,
}

impl Epoch {
    /// Where it stands.
    pub fn progress(&self) -> &Progress {
        &self.now
    }
}

impl Trainer {
    /// One pass over the dataset in a seeded random order, the last short batch included, or the rest of one that was stopped.
    /// `progress` is called with after every step and may stop. What is measured comes back while the device works; at the end
    /// it waits for the device.
    ///
    /// # Errors
    /// When the dataset does not fit the network or has fewer examples than a batch, the loss is not finite, the device failed,
    /// or `progress` did.
    pub fn epoch(
        &mut self,
        data: &Arc<dyn Examples>,
        progress: impl FnMut(&Trainer, &Progress) -> Result<Flow>,
    ) -> Result<Measures> {
        block_on("Trainer::epoch_async", self.epoch_async(data, progress))
    }

    /// As [`Trainer::epoch`], without waiting.
    ///
    /// # Errors
    /// As [`Trainer::epoch`].
    pub async fn epoch_async(
        &mut self,
        data: &Arc<dyn Examples>,
        mut progress: impl FnMut(&Trainer, &Progress) -> Result<Flow>,
    ) -> Result<Measures> {
        let mut epoch = self.begin_epoch_async(data).await?;
        while self.step_async(&mut epoch).await? {
            if progress(self, &epoch.now)? == Flow::Stop {
                break;
            }
        }
        self.end_epoch_async(epoch).await
    }

    /// Begins what [`Trainer::epoch`] does, for a caller who has other things to do between two steps, as a page has:
    /// [`Trainer::step_async`] for as long as it likes, then [`Trainer::end_epoch_async`]. The rest of an epoch that was ended
    /// before its last step comes first.
    ///
    /// # Errors
    /// As [`Trainer::epoch`].
    pub async fn begin_epoch_async(&mut self, data: &Arc<dyn Examples>) -> Result<Epoch> {
        self.network.accepts(data.as_ref())?;
        let order = Order::Shuffled { seed: self.options.seed, epoch: self.epochs };
        let loader = Loader::starting_at(data, self.options.batch_size, order, self.examples)?;
        let mut looks = Looks { specs: self.specs().await?, ..Looks::default() };
        let step = self.examples / self.options.batch_size;
        let (steps, examples) = (step + loader.len(), self.examples);
        let (recent, waited) = (Measures::default(), Duration::ZERO);
        if examples == 0 {
            metric::reset(self.parameters(), &looks.specs)?;
        } else {
            looks.last = measures::read(self.parameters(), &looks.specs, examples).await?;
        }
        let now = Progress { step, steps, examples, recent, looks: vec![], waited };
        Ok(Epoch { number: self.epochs, loader, looks, now, over: false })
    }

    /// Gives the next batch of an epoch to the device; whether there was one. Done before the device is, unless that is several
    /// steps behind.
    ///
    /// # Errors
    /// As [`Trainer::epoch`], and when another epoch was begun or gone on with since.
    pub async fn step_async(&mut self, epoch: &mut Epoch) -> Result<bool> {
        let Epoch { number, loader, looks, now, over } = epoch;
        if (*number, now.examples) != (self.epochs, self.examples) {
            let expected = format!("epoch {} after {} examples", self.epochs, self.examples);
            let got = format!("epoch {number} after {}", now.examples);
            return Err(Error::argument("epoch", expected, got));
        }
        let Some(batch) = loader.next() else {
            *over = true;
            return Ok(false);
        };
        let batch = batch?;
        let profile = self.profiled.contains(&self.steps);
        // What follows no schedule may be set by others.
        if let (Some(rates), true) = (&mut self.rates, !matches!(self.schedule, Schedule::Unchanged)) {
            rates.follow(&self.schedule, self.steps as u64)?;
        }
        for (rows, size) in self.parts(batch.rows) {
            let held = self.program(size).await?;
            let profile = match size.2 {
                Part::Whole => held.run(&batch, profile).await?,
                _ => held.run(&batch.part(rows)?, profile).await?,
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
        // At the end the device is waited for anyway.
        now.looks = looks.collect(now.step == now.steps).await?;
        if let Some(look) = now.looks.last() {
            now.recent = look.measures.clone();
        }
        Ok(true)
    }

    /// What was measured in an epoch, when the device has done its steps. Unless [`Trainer::step_async`] said that there is no
    /// other
    /// batch the epoch is stopped: the next one that is begun goes on where it stopped.
    ///
    /// # Errors
    /// As [`Trainer::epoch`].
    pub async fn end_epoch_async(&mut self, mut epoch: Epoch) -> Result<Measures> {
        if epoch.over {
            (self.epochs, self.examples) = (epoch.number + 1, 0);
        } else {
            self.late = epoch.looks.collect(true).await?;
        }
        epoch.looks.end(self.parameters(), epoch.now.examples).await
    }
}
