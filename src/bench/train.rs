//! Whole training steps and forward passes of named models.

use super::measure::{Policy, Watch, measure};
pub use super::models::{
    Built, Forward, MODELS, Pass, TrainModel, Trainable, ZOO, all, build, build_loss, model, named,
};
use super::report::{Footprint, Row, Status};
use super::statistics::Summary;
use crate::error::{Error, Mismatch, Result};
use crate::exec::{Counters, Device, Executable, Parameters, Profile, Stopwatch};
use crate::graph::{Graph, Tensor, ValueId};
use crate::ops::Role;
use crate::plan::{Plan, Step};
use crate::platform::Instant;
use crate::tensor::HostTensor;
use std::sync::atomic::{AtomicBool, Ordering};

/// A model's step or forward pass, compiled for a device.
pub struct ModelRun {
    /// The states.
    pub parameters: Parameters,
    /// The program.
    pub program: Executable,
    graph: Graph,
    /// What it computes, by name: the loss, or what the forward pass gives.
    results: Vec<(String, Tensor)>,
    data: Vec<(Tensor, HostTensor)>,
}

impl ModelRun {
    /// Of a batch of random images and labels.
    ///
    /// # Errors
    /// When the device cannot hold it.
    pub fn new(device: &Device, model: &dyn Trainable, pass: Pass, batch: usize) -> Result<Self> {
        let Built { graph, results, data } = build(model, pass, batch)?;
        let parameters = Parameters::new(device, 1);
        let program =
            parameters.compile(&graph, &results.iter().map(|(_, result)| result).collect::<Vec<_>>())?;
        Ok(Self { parameters, program, graph, results, data })
    }

    /// The graph, and what is computed.
    pub fn graph(&self) -> (&Graph, Vec<ValueId>) {
        (&self.graph, self.results.iter().map(|(_, result)| result.id()).collect())
    }

    /// Uploads the batch, runs. Does not wait.
    ///
    /// # Errors
    /// When the device failed.
    pub fn run(&mut self) -> Result<()> {
        let inputs: Vec<_> = self.data.iter().map(|(tensor, values)| (tensor, values)).collect();
        self.program.run(&inputs)
    }

    /// A run with a timestamp around each kernel.
    ///
    /// # Errors
    /// When the device failed or is the CPU reference.
    pub fn profile(&mut self) -> Result<Profile> {
        let inputs: Vec<_> = self.data.iter().map(|(tensor, values)| (tensor, values)).collect();
        self.program.run_profiled(&inputs)
    }

    /// The loss or the first output of the last run; waits for it.
    ///
    /// # Errors
    /// When the device failed.
    pub fn result(&self) -> Result<Vec<f32>> {
        match self.results.first() {
            Some((_, result)) => Ok(self.program.read(result)?.as_f32()?.to_vec()),
            None => Ok(Vec::new()),
        }
    }

    /// What one run asks of the device, its result read back.
    ///
    /// # Errors
    /// When the device failed.
    pub fn count(&mut self) -> Result<Counters> {
        let before = self.parameters.device().counters();
        self.run()?;
        self.result()?;
        Ok(self.parameters.device().counters() - before)
    }

    /// Operations of a run without those of taps in the padding.
    fn valid_flops(&self) -> u64 {
        let (graph, results) = self.graph();
        graph.with(|data| {
            let needed = data.reachable(&results);
            let ops = data.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
            ops.map(|(node, _)| {
                let types = |ids: &[usize]| ids.iter().map(|&v| data.ty(v)).collect::<Vec<_>>();
                node.op.valid_flops(&types(&node.inputs), &types(&node.outputs))
            })
            .sum()
        })
    }
}

/// Examples of the run that is checked, at most: the reference takes its time.
const CHECKED: usize = 2;

/// Compares the result of one run, and all weights after it, with the CPU reference.
fn check(device: &Device, model: &dyn Trainable, pass: Pass, batch: usize) -> Result<String> {
    let batch = model.fixed_batch().unwrap_or(CHECKED.min(batch));
    let on = |device: &Device| -> Result<ModelRun> {
        let mut run = ModelRun::new(device, model, pass, batch)?;
        run.run()?;
        Ok(run)
    };
    let (got, expected) = (on(device)?, on(&Device::cpu())?);
    let compare = |what: &str, bound: f64, a: &[f32], b: &[f32]| {
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let size = norm(&mut b.iter().map(|b| f64::from(*b)));
        // NaN is within no bound.
        if error <= bound * size {
            return Ok(());
        }
        let (expected, got) = (format!("at most {bound:e}"), format!("{:e}", error / size));
        Err(Error::op(model.name(), &format!("relative error of {what}"), Mismatch::new(expected, got)))
    };
    for ((name, a), (_, b)) in got.results.iter().zip(&expected.results) {
        let (a, b) = (got.program.read(a)?, expected.program.read(b)?);
        compare(name, 1e-5, a.as_f32()?, b.as_f32()?)?;
    }
    if pass == Pass::Forward {
        let names: Vec<&str> = got.results.iter().map(|(name, _)| name.as_str()).collect();
        return Ok(format!("{} of {batch} examples within 1e-5", names.join(", ")));
    }
    for name in expected.parameters.names(Role::Parameter) {
        let (a, b) = (got.parameters.get(&name)?, expected.parameters.get(&name)?);
        compare(&name, 1e-4, a.as_f32()?, b.as_f32()?)?;
    }
    Ok(format!("loss within 1e-5 and weights within 1e-4 after a step of {batch} examples"))
}

/// The model, pass and batch size of a row.
pub struct Subject<'a> {
    /// The model.
    pub model: &'a dyn Trainable,
    /// What of it runs.
    pub pass: Pass,
    /// Images of a batch.
    pub batch: usize,
}

/// Checks and times a model's training step or forward pass.
///
/// # Errors
/// When the device failed or the result is wrong.
pub fn row(
    device: &Device,
    subject: &Subject<'_>,
    stopwatch: &Stopwatch,
    watch: &mut impl Watch,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Row> {
    let &Subject { model, pass, batch } = subject;
    let checked = check(device, model, pass, batch)?;
    let mut step = ModelRun::new(device, model, pass, batch)?;
    step.run()?;
    let counted = step.count()?;
    let timing = measure(&mut &mut step.program, stopwatch, watch, policy, stop)?;
    let footprint =
        if timing.is_some() { Some(footprint(&mut step, batch, counted, policy, stop)?) } else { None };
    let plan = step.program.plan();
    let nominal =
        plan.map_or(0, |p| p.steps.iter().map(|s| if let Step::Dispatch(d) = s { d.flops } else { 0 }).sum());
    Ok(Row {
        set: "train".into(),
        layer: model.name().into(),
        count: 1,
        op: String::new(),
        pass: pass.name().into(),
        shape: model.shape(batch),
        case: String::new(),
        requested: String::new(),
        variant: if pass == Pass::Step { "SGD with momentum".into() } else { String::new() },
        status: if timing.is_some() { Status::Ok } else { Status::Skipped("interrupted".into()) },
        check: checked,
        flops: step.valid_flops(),
        nominal_flops: nominal,
        bytes: footprint.as_ref().map_or(0, |f| f.bound_bytes),
        timing,
        footprint,
        cold: false,
    })
}

fn footprint(
    step: &mut ModelRun,
    batch: usize,
    counted: Counters,
    policy: &Policy,
    stop: &AtomicBool,
) -> Result<Footprint> {
    let mut encode = Vec::new();
    for _ in 0..10 {
        step.result()?;
        let start = Instant::now();
        step.run()?;
        encode.push(start.elapsed().as_secs_f64());
    }
    step.result()?;
    let (start, mut steps) = (Instant::now(), 0);
    while steps < 3 || start.elapsed() < policy.budget && !stop.load(Ordering::Relaxed) {
        step.run()?;
        steps += 1;
    }
    step.result()?;
    let step_seconds = start.elapsed().as_secs_f64() / f64::from(steps);
    let plan = step.program.plan();
    Ok(Footprint {
        images: batch,
        step_seconds,
        encode_seconds: Summary::of(&encode).map_or(0.0, |s| s.median),
        // The result is read back in a submission of its own.
        submits: counted.submits - 1,
        passes: counted.passes,
        dispatches: counted.dispatches,
        pipelines: plan.map_or(0, |p| p.kernels.len() as u64),
        bound_bytes: plan.map_or(0, Plan::bound_bytes),
        uploaded: counted.uploaded,
        peak_bytes: step.program.memory().peak,
    })
}
