//! Forward and backward pass of an LSTM at batch 32, 28 steps, input 28, hidden 128, fused and unrolled, beside a
//! product of as many operations: `cargo bench --bench lstm_speed`.

use std::time::Instant;
use wgrad::nn::Lstm;
use wgrad::{Device, Executable, Graph, HostTensor, Parameters, Result, Tensor};

const STEPS: usize = 28;
const BATCH: usize = 32;
const INPUT: usize = 28;
const HIDDEN: usize = 128;

fn tensor(shape: &[usize]) -> Result<HostTensor> {
    let count: usize = shape.iter().product();
    HostTensor::from_f32(shape, (0..count).map(|i| ((i * 7919) % 2001) as f32 / 1000.0 - 1.0).collect())
}

/// Milliseconds of the fastest and the median of 30 runs, each waited for.
fn time(program: &mut Executable, inputs: &[(&Tensor, &HostTensor)], read: &Tensor) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    for run in 0..35 {
        let start = Instant::now();
        program.run(inputs)?;
        program.read(read)?;
        if run >= 5 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[0], times[times.len() / 2]))
}

fn flops(program: &Executable) -> f64 {
    use wgrad::plan::Step;
    let of = |step: &Step| if let Step::Dispatch(d) = step { d.flops } else { 0 };
    program.plan().map_or(0, |plan| plan.steps.iter().map(of).sum()) as f64
}

fn lstm(device: &Device, unrolled: bool) -> Result<f64> {
    let graph = Graph::new();
    let x = graph.input("x", [STEPS, BATCH, INPUT])?;
    let error = graph.input("error", [STEPS, BATCH, HIDDEN])?;
    let output = Lstm::new(INPUT, HIDDEN).unrolled(unrolled).sequence(&x, None, None)?.output;
    let parameters = graph.parameters();
    let gradients = output.gradients_from(&error, &parameters.iter().collect::<Vec<_>>())?;
    let outputs: Vec<&Tensor> = gradients.iter().collect();
    let mut program = Parameters::new(device, 0).compile(&graph, &outputs)?;
    if std::env::var_os("EXPLAIN").is_some() {
        println!("{}", program.plan().map(ToString::to_string).unwrap_or_default());
    }
    let (a, b) = (tensor(&[STEPS, BATCH, INPUT])?, tensor(&[STEPS, BATCH, HIDDEN])?);
    let (least, median) = time(&mut program, &[(&x, &a), (&error, &b)], &gradients[2])?;
    let flops = flops(&program);
    let how = if unrolled { "unrolled" } else { "fused" };
    println!("lstm {how:9} min {least:6.2} ms, median {median:6.2} ms, {:.1} GFLOP/s", flops / least / 1e6);
    Ok(flops)
}

fn main() -> Result<()> {
    let device = Device::auto()?;
    println!("{}", device.describe());
    let flops = lstm(&device, false)?;
    lstm(&device, true)?;
    let graph = Graph::new();
    let (m, k) = (STEPS * BATCH, 512);
    let n = (flops / (2 * m * k) as f64) as usize / 4 * 4;
    let (a, b) = (graph.input("a", [m, k])?, graph.input("b", [k, n])?);
    let sum = a.matmul(&b)?.sum([0, 1], false)?;
    let mut program = Parameters::new(&device, 0).compile(&graph, &[&sum])?;
    let (left, right) = (tensor(&[m, k])?, tensor(&[k, n])?);
    let (least, median) = time(&mut program, &[(&a, &left), (&b, &right)], &sum)?;
    println!(
        "product {m}x{k}x{n} min {least:6.2} ms, median {median:6.2} ms, {:.1} GFLOP/s",
        2.0 * (m * k * n) as f64 / least / 1e6
    );
    Ok(())
}
