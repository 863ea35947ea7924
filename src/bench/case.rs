//! One op of given shapes: its node, its data, its plan.

use super::catalog::{Built, OpEntry, Pass, op};
use super::shapes::{Dims, Line};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::exec::{Device, Workload};
use crate::graph::{Graph, GraphData, Node, Tensor, ValueId};
use crate::kernels::{Variant, variants};
use crate::ops::{Init, Op, Role};
use crate::plan::{self, Plan, Step};
use crate::random::Rng;
use crate::reference::{Array, Precision, eval};
use crate::tensor::{HostTensor, TensorType};
use std::fmt;

/// What is measured: a pass of an op of given shapes.
#[derive(Debug, Clone)]
pub struct Case {
    /// The network or collection it belongs to.
    pub set: String,
    /// Its layer there.
    pub layer: String,
    /// How often the network has it.
    pub count: usize,
    /// The op.
    pub op: &'static OpEntry,
    /// Its sizes.
    pub shape: Dims,
    /// Forward, or one of the gradients.
    pub pass: Pass,
    /// A variant to take instead of the planner's choice.
    pub variant: Option<Variant>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.op.name, self.pass, self.shape)?;
        self.variant.map_or(Ok(()), |v| write!(f, " {v}"))
    }
}

/// Where the value of an input comes from.
#[derive(Debug, Clone)]
enum Source {
    /// Made up, by name.
    Leaf(String),
    /// What the forward op computed.
    Saved { op: Op, inputs: Vec<(String, TensorType)>, output: usize },
}

#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) ty: TensorType,
    source: Source,
    state: bool,
}

/// Which data a case is run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    /// Non-zero integers of at most this size.
    Integers(u32),
    /// Reals of size 0.1 to 1.
    Reals,
}

/// A case as a graph of one node, planned for a device, with its buffers made.
#[derive(Debug)]
pub struct Prepared {
    pub(super) op: Op,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<TensorType>,
    pub(super) plan: Plan,
    pub(super) workload: Workload,
    classes: usize,
    /// Floating-point operations without those of taps in the padding.
    pub flops: u64,
    /// Floating-point operations, as libraries count them.
    pub nominal_flops: u64,
    /// Bytes of all operands and results, each once.
    pub bytes: u64,
}

/// The most bytes that buffer sets for a cold cache may take together.
const COLD_BYTES: u64 = 1 << 30;
/// What is certainly larger than a cache.
const LARGER_THAN_CACHES: u64 = 256 << 20;
/// Elements of a forward pass that the reference computes for the backward pass; they are repeated.
const SAVED_ELEMENTS: usize = 1 << 20;

impl Case {
    /// The passes this op has at this shape.
    ///
    /// # Errors
    /// When the shape is not one of this op's.
    pub fn passes(op: &OpEntry, shape: &Dims) -> Result<Vec<Pass>> {
        let built = build(op, shape)?;
        Ok(std::iter::once(Pass::Forward).chain(built.gradients.iter().map(|g| g.0)).collect())
    }

    /// A pass of a table's line, with the planner's choice of variant.
    ///
    /// # Errors
    /// When the line names no op.
    pub fn of_line(line: &Line, pass: Pass) -> Result<Self> {
        let Line { set, layer, count, shape, .. } = line.clone();
        Ok(Self { set, layer, count, op: op(&line.op)?, shape, pass, variant: None })
    }

    /// The variants this case could be made to run with on a device; none where there is only one.
    ///
    /// # Errors
    /// When the shape is not one of this op's, or the op has no such pass.
    pub fn variants(&self, device: &Device) -> Result<Vec<Variant>> {
        let (_, node) = self.node()?;
        Ok(variants(&node.op, &device.limits()))
    }

    /// Plans the case and makes its buffers: with `cold`, as many equal sets as no cache can hold.
    ///
    /// # Errors
    /// When the shape is not one of this op's, the op has no such pass, or the device cannot hold it.
    pub fn prepare(&self, device: &Device, cold: bool) -> Result<Prepared> {
        let (data, node) = self.node()?;
        let inputs = node.inputs.iter().map(|&v| input(&data, v)).collect::<Result<Vec<_>>>()?;
        let (graph, outputs) = alone(&node, &inputs)?;
        let ids: Vec<ValueId> = outputs.iter().map(Tensor::id).collect();
        let mut limits = device.limits();
        limits.variant = self.variant;
        let plan = graph.with(|data| plan::plan(data, &ids, &limits))?;
        let outputs: Vec<TensorType> = outputs.iter().map(Tensor::ty).collect();
        let (in_types, out_types): (Vec<_>, Vec<_>) =
            (inputs.iter().map(|i| &i.ty).collect(), outputs.iter().collect());
        let (flops, nominal_flops) =
            (node.op.valid_flops(&in_types, &out_types), node.op.flops(&in_types, &out_types));
        let bytes = in_types.iter().chain(&out_types).map(|ty| ty.bytes()).sum();
        let most = (COLD_BYTES / plan.memory.peak.max(1)).max(2);
        let sets = if cold { LARGER_THAN_CACHES.div_ceil(bytes).clamp(2, most) } else { 1 };
        let workload = Workload::from_plan(device, &plan, sets as usize)?;
        let classes = self.shape.or("c", 1);
        Ok(Prepared { op: node.op, inputs, outputs, plan, workload, classes, flops, nominal_flops, bytes })
    }

    /// The node that is measured, in the graph that it comes from.
    pub(super) fn node(&self) -> Result<(GraphData, Node)> {
        let Built { outputs, gradients } = build(self.op, &self.shape)?;
        let wanted = match gradients.iter().find(|g| g.0 == self.pass) {
            _ if self.pass == Pass::Forward => outputs[0].clone(),
            Some((_, tensor)) => {
                let error = outputs[0].graph().input("grad_output", outputs[0].shape())?;
                outputs[0].gradients_from(&error, &[tensor])?.remove(0)
            }
            None => {
                let passes = Case::passes(self.op, &self.shape)?;
                let passes: Vec<_> = passes.iter().map(Pass::to_string).collect();
                let expected = format!("one of {} for {} {}", passes.join(", "), self.op.name, self.shape);
                return Err(Error::argument("pass", expected, self.pass.to_string()));
            }
        };
        let data = wanted.graph().with(Clone::clone);
        let node = data.producer(wanted.id()).clone();
        Ok((data, node))
    }
}

fn build(op: &OpEntry, shape: &Dims) -> Result<Built> {
    shape.check(op.name, op.keys)?;
    (op.build)(op.name, &Graph::new(), shape)
}

fn input(data: &GraphData, value: ValueId) -> Result<Input> {
    let node = data.producer(value);
    let ty = data.ty(value).clone();
    if let Some(name) = node.op.leaf_name() {
        let state = matches!(node.op, Op::State { .. });
        return Ok(Input { ty, source: Source::Leaf(name.to_owned()), state });
    }
    let leaf = |&v: &ValueId| {
        let name = data.producer(v).op.leaf_name().map(str::to_owned);
        let got = || Error::argument("op", "a gradient of one node", data.producer(v).op.name());
        name.map(|name| (name, data.ty(v).clone())).ok_or_else(got)
    };
    let inputs = node.inputs.iter().map(leaf).collect::<Result<Vec<_>>>()?;
    let output = node.outputs.iter().position(|&v| v == value).unwrap_or(0);
    Ok(Input { ty, source: Source::Saved { op: node.op.clone(), inputs, output }, state: false })
}

/// The node in a graph of its own, where all that it reads is given. Its inputs are called `0`, `1` and so on.
fn alone(node: &Node, inputs: &[Input]) -> Result<(Graph, Vec<Tensor>)> {
    let graph = Graph::new();
    let leaf = |(number, input): (usize, &Input)| {
        let (name, shape) = (number.to_string(), input.ty.shape.clone());
        match (input.state, input.ty.dtype) {
            (true, _) => graph.state(&name, input.ty.clone(), Init::Zeros, Role::Optimizer),
            (false, DType::F32) => graph.input(&name, shape),
            (false, DType::U32) => graph.input_u32(&name, shape),
        }
    };
    let leaves = inputs.iter().enumerate().map(leaf).collect::<Result<Vec<_>>>()?;
    let outputs = graph.apply(node.op.clone(), &leaves.iter().collect::<Vec<_>>())?;
    let states = leaves.iter().zip(inputs).filter(|(_, input)| input.state).map(|(leaf, _)| leaf);
    for (state, new) in states.zip(&outputs) {
        graph.assign(state, new)?;
    }
    Ok((graph, outputs))
}

impl Prepared {
    /// The variant that runs, and why the planner chose it, of each kernel.
    pub fn variant(&self) -> String {
        let of = |step: &Step| match step {
            Step::Dispatch(d) => format!("{}: {}", self.plan.kernels[d.kernel].name, d.why),
            Step::Copy { bytes, .. } => format!("copy of {bytes} bytes"),
        };
        let mut all: Vec<String> = self.plan.steps.iter().map(of).collect();
        all.dedup();
        all.join("; ")
    }

    /// What is timed.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Values for every input.
    pub(super) fn values(&self, data: Data) -> Result<Vec<HostTensor>> {
        self.inputs.iter().map(|input| self.value(input, data)).collect()
    }

    fn value(&self, input: &Input, data: Data) -> Result<HostTensor> {
        match &input.source {
            Source::Leaf(name) => made_up(name, &input.ty, data, self.classes),
            Source::Saved { op, inputs, output } => {
                let first = input.ty.shape[0];
                let largest = inputs.iter().map(|(_, ty)| ty.shape.elements()).max().unwrap_or(1);
                // Steps depend on each other and are not cut.
                let steps = matches!(op, Op::Recurrent(_));
                let most = if steps { first } else { SAVED_ELEMENTS / (largest / first).max(1) };
                let rows = most.clamp(1, first);
                let cut = |(name, ty): &(String, TensorType)| {
                    let mut shape = ty.shape.to_vec();
                    shape[0] = if steps { shape[0] } else { rows };
                    let ty = TensorType { shape: shape.into(), dtype: ty.dtype };
                    made_up(name, &ty, data, self.classes).map(|t| Array::from_host(&t))
                };
                let arrays = inputs.iter().map(cut).collect::<Result<Vec<_>>>()?;
                let results = eval(op, &arrays.iter().collect::<Vec<_>>(), Precision::F32)?;
                let saved = results[*output].to_host()?;
                let bytes: Vec<u8> =
                    saved.as_bytes().iter().copied().cycle().take(input.ty.bytes() as usize).collect();
                HostTensor::from_bytes(&input.ty, &bytes)
            }
        }
    }

    /// Gives every input, of every set of buffers, its value.
    pub(super) fn write(&self, values: &[HostTensor]) -> Result<()> {
        let leaves = self.plan.inputs.iter().chain(self.plan.states.iter().map(|s| &s.named));
        for leaf in leaves {
            if let Some(value) = leaf.name.parse().ok().and_then(|i: usize| values.get(i)) {
                self.workload.write(leaf.buffer, value.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Gives every input random values: never zero, so that nothing is skipped or cheap.
    ///
    /// # Errors
    /// When the device failed.
    pub fn fill(&self) -> Result<()> {
        self.write(&self.values(Data::Reals)?)
    }
}

/// Data for a leaf, by what its name stands for; the same for the same name, so that what the forward op
/// saved fits what the backward op is given.
fn made_up(name: &str, ty: &TensorType, data: Data, classes: usize) -> Result<HostTensor> {
    let mut rng = Rng::named(1, name);
    let count = ty.shape.elements();
    if ty.dtype == DType::U32 {
        let value = |rng: &mut Rng| if name == "step" { 10 } else { rng.below(classes) as u32 };
        return HostTensor::from_u32(ty.shape.clone(), (0..count).map(|_| value(&mut rng)).collect());
    }
    let size = |rng: &mut Rng| match data {
        Data::Integers(most) => (1 + rng.below(most as usize)) as f32,
        Data::Reals => rng.range(0.1, 1.0) as f32,
    };
    // Recurrent weights are as small as a layer's, or the states would be chaotic.
    let scale = if name == "weight_hh" { 1.0 / (ty.shape[1] as f32).sqrt() } else { 1.0 };
    let value = |rng: &mut Rng| match name {
        "lr" => 1.0 / 1024.0,
        "exp_avg_sq" => size(rng),
        _ if rng.next_u64() & 1 == 0 => scale * size(rng),
        _ => -scale * size(rng),
    };
    HostTensor::from_f32(ty.shape.clone(), (0..count).map(|_| value(&mut rng)).collect())
}
