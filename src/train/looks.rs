//! Looks at what is measured while an epoch goes on.

use super::measures::{self, LOSS, Measures, PendingSums, Sums};
use super::metric::{SKIPPED, Spec};
use crate::error::{Error, Result};
use crate::exec::Parameters;
use std::collections::VecDeque;
use std::time::Duration;

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
    /// Not now: the next call of [`Trainer::epoch`](super::Trainer::epoch) goes on where this one stopped.
    Stop,
}

/// Sums on their way from the device, each with the step after which they were taken, and the last that arrived.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) specs: Vec<Spec>,
    pub(super) pending: VecDeque<(usize, PendingSums)>,
    pub(super) last: Sums,
}

impl Looks {
    /// Takes in what has arrived; with `all` the rest, too, when it has.
    pub(super) async fn collect(&mut self, all: bool) -> Result<Vec<Look>> {
        let mut arrived = Vec::new();
        while let Some((step, first)) = self.pending.front_mut() {
            let (step, here) = (*step, first.try_get()?);
            let waited = self.pending.pop_front_if(|_| here.is_some() || all);
            let Some((_, first)) = waited else { break };
            let sums = match here {
                Some(sums) => sums,
                None => first.arrived().await?,
            };
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

    /// All that was measured.
    pub(super) async fn end(&self, parameters: &Parameters, examples: usize) -> Result<Measures> {
        Ok(measures::read(parameters, &self.specs, examples).await?.measures(&self.specs, false))
    }
}
