//! A compute shader of one's own, checked against a plain loop and measured with the device's clock, beside what the device
//! can do at most: `cargo run --release --example shader_benchmark`. From a file, `wgrad bench shader` does the same.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use wgrad::bench::measure::{Policy, Unwatched, measure};
use wgrad::bench::peaks::{ROOFS, measure_rows, roofs};
use wgrad::bench::shader::{Binding, Description, Element, prepare};
use wgrad::exec::Stopwatch;
use wgrad::{Device, Result};

const COUNT: u32 = 1 << 20;

/// `y = 2 x + 1`, four numbers an invocation.
const WGSL: &str = "
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn affine(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < arrayLength(&x)) { y[id.x] = 2.0 * x[id.x] + 1.0; }
}";

fn binding(name: &str, values: Option<Vec<f64>>, expected: Option<Vec<f64>>) -> Binding {
    Binding {
        name: name.to_owned(),
        element: Element::F32,
        elements: u64::from(COUNT),
        usage: Default::default(),
        values,
        file: None,
        expected,
        expected_file: None,
        tolerance: 1e-6,
    }
}

fn main() -> Result<()> {
    let device = Device::auto()?;
    if device.is_cpu() {
        println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        return Ok(());
    }
    let x: Vec<f64> = (0..COUNT).map(|i| f64::from(i % 1000) / 8.0).collect();
    let y = x.iter().map(|x| 2.0 * x + 1.0).collect();
    let description = Description {
        entry: "affine".to_owned(),
        grid: [COUNT / 4 / 64, 1, 1],
        flops: 2 * u64::from(COUNT),
        bytes: None, // all bindings once
        bindings: vec![binding("x", Some(x), None), binding("y", None, Some(y))],
    };
    // A wrong result is an error here, before anything is measured.
    let prepared = prepare(&device, WGSL.to_owned(), &description, Path::new("."))?;
    println!("{}: {}", device.describe(), prepared.check);

    let (stopwatch, stop) = (Stopwatch::new(&device, false)?, AtomicBool::new(false));
    let policy = Policy::default();
    let Some(timing) = measure(&mut &prepared.workload, &stopwatch, &mut Unwatched, &policy, &stop)? else {
        return Ok(());
    };
    let mut samples = timing.samples.clone();
    samples.sort_by(f64::total_cmp);
    let (least, median) = (samples[0], samples[samples.len() / 2]);
    let rate = prepared.bytes as f64 / median / 1e9;
    println!("median {:.1} us, least {:.1} us of {} samples", median * 1e6, least * 1e6, samples.len());
    match roofs(&measure_rows(&device, &ROOFS, &stopwatch, &stop, |_| {})?) {
        Some(roofs) => println!(
            "{rate:.1} GB/s; this device copies at {:.1} GB/s",
            roofs.bandwidth(prepared.bytes) / 1e9
        ),
        None => println!("{rate:.1} GB/s"),
    }
    Ok(())
}
