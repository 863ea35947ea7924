//! A case on the device beside the same case on the CPU reference, in one process and on the same cores.

use super::case::{Case, Prepared};
use super::check;
use crate::error::Result;
use crate::exec::{Device, Stopwatch};
use crate::platform::Instant;
use crate::reference::{Array, Precision, eval};
use std::time::Duration;

/// The shortest time of a run on the device and on the reference, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// On the device, by its clock.
    pub device: f64,
    /// On the reference.
    pub reference: f64,
}

/// Slower by less than this is as fast: two runs of one kernel differ as much.
const AS_FAST: f64 = 1.05;
/// What takes less on the device is hardly more than its launch.
const LAUNCH: f64 = 100e-6;
/// Rounds of one run each at least, and once the device seems slower: what disturbs one run is over by the next.
const ROUNDS: usize = 2;
const ROUNDS_IF_SLOWER: usize = 8;
/// A run of the device is the mean of as many as take this long.
const SAMPLE: Duration = Duration::from_millis(2);
/// The most runs of a sample, and no more rounds begin once they took this long.
const MOST_RUNS: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(20);

impl Beside {
    /// Times the device's run over the reference's.
    pub fn ratio(&self) -> f64 {
        self.device / self.reference.max(f64::MIN_POSITIVE)
    }

    /// Whether the device is slower, by more than two runs differ and a launch takes.
    pub fn slower(&self) -> bool {
        self.ratio() > AS_FAST && self.device > LAUNCH
    }
}

/// Checks a case on the device, then measures both alternately. Gives also the kernels that ran.
///
/// # Errors
/// When the device cannot run the case, gives a wrong result, or failed.
pub fn beside(case: &Case, device: &Device, stopwatch: &Stopwatch) -> Result<(Beside, String)> {
    let mut prepared = case.prepare(device, false)?;
    check::check(&mut prepared)?;
    prepared.fill()?;
    let inputs = prepared.arrays()?;
    let inputs: Vec<&Array> = inputs.iter().collect();
    let began = Instant::now();
    let mut best = Beside { device: f64::INFINITY, reference: f64::INFINITY };
    let mut runs = 1;
    for round in 0..ROUNDS_IF_SLOWER {
        if round >= ROUNDS && (!best.slower() || began.elapsed() > PATIENCE) {
            break;
        }
        let seconds = prepared.workload.time(stopwatch, runs, 1)?.into_iter().flatten().next();
        best.device = best.device.min(seconds.unwrap_or(f64::INFINITY));
        runs = (SAMPLE.as_secs_f64() / best.device).ceil().clamp(1.0, MOST_RUNS) as usize;
        best.reference = best.reference.min(reference_seconds(&prepared, &inputs)?);
    }
    Ok((best, prepared.variant()))
}

fn reference_seconds(prepared: &Prepared, inputs: &[&Array]) -> Result<f64> {
    let start = Instant::now();
    let outputs = eval(&prepared.op, inputs, Precision::F32)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(std::hint::black_box(outputs));
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_by_more_than_two_runs_differ_and_more_than_a_launch() {
        let slower = |device: f64, reference: f64| Beside { device, reference }.slower();
        assert!(slower(1.1e-3, 1e-3) && !slower(1.04e-3, 1e-3) && !slower(0.5e-3, 1e-3));
        assert!(!slower(90e-6, 1e-6) && slower(110e-6, 1e-6));
    }
}
