//! How long something takes: warm-up until stable, then samples.

use super::report::Timing;
use crate::error::Result;
use crate::exec::{Executable, Stopwatch, Workload};
use crate::platform::{Instant, block_on};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    /// Samples are taken in bursts of about this long; the watch looks between them.
    pub burst: Duration,
    /// The fewest bursts, however long each takes: what is estimated from them needs several.
    pub min_bursts: usize,
    /// The fewest samples of a submission. From 2 on an untimed run leads them in.
    pub together: usize,
}

impl Policy {
    /// For two interleaved processes: many short bursts, so that each has one of the other beside it. Each
    /// burst finds caches that the other one used.
    pub fn interleaved(self) -> Self {
        let [sample, burst, warm_up] = [300, 4000, 100_000].map(Duration::from_micros);
        let (min_samples, max_samples, budget) = (8 * self.min_samples, 1000, 2 * self.budget);
        Self { sample, burst, min_bursts: 5, warm_up, together: 2, min_samples, max_samples, budget }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(500),
            min_samples: 10,
            max_samples: 200,
            sample: Duration::from_millis(2),
            warm_up: Duration::from_millis(300),
            burst: Duration::from_millis(40),
            min_bursts: 1,
            together: 1,
        }
    }
}

/// The most runs of one sample.
const MOST_RUNS: usize = 1000;
/// A submission longer than this may be taken for a hang by a driver.
const SUBMISSION: Duration = Duration::from_millis(100);
/// The most samples of a submission.
const MOST_TOGETHER: usize = 10;
/// Times are stable when this many successive ones differ by no more than [`STABLE`].
const IN_TURN: usize = 3;
const STABLE: f64 = 0.05;

/// What is measured: it can be run many times.
pub trait Target {
    /// Seconds for one run, the mean of `runs`, `samples` times.
    ///
    /// # Errors
    /// When the device failed.
    fn time(
        &mut self,
        stopwatch: &Stopwatch,
        runs: usize,
        samples: usize,
    ) -> impl Future<Output = Result<Vec<Option<f64>>>>;
}

impl Target for &Workload {
    async fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        // Every sample visits every set of buffers.
        self.time_async(stopwatch, runs.max(self.sets()), samples).await
    }
}

impl Target for &mut Executable {
    async fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        self.time_async(stopwatch, runs, samples).await
    }
}

/// Tells whether the device is as fast as it can be, between bursts of samples.
pub trait Watch {
    /// How many times slower than at its best the device is now; 1 where nobody looks.
    ///
    /// # Errors
    /// When the device failed.
    fn look(&mut self, stopwatch: &Stopwatch) -> impl Future<Output = Result<f64>>;

    /// Whether the fewest samples are enough, whatever budget is left.
    fn hurries(&self) -> bool {
        false
    }
}

/// Does not check whether the device is disturbed.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    async fn look(&mut self, _: &Stopwatch) -> Result<f64> {
        Ok(1.0)
    }
}

/// Slower than its best by more than this, the device was throttled or busy.
pub const DISTURBED: f64 = 1.1;
/// Waiting for a quiet device ends after this many budgets.
const PATIENCE: f64 = 2.0;

/// Measures one target. Samples between two looks of the watch that found the device disturbed are set aside,
/// and used only where there are not enough others. When `stop` becomes true, what was measured by then is
/// given; without a sample, `None`.
///
/// # Errors
/// When the device failed.
pub fn measure(
    target: &mut impl Target,
    stopwatch: &Stopwatch,
    watch: &mut impl Watch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Option<Timing>> {
    block_on("measure_async", measure_async(target, stopwatch, watch, policy, stop))
}

/// As [`measure`], without waiting.
///
/// # Errors
/// As [`measure`].
pub async fn measure_async(
    target: &mut impl Target,
    stopwatch: &Stopwatch,
    watch: &mut impl Watch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Option<Timing>> {
    let (stable, run) = warm_up(target, stopwatch, policy, stop).await?;
    let runs = ((policy.sample.as_secs_f64() / run).ceil() as usize).clamp(1, MOST_RUNS);
    let seconds = run * runs as f64;
    let fit = |time: Duration| (time.as_secs_f64() / seconds) as usize;
    let least = policy.together.min(fit(SUBMISSION)).max(1);
    let together = fit(policy.burst.min(SUBMISSION)).min(MOST_TOGETHER).max(least);
    let mut timing = Timing::new(stopwatch.clock(), runs, stable);
    let (mut aside, mut worst) = (Vec::new(), 1.0f64);
    let start = Instant::now();
    let mut quiet = Duration::ZERO;
    let mut before = watch.look(stopwatch).await?;
    let mut bursts = 0;
    while !stop.load(Ordering::Relaxed) {
        let enough =
            timing.samples.len() >= policy.min_samples && (quiet >= policy.budget || watch.hurries());
        let impatient = start.elapsed() > policy.budget.mul_f64(PATIENCE)
            && timing.samples.len() + aside.len() >= policy.min_samples;
        // A device that only gives wrong measurements does not hold us up for ever.
        let most = timing.samples.len().max(timing.dropped) >= policy.max_samples;
        if bursts >= policy.min_bursts && (enough || impatient || most) {
            break;
        }
        bursts += 1;
        let burst = Instant::now();
        let mut samples = Vec::new();
        while burst.elapsed() < policy.burst && !stop.load(Ordering::Relaxed) {
            for seconds in target.time(stopwatch, runs, together).await? {
                match seconds {
                    Some(seconds) => samples.push(seconds),
                    None => timing.dropped += 1,
                }
            }
        }
        let spent = burst.elapsed();
        let after = watch.look(stopwatch).await?;
        let slower = before.max(after);
        before = after;
        if slower <= DISTURBED {
            timing.add(samples);
            quiet += spent;
        } else {
            aside.extend(samples);
            worst = worst.max(slower);
        }
    }
    if timing.samples.len() < policy.min_samples && !aside.is_empty() {
        timing.add(std::mem::take(&mut aside));
        timing.disturbed = Some(worst);
    }
    timing.set_aside = aside.len();
    Ok((!timing.samples.is_empty()).then_some(timing))
}

/// Runs until times are stable. Gives whether they became so, and the last.
async fn warm_up(
    target: &mut impl Target,
    stopwatch: &Stopwatch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<(bool, f64)> {
    let start = Instant::now();
    let mut last: Vec<f64> = Vec::new();
    let mut runs = 1;
    loop {
        let seconds = target.time(stopwatch, runs, 1).await?.into_iter().flatten().next();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Device;
    use std::thread::sleep;

    /// Always takes as long, by what it says; `None` is a measurement that the device gave wrongly.
    struct Fake(Option<f64>);

    impl Target for Fake {
        async fn time(&mut self, _: &Stopwatch, _: usize, samples: usize) -> Result<Vec<Option<f64>>> {
            sleep(Duration::from_millis(1));
            Ok(vec![self.0; samples])
        }
    }

    /// What the device is, look by look; the last for ever.
    struct Looks(Vec<f64>);

    impl Watch for Looks {
        async fn look(&mut self, _: &Stopwatch) -> Result<f64> {
            Ok(if self.0.len() > 1 { self.0.remove(0) } else { self.0[0] })
        }
    }

    fn timing(time: Option<f64>, looks: &[f64], stop: bool) -> Option<Option<Timing>> {
        let device = Device::auto().unwrap();
        if device.is_cpu() {
            println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
            return None;
        }
        let stopwatch = Stopwatch::new(&device, false).unwrap();
        let policy = Policy { budget: Duration::from_millis(1), ..Policy::default() };
        let stop = AtomicBool::new(stop);
        Some(measure(&mut Fake(time), &stopwatch, &mut Looks(looks.to_vec()), &policy, &stop).unwrap())
    }

    #[test]
    fn samples_of_a_busy_device_are_set_aside_while_there_are_others() {
        let Some(quiet) = timing(Some(0.05), &[1.0], false) else { return };
        let quiet = quiet.unwrap();
        assert!(
            quiet.samples.len() >= 10 && quiet.set_aside == 0 && quiet.disturbed.is_none() && quiet.stable
        );
        let busy = timing(Some(0.05), &[2.0], false).flatten().unwrap();
        assert!(busy.samples.len() >= 10 && busy.disturbed == Some(2.0));
    }

    #[test]
    fn a_device_that_only_gives_wrong_times_or_an_interruption_ends() {
        let Some(wrong) = timing(None, &[1.0], false) else { return };
        assert_eq!(wrong, None);
        assert_eq!(timing(Some(0.05), &[1.0], true), Some(None));
    }
}
