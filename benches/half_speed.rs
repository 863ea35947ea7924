//! The same work on tensors stored as `f32` and as `f16`: `cargo bench --bench half_speed`.

use wgrad::ops::{Conv2d, MaxPool2d};
use wgrad::{DType, Device, Graph, HostTensor, Parameters, Result, Tensor};

type Build = fn(&[Tensor]) -> Result<Tensor>;

/// What is computed, and the shapes of its inputs.
const WORK: [(&str, &[&[usize]], Build); 8] = [
    ("relu", &[&[1 << 22]], |x| x[0].relu()),
    ("add", &[&[1 << 22], &[1 << 22]], |x| x[0].add(&x[1])),
    ("permute", &[&[1024, 2048]], |x| x[0].permute(&[1, 0])),
    ("sum of rows", &[&[2048, 2048]], |x| x[0].sum([1], false)),
    ("batch_norm", &[&[16, 32, 56, 56]], |x| x[0].batch_norm(None, None, 1e-5)),
    ("max_pool2d", &[&[16, 32, 56, 56]], |x| x[0].max_pool2d(MaxPool2d::new(2))),
    ("matmul", &[&[512, 512], &[512, 512]], |x| x[0].matmul(&x[1])),
    ("conv2d", &[&[8, 64, 28, 28], &[64, 64, 3, 3]], |x| {
        x[0].conv2d(&x[1], None, Conv2d::default().padding(1))
    }),
];

/// Milliseconds of the fastest of 15 runs on the device.
fn time(device: &Device, shapes: &[&[usize]], dtype: DType, build: Build) -> Result<f64> {
    let graph = Graph::new();
    let mut inputs = Vec::new();
    for (number, &shape) in shapes.iter().enumerate() {
        let name = number.to_string();
        let half = dtype == DType::F16;
        let tensor = if half { graph.input_f16(&name, shape)? } else { graph.input(&name, shape)? };
        let numbers = (0..shape.iter().product()).map(|i: usize| ((i * 7919) % 2001) as f32 / 1000.0 - 1.0);
        inputs.push((tensor, HostTensor::from_f32(shape, numbers.collect())?.cast(dtype)));
    }
    let tensors: Vec<Tensor> = inputs.iter().map(|(tensor, _)| tensor.clone()).collect();
    let output = build(&tensors)?;
    let mut program = Parameters::new(device, 0).compile(&graph, &[&output])?;
    let given: Vec<_> = inputs.iter().map(|(tensor, value)| (tensor, value)).collect();
    program.run(&given)?;
    let mut least = f64::INFINITY;
    for _ in 0..15 {
        let profile = program.run_profiled(&[])?;
        let spans = profile.steps.iter().filter_map(|step| step.span);
        least = least.min(spans.map(|(_, seconds)| seconds).sum());
    }
    Ok(least * 1e3)
}

fn main() -> Result<()> {
    let device = Device::auto()?;
    println!("{}", device.describe());
    for (name, shapes, build) in WORK {
        let single = time(&device, shapes, DType::F32, build)?;
        let half = time(&device, shapes, DType::F16, build)?;
        println!("{name:12} f32 {single:8.3} ms, f16 {half:8.3} ms: {:.2} of the time", half / single);
    }
    Ok(())
}
