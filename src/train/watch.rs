//! Which epoch is best, and what follows from it: early stopping, learning rates that fall on a plateau.

use super::measures::LOSS;
use super::report::EpochReport;
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::exec::Checkpoint;
use crate::optim::{Plateau, ReduceOnPlateau, Schedule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A metric that decides which of two epochs is better: of the validation, or of the training where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Its name.
    pub metric: String,
    /// Whether it is to grow; false: it is to fall.
    pub maximize: bool,
}

impl Default for Monitor {
    /// The loss, which is to fall.
    fn default() -> Self {
        Self { metric: LOSS.to_owned(), maximize: false }
    }
}

impl Monitor {
    /// The value of an epoch.
    ///
    /// # Errors
    /// When nothing of that name is measured.
    pub fn of(&self, report: &EpochReport) -> Result<f64> {
        let evaluated = if report.test.examples > 0 { &report.test } else { &report.train };
        evaluated.metric(&self.metric)
    }
}

/// Ends a run whose metric no longer becomes better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    /// Epochs without an improvement that are borne.
    pub patience: u64,
    /// By how much the metric must be better to count; 0.
    pub min_delta: f64,
    /// What it has seen.
    pub seen: Patience,
}

/// What [`EarlyStopping`] has seen: what a checkpoint keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Patience {
    /// The best metric so far.
    pub best: Option<f64>,
    /// Epochs since then.
    pub bad: u64,
}

impl EarlyStopping {
    /// Bears so many epochs without an improvement.
    pub fn new(patience: u64) -> Self {
        Self { patience, min_delta: 0.0, seen: Patience::default() }
    }

    /// Sets by how much the metric must be better to count.
    #[must_use]
    pub fn min_delta(self, min_delta: f64) -> Self {
        Self { min_delta, ..self }
    }

    /// Looks at the metric of an epoch: whether the run ends. One that is NaN is no improvement.
    pub fn look(&mut self, metric: f64, maximize: bool) -> bool {
        let better = self.seen.best.is_none_or(|best| match maximize {
            true => metric > best + self.min_delta,
            false => metric < best - self.min_delta,
        });
        if better && !metric.is_nan() {
            self.seen = Patience { best: Some(metric), bad: 0 };
            return false;
        }
        self.seen.bad += 1;
        self.seen.bad > self.patience
    }
}

/// What a checkpoint notes of a [`Watch`].
const BEST: &str = "watch.best";
const STOPPING: &str = "watch.early_stopping";
const PLATEAU: &str = "watch.plateau";

/// Looks at every epoch of a run: whether it is the best, whether it is the last, whether the rates fall.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Watch {
    /// What is looked at.
    pub monitor: Monitor,
    /// When the run ends early; never.
    pub stopping: Option<EarlyStopping>,
    /// When the rates fall, in the monitor's sense of better; never.
    pub plateau: Option<ReduceOnPlateau>,
    best: Option<f64>,
}

/// What an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Better than all before it.
    pub best: bool,
    /// The last: none has been better for too long.
    pub last: bool,
}

impl Watch {
    /// Looks with this monitor.
    pub fn new(monitor: Monitor) -> Self {
        Self { monitor, ..Self::default() }
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Checks that its options go together and with the trainer's.
    ///
    /// # Errors
    /// When one is out of range, or a schedule sets the rates that are to fall.
    pub fn begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        let Some(plateau) = &mut self.plateau else { return Ok(()) };
        plateau.maximize = self.monitor.maximize;
        plateau.check()?;
        if !matches!(trainer.schedule(), Schedule::Unchanged) {
            let got = trainer.schedule().to_string();
            return Err(Error::argument("plateau", "learning rates that no schedule changes", got));
        }
        trainer.rates().map(drop)
    }

    /// Looks at an epoch.
    ///
    /// # Errors
    /// When what is looked at is not measured, or the device failed.
    pub fn look(&mut self, trainer: &mut Trainer, report: &EpochReport) -> Result<Verdict> {
        let (metric, maximize) = (self.monitor.of(report)?, self.monitor.maximize);
        let best = !metric.is_nan()
            && self.best.is_none_or(|best| if maximize { metric > best } else { metric < best });
        if best {
            self.best = Some(metric);
        }
        let last = self.stopping.as_mut().is_some_and(|stopping| stopping.look(metric, maximize));
        if let Some(plateau) = &mut self.plateau {
            trainer.rates()?.look(plateau, metric)?;
        }
        Ok(Verdict { best, last })
    }

    /// What a checkpoint of this moment notes.
    pub fn notes(&self) -> BTreeMap<String, String> {
        let text = |value: std::result::Result<String, serde_json::Error>| value.unwrap_or_default();
        [
            (BEST, text(serde_json::to_string(&self.best))),
            (STOPPING, text(serde_json::to_string(&self.stopping.map(|own| own.seen)))),
            (PLATEAU, text(serde_json::to_string(&self.plateau.map(|own| own.seen)))),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Goes on from what a checkpoint notes.
    ///
    /// # Errors
    /// When it notes nothing of the kind.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        fn noted<T: for<'a> Deserialize<'a>>(checkpoint: &Checkpoint, key: &str) -> Result<T> {
            let note = checkpoint.note(key)?;
            let bad = |e| Error::argument(key, "what a run noted", format!("{note}: {e}"));
            serde_json::from_str(note).map_err(bad)
        }
        let best: Option<f64> = noted(checkpoint, BEST)?;
        let stopping: Option<Patience> = noted(checkpoint, STOPPING)?;
        let plateau: Option<Plateau> = noted(checkpoint, PLATEAU)?;
        self.best = best;
        if let (Some(own), Some(seen)) = (&mut self.stopping, stopping) {
            own.seen = seen;
        }
        if let (Some(own), Some(seen)) = (&mut self.plateau, plateau) {
            own.seen = seen;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let mut falling = EarlyStopping::new(1).min_delta(0.1);
        let looks = [1.0, 0.8, 0.75, 0.6, 0.55, f64::NAN];
        let ends: Vec<bool> = looks.iter().map(|&loss| falling.look(loss, false)).collect();
        assert_eq!(ends, [false, false, false, false, false, true]);
        let mut growing = EarlyStopping::new(0);
        assert!(!growing.look(0.5, true) && !growing.look(0.6, true) && growing.look(0.6, true));
    }
}
