//! Is the device as fast as it can be? A reference kernel between bursts of samples tells.

use super::measure::{DISTURBED, Watch};
use super::peaks::{Micro, fma, stream};
use super::report::{Row, Timing};
use crate::error::Result;
use crate::exec::{Device, Stopwatch};
use crate::platform::block_on;
use std::collections::VecDeque;

/// Looks that make a level.
const LOOKS: usize = 8;

/// How fast a kernel can be: the best median of [`LOOKS`] looks that followed one another. A single lucky
/// time does not count, and a device that stays throttled does not become the standard.
#[derive(Debug)]
struct Level {
    recent: VecDeque<f64>,
    best: f64,
}

impl Level {
    fn new() -> Self {
        Self { recent: VecDeque::with_capacity(LOOKS), best: f64::INFINITY }
    }

    /// Takes a time in; gives how many times slower it is than the level, 1 before there is one.
    fn observe(&mut self, seconds: f64) -> f64 {
        if self.recent.len() == LOOKS {
            self.recent.pop_front();
        }
        self.recent.push_back(seconds);
        if self.recent.len() == LOOKS {
            let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            self.best = self.best.min(sorted[LOOKS / 2]);
        }
        (seconds / self.best).max(1.0)
    }
}

/// A short piece of arithmetic and a short copy, always the same: they notice a device that is throttled or
/// busy.
pub struct Sentinel {
    kernels: [(Micro, Level); 2],
}

impl Sentinel {
    /// Runs its kernels a few times, to learn how fast they can be.
    ///
    /// # Errors
    /// For the CPU reference, and when the device failed.
    pub fn new(device: &Device, stopwatch: &Stopwatch) -> Result<Self> {
        block_on("Sentinel::new_async", Self::new_async(device, stopwatch))
    }

    /// As [`Sentinel::new`], without waiting.
    ///
    /// # Errors
    /// As [`Sentinel::new`].
    pub async fn new_async(device: &Device, stopwatch: &Stopwatch) -> Result<Self> {
        let (arithmetic, copy) =
            (fma(device, stopwatch, false).await?, stream(device, 4 << 20, false).await?);
        let mut sentinel = Self { kernels: [(arithmetic, Level::new()), (copy, Level::new())] };
        for _ in 0..2 * LOOKS {
            sentinel.look(stopwatch).await?;
        }
        Ok(sentinel)
    }

    /// The levels so far, in seconds. What was measured while they were worse was measured on a busy device.
    pub fn levels(&self) -> [f64; 2] {
        [self.kernels[0].1.best, self.kernels[1].1.best]
    }
}

impl Watch for Sentinel {
    async fn look(&mut self, stopwatch: &Stopwatch) -> Result<f64> {
        let mut slower = 1.0f64;
        for (micro, level) in &mut self.kernels {
            let times = micro.workload.time_async(stopwatch, 1, 3).await?;
            let mut times: Vec<f64> = times.into_iter().flatten().collect();
            times.sort_by(f64::total_cmp);
            if let Some(median) = times.get(times.len() / 2) {
                slower = slower.max(level.observe(*median));
            }
        }
        Ok(slower)
    }
}

/// Marks a timing that was taken before the device showed how fast it is: `then` and `now` are what
/// [`Sentinel::levels`] was after it, and what it is.
pub fn mark_disturbed(timing: &mut Timing, then: [f64; 2], now: [f64; 2]) {
    let slower = (then[0] / now[0]).max(then[1] / now[1]);
    if slower > DISTURBED {
        timing.disturbed = Some(timing.disturbed.unwrap_or(1.0).max(slower));
    }
}

/// Marks the timings of rows that were measured one after the other: `levels` are what [`Sentinel::levels`] was
/// after each.
pub fn mark_rows(rows: &mut [Row], levels: &[[f64; 2]]) {
    let Some(now) = levels.last() else { return };
    for (row, then) in rows.iter_mut().zip(levels) {
        row.timing.iter_mut().for_each(|timing| mark_disturbed(timing, *then, *now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Clock;

    #[test]
    fn a_lucky_time_is_no_level_and_a_throttled_one_no_standard() {
        let mut level = Level::new();
        assert_eq!(level.observe(0.5), 1.0, "nothing to compare with yet");
        for _ in 0..LOOKS {
            level.observe(1.0);
        }
        assert!((level.observe(1.05) - 1.05).abs() < 1e-12, "the lucky 0.5 does not count");
        let throttled = (0..100).map(|_| level.observe(2.0)).fold(f64::INFINITY, f64::min);
        assert!((throttled - 2.0).abs() < 1e-12);
    }

    #[test]
    fn what_was_measured_before_the_device_was_fast_is_marked() {
        let marked = |then| {
            let mut timing = Timing::new(Clock::Timestamps, 1, true);
            mark_disturbed(&mut timing, then, [1.0, 1.0]);
            timing.disturbed
        };
        assert_eq!((marked([2.0, 1.0]), marked([1.05, 1.0])), (Some(2.0), None));
    }
}
