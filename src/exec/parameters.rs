//! The states of programs: parameters, optimizer memory and counters, on the device, by name.

use super::device::{Device, Kind};
use super::executable::Executable;
use super::gpu::Gpu;
use super::program::Program;
use super::readback::Pending;
use super::reference::Reference;
use super::room::Needs;
use super::store::{State, Store, lock};
use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{self, Init, LEARNING_RATE, Op, Role};
use crate::plan::{self, BufferKind, Memory};
use crate::platform::block_on;
use crate::reference::{Array, Interpreter, Precision};
use crate::tensor::{HostTensor, TensorType};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

/// States kept on a device, by name, shared by all programs compiled over them: training, evaluation at
/// another batch size, prediction. Clones are handles to the same states.
#[derive(Debug, Clone)]
pub struct Parameters {
    device: Device,
    seed: u64,
    store: Arc<Mutex<Store>>,
}

/// The learning rate obeys the same rule here as where an optimizer is made.
fn check_rate(name: &str, value: &HostTensor) -> Result<()> {
    if !name.strip_prefix(LEARNING_RATE).is_some_and(|group| group.is_empty() || group.starts_with('.')) {
        return Ok(());
    }
    let rates = value.as_f32()?;
    match rates.iter().find(|rate| !(rate.is_finite() && **rate >= 0.0)) {
        Some(rate) => Err(Error::argument(name, "a finite number of at least 0", rate.to_string())),
        None => Ok(()),
    }
}

impl Parameters {
    /// No states yet; programs bring them. First values depend on the seed and the names alone.
    pub fn new(device: &Device, seed: u64) -> Self {
        Self { device: device.clone(), seed, store: Arc::default() }
    }

    /// The device they are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Builds a program that computes `outputs` and writes the graph's updates: plans it, compiles its
    /// kernels, makes its buffers. States it names first are initialised, known ones shared.
    ///
    /// # Errors
    /// When an output is of another graph, a known state has another type, or the device cannot do it.
    pub fn compile(&self, graph: &Graph, outputs: &[&Tensor]) -> Result<Executable> {
        block_on("Parameters::compile_async", self.compile_async(graph, outputs))
    }

    /// As [`Parameters::compile`], without waiting. A browser compiles kernels while the future is not yet done; a machine
    /// compiles them side by side while it is polled.
    ///
    /// # Errors
    /// As [`Parameters::compile`].
    pub async fn compile_async(&self, graph: &Graph, outputs: &[&Tensor]) -> Result<Executable> {
        graph.owns("compile", outputs)?;
        let ids: Vec<_> = outputs.iter().map(|t| t.id()).collect();
        let data = graph.with(Clone::clone);
        // A buffer that nothing here reads belongs to the model all the same: evaluation leaves the count of batches alone.
        for node in &data.nodes {
            if let Op::State(ops::State { name, ty, init, role: role @ Role::Buffer }) = &node.op {
                self.declare(name, ty, init, *role)?;
            }
        }
        let finite = self.device.checks_finite();
        let plan = || match finite {
            true => plan::plan_finite(&data, &ids, &self.device.limits()),
            false => plan::plan(&data, &ids, &self.device.limits()),
        };
        match &self.device.0 {
            Kind::Cpu { .. } => {
                let needed = data.reachable(&ids);
                for (node, _) in data.nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
                    if let Op::State(ops::State { name, ty, init, role }) = &node.op {
                        self.declare(name, ty, init, *role)?;
                    }
                }
                // The reference has no device limits; its plan only serves to be looked at.
                let plan = plan().ok();
                let interpreter = Interpreter::new(data, &ids, Precision::F32);
                let number = lock(&self.store).failures.program();
                let reference = Reference::new(interpreter, self.store.clone(), plan, number, finite);
                Ok(Executable::reference(graph.clone(), reference))
            }
            Kind::Gpu(gpu) => {
                // Each attempt does without at least one kernel more, and there are finitely many.
                let (plan, pipelines) = loop {
                    let plan = plan()?;
                    Needs::of(&plan).check(gpu)?;
                    if let Some(pipelines) = gpu.pipelines_or_fewer(&plan.kernels).await? {
                        break (plan, pipelines);
                    }
                };
                let (needs, known) = (Needs::of(&plan), self.known());
                let declare = || {
                    let mut states = plan.states.iter();
                    states.try_for_each(|s| self.declare(&s.named.name, &s.named.ty, &s.init, s.role))
                };
                let declared = needs.make(gpu, declare).await;
                if declared.is_err() {
                    // No program has run with those that were new.
                    lock(&self.store).states.retain(|name, _| known.contains(name));
                }
                declared?;
                let build = || {
                    let store = lock(&self.store);
                    let shared = |kind: &BufferKind| match kind {
                        BufferKind::State(name) => store.states.get(name).and_then(|s| s.buffer.clone()),
                        BufferKind::Input(_) | BufferKind::Constant(_) | BufferKind::Table(_) => None,
                        BufferKind::Slot | BufferKind::Checks => None,
                    };
                    Program::with_pipelines(gpu, plan, &pipelines, shared)
                };
                let program = needs.make(gpu, build).await?;
                let mut store = lock(&self.store);
                store.watches.retain(|watch| watch.strong_count() > 0);
                store.watches.extend(program.watch.as_ref().map(Arc::downgrade));
                Ok(Executable::gpu(graph.clone(), program))
            }
        }
    }

    /// The memory that a program would hold, from its plan alone: nothing is made.
    ///
    /// # Errors
    /// As [`Parameters::compile`].
    pub fn memory(&self, graph: &Graph, outputs: &[&Tensor]) -> Result<Memory> {
        graph.owns("memory", outputs)?;
        let ids: Vec<_> = outputs.iter().map(|t| t.id()).collect();
        Ok(plan::plan(&graph.with(Clone::clone), &ids, &self.device.limits())?.memory)
    }

    /// The names of all states.
    fn known(&self) -> BTreeSet<String> {
        lock(&self.store).states.keys().cloned().collect()
    }

    fn declare(&self, name: &str, ty: &TensorType, init: &Init, role: Role) -> Result<()> {
        if let Some(known) = lock(&self.store).states.get(name) {
            let (expected, got) = (known.ty.to_string(), ty.to_string());
            return if known.ty == *ty { Ok(()) } else { Err(Error::argument(name, expected, got)) };
        }
        let values = init.values(name, self.seed, &ty.shape);
        let value = HostTensor::from_f32(ty.shape.clone(), values)?.cast(ty.dtype);
        let buffer = match &self.device.0 {
            Kind::Cpu { .. } => None,
            Kind::Gpu(gpu) => Some(gpu.buffer(name, ty.bytes().next_multiple_of(16))),
        };
        lock(&self.store).states.insert(name.to_owned(), State { ty: ty.clone(), role, buffer });
        self.set(name, &value)
    }

    /// The names of all states of a role, sorted.
    pub fn names(&self, role: Role) -> Vec<String> {
        let store = lock(&self.store);
        store.states.iter().filter(|(_, s)| s.role == role).map(|(name, _)| name.clone()).collect()
    }

    /// The type of a state.
    ///
    /// # Errors
    /// When no program has named it.
    pub fn ty(&self, name: &str) -> Result<TensorType> {
        let known = lock(&self.store).states.get(name).map(|s| s.ty.clone());
        known.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let known: Vec<String> = lock(&self.store).states.keys().cloned().collect();
        Error::argument("state", format!("one of {}", known.join(", ")), name)
    }

    fn gpu_buffer(&self, gpu: &Arc<Gpu>, name: &str) -> Result<(wgpu::Buffer, TensorType)> {
        gpu.check()?;
        let found = lock(&self.store).states.get(name).and_then(|s| Some((s.buffer.clone()?, s.ty.clone())));
        found.ok_or_else(|| self.unknown(name))
    }

    /// The value of a state; waits for the device.
    ///
    /// # Errors
    /// When there is no such state or the device failed.
    pub fn get(&self, name: &str) -> Result<HostTensor> {
        self.get_async(name)?.wait()
    }

    /// The value of a state as it is after all runs so far, on its way: a future.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub fn get_async(&self, name: &str) -> Result<Pending> {
        match &self.device.0 {
            Kind::Cpu { .. } => {
                let mut store = lock(&self.store);
                store.failures.take(None)?;
                let value = store.host.get(name).map(Array::to_host);
                drop(store);
                value.unwrap_or_else(|| Err(self.unknown(name))).map(Pending::ready)
            }
            Kind::Gpu(gpu) => {
                let (buffer, ty) = self.gpu_buffer(gpu, name)?;
                let watches: Vec<_> = lock(&self.store).watches.iter().filter_map(Weak::upgrade).collect();
                Ok(Pending::start(gpu, &buffer, ty)?.watched(watches))
            }
        }
    }

    /// The values of some states as they are after all runs so far, on their way.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub(super) fn get_all_async(&self, names: &[&str]) -> Result<Vec<Pending>> {
        let Kind::Gpu(gpu) = &self.device.0 else {
            return names.iter().map(|name| self.get_async(name)).collect();
        };
        let buffers = names.iter().map(|name| self.gpu_buffer(gpu, name)).collect::<Result<Vec<_>>>()?;
        let watches: Vec<_> = lock(&self.store).watches.iter().filter_map(Weak::upgrade).collect();
        let pending = Pending::start_all(gpu, &buffers)?;
        Ok(pending.into_iter().map(|one| one.watched(watches.clone())).collect())
    }

    /// Gives a state a new value, seen by all later runs.
    ///
    /// # Errors
    /// When there is no such state, the value has another type, or it is a learning rate that no optimizer takes.
    pub fn set(&self, name: &str, value: &HostTensor) -> Result<()> {
        let ty = self.ty(name)?;
        if ty != value.ty() {
            return Err(Error::argument(name, ty.to_string(), value.ty().to_string()));
        }
        check_rate(name, value)?;
        match &self.device.0 {
            Kind::Cpu { .. } => {
                lock(&self.store).host.insert(name.to_owned(), Array::from_host(value));
            }
            Kind::Gpu(gpu) => {
                gpu.upload(&self.gpu_buffer(gpu, name)?.0, value.as_bytes());
            }
        }
        Ok(())
    }
}
