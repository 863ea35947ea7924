//! The plan: a graph compiled to dispatches, buffers and their lifetimes, as plain data.
//!
//! Everything is decided here, once: which kernel, which grid, which buffer holds which value when. The
//! executor only replays it.

mod batch;
mod build;
mod builder;
mod check;
mod common;
mod divide;
mod fold;
mod fuse;
mod joining;
mod layout;
mod lowered;
mod memory;
mod merge;
mod rewrite;
mod slots;
mod stream;
mod summary;
mod views;

pub use build::{plan, plan_finite, plan_unfused};
pub use check::{Check, Wanted};
pub use fuse::Unfused;
pub use memory::Life;
pub use summary::{Layer, Summary, summary};

use crate::graph::ValueId;
use crate::kernels::peaks::MicroKernel;
use crate::kernels::{Access, Binding, Kernel, Operand};
use crate::ops::{Init, Role};
use crate::tensor::TensorType;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The index of a buffer in [`Plan::buffers`].
pub type BufferId = usize;

/// What a buffer holds.
#[derive(Debug, Clone, PartialEq)]
pub enum BufferKind {
    /// A named input, written before each run.
    Input(String),
    /// A named state, shared by all programs over the same parameters.
    State(String),
    /// One number throughout, written once.
    Constant(f32),
    /// Words that were known when the graph was built, written once.
    Table(Arc<[u32]>),
    /// Activations, gradients and scratch, in memory that is reused.
    Slot,
    /// What kernels found wrong: [`Plan::checks`]. All bits are ones before anything is.
    Checks,
}

/// One device buffer.
#[derive(Debug, Clone, PartialEq)]
pub struct BufferPlan {
    /// Its size, a multiple of 16.
    pub bytes: u64,
    /// What it holds.
    pub kind: BufferKind,
}

/// A range of a buffer, bound to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte.
    pub offset: u64,
    /// Length in bytes, a multiple of 16, or of 8 where elements are `f16`.
    pub bytes: u64,
    /// Whether the kernel writes it.
    pub write: bool,
}

/// One launch of a kernel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dispatch {
    /// The index of the kernel in [`Plan::kernels`].
    pub kernel: usize,
    /// Its bindings, in order.
    pub bindings: Vec<Bound>,
    /// Workgroups along x and y.
    pub grid: [u32; 2],
    /// Iterations of the loops of one invocation at most, nested ones added up.
    pub iterations: u32,
    /// The sizes that the kernel gets at this launch, where it was merged from several: [`Kernel::sizes`] numbers.
    pub sizes: Vec<u32>,
    /// The op it belongs to.
    pub op: &'static str,
    /// The layer it belongs to.
    pub label: String,
    /// The variant and why it was chosen.
    pub why: String,
    /// The element-wise nodes that it computes too.
    pub fused: Vec<String>,
    /// Its part of the FLOPs of the op; 0 for one that only prepares or gathers.
    pub flops: u64,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A kernel.
    Dispatch(Dispatch),
    /// A copy from the start of one buffer to the start of another.
    Copy {
        /// Source.
        from: BufferId,
        /// Destination.
        to: BufferId,
        /// Length.
        bytes: u64,
    },
}

/// A named tensor and the buffer that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// Its buffer.
    pub buffer: BufferId,
}

/// A state, and how it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Name, type and buffer.
    pub named: Named,
    /// Its first value.
    pub init: Init,
    /// What it is for.
    pub role: Role,
}

/// A requested output.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The value in the graph.
    pub value: ValueId,
    /// Its type.
    pub ty: TensorType,
    /// Its buffer.
    pub buffer: BufferId,
}

/// Device memory of a program in bytes, known before its first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Parameters and buffers of the model.
    pub parameters: u64,
    /// Optimizer state and counters.
    pub states: u64,
    /// Inputs.
    pub inputs: u64,
    /// Activations, gradients and scratch, after reuse.
    pub activations: u64,
    /// The same without reuse.
    pub activations_without_reuse: u64,
    /// The most of them that is alive at one step: what no reuse can be below.
    pub activations_at_least: u64,
    /// All that the program holds at once.
    pub peak: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "peak {:.1} MiB (parameters {:.1}, states {:.1}, inputs {:.1}, activations {:.1}; {:.1} without reuse)",
            mib(self.peak),
            mib(self.parameters),
            mib(self.states),
            mib(self.inputs),
            mib(self.activations),
            mib(self.activations_without_reuse)
        )
    }
}

/// A graph, planned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Every buffer.
    pub buffers: Vec<BufferPlan>,
    /// Every distinct kernel.
    pub kernels: Vec<Kernel>,
    /// What a run does, in order.
    pub steps: Vec<Step>,
    /// The steps at which new submissions begin, where one would take long enough for a watchdog.
    pub submissions: Vec<usize>,
    /// What a run is given.
    pub inputs: Vec<Named>,
    /// What it keeps.
    pub states: Vec<State>,
    /// What it gives.
    pub outputs: Vec<Output>,
    /// What is looked at, in the order in which it is computed, and the buffer that says what was found.
    pub checks: Vec<Check>,
    /// See `checks`.
    pub checked: Option<BufferId>,
    /// What it holds.
    pub memory: Memory,
    /// What lies in the slots when.
    pub lives: Vec<Life>,
    /// How many element-wise nodes run in the kernels of others, which feed them or load what they compute.
    pub fused: usize,
    /// Element-wise nodes that run on their own.
    pub unfused: Vec<Unfused>,
}

/// What a run of a plan asks of the device, and what its program took to build. The executor's own counters
/// agree with it; a test keeps it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Kernel launches of a run.
    pub dispatches: u64,
    /// Buffer copies of a run.
    pub copies: u64,
    /// Compute passes of a run: neighbouring dispatches share one.
    pub passes: u64,
    /// Submissions of a run.
    pub submits: u64,
    /// Bytes of all inputs.
    pub uploaded: u64,
    /// Bytes of all outputs.
    pub read_back: u64,
    /// Distinct kernels.
    pub pipelines: u64,
    /// Bytes of all buffers.
    pub allocated: u64,
}

impl Step {
    /// Bytes of all that it reads and writes.
    pub fn bound_bytes(&self) -> u64 {
        match self {
            Step::Dispatch(dispatch) => dispatch.bindings.iter().map(|b| b.bytes).sum(),
            Step::Copy { bytes, .. } => 2 * bytes,
        }
    }
}

impl Plan {
    /// A plan that runs a micro-kernel once.
    pub(crate) fn of_micro_kernel(micro: &MicroKernel) -> Self {
        let bound = |b: &Binding| {
            let buffer = if let Operand::Workspace(i) = b.operand { i } else { 0 };
            Bound { buffer, offset: 0, bytes: micro.buffers[buffer], write: b.access == Access::Write }
        };
        let slot = |&bytes: &u64| BufferPlan { bytes, kind: BufferKind::Slot };
        let dispatch = Dispatch {
            bindings: micro.launch.bindings.iter().map(bound).collect(),
            grid: micro.launch.grid,
            iterations: micro.launch.iterations,
            op: "micro-kernel",
            why: micro.launch.why.clone(),
            flops: micro.flops,
            ..Dispatch::default()
        };
        Self {
            buffers: micro.buffers.iter().map(slot).collect(),
            steps: vec![Step::Dispatch(dispatch)],
            kernels: vec![micro.launch.kernel.clone()],
            ..Self::default()
        }
    }

    /// Bytes of all that a run's steps read and write.
    pub fn bound_bytes(&self) -> u64 {
        self.steps.iter().map(Step::bound_bytes).sum()
    }

    /// Bytes of the slots that are needed at each step.
    pub fn alive(&self) -> Vec<u64> {
        memory::alive(&self.lives, self.steps.len())
    }

    /// The steps of each submission.
    pub fn submitted(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.submitted_of(self.steps.len())
    }

    /// The same for so many commands: a program that no plan describes has no steps.
    pub(crate) fn submitted_of(&self, commands: usize) -> impl Iterator<Item = Range<usize>> + '_ {
        let begins = std::iter::once(0).chain(self.submissions.iter().copied());
        let ends = self.submissions.iter().copied().chain([commands]);
        begins.zip(ends).map(|(begin, end)| begin..end)
    }

    /// Counts.
    pub fn work(&self) -> Work {
        let is_dispatch = |step: &Step| matches!(step, Step::Dispatch(_));
        let passes = |steps: Range<usize>| {
            let runs = self.steps[steps].chunk_by(|a, b| is_dispatch(a) && is_dispatch(b));
            runs.filter(|run| is_dispatch(&run[0])).count() as u64
        };
        let dispatches = self.steps.iter().filter(|s| is_dispatch(s)).count() as u64;
        Work {
            dispatches,
            // One more brings what was found wrong to the host.
            copies: self.steps.len() as u64 - dispatches + u64::from(self.checked.is_some()),
            passes: self.submitted().map(passes).sum(),
            submits: self.submitted().count() as u64,
            uploaded: self.inputs.iter().map(|i| i.ty.bytes()).sum(),
            read_back: self.outputs.iter().map(|o| o.ty.bytes()).sum(),
            pipelines: self.kernels.len() as u64,
            allocated: self.buffers.iter().map(|b| b.bytes).sum(),
        }
    }
}

impl fmt::Display for Plan {
    /// One line a step: number, op, layer, kernel, grid, bytes bound, operations, and why this variant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            match step {
                Step::Dispatch(d) => {
                    let bytes = step.bound_bytes();
                    let buffers: Vec<_> = d
                        .bindings
                        .iter()
                        .map(|b| format!("{}{}", if b.write { "=" } else { "" }, b.buffer))
                        .collect();
                    writeln!(
                        f,
                        "{number:3} {:24} {:26} {}x{} groups, {:.2} MB, {:.1} MFLOP, buffers {}; {}",
                        d.op,
                        d.label,
                        d.grid[0],
                        d.grid[1],
                        bytes as f64 / 1e6,
                        d.flops as f64 / 1e6,
                        buffers.join(" "),
                        d.why
                    )?;
                }
                Step::Copy { from, to, bytes } => {
                    writeln!(f, "{number:3} {:24} {:26} buffer {from} to {to}, {bytes} B", "copy", "")?;
                }
            }
        }
        let slots = self.buffers.iter().filter(|b| b.kind == BufferKind::Slot).count();
        writeln!(f, "{} kernels, {slots} slots, {}", self.kernels.len(), self.memory)
    }
}
