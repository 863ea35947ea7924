//! Schedules as texts: what a command line takes and a checkpoint keeps.

use super::{Cycles, Cyclic, OneCycle, ReduceOnPlateau, Schedule};
use crate::error::{Error, Result};
use crate::pairs::Pairs;
use std::fmt;

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As its [`FromStr`](std::str::FromStr) reads it, but for functions and those made of others.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => write!(f, "unchanged"),
            Self::Step { step_size, gamma } => write!(f, "step:step_size={step_size},gamma={gamma}"),
            Self::MultiStep { milestones, gamma } => {
                let list: Vec<String> = milestones.iter().map(u64::to_string).collect();
                write!(f, "multi_step:milestones={},gamma={gamma}", list.join("/"))
            }
            Self::Exponential { gamma } => write!(f, "exponential:gamma={gamma}"),
            Self::Cosine { t_max, eta_min } => write!(f, "cosine:t_max={t_max},eta_min={eta_min}"),
            Self::CosineRestarts { t_0, t_mult, eta_min } => {
                write!(f, "cosine_restarts:t_0={t_0},t_mult={t_mult},eta_min={eta_min}")
            }
            Self::OneCycle(o) => write!(
                f,
                "one_cycle:max_lr={},total_steps={},pct_start={},div_factor={},final_div_factor={},linear={},three_phase={}",
                o.max_lr,
                o.total_steps,
                o.pct_start,
                o.div_factor,
                o.final_div_factor,
                u8::from(o.linear),
                u8::from(o.three_phase)
            ),
            Self::Cyclic(c) => {
                let Cyclic { base_lr, max_lr, step_size_up, step_size_down, cycles } = c;
                write!(
                    f,
                    "cyclic:base_lr={base_lr},max_lr={max_lr},step_size_up={step_size_up},step_size_down={step_size_down}"
                )?;
                match cycles {
                    Cycles::Alike => Ok(()),
                    Cycles::Halved => write!(f, ",halved=1"),
                    Cycles::Scaled(gamma) => write!(f, ",gamma={gamma}"),
                }
            }
            Self::Polynomial { total_iters, power } => {
                write!(f, "polynomial:total_iters={total_iters},power={power}")
            }
            Self::Linear { start_factor, end_factor, total_iters } => write!(
                f,
                "linear:start_factor={start_factor},end_factor={end_factor},total_iters={total_iters}"
            ),
            Self::Constant { factor, total_iters } => {
                write!(f, "constant:factor={factor},total_iters={total_iters}")
            }
            Self::Lambda(_) => write!(f, "a function"),
            Self::Chained(all) => {
                write!(f, "{}", all.iter().map(Self::to_string).collect::<Vec<_>>().join(" * "))
            }
            Self::Sequential { schedules, milestones } => {
                let begins =
                    std::iter::once(String::new()).chain(milestones.iter().map(|m| format!("@{m} ")));
                let parts = begins.zip(schedules).map(|(begin, schedule)| format!("{begin}{schedule}"));
                write!(f, "{}", parts.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// The names that a text may have.
const NAMES: &str = "unchanged, step, multi_step, exponential, cosine, cosine_restarts, one_cycle, cyclic, polynomial, linear or constant";

impl std::str::FromStr for Schedule {
    type Err = Error;

    /// A schedule by name and numbers, such as `cosine:t_max=1000,eta_min=0` or `multi_step:milestones=30/60,gamma=0.1`;
    /// numbers that PyTorch has a default for may be left out.
    fn from_str(text: &str) -> Result<Self> {
        let (name, list) = text.split_once(':').unwrap_or((text, ""));
        let mut n = Pairs::of("schedule", text, list)?;
        let schedule = match name {
            "unchanged" => Self::Unchanged,
            "step" => {
                Self::Step { step_size: n.number("step_size", None)?, gamma: n.number("gamma", Some(0.1))? }
            }
            "multi_step" => {
                Self::MultiStep { milestones: n.list("milestones")?, gamma: n.number("gamma", Some(0.1))? }
            }
            "exponential" => Self::Exponential { gamma: n.number("gamma", None)? },
            "cosine" => {
                Self::Cosine { t_max: n.number("t_max", None)?, eta_min: n.number("eta_min", Some(0.0))? }
            }
            "cosine_restarts" => Self::CosineRestarts {
                t_0: n.number("t_0", None)?,
                t_mult: n.number("t_mult", Some(1))?,
                eta_min: n.number("eta_min", Some(0.0))?,
            },
            "one_cycle" => {
                let usual = OneCycle::new(n.number("max_lr", None)?, n.number("total_steps", None)?);
                Self::OneCycle(OneCycle {
                    pct_start: n.number("pct_start", Some(usual.pct_start))?,
                    div_factor: n.number("div_factor", Some(usual.div_factor))?,
                    final_div_factor: n.number("final_div_factor", Some(usual.final_div_factor))?,
                    linear: n.flag("linear")?,
                    three_phase: n.flag("three_phase")?,
                    ..usual
                })
            }
            "cyclic" => {
                let up = n.number("step_size_up", Some(2000))?;
                let usual = Cyclic::new(n.number("base_lr", None)?, n.number("max_lr", None)?, up);
                let gamma = n.number("gamma", Some(1.0))?;
                let cycles = match n.flag("halved")? {
                    true => Cycles::Halved,
                    false if gamma != 1.0 => Cycles::Scaled(gamma),
                    false => Cycles::Alike,
                };
                Self::Cyclic(Cyclic {
                    step_size_down: n.number("step_size_down", Some(up))?,
                    cycles,
                    ..usual
                })
            }
            "polynomial" => Self::Polynomial {
                total_iters: n.number("total_iters", None)?,
                power: n.number("power", Some(1.0))?,
            },
            "linear" => Self::Linear {
                start_factor: n.number("start_factor", Some(1.0 / 3.0))?,
                end_factor: n.number("end_factor", Some(1.0))?,
                total_iters: n.number("total_iters", Some(5))?,
            },
            "constant" => Self::Constant {
                factor: n.number("factor", Some(1.0 / 3.0))?,
                total_iters: n.number("total_iters", Some(5))?,
            },
            _ => return Err(Error::argument("schedule", NAMES, text)),
        };
        n.end(name)?;
        schedule.check()?;
        Ok(schedule)
    }
}

/// As its [`FromStr`](std::str::FromStr) reads it, without what it has seen.
impl fmt::Display for ReduceOnPlateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { factor, patience, threshold, absolute, cooldown, min_lr, eps, .. } = self;
        let absolute = u8::from(*absolute);
        write!(
            f,
            "factor={factor},patience={patience},threshold={threshold},absolute={absolute},cooldown={cooldown},\
             min_lr={min_lr},eps={eps}"
        )
    }
}

impl std::str::FromStr for ReduceOnPlateau {
    type Err = Error;

    /// Numbers such as `factor=0.1,patience=10`; those that are left out are PyTorch's defaults. Whether the metric is to grow
    /// is not among them.
    fn from_str(text: &str) -> Result<Self> {
        let usual = Self::default();
        let mut n = Pairs::of("plateau", text, text)?;
        let plateau = Self {
            factor: n.number("factor", Some(usual.factor))?,
            patience: n.number("patience", Some(usual.patience))?,
            threshold: n.number("threshold", Some(usual.threshold))?,
            absolute: n.flag("absolute")?,
            cooldown: n.number("cooldown", Some(usual.cooldown))?,
            min_lr: n.number("min_lr", Some(usual.min_lr))?,
            eps: n.number("eps", Some(usual.eps))?,
            ..usual
        };
        n.end("a plateau")?;
        plateau.check()?;
        Ok(plateau)
    }
}
