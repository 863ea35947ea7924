//! How fast an adapter is, in about a second: a product of matrices and a copy.

use super::findings::Speed;
use anyhow::Context;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use wgrad::Device;
use wgrad::bench::measure::{Policy, Unwatched, measure};
use wgrad::bench::peaks::{self, Peak};
use wgrad::bench::{Case, Dims, Line};
use wgrad::exec::Stopwatch;

/// Of square matrices, on a GPU and on a CPU; and MiB that a copy reads and writes, more than caches hold.
const SIZES: [(usize, u64); 2] = [(2048, 256), (512, 64)];

/// Measures both.
///
/// # Errors
/// When the device failed.
pub fn speed(device: &Device) -> anyhow::Result<Speed> {
    let stopwatch = Stopwatch::new(device, false)?;
    let (size, mib) = SIZES[usize::from(device.limits().software)];
    let nothing = "no time was measured";
    let copies =
        peaks::measure_rows(device, &[Peak::Copy(mib)], &stopwatch, &AtomicBool::new(false), |_| {})?;
    let copy_gb_s = copies.first().and_then(|row| row.rate(row.bytes)).context(nothing)?;
    Ok(Speed {
        product_gflops: product(device, &stopwatch, size)?.context(nothing)?,
        product_size: size,
        copy_gb_s,
        copy_mib: copies.first().map_or(mib, |row| row.bytes >> 20),
        clock: stopwatch.clock().to_string(),
    })
}

/// Billions of operations a second: the median.
fn product(device: &Device, stopwatch: &Stopwatch, size: usize) -> anyhow::Result<Option<f64>> {
    let shape = Dims::parse(&format!("m{size}n{size}k{size}"))?;
    let (set, layer, op) = ("doctor".to_owned(), String::new(), "matmul".to_owned());
    let cases = Case::of_table(&Line { set, layer, count: 1, op, shape })?;
    let Some(case) = cases.first() else { return Ok(None) };
    let prepared = case.prepare(device, false)?;
    prepared.fill()?;
    let policy = Policy { budget: Duration::from_millis(300), ..Policy::default() };
    let timing =
        measure(&mut prepared.workload(), stopwatch, &mut Unwatched, &policy, &AtomicBool::new(false))?;
    let row = wgrad::bench::Row { timing, ..Default::default() };
    Ok(row.rate(prepared.flops))
}
