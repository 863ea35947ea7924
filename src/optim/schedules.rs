//! Learning-rate schedules: PyTorch's `torch.optim.lr_scheduler`, each in closed form.
//!
//! A schedule is a value: it gives the rate of any step at once, so that a run that goes on after a checkpoint needs no more
//! than the number of its step. [`super::ReduceOnPlateau`] alone follows a metric and has a state.

use crate::error::{Error, Result};
use std::f64::consts::PI;
use std::sync::Arc;

/// The learning rate of every step, counted from 0, from the initial one. What a step is, a batch or an epoch, is up to who
/// asks.
#[derive(Clone)]
#[non_exhaustive]
pub enum Schedule {
    /// The initial rate, always.
    Unchanged,
    /// `StepLR`: times `gamma` every `step_size` steps.
    Step {
        /// Steps between two changes, at least 1.
        step_size: u64,
        /// The factor; PyTorch's default is 0.1.
        gamma: f64,
    },
    /// `MultiStepLR`: times `gamma` at each of some steps.
    MultiStep {
        /// The steps, in any order.
        milestones: Vec<u64>,
        /// The factor; PyTorch's default is 0.1.
        gamma: f64,
    },
    /// `ExponentialLR`: times `gamma` every step.
    Exponential {
        /// The factor.
        gamma: f64,
    },
    /// `CosineAnnealingLR`: down to `eta_min` in `t_max` steps along half a cosine, and up again.
    Cosine {
        /// Steps to the lowest rate, at least 1.
        t_max: u64,
        /// The lowest rate; PyTorch's default is 0.
        eta_min: f64,
    },
    /// `CosineAnnealingWarmRestarts` (Loshchilov and Hutter, 2017): half a cosine again and again, each `t_mult` times as long
    /// as the one before.
    CosineRestarts {
        /// Steps of the first, at least 1.
        t_0: u64,
        /// How much longer each is than the one before, at least 1.
        t_mult: u64,
        /// The lowest rate.
        eta_min: f64,
    },
    /// `OneCycleLR` (Smith and Topin, 2018).
    OneCycle(OneCycle),
    /// `CyclicLR` (Smith, 2017).
    Cyclic(Cyclic),
    /// `PolynomialLR`: `(1 - step / total_iters)^power` of the initial rate, then 0.
    Polynomial {
        /// Steps to 0, at least 1.
        total_iters: u64,
        /// The power; PyTorch's default is 1.
        power: f64,
    },
    /// `LinearLR`, a warm-up: from `start_factor` to `end_factor` of the initial rate in `total_iters` steps.
    Linear {
        /// The first factor, above 0 and at most 1; PyTorch's default is 1/3.
        start_factor: f64,
        /// The last factor, 0 to 1; PyTorch's default is 1.
        end_factor: f64,
        /// Steps until then, at least 1; PyTorch's default is 5.
        total_iters: u64,
    },
    /// `ConstantLR`: `factor` of the initial rate for `total_iters` steps, then the whole.
    Constant {
        /// The factor, 0 to 1; PyTorch's default is 1/3.
        factor: f64,
        /// Steps until then; PyTorch's default is 5.
        total_iters: u64,
    },
    /// `LambdaLR`: what a function gives of the step, times the initial rate.
    Lambda(Arc<dyn Fn(u64) -> f64 + Send + Sync>),
    /// `ChainedScheduler`: the product of the factors of these schedules.
    Chained(Vec<Schedule>),
    /// `SequentialLR`: one after the other, each counting from 0 where it begins.
    Sequential {
        /// The schedules.
        schedules: Vec<Schedule>,
        /// The steps at which all but the first begin, ascending.
        milestones: Vec<u64>,
    },
}

/// One cycle: up from `max_lr / div_factor` to `max_lr`, then down to the first rate divided by `final_div_factor`. The
/// initial rate of the optimizer plays no part. Momentum stays as it is (PyTorch's `cycle_momentum=False`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// The highest rate.
    pub max_lr: f64,
    /// Steps of the cycle, at least 1.
    pub total_steps: u64,
    /// The fraction of the steps that goes up, 0 to 1; 0.3.
    pub pct_start: f64,
    /// Whether the way is a line rather than half a cosine; false.
    pub linear: bool,
    /// By how much the first rate is below the highest; 25.
    pub div_factor: f64,
    /// By how much the last rate is below the first; 1e4.
    pub final_div_factor: f64,
    /// Whether the way down is first as long as the way up; false.
    pub three_phase: bool,
}

impl OneCycle {
    /// With PyTorch's defaults.
    pub fn new(max_lr: f64, total_steps: u64) -> Self {
        let (pct_start, linear, three_phase) = (0.3, false, false);
        Self { max_lr, total_steps, pct_start, linear, div_factor: 25.0, final_div_factor: 1e4, three_phase }
    }

    fn rate(&self, step: u64) -> f64 {
        let (first, total) = (self.max_lr / self.div_factor, self.total_steps as f64);
        let (last, up) = (first / self.final_div_factor, self.pct_start * total - 1.0);
        let phases = match self.three_phase {
            true => vec![
                (up, first, self.max_lr),
                (2.0 * self.pct_start * total - 2.0, self.max_lr, first),
                (total - 1.0, first, last),
            ],
            false => vec![(up, first, self.max_lr), (total - 1.0, self.max_lr, last)],
        };
        let step = (step as f64).min(total - 1.0);
        let mut begin = 0.0;
        for (end, from, to) in phases {
            if step <= end {
                let share = if end > begin { (step - begin) / (end - begin) } else { 1.0 };
                return match self.linear {
                    true => from + (to - from) * share,
                    false => to + (from - to) / 2.0 * (1.0 + (PI * share).cos()),
                };
            }
            begin = end;
        }
        last
    }
}

/// How the height of the cycles of [`Cyclic`] changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cycles {
    /// Not at all: `triangular`.
    Alike,
    /// Each is half as high as the one before: `triangular2`.
    Halved,
    /// By this factor every step: `exp_range`.
    Scaled(f64),
}

/// Cycles between two rates. The initial rate of the optimizer plays no part. Momentum stays as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cyclic {
    /// The lowest rate.
    pub base_lr: f64,
    /// The highest rate of the first cycle.
    pub max_lr: f64,
    /// Steps up, at least 1; PyTorch's default is 2000.
    pub step_size_up: u64,
    /// Steps down, at least 1; as many as up by default.
    pub step_size_down: u64,
    /// How the height changes.
    pub cycles: Cycles,
}

impl Cyclic {
    /// Alike cycles of `2 step_size` steps.
    pub fn new(base_lr: f64, max_lr: f64, step_size: u64) -> Self {
        let (step_size_up, step_size_down) = (step_size, step_size);
        Self { base_lr, max_lr, step_size_up, step_size_down, cycles: Cycles::Alike }
    }

    fn rate(&self, step: u64) -> f64 {
        let total = self.step_size_up as f64 + self.step_size_down as f64;
        let ratio = self.step_size_up as f64 / total;
        let at = step as f64 / total;
        let x = at.fract();
        let share = if x <= ratio { x / ratio } else { (x - 1.0) / (ratio - 1.0) };
        let height = match self.cycles {
            Cycles::Alike => 1.0,
            Cycles::Halved => 0.5f64.powf(at.floor()),
            Cycles::Scaled(gamma) => gamma.powf(step as f64),
        };
        self.base_lr + (self.max_lr - self.base_lr) * share * height
    }
}

impl Schedule {
    /// That its numbers are in their ranges.
    ///
    /// # Errors
    /// When one is not, with its name.
    pub fn check(&self) -> Result<()> {
        let refused = |name: &str, expected: &str, got: f64| {
            Err(Error::argument(&format!("schedule {self}: {name}"), expected, got.to_string()))
        };
        let steps = |name, count: u64| match count {
            0 => refused(name, "at least 1", 0.0),
            _ => Ok(()),
        };
        let rate = |name, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => refused(name, "a finite number of at least 0", value),
        };
        let share =
            |name, value: f64, open: bool| match (0.0..=1.0).contains(&value) && !(open && value == 0.0) {
                true => Ok(()),
                false => refused(name, if open { "above 0 and at most 1" } else { "0 to 1" }, value),
            };
        match self {
            Self::Unchanged | Self::Lambda(_) => Ok(()),
            Self::Step { step_size, gamma } => steps("step_size", *step_size).and(rate("gamma", *gamma)),
            Self::MultiStep { gamma, .. } | Self::Exponential { gamma } => rate("gamma", *gamma),
            Self::Cosine { t_max, eta_min } => steps("t_max", *t_max).and(rate("eta_min", *eta_min)),
            Self::CosineRestarts { t_0, t_mult, eta_min } => {
                steps("t_0", *t_0).and(steps("t_mult", *t_mult)).and(rate("eta_min", *eta_min))
            }
            Self::OneCycle(o) => {
                let divisor = |name, value: f64| match value.is_finite() && value > 0.0 {
                    true => Ok(()),
                    false => refused(name, "a finite number above 0", value),
                };
                steps("total_steps", o.total_steps)
                    .and(rate("max_lr", o.max_lr))
                    .and(share("pct_start", o.pct_start, false))
                    .and(divisor("div_factor", o.div_factor))
                    .and(divisor("final_div_factor", o.final_div_factor))
            }
            Self::Cyclic(c) => {
                steps("step_size_up", c.step_size_up).and(steps("step_size_down", c.step_size_down))?;
                rate("base_lr", c.base_lr).and(rate("max_lr", c.max_lr))?;
                if let Cycles::Scaled(gamma) = c.cycles { rate("gamma", gamma) } else { Ok(()) }
            }
            Self::Polynomial { total_iters, power } => {
                steps("total_iters", *total_iters).and(rate("power", *power))
            }
            Self::Linear { start_factor, end_factor, total_iters } => {
                share("start_factor", *start_factor, true)
                    .and(share("end_factor", *end_factor, false))
                    .and(steps("total_iters", *total_iters))
            }
            Self::Constant { factor, .. } => share("factor", *factor, false),
            Self::Chained(all) => all.iter().try_for_each(Self::check),
            Self::Sequential { schedules, milestones } => {
                let ascending = milestones.windows(2).all(|pair| pair[0] < pair[1]);
                if schedules.len() != milestones.len() + 1 || !ascending {
                    let expected = format!("{} ascending steps", schedules.len().max(1) - 1);
                    return Err(Error::argument("schedule: milestones", expected, format!("{milestones:?}")));
                }
                schedules.iter().try_for_each(Self::check)
            }
        }
    }

    /// The rate of step `step` where the first one would be `initial`.
    pub fn rate(&self, initial: f64, step: u64) -> f64 {
        let at = step as f64;
        let cosine =
            |eta_min: f64, share: f64| eta_min + (initial - eta_min) * (1.0 + (PI * share).cos()) / 2.0;
        match self {
            Self::Unchanged => initial,
            Self::Step { step_size, gamma } => initial * gamma.powf((step / (*step_size).max(1)) as f64),
            Self::MultiStep { milestones, gamma } => {
                initial * gamma.powf(milestones.iter().filter(|&&m| m <= step).count() as f64)
            }
            Self::Exponential { gamma } => initial * gamma.powf(at),
            Self::Cosine { t_max, eta_min } => cosine(*eta_min, at / (*t_max).max(1) as f64),
            Self::CosineRestarts { t_0, t_mult, eta_min } => {
                let (mut within, mut length) = (step, (*t_0).max(1));
                if *t_mult <= 1 {
                    within %= length;
                }
                while within >= length {
                    (within, length) = (within - length, length.saturating_mul(*t_mult));
                }
                cosine(*eta_min, within as f64 / length as f64)
            }
            Self::OneCycle(cycle) => cycle.rate(step),
            Self::Cyclic(cyclic) => cyclic.rate(step),
            Self::Polynomial { total_iters, power } => {
                initial * (1.0 - (at / (*total_iters).max(1) as f64).min(1.0)).powf(*power)
            }
            Self::Linear { start_factor, end_factor, total_iters } => {
                let share = (at / (*total_iters).max(1) as f64).min(1.0);
                initial * (start_factor + (end_factor - start_factor) * share)
            }
            Self::Constant { factor, total_iters } => {
                if step < *total_iters {
                    initial * factor
                } else {
                    initial
                }
            }
            Self::Lambda(function) => initial * function(step),
            Self::Chained(all) => match initial == 0.0 {
                true => 0.0,
                false => all.iter().fold(initial, |rate, one| rate * (one.rate(initial, step) / initial)),
            },
            Self::Sequential { schedules, milestones } => {
                let number = milestones.iter().filter(|&&m| m <= step).count();
                let begin =
                    number.checked_sub(1).and_then(|before| milestones.get(before)).copied().unwrap_or(0);
                schedules.get(number).map_or(initial, |schedule| schedule.rate(initial, step - begin))
            }
        }
    }
}
