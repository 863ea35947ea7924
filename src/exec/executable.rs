//! A compiled program: given inputs, runs; its outputs can be read.

use super::profile::{self, Profile};
use super::program::Program;
use super::readback::Pending;
use super::reference::Reference;
use super::stopwatch::Stopwatch;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::plan::{Memory, Plan};
use crate::platform::block_on;
use crate::reference::Array;
use crate::tensor::{HostTensor, TensorType};

#[derive(Debug)]
enum Runner {
    Gpu(Box<Program>),
    Reference(Box<Reference>),
}

/// A program compiled by [`super::Parameters::compile`].
#[derive(Debug)]
pub struct Executable {
    graph: Graph,
    runner: Runner,
}

impl Executable {
    pub(super) fn gpu(graph: Graph, program: Program) -> Self {
        Self { graph, runner: Runner::Gpu(Box::new(program)) }
    }

    pub(super) fn reference(graph: Graph, reference: Reference) -> Self {
        Self { graph, runner: Runner::Reference(Box::new(reference)) }
    }

    /// Runs the program once: writes `inputs`, then one submit. Does not wait for the result; when the
    /// device is several runs behind, waits for the oldest. Inputs not given keep their last value, zeros
    /// before the first.
    ///
    /// A class, an embedding index or a sequence's length that is out of its range is met on the device: the next read of this
    /// program, or of its parameters, fails, naming op, layer and row, or a later run, where no read comes first. It is said
    /// once.
    ///
    /// # Errors
    /// When an earlier run met an index out of range, a tensor is not an input of this program's graph, a value has another
    /// type, or the device failed.
    pub fn run(&mut self, inputs: &[(&Tensor, &HostTensor)]) -> Result<()> {
        block_on("Executable::run_async", self.run_async(inputs))
    }

    /// As [`Executable::run`], without waiting: when the device is several runs behind, the future is done when the oldest is.
    ///
    /// # Errors
    /// As [`Executable::run`].
    pub async fn run_async(&mut self, inputs: &[(&Tensor, &HostTensor)]) -> Result<()> {
        self.write_inputs(inputs).await?;
        self.run_with_inputs().await
    }

    /// As [`Executable::run`], with the time of each step of the plan; waits for the result. Each step is in a
    /// pass of its own, so the sum is a little more than what a usual run takes.
    ///
    /// # Errors
    /// As [`Executable::run`], and for the CPU reference, which is not a device to measure.
    pub fn run_profiled(&mut self, inputs: &[(&Tensor, &HostTensor)]) -> Result<Profile> {
        block_on("Executable::run_profiled_async", self.run_profiled_async(inputs))
    }

    /// As [`Executable::run_profiled`], without waiting.
    ///
    /// # Errors
    /// As [`Executable::run_profiled`].
    pub async fn run_profiled_async(&mut self, inputs: &[(&Tensor, &HostTensor)]) -> Result<Profile> {
        self.write_inputs(inputs).await?;
        match &mut self.runner {
            Runner::Gpu(program) => {
                program.flush_inputs();
                profile::run(program).await
            }
            Runner::Reference(_) => Err(Error::device("an adapter to measure", "the CPU reference")),
        }
    }

    async fn write_inputs(&mut self, inputs: &[(&Tensor, &HostTensor)]) -> Result<()> {
        for (tensor, value) in inputs {
            self.graph.owns("run", &[tensor])?;
            if tensor.ty() != value.ty() {
                let mismatch = Mismatch::new(tensor.ty().to_string(), value.ty().to_string());
                return Err(Error::op("input", &tensor.name().unwrap_or_default(), mismatch));
            }
        }
        let names: Vec<String> = inputs.iter().map(|(tensor, _)| tensor.name().unwrap_or_default()).collect();
        match &mut self.runner {
            Runner::Gpu(program) => {
                for (name, (_, value)) in names.iter().zip(inputs) {
                    let known = program.plan.inputs.iter().find(|i| i.name == *name).map(|i| i.buffer);
                    if let Some(input) = known {
                        program.write_input(input, value.as_bytes()).await?;
                    } else if !self.graph.has_input(name) {
                        return Err(not_an_input(name));
                    }
                }
            }
            Runner::Reference(reference) => {
                for (name, (_, value)) in names.into_iter().zip(inputs) {
                    if !self.graph.has_input(&name) {
                        return Err(not_an_input(&name));
                    }
                    reference.inputs.insert(name, Array::from_host(value));
                }
            }
        }
        Ok(())
    }

    async fn run_with_inputs(&mut self) -> Result<()> {
        match &mut self.runner {
            Runner::Gpu(program) => program.run().await,
            Runner::Reference(reference) => {
                for (name, ty) in self.graph.inputs() {
                    reference.inputs.entry(name).or_insert_with(|| Array::zeros(&ty));
                }
                reference.run()
            }
        }
    }

    /// An output of the last run; waits for it.
    ///
    /// # Errors
    /// When the tensor is not an output of this program, a run so far met an index out of range, or the device failed.
    pub fn read(&self, output: &Tensor) -> Result<HostTensor> {
        self.read_async(output)?.wait()
    }

    /// An output of the last run, on its way: a future.
    ///
    /// # Errors
    /// As [`Executable::read`].
    pub fn read_async(&self, output: &Tensor) -> Result<Pending> {
        self.graph.owns("read", &[output])?;
        match &self.runner {
            Runner::Gpu(program) => {
                let found = program.plan.outputs.iter().find(|o| program.has_run && o.value == output.id());
                let found = found.ok_or_else(|| not_an_output(output))?;
                let buffer = &program.buffers[found.buffer];
                let pending = Pending::start(&program.gpu, buffer, found.ty.clone())?;
                Ok(pending.watched(program.watch.clone()))
            }
            Runner::Reference(reference) => {
                reference.reported()?;
                let found = reference.outputs.get(&output.id()).ok_or_else(|| not_an_output(output))?;
                found.to_host().map(Pending::ready)
            }
        }
    }

    /// The plan; `None` on the CPU reference where a device could not hold the program.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.runner {
            Runner::Gpu(program) => Some(&program.plan),
            Runner::Reference(reference) => reference.plan.as_ref(),
        }
    }

    /// The device memory the program holds, known before its first run.
    pub fn memory(&self) -> Memory {
        self.plan().map(|plan| plan.memory).unwrap_or_default()
    }

    /// Seconds for one run with no new inputs, the mean of `runs` that follow one another, and that `samples`
    /// times; `None` stands for a measurement that the device gave wrongly.
    ///
    /// # Errors
    /// As [`Executable::run_profiled`].
    pub fn time(&mut self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        block_on("Executable::time_async", self.time_async(stopwatch, runs, samples))
    }

    /// As [`Executable::time`], without waiting.
    ///
    /// # Errors
    /// As [`Executable::time`].
    pub async fn time_async(
        &mut self,
        stopwatch: &Stopwatch,
        runs: usize,
        samples: usize,
    ) -> Result<Vec<Option<f64>>> {
        let Runner::Gpu(program) = &self.runner else {
            return Err(Error::device("an adapter to measure", "the CPU reference"));
        };
        let groups: Vec<_> =
            (0..samples).map(|_| (0..runs.max(1)).flat_map(|_| program.commands.iter())).collect();
        let seconds = stopwatch.measure(groups.first().cloned().filter(|_| samples > 1), &groups).await?;
        Ok(seconds.into_iter().map(|s| s.map(|s| s.seconds / runs.max(1) as f64)).collect())
    }

    /// Fills all memory that holds neither inputs nor states with copies of one word. Tests poison it with
    /// NaN, so that what a kernel forgets to write shows.
    pub fn fill_scratch(&mut self, word: u32) {
        match &mut self.runner {
            Runner::Gpu(program) => program.fill_slots(word),
            Runner::Reference(reference) => reference.outputs.clear(),
        }
    }
}

fn not_an_input(name: &str) -> Error {
    Error::op("run", name, Mismatch::new("an input of the graph", "another tensor"))
}

fn not_an_output(output: &Tensor) -> Error {
    let got = format!("value %{} ({}) before a run or not compiled in", output.id(), output.ty());
    Error::op("read", "", Mismatch::new("an output named when the program was compiled, after a run", got))
}

impl Graph {
    /// The named inputs and their types.
    pub(super) fn inputs(&self) -> Vec<(String, TensorType)> {
        use crate::ops::Op;
        self.with(|data| {
            let input = |op: &Op| {
                if let Op::Input(crate::ops::Input { name, ty }) = op {
                    Some((name.clone(), ty.clone()))
                } else {
                    None
                }
            };
            data.nodes.iter().filter_map(|n| input(&n.op)).collect()
        })
    }

    fn has_input(&self, name: &str) -> bool {
        use crate::ops::Op;
        let is_input = |id: usize| self.with(|data| matches!(data.nodes[id].op, Op::Input(_)));
        self.named(name).is_some_and(is_input)
    }
}
