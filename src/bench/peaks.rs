//! What an adapter can do at most: the roofs that results are put in relation to.

use super::measure::{Policy, measure};
use super::report::{Roofs, Row, Status, Timing};
use crate::error::{Error, Result};
use crate::exec::{Clock, Device, Stopwatch, Workload};
use crate::kernels::peaks::{self, MicroKernel};
use crate::kernels::{Limits, Operand};
use crate::plan::{Bound, BufferKind, BufferPlan, Dispatch, Plan, Step};
use crate::random::Rng;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A micro-kernel with its buffers.
struct Micro {
    workload: Workload,
    flops: u64,
    bytes: u64,
}

impl Micro {
    fn new(device: &Device, kernel: MicroKernel) -> Result<Self> {
        let bound = |b: &crate::kernels::Binding| {
            let buffer = if let Operand::Workspace(i) = b.operand { i } else { 0 };
            let write = b.access == crate::kernels::Access::Write;
            Bound { buffer, offset: 0, bytes: kernel.buffers[buffer], write }
        };
        let plan = Plan {
            buffers: kernel
                .buffers
                .iter()
                .map(|&bytes| BufferPlan { bytes, kind: BufferKind::Slot })
                .collect(),
            steps: vec![Step::Dispatch(Dispatch {
                kernel: 0,
                bindings: kernel.launch.bindings.iter().map(bound).collect(),
                grid: kernel.launch.grid,
                op: "peak",
                label: String::new(),
                why: kernel.launch.why.clone(),
                flops: kernel.flops,
            })],
            kernels: vec![kernel.launch.kernel],
            ..Plan::default()
        };
        let workload = Workload::from_plan(device, &plan, 1)?;
        let mut rng = Rng::new(2);
        for (buffer, b) in plan.buffers.iter().enumerate() {
            // Below 1, so that repeated multiply-adds converge; never zero.
            let values: Vec<f32> = (0..b.bytes / 4).map(|_| rng.range(0.1, 0.9) as f32).collect();
            workload.write(buffer, bytemuck::cast_slice(&values))?;
        }
        Ok(Self { workload, flops: kernel.flops, bytes: kernel.bytes })
    }
}

/// How long a micro-kernel of the rate of arithmetic runs, about.
const ARITHMETIC: f64 = 0.02;

/// A micro-kernel that keeps the device busy for about [`ARITHMETIC`]: turns are doubled until it does.
fn busy(
    device: &Device,
    stopwatch: &Stopwatch,
    make: impl Fn(usize) -> Result<MicroKernel, crate::Mismatch>,
) -> Result<Micro> {
    let mut turns = 16;
    loop {
        let kernel = make(turns).map_err(|m| Error::op("peaks", "", m))?;
        let micro = Micro::new(device, kernel)?;
        // The first run is not representative.
        let times = [(); 2].map(|()| micro.workload.time(stopwatch, 0, 1, 1));
        let [_, second] = times;
        let seconds = second?.into_iter().flatten().next().unwrap_or(0.0);
        if seconds >= ARITHMETIC / 2.0 || turns >= 1 << 20 {
            return Ok(micro);
        }
        turns *= if seconds < ARITHMETIC / 16.0 { 8 } else { 2 };
    }
}

/// Workgroups that fill a large device and are no trouble for a small one.
const GROUPS: usize = 4096;

fn fma(device: &Device, stopwatch: &Stopwatch, half: bool) -> Result<Micro> {
    let groups = groups(device);
    busy(device, stopwatch, |turns| peaks::fma(groups, turns, half, &device.limits()))
}

/// A software adapter has few cores.
fn groups(device: &Device) -> usize {
    match device.identity().map(|i| i.kind.as_str()) {
        Some("software") => 64,
        _ => GROUPS,
    }
}

/// Larger than caches, as far as a binding may be.
fn array_bytes(limits: &Limits) -> u64 {
    limits.max_binding_bytes.min(limits.max_buffer_bytes).min(128 << 20) / 4096 * 4096
}

fn stream(device: &Device, triad: bool) -> Result<Micro> {
    let limits = device.limits();
    let kernel =
        peaks::stream(array_bytes(&limits), triad, &limits).map_err(|m| Error::op("peaks", "", m))?;
    Micro::new(device, kernel)
}

/// What it costs the host.
struct Host {
    submit: Timing,
    readback: Timing,
}

/// A submission of one empty dispatch, and a readback of 4 bytes, by the host's clock.
fn host(empty: &mut Micro) -> Result<Host> {
    let timing = |runs, samples| Timing { clock: Clock::Wall, runs, samples, dropped: 0, stable: true };
    let mut submits = Vec::new();
    let mut readbacks = Vec::new();
    for _ in 0..20 {
        submits.push(empty.workload.submit_seconds(50)?);
        let start = Instant::now();
        empty.workload.read(0, 4)?;
        readbacks.push(start.elapsed().as_secs_f64());
    }
    Ok(Host { submit: timing(50, submits), readback: timing(1, readbacks) })
}

fn row(name: &str, micro: Option<&Micro>, timing: Option<Timing>) -> Row {
    Row {
        set: "peaks".into(),
        layer: name.into(),
        count: 1,
        op: String::new(),
        pass: "peak".into(),
        shape: String::new(),
        requested: String::new(),
        variant: String::new(),
        status: if timing.is_some() { Status::Ok } else { Status::Skipped("interrupted".into()) },
        check: String::new(),
        flops: micro.map_or(0, |m| m.flops),
        nominal_flops: micro.map_or(0, |m| m.flops),
        bytes: micro.map_or(0, |m| m.bytes),
        timing,
        footprint: None,
        throttled: None,
    }
}

/// The multiply-add rate in 32 bits.
pub const FMA: &str = "f32 multiply-add";
/// The multiply-add rate in 16 bits.
pub const FMA_HALF: &str = "f16 multiply-add";
/// The bandwidth of `a = b`.
pub const COPY: &str = "copy";
/// The bandwidth of `a = b + 3 c`.
pub const TRIAD: &str = "triad";
/// The bandwidth of reads from workgroup memory.
pub const WORKGROUP: &str = "workgroup memory";

/// The two rows that make the roofs.
pub const ROOFS: [&str; 3] = [FMA, COPY, TRIAD];
/// Every row.
pub const ALL: [&str; 8] =
    [FMA, FMA_HALF, COPY, TRIAD, WORKGROUP, "empty dispatch", "submit", "readback of 4 bytes"];

/// Measures those of [`ALL`] that `names` lists, calling `done` after each.
///
/// # Errors
/// For the CPU reference, and when the device failed.
pub fn measure_rows(
    device: &Device,
    names: &[&str],
    stopwatch: &Stopwatch,
    stop: &AtomicBool,
    mut done: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let policy = Policy { budget: Duration::from_millis(400), max_samples: 40, ..Policy::default() };
    let mut rows = Vec::new();
    for &name in names {
        let skipped = |why: &str| Row { status: Status::Skipped(why.into()), ..row(name, None, None) };
        let micro = match name {
            FMA => fma(device, stopwatch, false)?,
            FMA_HALF if !device.has_f16() => {
                rows.push(skipped("the adapter has no 16-bit floats"));
                continue;
            }
            FMA_HALF => fma(device, stopwatch, true)?,
            COPY | TRIAD => stream(device, name == TRIAD)?,
            WORKGROUP => {
                let groups = groups(device);
                busy(device, stopwatch, |turns| peaks::workgroup(groups, turns, &device.limits()))?
            }
            _ => {
                let kernel = peaks::empty(&device.limits()).map_err(|m| Error::op("peaks", "", m))?;
                Micro::new(device, kernel)?
            }
        };
        let mut micro = micro;
        let timing = match name {
            "submit" => Some(host(&mut micro)?.submit),
            "readback of 4 bytes" => Some(host(&mut micro)?.readback),
            _ => measure(&mut &micro.workload, stopwatch, &policy, stop)?,
        };
        rows.push(row(name, Some(&micro), timing));
        rows.last().into_iter().for_each(&mut done);
    }
    Ok(rows)
}

/// The roofs that these rows show: the best sample of each, so that nothing is above by chance.
pub fn roofs(rows: &[Row]) -> Option<Roofs> {
    let best = |name: &str, amount: fn(&Row) -> u64| {
        let row = rows.iter().find(|r| r.layer == name)?;
        row.summary().map(|s| amount(row) as f64 / s.min)
    };
    let flops = best(FMA, |r| r.flops)?;
    let bytes = best(COPY, |r| r.bytes)?.max(best(TRIAD, |r| r.bytes)?);
    Some(Roofs { flops, bytes })
}

/// Notices a device that is throttled or busy: a short kernel run between cases, always the same.
pub struct Sentinel {
    micro: Micro,
    best: f64,
}

/// Slower than its best by more than this, the device was throttled or busy.
const THROTTLED: f64 = 1.15;

impl Sentinel {
    /// A kernel of about 10 ms.
    ///
    /// # Errors
    /// As [`measure_rows`].
    pub fn new(device: &Device, stopwatch: &Stopwatch) -> Result<Self> {
        Ok(Self { micro: fma(device, stopwatch, false)?, best: f64::MAX })
    }

    /// How many times slower than at its best the kernel runs now, where that is worth a remark.
    ///
    /// # Errors
    /// When the device failed.
    pub fn look(&mut self, stopwatch: &Stopwatch) -> Result<Option<f64>> {
        let times = self.micro.workload.time(stopwatch, 0, 1, 3)?;
        let mut times: Vec<f64> = times.into_iter().flatten().collect();
        times.sort_by(f64::total_cmp);
        let Some(&median) = times.get(times.len() / 2) else { return Ok(None) };
        self.best = self.best.min(times[0]);
        let slower = median / self.best;
        Ok((slower > THROTTLED).then_some(slower))
    }
}

/// Bytes a second and operations a second of one row, for a table: the median and its unit.
pub fn rate(row: &Row) -> Option<(f64, &'static str)> {
    let flops = row.rate(row.flops).filter(|_| row.layer != TRIAD).map(|r| (r, "GFLOP/s"));
    let micros = row.summary().map(|s| (s.median * 1e6, "us"));
    flops.or_else(|| row.rate(row.bytes).map(|r| (r, "GB/s"))).or(micros)
}
