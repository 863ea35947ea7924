//! How long the host takes from a description to the first run, for graphs of many nodes.

use super::report::{Row, Status, Timing};
use crate::error::{Error, Result};
use crate::exec::{Clock, Device, Parameters};
use crate::graph::{Graph, Tensor};
use crate::nn::{Activation, Conv2d, Flatten, Linear, Lstm, Module, Sequential};
use crate::ops::{CrossEntropy, Elementwise, Reduction};
use crate::optim::{Optimizer, Sgd};
use crate::plan::plan;
use crate::platform::Instant;
use std::sync::atomic::{AtomicBool, Ordering};

/// A graph that is planned.
pub struct PlanModel {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    build: fn(&Graph) -> Result<Tensor>,
}

/// Every graph.
pub const MODELS: [PlanModel; 7] = [
    PlanModel { name: "chain-1000", about: CHAIN, build: |graph| chain(graph, 1000) },
    PlanModel { name: "chain-2000", about: CHAIN, build: |graph| chain(graph, 2000) },
    PlanModel { name: "chain-10000", about: CHAIN, build: |graph| chain(graph, 10_000) },
    PlanModel {
        name: "fused-10000",
        about: "functions of one and of two operands of one shape alternately, several a kernel",
        build: |graph| fused(graph, 10_000),
    },
    PlanModel {
        name: "unary-10000",
        about: "functions of one operand one after the other, which could all be one kernel",
        build: |graph| unary(graph, 10_000),
    },
    PlanModel {
        name: "lstm-200",
        about: "a training step of an LSTM unrolled over 200 steps: batch 4, input 8, hidden 16",
        build: |graph| lstm(graph, 200),
    },
    PlanModel {
        name: "deep-cnn",
        about: "a training step of 100 convolutions 8-8 of 3x3, each with relu, on 2 images of 8x8, and a linear layer",
        build: |graph| deep_cnn(graph, 100),
    },
];

const CHAIN: &str = "functions of two operands, one of them broadcast, one after the other, four a kernel";

/// The graph called `name`.
///
/// # Errors
/// Lists those there are.
pub fn model(name: &str) -> Result<&'static PlanModel> {
    let known = || MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ");
    MODELS.iter().find(|m| m.name == name).ok_or_else(|| Error::argument("model", known(), name))
}

fn chain(graph: &Graph, nodes: usize) -> Result<Tensor> {
    let (x, row) = (graph.input("x", [4, 64])?, graph.input("row", [64])?);
    (0..nodes).try_fold(x, |y, i| if i % 2 == 0 { y.mul(&graph.scalar(0.5)?) } else { y.add(&row) })
}

fn fused(graph: &Graph, nodes: usize) -> Result<Tensor> {
    let x = graph.input("x", [64])?;
    (0..nodes).try_fold(x.clone(), |y, i| match i % 4 {
        0 => y.scale(0.5),
        1 => y.add(&x),
        2 => y.tanh(),
        _ => y.mul(&x),
    })
}

fn unary(graph: &Graph, nodes: usize) -> Result<Tensor> {
    let x = graph.input("x", [64])?;
    (0..nodes).try_fold(x, |y, i| if i % 2 == 0 { y.scale(1.5) } else { y.tanh() })
}

/// A step of gradient descent on the classes of `features (N, ..)`.
fn step(graph: &Graph, features: &Tensor) -> Result<Tensor> {
    let labels = graph.input_u32("labels", [features.shape()[0]])?;
    let loss = features.cross_entropy(&labels, CrossEntropy::default(), Reduction::Mean)?;
    Sgd::new(0.1).minimize(&loss)?;
    Ok(loss)
}

fn lstm(graph: &Graph, steps: usize) -> Result<Tensor> {
    let x = graph.input("x", [steps, 4, 8])?;
    let state = Lstm::new(8, 16).unrolled(true).sequence(&x, None, None)?.state;
    step(graph, &state[0].reshape([4, 16])?)
}

fn deep_cnn(graph: &Graph, layers: usize) -> Result<Tensor> {
    let x = graph.input("x", [2, 8, 8, 8])?;
    let body = (0..layers).fold(Sequential::new(), |body, _| {
        body.add(Conv2d::new(8, 8, 3).padding(1)).add(Activation(Elementwise::relu()))
    });
    step(graph, &body.add(Flatten).add(Linear::new(8 * 8 * 8, 10)).forward(&x)?)
}

/// The phases that are timed separately, by the names of their rows.
pub const PARTS: [&str; 4] = ["graph", "plan", "compile", "first run"];

/// Seconds of each of [`PARTS`]: to describe the graph, gradients and update included; to plan it; to compile it,
/// which plans it once more, makes its pipelines, buffers and bind groups; to run it and read the result.
fn once(device: &Device, model: &PlanModel) -> Result<([f64; 4], [String; 2])> {
    let start = Instant::now();
    let graph = Graph::new();
    let output = (model.build)(&graph)?;
    let built = start.elapsed();
    let plan = graph.with(|data| plan(data, &[output.id()], &device.limits()))?;
    let planned = start.elapsed();
    let mut program = Parameters::new(device, 0).compile(&graph, &[&output])?;
    let compiled = start.elapsed();
    program.run(&[])?;
    let result = program.read(&output)?;
    let ran = start.elapsed();
    if result.as_f32()?.iter().any(|value| !value.is_finite()) {
        return Err(Error::argument(model.name, "finite numbers", "others"));
    }
    let nodes = graph.with(|data| {
        // Leaves read nothing.
        data.nodes.iter().filter(|node| !node.inputs.is_empty()).count()
    });
    let parts = [built, planned - built, compiled - planned, ran - compiled];
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (memory, steps, kernels) = (plan.memory, plan.steps.len(), plan.kernels.len());
    let (held, least) = (mib(memory.activations), mib(memory.activations_at_least));
    let size =
        format!("{steps} steps, {kernels} kernels, activations {held:.2} MiB, {least:.2} alive at once");
    Ok((parts.map(|part| part.as_secs_f64()), [format!("{nodes} nodes"), size]))
}

/// Builds, plans, compiles and runs a graph `runs` times: a row for each of [`PARTS`]. A device keeps its pipelines, so
/// that the first time alone compiles kernels.
///
/// # Errors
/// When the device failed or the result is not finite.
pub fn rows(device: &Device, model: &PlanModel, runs: usize, stop: &AtomicBool) -> Result<Vec<Row>> {
    let mut samples: [Vec<f64>; 4] = Default::default();
    let [mut shape, mut size] = [String::new(), String::new()];
    for _ in 0..runs.max(1) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let parts;
        (parts, [shape, size]) = once(device, model)?;
        samples.iter_mut().zip(parts).for_each(|(samples, seconds)| samples.push(seconds));
    }
    let row = |(pass, samples): (&str, Vec<f64>)| {
        let mut timing = Timing::new(Clock::Wall, 1, true);
        timing.add(samples);
        let any = !timing.samples.is_empty();
        Row {
            set: "plan".into(),
            layer: model.name.into(),
            count: 1,
            pass: pass.into(),
            shape: shape.clone(),
            variant: size.clone(),
            check: "the result is finite".into(),
            status: if any { Status::Ok } else { Status::Skipped("interrupted".into()) },
            timing: any.then_some(timing),
            ..Row::default()
        }
    };
    Ok(PARTS.into_iter().zip(samples).map(row).collect())
}
