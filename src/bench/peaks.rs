//! What an adapter can do at most: the roofs that results are put in relation to.

use super::measure::{Policy, Unwatched, measure_async};
use super::report::{Roofs, Row, Status, Timing};
use crate::error::{Error, Result};
use crate::exec::{Clock, Device, Stopwatch, Workload};
use crate::kernels::Limits;
use crate::kernels::peaks::{self, MicroKernel};
use crate::plan::Plan;
use crate::platform::{Instant, block_on};
use crate::random::Rng;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A micro-kernel with its buffers.
pub(super) struct Micro {
    pub(super) workload: Workload,
    why: String,
    flops: u64,
    bytes: u64,
}

impl Micro {
    async fn new(device: &Device, kernel: MicroKernel) -> Result<Self> {
        let plan = Plan::of_micro_kernel(&kernel);
        let workload = Workload::from_plan_async(device, &plan, 1).await?;
        let mut rng = Rng::new(2);
        for (buffer, b) in plan.buffers.iter().enumerate() {
            // Below 1, so that repeated multiply-adds converge; never zero.
            let values: Vec<f32> = (0..b.bytes / 4).map(|_| rng.range(0.1, 0.9) as f32).collect();
            workload.write(buffer, bytemuck::cast_slice(&values))?;
        }
        Ok(Self { workload, why: kernel.launch.why, flops: kernel.flops, bytes: kernel.bytes })
    }
}

/// How long a micro-kernel of the rate of arithmetic runs, about.
const ARITHMETIC: f64 = 0.008;

/// A micro-kernel that keeps the device busy for about [`ARITHMETIC`]: iterations are doubled until it does.
async fn busy(
    device: &Device,
    stopwatch: &Stopwatch,
    make: impl Fn(usize) -> Result<MicroKernel, crate::Mismatch>,
) -> Result<Micro> {
    let mut iterations = 4;
    loop {
        let kernel = make(iterations).map_err(|m| Error::op("peaks", "", m))?;
        let micro = Micro::new(device, kernel).await?;
        // The first run is not representative.
        micro.workload.time_async(stopwatch, 1, 1).await?;
        let second = micro.workload.time_async(stopwatch, 1, 1).await?;
        let seconds = second.into_iter().flatten().next().unwrap_or(0.0);
        let more = iterations * if seconds < ARITHMETIC / 16.0 { 8 } else { 2 };
        if seconds >= ARITHMETIC / 2.0 || more > device.limits().max_iterations as usize {
            return Ok(micro);
        }
        iterations = more;
    }
}

/// Workgroups that fill a large device and are no trouble for a small one.
const GROUPS: usize = 4096;

/// The fastest way to write multiply-adds on this device. The candidates are interleaved, so that a disturbance
/// does not decide.
pub(super) async fn fma(device: &Device, stopwatch: &Stopwatch, half: bool) -> Result<Micro> {
    let (groups, limits) = (groups(device), device.limits());
    let mut candidates = Vec::new();
    for chains in peaks::CHAINS {
        let make = |iterations| peaks::fma(chains, groups, iterations, half, &limits);
        candidates.push(busy(device, stopwatch, make).await?);
    }
    let mut rates = vec![0.0f64; candidates.len()];
    for _ in 0..ROUNDS {
        for (micro, rate) in candidates.iter().zip(&mut rates) {
            let times = micro.workload.time_async(stopwatch, 1, 3).await?;
            let best = times.into_iter().flatten().reduce(f64::min);
            *rate = rate.max(best.map_or(0.0, |seconds| micro.flops as f64 / seconds));
        }
    }
    let best = candidates.into_iter().zip(rates).max_by(|a, b| a.1.total_cmp(&b.1));
    let wrong = || Error::device("the time of a kernel", "only wrong measurements");
    best.filter(|(_, rate)| *rate > 0.0).map(|(micro, _)| micro).ok_or_else(wrong)
}

const ROUNDS: usize = 5;

/// A software adapter has few cores.
fn groups(device: &Device) -> usize {
    match device.identity().map(|i| i.kind.as_str()) {
        Some("software") => 64,
        _ => GROUPS,
    }
}

/// Larger than caches, as far as a binding may be.
fn large(limits: &Limits) -> u64 {
    limits.max_binding_bytes.min(limits.max_buffer_bytes).min(128 << 20) / 4096 * 4096
}

/// A copy of two arrays, or with `triad` three, of `bytes` each.
pub(super) async fn stream(device: &Device, bytes: u64, triad: bool) -> Result<Micro> {
    let kernel = peaks::stream(bytes, triad, &device.limits());
    Micro::new(device, kernel.map_err(|m| Error::op("peaks", "", m))?).await
}

/// A submission of one empty dispatch, or a readback of 4 bytes, by the host's clock.
async fn host(device: &Device, readback: bool) -> Result<Timing> {
    let kernel = peaks::empty(&device.limits()).map_err(|m| Error::op("peaks", "", m))?;
    let mut empty = Micro::new(device, kernel).await?.workload;
    let mut timing = Timing::new(Clock::Wall, if readback { 1 } else { 50 }, true);
    for _ in 0..20 {
        timing.samples.push(if readback {
            let start = Instant::now();
            empty.read_async(0, 4).await?;
            start.elapsed().as_secs_f64()
        } else {
            empty.submit_seconds_async(timing.runs).await?
        });
    }
    Ok(timing)
}

fn row(peak: Peak, micro: Option<&Micro>, timing: Option<Timing>) -> Row {
    Row {
        set: "peaks".into(),
        layer: peak.to_string(),
        count: 1,
        pass: "peak".into(),
        status: if timing.is_some() { Status::Ok } else { Status::Skipped("interrupted".into()) },
        flops: micro.map_or(0, |m| m.flops),
        nominal_flops: micro.map_or(0, |m| m.flops),
        bytes: micro.map_or(0, |m| m.bytes),
        variant: micro.map(|m| m.why.clone()).unwrap_or_default(),
        timing,
        ..Row::default()
    }
}

/// Something an adapter can do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peak {
    /// Multiply-adds in 32 bits.
    Fma,
    /// Multiply-adds in 16 bits.
    FmaHalf,
    /// `a = b`, where both together take this many MiB.
    Copy(u64),
    /// `a = b + 3 c` in arrays that are larger than caches.
    Triad,
    /// Reads of workgroup memory.
    Workgroup,
    /// A dispatch that does nothing.
    Dispatch,
    /// A submission of one.
    Submit,
    /// A readback of 4 bytes.
    Readback,
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peak::Fma => f.write_str("f32 multiply-add"),
            Peak::FmaHalf => f.write_str("f16 multiply-add"),
            Peak::Copy(mib) => write!(f, "copy {mib} MiB"),
            Peak::Triad => f.write_str("triad"),
            Peak::Workgroup => f.write_str("workgroup memory"),
            Peak::Dispatch => f.write_str("empty dispatch"),
            Peak::Submit => f.write_str("submit"),
            Peak::Readback => f.write_str("readback of 4 bytes"),
        }
    }
}

/// Those that make the roofs: arithmetic, and copies in each level of a memory hierarchy.
pub const ROOFS: [Peak; 5] = [Peak::Fma, Peak::Copy(256), Peak::Copy(64), Peak::Copy(16), Peak::Copy(4)];

/// All of them.
pub const ALL: [Peak; 11] = [
    Peak::Fma,
    Peak::FmaHalf,
    Peak::Copy(256),
    Peak::Copy(64),
    Peak::Copy(16),
    Peak::Copy(4),
    Peak::Triad,
    Peak::Workgroup,
    Peak::Dispatch,
    Peak::Submit,
    Peak::Readback,
];

async fn micro(device: &Device, peak: Peak, stopwatch: &Stopwatch) -> Result<Micro> {
    let limits = device.limits();
    match peak {
        Peak::Fma | Peak::FmaHalf => fma(device, stopwatch, peak == Peak::FmaHalf).await,
        Peak::Copy(mib) => stream(device, (mib << 19).min(large(&limits)), false).await,
        Peak::Triad => stream(device, large(&limits), true).await,
        Peak::Workgroup => {
            let groups = groups(device);
            busy(device, stopwatch, |iterations| peaks::workgroup(groups, iterations, &limits)).await
        }
        Peak::Dispatch | Peak::Submit | Peak::Readback => {
            Micro::new(device, peaks::empty(&limits).map_err(|m| Error::op("peaks", "", m))?).await
        }
    }
}

/// Measures these peaks, calling `done` after each.
///
/// # Errors
/// For the CPU reference, and when the device failed.
pub fn measure_rows(
    device: &Device,
    peaks: &[Peak],
    stopwatch: &Stopwatch,
    stop: &AtomicBool,
    done: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    block_on("peaks::measure_rows_async", measure_rows_async(device, peaks, stopwatch, stop, done))
}

/// As [`measure_rows`], without waiting.
///
/// # Errors
/// As [`measure_rows`].
pub async fn measure_rows_async(
    device: &Device,
    peaks: &[Peak],
    stopwatch: &Stopwatch,
    stop: &AtomicBool,
    mut done: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let policy = Policy { budget: Duration::from_millis(300), max_samples: 60, ..Policy::default() };
    let mut rows = Vec::new();
    for &peak in peaks {
        let row = if peak == Peak::FmaHalf && !device.has_f16() {
            let status = Status::Skipped("the adapter has no 16-bit floats".into());
            Row { status, ..row(peak, None, None) }
        } else {
            let micro = micro(device, peak, stopwatch).await?;
            let timing = match peak {
                Peak::Submit | Peak::Readback => Some(host(device, peak == Peak::Readback).await?),
                _ => measure_async(&mut &micro.workload, stopwatch, &mut Unwatched, &policy, stop).await?,
            };
            row(peak, Some(&micro), timing)
        };
        done(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// The roofs that these rows show: the best sample of each, so that nothing is above by chance.
pub fn roofs(rows: &[Row]) -> Option<Roofs> {
    let best = |row: &Row, amount: u64| row.summary().map(|s| amount as f64 / s.min);
    let flops = rows.iter().find(|r| r.layer == Peak::Fma.to_string())?;
    let copies = rows.iter().filter(|r| r.layer.starts_with("copy"));
    let streams: Vec<_> = copies.filter_map(|r| Some((r.bytes, best(r, r.bytes)?))).collect();
    (!streams.is_empty()).then_some(Roofs { flops: best(flops, flops.flops)?, streams })
}

/// Bytes a second and operations a second of one row, for a table: the median and its unit.
pub fn rate(row: &Row) -> Option<(f64, &'static str)> {
    let flops = row.rate(row.flops).filter(|_| row.bytes == 0).map(|r| (r, "GFLOP/s"));
    let micros = row.summary().map(|s| (s.median * 1e6, "us"));
    flops.or_else(|| row.rate(row.bytes).map(|r| (r, "GB/s"))).or(micros)
}
