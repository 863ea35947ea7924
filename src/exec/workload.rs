//! A plan or a foreign shader with all of its buffers within reach: what benchmarks run.

use super::command::Command;
use super::counters::count;
use super::device::Device;
use super::encode::{Marks, encode};
use super::gpu::Gpu;
use super::program::Program;
use super::readback::read_bytes;
use super::stopwatch::Stopwatch;
use crate::error::{Error, Result};
use crate::plan::{BufferId, BufferKind, BufferPlan, Plan};
use crate::platform::{Instant, block_on};
use std::sync::Arc;

/// A compute shader from outside the crate.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignShader {
    /// Its WGSL.
    pub wgsl: String,
    /// The function to call.
    pub entry: String,
    /// Workgroups along x, y and z.
    pub grid: [u32; 3],
    /// Of binding 0, 1, .. of group 0: bytes, and whether it is `var<uniform>`.
    pub bindings: Vec<(u64, bool)>,
}

/// One or more equal sets of buffers, and the steps that work on them.
#[derive(Debug)]
pub struct Workload {
    sets: Vec<Program>,
}

impl Workload {
    /// `sets` copies of a plan's buffers: enough of them, used one after the other, keep the cache cold.
    ///
    /// # Errors
    /// For the CPU reference, and when the device cannot do it.
    pub(crate) fn from_plan(device: &Device, plan: &Plan, sets: usize) -> Result<Self> {
        block_on("a workload made without waiting", Self::from_plan_async(device, plan, sets))
    }

    /// As [`Workload::from_plan`], without waiting.
    ///
    /// # Errors
    /// As [`Workload::from_plan`].
    pub(crate) async fn from_plan_async(device: &Device, plan: &Plan, sets: usize) -> Result<Self> {
        let gpu = device.gpu("to measure")?;
        let mut all = Vec::new();
        for _ in 0..sets.max(1) {
            all.push(Program::build(gpu, plan.clone(), |_| None).await?);
        }
        Ok(Self { sets: all })
    }

    /// A shader with its bindings. It is compiled with bounds checks, so it cannot do harm.
    ///
    /// # Errors
    /// For the CPU reference, when the shader is not valid or its bindings are not those described.
    pub fn from_shader(device: &Device, shader: &ForeignShader) -> Result<Self> {
        block_on("Workload::from_shader_async", Self::from_shader_async(device, shader))
    }

    /// As [`Workload::from_shader`], without waiting.
    ///
    /// # Errors
    /// As [`Workload::from_shader`].
    pub async fn from_shader_async(device: &Device, shader: &ForeignShader) -> Result<Self> {
        let gpu = device.gpu("to measure")?;
        Ok(Self { sets: vec![foreign(gpu, shader).await?] })
    }

    /// How many equal sets of buffers there are.
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Sizes and kinds of the buffers of a set.
    pub fn buffers(&self) -> &[BufferPlan] {
        &self.sets[0].plan.buffers
    }

    /// Writes to the start of a buffer, in every set.
    ///
    /// # Errors
    /// When there is no such buffer or it is smaller.
    pub fn write(&self, buffer: BufferId, bytes: &[u8]) -> Result<()> {
        for set in &self.sets {
            let size = set.plan.buffers.get(buffer).map_or(0, |b| b.bytes);
            if (bytes.len() as u64) > size {
                return Err(Error::argument(
                    "buffer",
                    format!("at most {size} bytes"),
                    bytes.len().to_string(),
                ));
            }
            set.gpu.upload(&set.buffers[buffer], bytes);
        }
        Ok(())
    }

    /// The first `bytes` of a buffer of the first set, after all work so far.
    ///
    /// # Errors
    /// When there is no such buffer, it is smaller, or the device failed.
    pub fn read(&self, buffer: BufferId, bytes: u64) -> Result<Vec<u8>> {
        block_on("Workload::read_async", self.read_async(buffer, bytes))
    }

    /// As [`Workload::read`], without waiting.
    ///
    /// # Errors
    /// As [`Workload::read`].
    pub async fn read_async(&self, buffer: BufferId, bytes: u64) -> Result<Vec<u8>> {
        let set = &self.sets[0];
        let size = set.plan.buffers.get(buffer).map_or(0, |b| b.bytes);
        if bytes > size {
            return Err(Error::argument("buffer", format!("at most {size} bytes"), bytes.to_string()));
        }
        read_bytes(&set.gpu, &set.buffers[buffer], bytes).await
    }

    /// Fills all slots of all sets with copies of one word.
    pub fn fill_scratch(&self, word: u32) {
        self.sets.iter().for_each(|set| set.fill_slots(word));
    }

    /// Runs the first set once, without waiting.
    ///
    /// # Errors
    /// When the device failed.
    pub fn run(&mut self) -> Result<()> {
        block_on("Workload::run_async", self.run_async())
    }

    /// As [`Workload::run`]; where the device is several runs behind, done when the oldest is.
    ///
    /// # Errors
    /// When the device failed.
    pub async fn run_async(&mut self) -> Result<()> {
        self.sets[0].run().await
    }

    /// Seconds the host takes to encode and submit the steps of the first set, the mean of `count` times
    /// without waiting in between.
    ///
    /// # Errors
    /// When the device failed.
    pub fn submit_seconds(&mut self, count: usize) -> Result<f64> {
        block_on("Workload::submit_seconds_async", self.submit_seconds_async(count))
    }

    /// As [`Workload::submit_seconds`], without waiting for what was submitted.
    ///
    /// # Errors
    /// When the device failed.
    pub async fn submit_seconds_async(&mut self, count: usize) -> Result<f64> {
        let set = &self.sets[0];
        let start = Instant::now();
        for _ in 0..count.max(1) {
            let mut encoder = set.gpu.encoder();
            encode(&set.gpu, &mut encoder, set.commands.iter(), Marks::None);
            set.gpu.submit(encoder);
        }
        let seconds = start.elapsed().as_secs_f64();
        set.gpu.done(None).await?;
        Ok(seconds / count.max(1) as f64)
    }

    /// `samples` times: seconds for one run, the mean of `runs` that follow one another. Runs take the sets
    /// one after the other. `None` stands for a measurement that the device gave wrongly.
    ///
    /// # Errors
    /// When the device failed.
    pub fn time(&self, stopwatch: &Stopwatch, runs: usize, samples: usize) -> Result<Vec<Option<f64>>> {
        block_on("Workload::time_async", self.time_async(stopwatch, runs, samples))
    }

    /// As [`Workload::time`], without waiting.
    ///
    /// # Errors
    /// When the device failed.
    pub async fn time_async(
        &self,
        stopwatch: &Stopwatch,
        runs: usize,
        samples: usize,
    ) -> Result<Vec<Option<f64>>> {
        let runs = runs.max(1);
        let sample = |number: usize, count: usize| {
            (0..count).flat_map(move |run| self.sets[(number * runs + run) % self.sets.len()].commands.iter())
        };
        let groups: Vec<_> = (0..samples).map(|number| sample(number, runs)).collect();
        let lead = (samples > 1).then(|| sample(samples, 1));
        let seconds = stopwatch.measure(lead, &groups).await?;
        Ok(seconds.into_iter().map(|s| s.map(|s| s.seconds / runs as f64)).collect())
    }
}

/// Validation errors of what somebody else wrote are theirs, not the device's: they are caught here.
async fn foreign(gpu: &Arc<Gpu>, shader: &ForeignShader) -> Result<Program> {
    let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let built = build_foreign(gpu, shader);
    match scope.pop().await {
        Some(error) => Err(Error::device("a valid shader and its bindings", error.to_string())),
        None => {
            gpu.check()?;
            Ok(built)
        }
    }
}

fn build_foreign(gpu: &Arc<Gpu>, shader: &ForeignShader) -> Program {
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("shader"),
        source: wgpu::ShaderSource::Wgsl(shader.wgsl.as_str().into()),
    });
    let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("shader"),
        layout: None,
        module: &module,
        entry_point: Some(&shader.entry),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let make = |(bytes, uniform): &(u64, bool)| {
        let size = bytes.next_multiple_of(16).max(16);
        if *uniform { gpu.uniform(size) } else { gpu.buffer("binding", size) }
    };
    let buffers: Vec<wgpu::Buffer> = shader.bindings.iter().map(make).collect();
    let bound = shader.bindings.iter().zip(&buffers).enumerate();
    let entries: Vec<_> = bound.map(|(n, (b, buffer))| entry(n, *b, buffer)).collect();
    count(&gpu.tally.bind_groups, 1);
    let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("shader"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let sizes = shader.bindings.iter().map(|(bytes, _)| bytes.next_multiple_of(16).max(16));
    let plan = Plan {
        buffers: sizes.map(|bytes| BufferPlan { bytes, kind: BufferKind::Slot }).collect(),
        ..Plan::default()
    };
    let commands = vec![Command::Dispatch { pipeline, bind_group, grid: shader.grid, sizes: Vec::new() }];
    Program::from_parts(gpu, plan, buffers, commands)
}

fn entry(number: usize, (bytes, _): (u64, bool), buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    let size = wgpu::BufferSize::new(bytes.next_multiple_of(4).max(4));
    wgpu::BindGroupEntry {
        binding: number as u32,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size }),
    }
}
