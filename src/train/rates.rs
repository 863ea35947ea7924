//! Learning rates on the device, as a schedule changes them.

use crate::error::{Error, Result};
use crate::exec::Parameters;
use crate::ops::Role;
use crate::optim::{LEARNING_RATE, ReduceOnPlateau, Schedule};
use crate::platform::block_on;
use crate::tensor::HostTensor;

/// The rates of a program's optimizer, each group's by its name, as a schedule changes them. Setting one costs no submission:
/// it goes along with the next step.
#[derive(Debug, Clone)]
pub struct Rates {
    parameters: Parameters,
    /// Names of the states and what they were at first.
    initial: Vec<(String, f64)>,
    now: Vec<f32>,
}

impl Rates {
    /// The rates as they are; what schedules take as the initial ones.
    ///
    /// # Errors
    /// When there is no optimizer or the device failed.
    pub fn new(parameters: &Parameters) -> Result<Self> {
        block_on("Rates::new_async", Self::new_async(parameters))
    }

    /// As [`Rates::new`], without waiting.
    ///
    /// # Errors
    /// As [`Rates::new`].
    pub async fn new_async(parameters: &Parameters) -> Result<Self> {
        let mut names = parameters.names(Role::Optimizer);
        names.retain(|name| name == LEARNING_RATE || name.starts_with(&format!("{LEARNING_RATE}.")));
        if names.is_empty() {
            return Err(Error::argument("rates", "a program with an optimizer", "none"));
        }
        let mut now = Vec::new();
        for name in &names {
            now.push(parameters.get_async(name)?.await?.as_f32()?.first().copied().unwrap_or(0.0));
        }
        let initial = names.into_iter().zip(now.iter().map(|&rate| f64::from(rate))).collect();
        Ok(Self { parameters: parameters.clone(), initial, now })
    }

    /// Names of the states and the rates that schedules begin with.
    pub fn initial(&self) -> &[(String, f64)] {
        &self.initial
    }

    /// The rate of the moment: that of the group without a name, or else of the first.
    pub fn now(&self) -> f32 {
        self.now.first().copied().unwrap_or(0.0)
    }

    /// Looks at the rates again: somebody else may have set them.
    ///
    /// # Errors
    /// When the device failed.
    pub fn refresh(&mut self) -> Result<()> {
        block_on("Rates::refresh_async", self.refresh_async())
    }

    /// As [`Rates::refresh`], without waiting.
    ///
    /// # Errors
    /// As [`Rates::refresh`].
    pub async fn refresh_async(&mut self) -> Result<()> {
        for ((name, _), now) in self.initial.iter().zip(&mut self.now) {
            *now = self.parameters.get_async(name)?.await?.as_f32()?.first().copied().unwrap_or(0.0);
        }
        Ok(())
    }

    /// Gives the rates of step `step` to the next run.
    ///
    /// # Errors
    /// When a rate is not finite or below 0, or the device failed.
    pub fn follow(&mut self, schedule: &Schedule, step: u64) -> Result<()> {
        let rates: Vec<f64> = self.initial.iter().map(|(_, initial)| schedule.rate(*initial, step)).collect();
        self.set(rates.into_iter())
    }

    /// Lowers the rates where the metric says so.
    ///
    /// # Errors
    /// As [`Rates::follow`].
    pub fn look(&mut self, plateau: &mut ReduceOnPlateau, metric: f64) -> Result<()> {
        if !plateau.look(metric) {
            return Ok(());
        }
        let rates: Vec<f64> = self.now.iter().map(|&rate| plateau.lowered(f64::from(rate))).collect();
        self.set(rates.into_iter())
    }

    fn set(&mut self, rates: impl Iterator<Item = f64>) -> Result<()> {
        for (((name, _), now), rate) in self.initial.iter().zip(&mut self.now).zip(rates) {
            if rate as f32 != *now {
                self.parameters.set(name, &HostTensor::from_f32([], vec![rate as f32])?)?;
                *now = rate as f32;
            }
        }
        Ok(())
    }
}
