//! Tuning: which variant of each product and convolution is fastest on a device, measured once and kept in a file.
//!
//! Nothing needs it: without a file the planner chooses by its table. A file belongs to one adapter, driver and
//! version of this crate; [`TuningFile::choices_for`] refuses it elsewhere.

use super::case::alone;
use super::measure::{Policy, Watch, measure};
use super::statistics::Summary;
use crate::error::{Error, Result};
use crate::exec::{AdapterIdentity, Device, Stopwatch, Workload};
use crate::graph::{GraphData, Tensor, ValueId};
use crate::kernels::{Limits, Tuned, Variant, variants};
use crate::ops::Op;
use crate::plan::{self, Plan, Step};
use crate::random::Rng;
use crate::tensor::TensorType;
use crate::write_atomically;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// How often each variant is measured, with the others in between.
const VISITS: u32 = 3;
/// After the first visit only those are measured on that took at most this many times as long as the fastest.
const HOPEFUL: f64 = 1.3;
/// Another variant is taken where it needs at most this fraction of the planner's time: less may be noise.
const GAIN: f64 = 0.95;
/// Results of two variants may differ by this fraction of the largest: they add up in different orders.
const SAME: f32 = 1e-3;
/// The version of the file.
const VERSION: u32 = 1;
/// The environment variable that names the folder of the files, or is `off`.
const FOLDER: &str = "WGRAD_TUNING";

/// An op of given shapes that runs in one of several variants.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What it is called in the file.
    pub key: String,
    op: Op,
    inputs: Vec<TensorType>,
}

/// What measuring a task gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The variant and why the planner chose it.
    pub planned: String,
    /// Seconds with the planner's choice.
    pub planner: f64,
    /// Name and seconds of every other variant that could be measured, the fastest first.
    pub others: Vec<(String, f64)>,
    /// Variants that gave other results than the planner's choice.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// The variant to take instead of the planner's choice, and its seconds.
    pub fn better(&self) -> Option<&(String, f64)> {
        self.others.first().filter(|(_, seconds)| *seconds <= GAIN * self.planner)
    }
}

/// A variant that is being measured.
struct Contender {
    variant: Option<Variant>,
    plan: Plan,
    workload: Workload,
    samples: Vec<f64>,
}

impl Task {
    /// What there is to tune in what computes `outputs` and the updates of a graph, each once.
    pub fn of_graph(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Vec<Self> {
        let needed = graph.reachable(outputs);
        let nodes = graph.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
        let mut known = HashSet::new();
        let task = |op: &Op, inputs: &[ValueId]| Self::new(op, inputs.iter().map(|&v| graph.ty(v)), limits);
        let tasks = nodes.filter_map(|(node, _)| task(&node.op, &node.inputs));
        tasks.filter(|task| known.insert(task.key.clone())).collect()
    }

    /// What there is to tune in a pass of a case.
    ///
    /// # Errors
    /// When the case is none, or has no such pass.
    pub fn of_case(case: &super::Case, limits: &Limits) -> Result<Option<Self>> {
        let (graph, node) = case.node()?;
        Ok(Self::new(&node.op, node.inputs.iter().map(|&v| graph.ty(v)), limits))
    }

    fn new<'a>(op: &Op, inputs: impl Iterator<Item = &'a TensorType>, limits: &Limits) -> Option<Self> {
        let types: Vec<&TensorType> = inputs.collect();
        let key = Tuned::key(op, &types);
        let several = variants(op, &types, limits).len() > 1;
        let inputs = types.into_iter().cloned().collect();
        several.then(|| Self { key, op: op.clone(), inputs })
    }

    /// Measures the planner's choice and every other variant. When `stop` becomes true before all have been, `None`.
    ///
    /// # Errors
    /// When the device failed.
    pub fn measure(
        &self,
        device: &Device,
        stopwatch: &Stopwatch,
        watch: &mut impl Watch,
        policy: &Policy,
        stop: &AtomicBool,
    ) -> Result<Option<Outcome>> {
        let policy = Policy {
            budget: policy.budget / VISITS,
            min_samples: policy.min_samples.div_ceil(VISITS as usize),
            ..*policy
        };
        let limits = Limits { tuned: std::sync::Arc::default(), ..device.limits() };
        let planned = self.contender(device, None, &limits)?;
        let expected = results(&planned)?;
        let (mut wrong, mut contenders) = (Vec::new(), vec![planned]);
        let inputs: Vec<&TensorType> = self.inputs.iter().collect();
        for variant in variants(&self.op, &inputs, &limits) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            // What does not compile here is no contender; a device that failed says so when it is next asked.
            let Ok(contender) = self.contender(device, Some(variant), &limits) else { continue };
            if contenders.iter().any(|other| other.plan == contender.plan) {
                continue;
            }
            if agree(&expected, &results(&contender)?) {
                contenders.push(contender);
            } else {
                wrong.push(variant.to_string());
            }
        }
        for _ in 0..VISITS {
            for contender in &mut contenders {
                let timing = measure(&mut &contender.workload, stopwatch, watch, &policy, stop)?;
                contender.samples.extend(timing.into_iter().flat_map(|timing| timing.samples));
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
            }
            let best = contenders.iter().filter_map(Contender::seconds).fold(f64::INFINITY, f64::min);
            contenders.retain(|c| c.variant.is_none() || c.seconds().is_some_and(|s| s <= HOPEFUL * best));
        }
        Ok(outcome(&contenders, wrong))
    }

    /// Plans and compiles the op as a variant, with random numbers as its operands, and runs it once.
    fn contender(&self, device: &Device, variant: Option<Variant>, limits: &Limits) -> Result<Contender> {
        let (graph, outputs) = alone(&self.op, &self.inputs, &[])?;
        let ids: Vec<ValueId> = outputs.iter().map(Tensor::id).collect();
        let limits = Limits { variant, ..limits.clone() };
        let plan = graph.with(|data| plan::plan(data, &ids, &limits))?;
        let mut workload = Workload::from_plan(device, &plan, 1)?;
        for (number, input) in plan.inputs.iter().enumerate() {
            let mut rng = Rng::new(number as u64);
            let values: Vec<u8> = (0..input.ty.shape.elements())
                .flat_map(|_| (rng.range(-1.0, 1.0) as f32).to_le_bytes())
                .collect();
            workload.write(input.buffer, &values)?;
        }
        workload.run()?;
        Ok(Contender { variant, plan, workload, samples: Vec::new() })
    }
}

impl Contender {
    fn seconds(&self) -> Option<f64> {
        Summary::of(&self.samples).map(|summary| summary.quartile)
    }

    fn why(&self) -> String {
        let mut computes = self.plan.steps.iter().filter_map(|step| match step {
            Step::Dispatch(d) if d.flops > 0 => Some(d.why.clone()),
            _ => None,
        });
        computes.next_back().unwrap_or_default()
    }
}

fn outcome(contenders: &[Contender], wrong: Vec<String>) -> Option<Outcome> {
    let mut others = Vec::new();
    let (mut planner, mut planned) = (None, String::new());
    for contender in contenders {
        let seconds = contender.seconds();
        match contender.variant {
            None => (planner, planned) = (seconds, contender.why()),
            Some(variant) => others.extend(seconds.map(|seconds| (variant.to_string(), seconds))),
        }
    }
    others.sort_by(|a, b| a.1.total_cmp(&b.1));
    Some(Outcome { planned, planner: planner?, others, wrong })
}

/// What a contender computed.
fn results(contender: &Contender) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for output in &contender.plan.outputs {
        let bytes = contender.workload.read(output.buffer, output.ty.bytes())?;
        all.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    }
    Ok(all)
}

fn agree(expected: &[f32], got: &[f32]) -> bool {
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    expected.len() == got.len() && expected.iter().zip(got).all(|(e, g)| (e - g).abs() <= SAME * largest)
}

/// The adapter that a file is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Adapter {
    name: String,
    backend: String,
    kind: String,
    driver: String,
}

impl Adapter {
    fn of(identity: &AdapterIdentity) -> Self {
        let AdapterIdentity { name, backend, kind, driver } = identity.clone();
        Self { name, backend: backend.to_string(), kind, driver }
    }
}

/// What was measured of one op.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// [`Task::key`].
    pub op: String,
    /// The variant to take; the planner's where there is none.
    pub variant: Option<String>,
    /// Its seconds.
    pub seconds: f64,
    /// The planner's.
    pub planner_seconds: f64,
}

/// What was measured on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuningFile {
    version: u32,
    wgrad: String,
    adapter: Adapter,
    /// By op.
    pub choices: Vec<Choice>,
}

impl TuningFile {
    /// An empty one for this device.
    ///
    /// # Errors
    /// For the CPU reference, which has no variants.
    pub fn new(device: &Device) -> Result<Self> {
        let none = || Error::device("an adapter to tune", "the CPU reference");
        let adapter = Adapter::of(device.identity().ok_or_else(none)?);
        Ok(Self {
            version: VERSION,
            wgrad: env!("CARGO_PKG_VERSION").to_owned(),
            adapter,
            choices: Vec::new(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is none of these.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read(path).map_err(|e| Error::io(path, e))?;
        let not_one = |e: serde_json::Error| {
            Error::argument("tuning file", "one that `wgrad tune` wrote", format!("{}: {e}", path.display()))
        };
        serde_json::from_slice(&text).map_err(not_one)
    }

    /// Writes it, with its folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::io(path, e.into()))?;
        write_atomically(path, text.as_bytes())
    }

    /// Adds what was measured of a task, instead of what was known of it.
    pub fn record(&mut self, task: &Task, outcome: &Outcome) {
        let better = outcome.better();
        self.choices.retain(|choice| choice.op != task.key);
        self.choices.push(Choice {
            op: task.key.clone(),
            variant: better.map(|(name, _)| name.clone()),
            seconds: better.map_or(outcome.planner, |(_, seconds)| *seconds),
            planner_seconds: outcome.planner,
        });
        self.choices.sort_by(|a, b| a.op.cmp(&b.op));
    }

    /// What a device takes from it: see [`Device::tune`].
    ///
    /// # Errors
    /// When it was made for another adapter, driver, or version of this crate.
    pub fn choices_for(&self, device: &Device) -> Result<Tuned> {
        let here = Self::new(device)?;
        let differing = [
            ("format", self.version.to_string(), here.version.to_string()),
            ("version of wgrad", self.wgrad.clone(), here.wgrad),
            ("adapter", self.adapter.name.clone(), here.adapter.name),
            ("kind of adapter", self.adapter.kind.clone(), here.adapter.kind),
            ("backend", self.adapter.backend.clone(), here.adapter.backend),
            ("driver", self.adapter.driver.clone(), here.adapter.driver),
        ];
        if let Some((what, there, here)) = differing.into_iter().find(|(_, there, here)| there != here) {
            return Err(Error::argument("tuning file", format!("one for the {what} {here}"), there));
        }
        let mut tuned = Tuned::default();
        for choice in &self.choices {
            choice.variant.iter().for_each(|variant| tuned.choose(&choice.op, variant));
        }
        Ok(tuned)
    }
}

/// Where the file of a device is looked for: in the folder that the environment variable `WGRAD_TUNING` names, or else
/// in the user's cache. `None` when that is `off`, when there is no such folder, or for the CPU reference.
pub fn default_path(device: &Device) -> Option<PathBuf> {
    device.file(FOLDER, "tuning", "json")
}

#[cfg(test)]
mod tests {
    use super::super::measure::Unwatched;
    use super::*;
    use crate::{Graph, Parameters};
    use std::time::Duration;

    fn outcome(others: &[(&str, f64)]) -> Outcome {
        let others = others.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect();
        Outcome { planned: String::new(), planner: 1.0, others, wrong: vec![] }
    }

    #[test]
    fn another_variant_must_be_clearly_faster() {
        assert_eq!(outcome(&[("a", 0.8), ("b", 0.9)]).better().map(|b| b.0.as_str()), Some("a"));
        assert_eq!(outcome(&[("a", 0.97)]).better(), None);
        assert_eq!(outcome(&[]).better(), None);
    }

    #[test]
    fn results_of_variants_agree_up_to_rounding() {
        assert!(agree(&[1.0, -100.0], &[1.001, -100.0]));
        assert!(!agree(&[1.0, -100.0], &[1.0, -99.0]));
        assert!(!agree(&[1.0], &[f32::NAN]), "not a number agrees with nothing");
    }

    fn device() -> Option<Device> {
        let device = Device::auto().unwrap();
        if device.is_cpu() {
            println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
        }
        (!device.is_cpu()).then_some(device)
    }

    /// A graph with two equal products, and one of the other way round.
    fn graph() -> (Graph, Tensor) {
        let graph = Graph::new();
        let (a, b) = (graph.input("a", [64, 32]).unwrap(), graph.input("b", [32, 64]).unwrap());
        let square = a.matmul(&b).unwrap().add(a.matmul(&b).unwrap()).unwrap();
        let sum = square.sum([0, 1], false).unwrap();
        let output = b.matmul(&a).unwrap().add(&sum).unwrap();
        (graph, output)
    }

    #[test]
    fn what_was_measured_is_kept_and_used() {
        let Some(device) = device() else { return };
        let (graph, output) = graph();
        let tasks = graph.with(|data| Task::of_graph(data, &[output.id()], &device.limits()));
        assert_eq!(tasks.len(), 2, "{tasks:?}");
        let stopwatch = Stopwatch::new(&device, false).unwrap();
        let short = Duration::from_millis(1);
        let policy = Policy { budget: short, sample: short, warm_up: short, ..Policy::default() };
        let measure =
            || tasks[0].measure(&device, &stopwatch, &mut Unwatched, &policy, &AtomicBool::new(false));
        // On a busy machine the time may be over before another kernel was measured.
        let measured = (0..100).map(|_| measure().unwrap().unwrap()).find(|m| !m.others.is_empty()).unwrap();
        assert!(measured.wrong.is_empty() && !measured.others.is_empty(), "{measured:?}");

        let mut file = TuningFile::new(&device).unwrap();
        let (name, _) = &measured.others[0];
        file.record(
            &tasks[0],
            &Outcome { planner: 1.0, others: vec![(name.clone(), 0.5)], ..measured.clone() },
        );
        file.record(&tasks[1], &outcome(&[("8x4-plain", 2.0)]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("file.json");
        file.save(&path).unwrap();
        let loaded = TuningFile::load(&path).unwrap();
        assert_eq!(loaded, file);
        let tuned = loaded.choices_for(&device).unwrap();
        assert_eq!(tuned.len(), 1, "the planner's choice stays");
        let whys = |device: &Device| -> Vec<String> {
            let program = Parameters::new(device, 0).compile(&graph, &[&output]).unwrap();
            let why = |step: &Step| match step {
                Step::Dispatch(d) if d.op == "matmul" => Some(d.why.clone()),
                _ => None,
            };
            program.plan().unwrap().steps.iter().filter_map(why).collect()
        };
        assert!(whys(&device).iter().all(|why| !why.contains("tuning")));
        device.tune(tuned);
        let marked = whys(&device).iter().filter(|why| why.contains("as measured by tuning")).count();
        assert_eq!(marked, 1, "{:?}", whys(&device));
    }

    #[test]
    fn a_foreign_or_broken_file_is_refused() {
        let Some(device) = device() else { return };
        let file = TuningFile::new(&device).unwrap();
        let refused = |file: TuningFile, words: &[&str]| {
            let error = file.choices_for(&device).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
        };
        refused(TuningFile { wgrad: "0.0.1".into(), ..file.clone() }, &["version of wgrad", "0.0.1"]);
        let other = Adapter { driver: "another".into(), ..file.adapter.clone() };
        refused(TuningFile { adapter: other, ..file.clone() }, &["driver", "another", &file.adapter.driver]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.json");
        fs::write(&path, "{\"version\": 1, ").unwrap();
        let error = TuningFile::load(&path).unwrap_err().to_string();
        assert!(error.contains("wgrad tune") && error.contains("half.json"), "{error}");
    }

    #[test]
    fn an_unknown_variant_is_left_to_the_planner() {
        let Some(device) = device() else { return };
        let (graph, output) = graph();
        let key = graph.with(|data| Task::of_graph(data, &[output.id()], &device.limits()))[0].key.clone();
        let mut tuned = Tuned::default();
        tuned.choose(key, "7x7-unheard");
        let plain = Limits { tuned: std::sync::Arc::default(), ..device.limits() };
        let with = Limits { tuned: std::sync::Arc::new(tuned), ..plain.clone() };
        let plan = |limits: &Limits| graph.with(|data| plan::plan(data, &[output.id()], limits)).unwrap();
        assert_eq!(plan(&with), plan(&plain));
    }
}
