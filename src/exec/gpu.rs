//! One opened adapter: its queue, its pipelines by text, its sticky failure.

use super::ahead;
use super::cache::PipelineCache;
use super::counters::{Tally, count};
use super::device::AdapterIdentity;
use crate::error::{Error, Result};
use crate::kernels::{Broken, Kernel, Limits, Tuned};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// Features that are used where the adapter has them.
pub(super) const WANTED: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::TIMESTAMP_QUERY)
    .union(wgpu::Features::PIPELINE_CACHE)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::SHADER_INT64)
    .union(wgpu::Features::IMMEDIATES);

/// A kernel and what the driver says about it.
struct NotCompiled {
    kernel: Kernel,
    message: String,
}

/// What wgpu says in many lines, in one.
fn short(message: &str) -> String {
    let empty = ["", "Validation Error", "Caused by:"];
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !empty.contains(line)).collect();
    lines.join(" ").chars().take(200).collect()
}

/// An opened adapter.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    adapter: wgpu::Adapter,
    pub(super) identity: AdapterIdentity,
    limits: Limits,
    /// What programs planned from now on take instead of the planner's choice.
    tuned: Mutex<Arc<Tuned>>,
    /// What the driver did not compile.
    broken: Mutex<Arc<Broken>>,
    /// Who is told about it.
    tell: OnceLock<fn(&str)>,
    checked: bool,
    /// The first failure; after it nothing the device says can be trusted.
    failure: Arc<OnceLock<String>>,
    pipelines: Mutex<HashMap<Kernel, wgpu::ComputePipeline>>,
    /// What the driver made of shaders in earlier processes.
    cache: OnceLock<PipelineCache>,
    /// Buffers that results were read from, for the next ones.
    readbacks: Mutex<Vec<wgpu::Buffer>>,
    pub(super) tally: Tally,
}

impl Gpu {
    pub(super) fn open(
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
        let (pipelines, readbacks, tally) = (Mutex::default(), Mutex::default(), Tally::default());
        let (tuned, broken, tell) = (Mutex::default(), Mutex::default(), OnceLock::new());
        let cache = OnceLock::new();
        Ok(Self {
            device,
            queue,
            adapter: adapter.clone(),
            identity,
            limits,
            tuned,
            broken,
            tell,
            checked,
            failure,
            pipelines,
            cache,
            readbacks,
            tally,
        })
    }

    /// Keeps compiled pipelines in this file; false where wgpu cannot, or another file was named before.
    pub(super) fn keep_pipelines(&self, path: &Path) -> bool {
        PipelineCache::open(&self.device, path).is_some_and(|cache| self.cache.set(cache).is_ok())
    }

    /// Name, kind and backend.
    pub(super) fn name(&self) -> String {
        let AdapterIdentity { name, kind, backend, .. } = &self.identity;
        format!("{name}, {kind}, {backend}")
    }

    /// What kernels may assume, what was tuned and what does not compile.
    pub(super) fn limits(&self) -> Limits {
        let tuned = self.tuned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Limits { tuned, broken, ..self.limits.clone() }
    }

    pub(super) fn on_broken_kernel(&self, tell: fn(&str)) {
        let _ = self.tell.set(tell);
    }

    /// Programs planned from now on do without these kernels.
    fn do_without(&self, failed: Vec<NotCompiled>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        for NotCompiled { kernel, message } in failed {
            if let Some(tell) = self.tell.get() {
                let (adapter, name, reason) = (self.name(), kernel.name, short(&message));
                tell(&format!("{adapter}: {name} does not compile ({reason}); another variant is used"));
            }
            Arc::make_mut(&mut broken).add(kernel, format!("on {}: {message}", self.name()));
        }
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
        self.queue.write_buffer(buffer, 0, bytes);
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

    /// The pipelines of these kernels; an error names the first that does not compile.
    pub(super) fn pipelines(&self, kernels: &[Kernel]) -> Result<Vec<wgpu::ComputePipeline>> {
        let failed = |failed: Vec<NotCompiled>| {
            let NotCompiled { kernel, message } = &failed[0];
            Error::device(format!("{} to compile {}", self.name(), kernel.name), message)
        };
        self.compiled(kernels)?.map_err(failed)
    }

    /// The pipelines of these kernels; `None` where some do not compile, which later plans do without.
    pub(super) fn pipelines_or_fewer(
        &self,
        kernels: &[Kernel],
    ) -> Result<Option<Vec<wgpu::ComputePipeline>>> {
        match self.compiled(kernels)? {
            Ok(pipelines) => Ok(Some(pipelines)),
            Err(failed) => {
                self.do_without(failed);
                Ok(None)
            }
        }
    }

    /// The pipelines of these kernels, those not yet known compiled side by side, or at least one that does not
    /// compile.
    fn compiled(
        &self,
        kernels: &[Kernel],
    ) -> Result<std::result::Result<Vec<wgpu::ComputePipeline>, Vec<NotCompiled>>> {
        let mut known = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Kernel> = kernels.iter().filter(|k| !known.contains_key(k)).collect();
        let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8));
        let share = missing.len().div_ceil(threads).max(1);
        ahead::compile(&self.identity, &missing, || {
            let (identity, limits) = (self.identity.clone(), self.limits.clone());
            Self::open(&self.adapter, identity, limits, self.checked, self.device.features())
        });
        let compiled: Vec<_> = thread::scope(|scope| {
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
        let mut failed = Vec::new();
        let any = !missing.is_empty();
        for (kernel, result) in missing.into_iter().zip(compiled) {
            match result {
                Ok(pipeline) => {
                    count(&self.tally.pipelines, 1);
                    known.insert(kernel, pipeline);
                }
                Err(message) => failed.push(NotCompiled { kernel, message }),
            }
        }
        if let (Some(cache), true) = (self.cache.get(), any)
            && let Err(error) = cache.save()
            && let Some(tell) = self.tell.get()
        {
            tell(&format!("compiled pipelines are not kept: {error}"));
        }
        if !failed.is_empty() {
            return Ok(Err(failed));
        }
        Ok(Ok(kernels.iter().filter_map(|k| known.get(k).cloned()).collect()))
    }

    /// What the driver or wgpu has against a kernel is caught here: it is no failure of the device.
    pub(super) fn compile(&self, kernel: &Kernel) -> std::result::Result<wgpu::ComputePipeline, String> {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let pipeline = self.create(kernel);
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        match errors.map(|error| error.to_string()).reduce(|first, _| first) {
            Some(message) => Err(message),
            None => Ok(pipeline),
        }
    }

    fn create(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
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
            cache: self.cache.get().map(|cache| &cache.known),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Device, Parameters};
    use crate::ops::Conv2d;
    use crate::plan::Step;
    use crate::random::Rng;
    use crate::{Graph, HostTensor};

    #[test]
    fn kernels_that_do_not_compile_give_way_to_others() {
        // Limits that promise what the device has not: shuffles and words of 64 bits.
        let lying = |limits: Limits| Limits { subgroup_size: Some(8), wide_loads: true, ..limits };
        let device =
            Device::open_without(WANTED - wgpu::Features::SUBGROUP - wgpu::Features::SHADER_INT64, lying);
        let Some(device) = device.unwrap() else {
            println!("SKIPPED: no adapter");
            return;
        };
        device.on_broken_kernel(|line| println!("{line}"));
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [64, 64]).unwrap(), graph.input("w", [64, 64]).unwrap());
        let output = x.matmul(&w).unwrap();
        let mut program = Parameters::new(&device, 0).compile(&graph, &[&output]).unwrap();
        assert!(!device.limits().broken.is_empty());
        let identity = (0..64 * 64).map(|i| if i / 64 == i % 64 { 1.0 } else { 0.0 }).collect();
        let identity = HostTensor::from_f32([64, 64], identity).unwrap();
        let numbers = HostTensor::from_f32([64, 64], (0..64 * 64).map(|i| i as f32).collect()).unwrap();
        program.run(&[(&x, &numbers), (&w, &identity)]).unwrap();
        assert_eq!(program.read(&output).unwrap(), numbers);
        // Planned with what is known, nothing has to be tried again.
        let before = device.limits();
        Parameters::new(&device, 0).compile(&graph, &[&output]).unwrap();
        assert_eq!(device.limits(), before);
    }

    #[test]
    fn work_that_is_divided_in_time_gives_the_same_bits() {
        let short = |limits: Limits| Limits { max_launch_work: 1 << 18, ..limits };
        let Some(divided) = Device::open_without(WANTED, short).unwrap() else {
            println!("SKIPPED: no adapter");
            return;
        };
        let usual = Device::open_without(WANTED, |limits| limits).unwrap().unwrap();
        let run = |device: &Device| {
            let graph = Graph::new();
            let (x, w) = (graph.input("x", [70, 90]).unwrap(), graph.input("w", [90, 110]).unwrap());
            let product = x.matmul(&w).unwrap();
            let output = product.sum([1], true).unwrap().mul(&product).unwrap().relu().unwrap();
            let mut program = Parameters::new(device, 0).compile(&graph, &[&output]).unwrap();
            let mut rng = Rng::new(5);
            let mut numbers = |dims: [usize; 2]| {
                let all = (0..dims[0] * dims[1]).map(|_| rng.range(-1.0, 1.0) as f32).collect();
                HostTensor::from_f32(dims, all).unwrap()
            };
            let (a, b) = (numbers([70, 90]), numbers([90, 110]));
            let before = device.counters().submits;
            program.run(&[(&x, &a), (&w, &b)]).unwrap();
            let submits = device.counters().submits - before;
            let work = program.plan().unwrap().work();
            assert_eq!(submits, work.submits);
            (program.read(&output).unwrap(), work.dispatches, submits)
        };
        let (expected, few, one) = run(&usual);
        let (found, many, several) = run(&divided);
        assert_eq!(found, expected);
        assert!(
            one == 1 && several > 1 && many > few,
            "{few} launches, then {many} in {several} submissions"
        );
    }

    #[test]
    fn kernels_that_are_told_their_sizes_give_the_same_bits() {
        let never = |limits: Limits| Limits { immediates: false, ..limits };
        let always = |limits: Limits| Limits { immediates: true, ..limits };
        let Some(without) = Device::open_without(WANTED, never).unwrap() else {
            println!("SKIPPED: no adapter");
            return;
        };
        let with = Device::open_without(WANTED, always).unwrap().unwrap();
        if !with.limits().software {
            println!("SKIPPED: the adapter is no CPU");
            return;
        }
        let run = |device: &Device| {
            let (graph, convolution) = (Graph::new(), Conv2d::default().padding(1));
            let mut rng = Rng::new(3);
            let mut fed = Vec::new();
            let mut input = |name: &str, dims: [usize; 4]| {
                let numbers = (0..dims.iter().product()).map(|_| rng.range(-1.0, 1.0) as f32).collect();
                let tensor = graph.input(name, dims).unwrap();
                fed.push((tensor.clone(), HostTensor::from_f32(dims, numbers).unwrap()));
                tensor
            };
            let outputs = [(64, 32), (32, 64)].map(|(channels, filters)| {
                let x = input(&format!("x{channels}"), [32, channels, 14, 14]);
                let w = input(&format!("w{channels}"), [filters, channels, 3, 3]);
                x.conv2d(&w, None, convolution).unwrap()
            });
            let mut program = Parameters::new(device, 0).compile(&graph, &outputs.each_ref()).unwrap();
            let fed: Vec<_> = fed.iter().map(|(tensor, data)| (tensor, data)).collect();
            program.run(&fed).unwrap();
            let plan = program.plan().unwrap();
            let told = |step: &Step| matches!(step, Step::Dispatch(d) if !d.sizes.is_empty());
            let told = plan.steps.iter().filter(|step| told(step)).count();
            (outputs.map(|output| program.read(&output).unwrap()), plan.kernels.len(), told)
        };
        let (expected, all, none) = run(&without);
        let (found, fewer, told) = run(&with);
        assert_eq!(none, 0);
        assert!(told >= 4 && fewer + 2 <= all, "{told} launches are told sizes, {fewer} kernels of {all}");
        assert_eq!(found, expected);
        assert!(with.limits().broken.is_empty());
        // Where they do not compile, those they stand for take their place.
        let lying = Device::open_without(WANTED - wgpu::Features::IMMEDIATES, always).unwrap().unwrap();
        lying.on_broken_kernel(|line| println!("{line}"));
        assert_eq!(run(&lying), (expected, all, 0));
        assert!(!lying.limits().broken.is_empty());
    }
}
