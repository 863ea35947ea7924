//! One opened adapter: its queue, its pipelines by text, its sticky failure.

use super::counters::{Tally, count};
use super::device::AdapterIdentity;
use crate::error::{Error, Result};
use crate::kernels::{Kernel, Limits, Tuned};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// Features that are used where the adapter has them.
const WANTED: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::TIMESTAMP_QUERY)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::SHADER_INT64);

/// An opened adapter.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) identity: AdapterIdentity,
    limits: Limits,
    /// What programs planned from now on take instead of the planner's choice.
    tuned: Mutex<Arc<Tuned>>,
    checked: bool,
    /// The first failure; after it nothing the device says can be trusted.
    failure: Arc<OnceLock<String>>,
    pipelines: Mutex<HashMap<Kernel, wgpu::ComputePipeline>>,
    pub(super) tally: Tally,
}

impl Gpu {
    pub(super) fn open(
        adapter: &wgpu::Adapter,
        identity: AdapterIdentity,
        limits: Limits,
        checked: bool,
    ) -> Result<Self> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_features: adapter.features() & WANTED,
            required_limits: adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::default(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|e| Error::device(format!("{} to open", identity.name), e.to_string()))?;
        let failure = Arc::new(OnceLock::new());
        let (on_error, on_lost) = (failure.clone(), failure.clone());
        // Later failures follow from the first, which alone is kept.
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let _ = on_error.set(e.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                let _ = on_lost.set(format!("the device was lost: {message}"));
            }
        });
        let (pipelines, tally) = (Mutex::default(), Tally::default());
        let tuned = Mutex::default();
        Ok(Self { device, queue, identity, limits, tuned, checked, failure, pipelines, tally })
    }

    /// Name, kind and backend.
    pub(super) fn name(&self) -> String {
        let AdapterIdentity { name, kind, backend, .. } = &self.identity;
        format!("{name}, {kind}, {backend}")
    }

    /// What kernels may assume, and what was tuned.
    pub(super) fn limits(&self) -> Limits {
        let tuned = self.tuned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Limits { tuned, ..self.limits.clone() }
    }

    pub(super) fn tune(&self, tuned: Tuned) {
        *self.tuned.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(tuned);
    }

    /// The first failure of the device, if there was one.
    pub(super) fn check(&self) -> Result<()> {
        match self.failure.get() {
            Some(message) => Err(Error::device(format!("{} to work", self.name()), message.clone())),
            None => Ok(()),
        }
    }

    /// Waits for a submission, or for all of them.
    pub(super) fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        self.device
            .poll(wgpu::PollType::Wait { submission_index: submission, timeout: None })
            .map_err(|e| Error::device(format!("{} to finish", self.name()), e.to_string()))?;
        self.check()
    }

    /// Hands one command buffer to the queue.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        count(&self.tally.submits, 1);
        self.queue.submit([encoder.finish()])
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Writes to the start of a buffer before the next submission.
    pub(super) fn upload(&self, buffer: &wgpu::Buffer, bytes: &[u8]) {
        count(&self.tally.uploaded, bytes.len() as u64);
        self.queue.write_buffer(buffer, 0, bytes);
    }

    /// A buffer for `var<uniform>`.
    pub(super) fn uniform(&self, bytes: u64) -> wgpu::Buffer {
        count(&self.tally.allocated, bytes);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniform"),
            size: bytes,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    pub(super) fn buffer(&self, label: &str, bytes: u64) -> wgpu::Buffer {
        count(&self.tally.allocated, bytes);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// The pipelines of these kernels, those not yet known compiled side by side.
    pub(super) fn pipelines(&self, kernels: &[Kernel]) -> Result<Vec<wgpu::ComputePipeline>> {
        let mut known = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Kernel> = kernels.iter().filter(|k| !known.contains_key(k)).collect();
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8));
        let share = missing.len().div_ceil(threads).max(1);
        let compiled: Vec<wgpu::ComputePipeline> = thread::scope(|scope| {
            let compile = |part: &[&Kernel]| part.iter().map(|k| self.compile(k)).collect::<Vec<_>>();
            let workers: Vec<_> =
                missing.chunks(share).map(|part| scope.spawn(move || compile(part))).collect();
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        });
        self.check()?;
        if compiled.len() != missing.len() {
            return Err(Error::device("every shader compiled", "a compiler thread that failed"));
        }
        let missing: Vec<Kernel> = missing.into_iter().cloned().collect();
        count(&self.tally.pipelines, compiled.len() as u64);
        known.extend(missing.into_iter().zip(compiled));
        Ok(kernels.iter().filter_map(|k| known.get(k).cloned()).collect())
    }

    fn compile(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.wgsl.as_str().into()),
        };
        let module = if self.checked {
            self.device.create_shader_module(descriptor)
        } else {
            let checks = wgpu::ShaderRuntimeChecks::unchecked();
            // SAFETY: the text comes from this crate's templates; every index is bounded by the shapes it was
            // rendered for and every loop ends. The tests run all kernels with checks too.
            unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
        };
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: None,
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }
}
