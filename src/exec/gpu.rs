//! One opened adapter: its queue, its pipelines by text, its sticky failure.

use super::arrival::{Arrival, promise};
use super::cache::PipelineCache;
use super::counters::{Tally, count};
use super::identity::{AdapterIdentity, Backend};
use super::poller::Poller;
use crate::error::{Error, Result};
use crate::kernels::{Access, Broken, Kernel, Limits, Tuned};
use crate::platform::may_wait;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Features that are used where the adapter has them.
pub(super) const WANTED: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::TIMESTAMP_QUERY)
    .union(wgpu::Features::PIPELINE_CACHE)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::SHADER_INT64)
    .union(wgpu::Features::IMMEDIATES);

/// Bytes that the queue copies together.
const WORD: usize = wgpu::COPY_BUFFER_ALIGNMENT as usize;

/// An opened adapter.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) adapter: wgpu::Adapter,
    pub(super) identity: AdapterIdentity,
    pub(super) limits: Limits,
    /// How many iterations loops may take, as measured.
    max_iterations: AtomicU32,
    /// What programs planned from now on take instead of the planner's choice.
    tuned: Mutex<Arc<Tuned>>,
    /// What the driver did not compile.
    pub(super) broken: Mutex<Arc<Broken>>,
    /// Who is notified of it.
    pub(super) tell: OnceLock<fn(&str)>,
    pub(super) checked: bool,
    /// The first failure; after it nothing the device says can be trusted.
    failure: Arc<OnceLock<String>>,
    /// What the driver said when the device was lost.
    lost: Arc<OnceLock<String>>,
    pub(super) pipelines: Mutex<HashMap<Kernel, wgpu::ComputePipeline>>,
    /// What the driver made of shaders in earlier processes.
    pub(super) cache: OnceLock<PipelineCache>,
    /// Buffers that results were read from, for the next ones.
    readbacks: Mutex<Vec<wgpu::Buffer>>,
    /// Bytes that a program may hold.
    room: AtomicU64,
    pub(super) tally: Tally,
    pub(super) poller: Arc<Poller>,
}

fn described(AdapterIdentity { name, kind, backend, .. }: &AdapterIdentity) -> String {
    format!("{name}, {kind}, {backend}")
}

/// A pipeline that is being compiled, and what will be said against it.
pub(super) struct Begun<F> {
    pipeline: wgpu::ComputePipeline,
    errors: Vec<F>,
}

impl<F: Future<Output = Option<wgpu::Error>>> Begun<F> {
    /// The pipeline, or what the driver or wgpu has against it.
    pub(super) async fn compiled(self) -> std::result::Result<wgpu::ComputePipeline, String> {
        let mut message = None;
        for error in self.errors {
            if let Some(error) = error.await {
                message.get_or_insert_with(|| error.to_string());
            }
        }
        message.map_or(Ok(self.pipeline), Err)
    }
}

impl Gpu {
    pub(super) async fn open(
        adapter: &wgpu::Adapter,
        identity: AdapterIdentity,
        limits: Limits,
        checked: bool,
        wanted: wgpu::Features,
    ) -> Result<Self> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgrad"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::default(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::device(format!("{} to open", identity.name), e.to_string()))?;
        let (failure, lost) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let (on_error, on_lost, told) = (failure.clone(), failure.clone(), lost.clone());
        // Later failures follow from the first, which alone is kept.
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| {
            let _ = on_error.set(e.to_string());
        }));
        device.set_device_lost_callback(move |reason, message| {
            // One that is dropped is destroyed, too.
            if reason != wgpu::DeviceLostReason::Destroyed {
                let _ = on_lost.set(format!("the device was lost: {message}"));
                let _ = told.set(message);
            }
        });
        let (pipelines, readbacks, tally) = (Mutex::default(), Mutex::default(), Tally::default());
        let (tuned, broken, tell) = (Mutex::default(), Mutex::default(), OnceLock::new());
        let (cache, poller) = (OnceLock::new(), Arc::new(Poller::new(&device, described(&identity))));
        Ok(Self {
            device,
            queue,
            adapter: adapter.clone(),
            identity,
            max_iterations: AtomicU32::new(limits.max_iterations),
            limits,
            tuned,
            broken,
            tell,
            checked,
            failure,
            lost,
            pipelines,
            cache,
            readbacks,
            room: AtomicU64::new(u64::MAX),
            tally,
            poller,
        })
    }

    /// Lets programs hold so many bytes.
    pub(super) fn set_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::Relaxed);
    }

    /// How many bytes a program may hold.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    /// Runs what makes buffers; an error where the device has no memory for them, which is no failure of the device.
    pub(super) async fn within_memory<T>(&self, make: impl FnOnce() -> T) -> std::result::Result<T, String> {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        match scope.pop().await {
            None => Ok(made),
            Some(error) => Err(error.to_string()),
        }
    }

    /// Keeps compiled pipelines in this file; false where wgpu cannot, or another file was named before.
    pub(super) fn keep_pipelines(&self, path: &Path) -> bool {
        PipelineCache::open(&self.device, path).is_some_and(|cache| self.cache.set(cache).is_ok())
    }

    /// Name, kind and backend.
    pub(super) fn name(&self) -> String {
        described(&self.identity)
    }

    /// What kernels may assume, what was tuned and what does not compile.
    pub(super) fn limits(&self) -> Limits {
        let tuned = self.tuned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Limits {
            max_iterations: self.max_iterations.load(Ordering::Relaxed),
            tuned,
            broken,
            ..self.limits.clone()
        }
    }

    /// Lets loops take so many iterations, and forgets what was asked of the device so far.
    pub(super) fn begin_with(&self, max_iterations: u32) {
        self.max_iterations.store(max_iterations, Ordering::Relaxed);
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.readbacks().clear();
        self.tally.clear();
    }

    pub(super) fn on_notice(&self, tell: fn(&str)) {
        let _ = self.tell.set(tell);
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

    /// What the driver said when the device was lost, if it was.
    pub(super) fn lost(&self) -> Option<&str> {
        // The driver's word comes when it is asked; whether that fails, the word itself says.
        let _ = self.poller.poll();
        self.lost.get().map(String::as_str)
    }

    /// Ends the device as a driver does that resets it.
    pub(super) fn lose(&self) {
        let word = "it was given up on purpose";
        let _ = self.failure.set(format!("the device was lost: {word}"));
        let _ = self.lost.set(word.to_owned());
        self.device.destroy();
    }

    /// Will have come when what was submitted is done.
    pub(super) fn submitted(&self) -> Arrival<()> {
        let (promise, arrival) = promise(&self.poller);
        self.queue.on_submitted_work_done(move || promise.keep(()));
        arrival
    }

    /// Until a submission is done, or all of them: at least this one.
    pub(super) async fn done(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        if may_wait() {
            self.poller.wait(submission)?;
        } else {
            self.submitted().await?;
        }
        self.check()
    }

    pub(super) fn readbacks(&self) -> MutexGuard<'_, Vec<wgpu::Buffer>> {
        self.readbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands one command buffer to the queue.
    pub(super) fn submit(&self, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        count(&self.tally.submits, 1);
        self.queue.submit([encoder.finish()])
    }

    pub(super) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Writes to the start of a buffer before the next submission. The queue makes a buffer for what is on its way.
    pub(super) fn upload(&self, buffer: &wgpu::Buffer, bytes: &[u8]) {
        count(&self.tally.uploaded, bytes.len() as u64);
        count(&self.tally.buffers, 1);
        let whole = bytes.len() / WORD * WORD;
        let (words, rest) = bytes.split_at(whole);
        if !words.is_empty() {
            self.queue.write_buffer(buffer, 0, words);
        }
        if !rest.is_empty() {
            // Whole words are copied, and buffers have room for them.
            let mut last = [0; WORD];
            last[..rest.len()].copy_from_slice(rest);
            self.queue.write_buffer(buffer, whole as u64, &last);
        }
    }

    /// A buffer for `var<uniform>`.
    pub(super) fn uniform(&self, bytes: u64) -> wgpu::Buffer {
        count(&self.tally.allocated, bytes);
        count(&self.tally.buffers, 1);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("uniform"),
            size: bytes,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    pub(super) fn buffer(&self, label: &str, bytes: u64) -> wgpu::Buffer {
        count(&self.tally.allocated, bytes);
        count(&self.tally.buffers, 1);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// What the driver or wgpu has against a kernel is caught here: it is no failure of the device. A machine's driver compiles
    /// it in this call.
    pub(super) fn begin(
        &self,
        kernel: &Kernel,
    ) -> Begun<impl Future<Output = Option<wgpu::Error>> + Send + use<>> {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let pipeline = self.create(kernel);
        Begun { pipeline, errors: scopes.into_iter().rev().map(|scope| scope.pop()).collect() }
    }

    fn create(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        let in_browser = self.identity.backend == Backend::WebGpu;
        let text = if in_browser { kernel.browser_wgsl() } else { kernel.wgsl.as_str().into() };
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(kernel.name), source: wgpu::ShaderSource::Wgsl(text) };
        let module = if self.checked || kernel.foreign.is_some() {
            self.device.create_shader_module(descriptor)
        } else {
            let checks = wgpu::ShaderRuntimeChecks::unchecked();
            // SAFETY: the text comes from this crate's templates; every index is bounded by the shapes it was
            // rendered for and every loop ends. The tests run all kernels with checks too. Texts from elsewhere are checked.
            unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
        };
        let layout = kernel.foreign.as_ref().map(|bindings| self.layout(kernel, bindings));
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: layout.as_ref(),
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: false,
            },
            cache: self.cache.get().map(|cache| &cache.known),
        })
    }

    /// The bindings of a kernel from outside the crate, which its text may leave unused.
    fn layout(&self, kernel: &Kernel, bindings: &[Access]) -> wgpu::PipelineLayout {
        let entry = |(binding, access): (u32, &Access)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = (0..).zip(bindings).map(entry).collect();
        let group = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.name),
            entries: &entries,
        });
        self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        })
    }
}
