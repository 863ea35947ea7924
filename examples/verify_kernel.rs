//! Holds a kernel written outside the crate to a plain CPU function, as wgrad holds its own.
//!
//! The kernel is a row-wise dot product. With small integers it must be exact; with real numbers each row may be
//! off by what the magnitudes of its terms allow. Then the same kernel with its last term dropped, which must be
//! found, and one that writes behind its output.

use wgrad::random::Rng;
use wgrad::reference::Array;
use wgrad::verify::{Adapter, Effort, Estimate, UserKernel, Verdict, run_kernel};
use wgrad::{HostTensor, Result, TensorType};

const ROWS: usize = 70;
const LENGTH: usize = 129;

/// a (70, 129), b (70, 129), output (70): one invocation a row.
const DOT: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn dot_rows(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= 70u) { return; }
  var sum = 0.0;
  for (var i = 0u; i < 129u; i++) { sum += a[id.x * 129u + i] * b[id.x * 129u + i]; }
  output[id.x] = sum;
}";

fn tensor(rng: &mut Rng, mut value: impl FnMut(&mut Rng) -> f32) -> Result<HostTensor> {
    HostTensor::from_f32([ROWS, LENGTH], (0..ROWS * LENGTH).map(|_| value(rng)).collect())
}

/// The definition, in f64: the sum of each row, and the sum of its terms' magnitudes.
fn dot(a: &HostTensor, b: &HostTensor) -> Result<(Array, Vec<f64>)> {
    let terms: Vec<f64> =
        a.as_f32()?.iter().zip(b.as_f32()?).map(|(a, b)| f64::from(*a) * f64::from(*b)).collect();
    let sums = terms.chunks(LENGTH).map(|row| row.iter().sum()).collect();
    let magnitudes = terms.chunks(LENGTH).map(|row| row.iter().map(|t| t.abs()).sum()).collect();
    Ok((Array { ty: TensorType::f32([ROWS]), data: sums }, magnitudes))
}

fn main() -> Result<()> {
    let adapter = match Adapter::open(None, None) {
        Ok(adapter) => adapter,
        Err(reason) => {
            println!("SKIPPED: {reason}");
            return Ok(());
        }
    };
    println!("on {}", adapter.describe());
    let mut rng = Rng::new(1);
    let integers =
        [tensor(&mut rng, |r| r.below(7) as f32 - 3.0)?, tensor(&mut rng, |r| r.below(7) as f32 - 3.0)?];
    let reals =
        [tensor(&mut rng, |r| r.range(-1.0, 1.0) as f32)?, tensor(&mut rng, |r| r.range(-1.0, 1.0) as f32)?];
    let run = |wgsl: &str, inputs: &[HostTensor], expected: Estimate| {
        let output = TensorType::f32([ROWS]);
        let kernel = UserKernel { name: "dot_rows", wgsl, inputs, output, workgroups: [2, 1] };
        run_kernel(&adapter, &kernel, expected, Effort::full())
    };
    let (sums, _) = dot(&integers[0], &integers[1])?;
    let exact = run(DOT, &integers, Estimate::exact(sums.clone()))?;
    println!("integers, exact: {:?}", exact.verdict);
    let (real_sums, magnitudes) = dot(&reals[0], &reals[1])?;
    let bounded = run(DOT, &reals, Estimate::sums(real_sums, &magnitudes, LENGTH))?;
    println!("real numbers, worst error {:.2} of its bound: {:?}", bounded.fraction, bounded.verdict);
    let dropped = run(&DOT.replace("i < 129u", "i < 128u"), &integers, Estimate::exact(sums.clone()))?;
    println!("last term dropped: {:?}", dropped.verdict);
    let behind = DOT.replace("  output[id.x] = sum;", "  output[id.x] = sum; output[id.x + 72u] = sum;");
    let behind = run(&behind, &integers, Estimate::exact(sums))?;
    println!("writes behind its output: {:?}", behind.verdict);
    assert!(exact.verdict == Verdict::Pass && bounded.verdict == Verdict::Pass, "a correct kernel passes");
    let found = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
    assert!(found(&dropped.verdict) && found(&behind.verdict), "a wrong kernel is found");
    Ok(())
}
