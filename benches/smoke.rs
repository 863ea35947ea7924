//! `cargo bench`: the smoke set with Criterion, and device time as what it measures. `cargo bench --bench smoke -- conv2d`
//! runs the cases whose name contains that; Criterion keeps the last run and compares with it.

use criterion::Criterion;
use std::time::Duration;
use wgrad::Device;
use wgrad::bench::{Case, Prepared, check, parse_table};
use wgrad::exec::Stopwatch;

/// Runs of one submission: short enough for every driver's patience.
const TOGETHER: u64 = 50;

/// Device time of `runs` runs. A measurement that the device gave wrongly is made again.
fn device_time(prepared: &Prepared, stopwatch: &Stopwatch, runs: u64) -> wgrad::Result<Duration> {
    let (mut left, mut seconds) = (runs, 0.0);
    while left > 0 {
        let together = left.min(TOGETHER);
        let time = prepared.workload().time(stopwatch, together as usize, 1)?;
        if let Some(time) = time.into_iter().flatten().next() {
            seconds += time * together as f64;
            left -= together;
        }
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A case, correct and with its data, made when Criterion's filter lets it run.
fn ready(device: &Device, case: &Case) -> wgrad::Result<Prepared> {
    let mut prepared = case.prepare(device, false)?;
    check::check(&mut prepared)?;
    prepared.fill()?;
    Ok(prepared)
}

fn bench(criterion: &mut Criterion, device: &Device, stopwatch: &Stopwatch, case: &Case) {
    let mut prepared = None;
    let name = format!("{}/{case}", case.layer);
    criterion.bench_function(&name, |bencher| {
        let prepared = prepared.get_or_insert_with(|| ready(device, case).expect("a correct case"));
        bencher.iter_custom(|runs| device_time(prepared, stopwatch, runs).expect("a device that works"));
    });
}

fn main() -> wgrad::Result<()> {
    let device = Device::auto()?;
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return Ok(());
    }
    let stopwatch = Stopwatch::new(&device, false)?;
    println!("{}; clock: {}", device.describe(), stopwatch.clock());
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    for line in parse_table("smoke.csv", include_str!("shapes/smoke.csv")) {
        for case in Case::of_table(&line?)? {
            bench(&mut criterion, &device, &stopwatch, &case);
        }
    }
    criterion.final_summary();
    Ok(())
}
