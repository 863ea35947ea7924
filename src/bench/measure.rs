//! How long something takes: warm-up until stable, then samples.

use super::report::Timing;
use crate::error::Result;
use crate::exec::{Executable, Stopwatch, Workload};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Samples are taken until this much time is spent and there are enough.
    pub budget: Duration,
    /// The fewest samples.
    pub min_samples: usize,
    /// The most samples.
    pub max_samples: usize,
    /// A sample is the mean of as many runs as take this long, so that the clock's resolution does not count.
    pub sample: Duration,
    /// Warm-up ends here even if the times still change.
    pub warm_up: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(500),
            min_samples: 10,
            max_samples: 200,
            sample: Duration::from_millis(2),
            warm_up: Duration::from_millis(300),
        }
    }
}

/// The most runs of one sample.
const MOST_RUNS: usize = 1000;
/// A submission longer than this may be taken for a hang by a driver.
const SUBMISSION: Duration = Duration::from_millis(100);
/// Times are stable when this many in turn differ by no more than [`STABLE`].
const IN_TURN: usize = 3;
const STABLE: f64 = 0.05;

/// Something that can be run many times.
pub trait Target {
    /// Seconds for one run, the mean of `runs`, `samples` times.
    ///
    /// # Errors
    /// When the device failed.
    fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>>;
}

impl Target for &Workload {
    fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        // Each sample begins with the set after the last one of the sample before, when runs are many.
        Workload::time(self, stopwatch, 0, runs.max(self.sets()), samples)
    }
}

impl Target for &mut Executable {
    fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        Executable::time(self, stopwatch, runs, samples)
    }
}

/// Measures one target. When `stop` turns true, what was measured by then is given; without a sample, `None`.
///
/// # Errors
/// When the device failed.
pub fn measure(
    target: &mut impl Target,
    stopwatch: &Stopwatch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Option<Timing>> {
    let stopped = || stop.load(Ordering::Relaxed);
    let (stable, run) = warm_up(target, stopwatch, policy, stop)?;
    let runs = ((policy.sample.as_secs_f64() / run).ceil() as usize).clamp(1, MOST_RUNS);
    let together = (SUBMISSION.as_secs_f64() / (run * runs as f64)).floor() as usize;
    let together = together.clamp(1, policy.min_samples);
    let (mut samples, mut dropped) = (Vec::new(), 0);
    let start = Instant::now();
    // A device that only gives wrong measurements does not hold us up for ever.
    while !stopped() && samples.len() < policy.max_samples && dropped < policy.max_samples {
        if samples.len() >= policy.min_samples && start.elapsed() >= policy.budget {
            break;
        }
        for seconds in target.time(stopwatch, runs, together)? {
            match seconds {
                Some(seconds) => samples.push(seconds),
                None => dropped += 1,
            }
        }
    }
    let timing = Timing { clock: stopwatch.clock(), runs, samples, dropped, stable };
    Ok((!timing.samples.is_empty()).then_some(timing))
}

/// Runs until times are stable. Gives whether they became so, and the last.
fn warm_up(
    target: &mut impl Target,
    stopwatch: &Stopwatch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<(bool, f64)> {
    let start = Instant::now();
    let mut last: Vec<f64> = Vec::new();
    let mut runs = 1;
    loop {
        let seconds = target.time(stopwatch, runs, 1)?.into_iter().flatten().next();
        // Without a valid time, a short one is assumed: more runs follow.
        let seconds = seconds.unwrap_or(1e-6).max(1e-9);
        let wanted = ((policy.sample.as_secs_f64() / seconds).ceil() as usize).clamp(1, MOST_RUNS);
        last.push(seconds);
        let recent = &last[last.len().saturating_sub(IN_TURN)..];
        let (low, high) = recent.iter().fold((f64::MAX, 0f64), |(l, h), &s| (l.min(s), h.max(s)));
        if recent.len() == IN_TURN && high <= low * (1.0 + STABLE) {
            return Ok((true, low));
        }
        if stop.load(Ordering::Relaxed) || start.elapsed() > policy.warm_up && last.len() >= IN_TURN {
            return Ok((false, low));
        }
        runs = wanted.min(runs * 10);
    }
}
