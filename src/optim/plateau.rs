//! A schedule that follows a metric.

use crate::error::{Error, Result};

/// Lowers the rate where a metric no longer improves: PyTorch's `ReduceLROnPlateau`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReduceOnPlateau {
    /// Whether the metric is to grow; false: it is to fall.
    pub maximize: bool,
    /// What the rate is multiplied with, below 1; 0.1.
    pub factor: f64,
    /// Looks without an improvement that are borne; 10.
    pub patience: u64,
    /// By what fraction of the best a metric must be better to count; 1e-4.
    pub threshold: f64,
    /// Whether `threshold` is the difference itself; false.
    pub absolute: bool,
    /// Looks after a change that do not count; 0.
    pub cooldown: u64,
    /// Rates do not fall below it; 0.
    pub min_lr: f64,
    /// Changes smaller than this are not made; 1e-8.
    pub eps: f64,
    /// What it has seen.
    pub seen: Plateau,
}

/// What [`ReduceOnPlateau`] has seen: what a checkpoint keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Plateau {
    /// The best metric so far.
    pub best: Option<f64>,
    /// Looks since then.
    pub bad: u64,
    /// Looks that do not count any more.
    pub cooling: u64,
}

impl Default for ReduceOnPlateau {
    /// PyTorch's defaults.
    fn default() -> Self {
        let (maximize, absolute) = (false, false);
        let (factor, patience, threshold, cooldown) = (0.1, 10, 1e-4, 0);
        let (min_lr, eps, seen) = (0.0, 1e-8, Plateau::default());
        Self { maximize, factor, patience, threshold, absolute, cooldown, min_lr, eps, seen }
    }
}

impl ReduceOnPlateau {
    /// That its numbers are in their ranges.
    ///
    /// # Errors
    /// When one is not.
    pub fn check(&self) -> Result<()> {
        let numbers = [("threshold", self.threshold), ("min_lr", self.min_lr), ("eps", self.eps)];
        if !(0.0..1.0).contains(&self.factor) {
            return Err(Error::argument(
                "plateau: factor",
                "at least 0 and below 1",
                self.factor.to_string(),
            ));
        }
        match numbers.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            None => Ok(()),
            Some((name, value)) => {
                let what = format!("plateau: {name}");
                Err(Error::argument(&what, "a finite number of at least 0", value.to_string()))
            }
        }
    }

    fn better(&self, metric: f64) -> bool {
        let Some(best) = self.seen.best else { return !metric.is_nan() };
        match (self.maximize, self.absolute) {
            (false, false) => metric < best * (1.0 - self.threshold),
            (false, true) => metric < best - self.threshold,
            (true, false) => metric > best * (1.0 + self.threshold),
            (true, true) => metric > best + self.threshold,
        }
    }

    /// Takes in a metric; whether the rates are to be lowered now.
    pub fn look(&mut self, metric: f64) -> bool {
        if self.better(metric) {
            (self.seen.best, self.seen.bad) = (Some(metric), 0);
        } else {
            self.seen.bad += 1;
        }
        if self.seen.cooling > 0 {
            (self.seen.cooling, self.seen.bad) = (self.seen.cooling - 1, 0);
        }
        let falls = self.seen.bad > self.patience;
        if falls {
            (self.seen.cooling, self.seen.bad) = (self.cooldown, 0);
        }
        falls
    }

    /// A rate after it was lowered.
    pub fn lowered(&self, rate: f64) -> f64 {
        let lower = (rate * self.factor).max(self.min_lr);
        if rate - lower > self.eps { lower } else { rate }
    }
}
