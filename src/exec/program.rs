//! A plan made real on one GPU: pipelines, buffers and bind groups, built once and replayed.

use super::arrival::Arrival;
use super::command::Command;
use super::counters::count;
use super::encode::{Marks, encode};
use super::gpu::Gpu;
use super::staging::Uploads;
use super::watch::Watch;
use crate::error::Result;
use crate::plan::{BufferId, BufferKind, Dispatch, Plan, Step};
use crate::platform::may_wait;
use std::collections::VecDeque;
use std::sync::Arc;

/// Runs that may be under way before the host waits: enough to keep the device busy, few enough that the
/// inputs waiting in memory stay few.
const IN_FLIGHT: usize = 3;

/// A run that is under way.
#[derive(Debug)]
struct InFlight {
    submission: wgpu::SubmissionIndex,
    /// Comes when it is done; nobody is told where the host waits.
    done: Option<Arrival<()>>,
}

/// A plan, its pipelines, buffers and bind groups.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) gpu: Arc<Gpu>,
    pub(super) plan: Plan,
    pub(super) buffers: Vec<wgpu::Buffer>,
    /// What a run does, in order.
    pub(super) commands: Vec<Command>,
    uploads: Uploads,
    in_flight: VecDeque<InFlight>,
    /// What its runs found wrong, where they look for anything.
    pub(super) watch: Option<Arc<Watch>>,
    /// Whether there is a result to read.
    pub(super) has_run: bool,
}

impl Program {
    /// `shared` gives the buffers that exist already: those of states.
    pub(super) async fn build(
        gpu: &Arc<Gpu>,
        plan: Plan,
        shared: impl Fn(&BufferKind) -> Option<wgpu::Buffer>,
    ) -> Result<Self> {
        let pipelines = gpu.pipelines(&plan.kernels).await?;
        Self::with_pipelines(gpu, plan, &pipelines, shared)
    }

    /// As [`Program::build`], the kernels of the plan compiled.
    pub(super) fn with_pipelines(
        gpu: &Arc<Gpu>,
        plan: Plan,
        pipelines: &[wgpu::ComputePipeline],
        shared: impl Fn(&BufferKind) -> Option<wgpu::Buffer>,
    ) -> Result<Self> {
        let make = |b: &crate::plan::BufferPlan| {
            let label = match &b.kind {
                BufferKind::Input(name) | BufferKind::State(name) => name,
                BufferKind::Constant(_) => "constant",
                BufferKind::Table(_) => "table",
                BufferKind::Slot => "slot",
                BufferKind::Checks => "checks",
            };
            let buffer = shared(&b.kind).unwrap_or_else(|| gpu.buffer(label, b.bytes));
            if let BufferKind::Constant(value) = b.kind {
                gpu.upload(&buffer, &value.to_le_bytes().repeat(b.bytes as usize / 4));
            }
            if let BufferKind::Table(words) = &b.kind {
                gpu.upload(&buffer, bytemuck::cast_slice(words));
            }
            if b.kind == BufferKind::Checks {
                gpu.upload(&buffer, &vec![u8::MAX; b.bytes as usize]);
            }
            buffer
        };
        let buffers: Vec<wgpu::Buffer> = plan.buffers.iter().map(make).collect();
        gpu.check()?;
        let command = |step: &Step| match step {
            Step::Copy { from, to, bytes } => {
                Command::Copy { from: buffers[*from].clone(), to: buffers[*to].clone(), bytes: *bytes }
            }
            Step::Dispatch(d) => {
                let pipeline = pipelines[d.kernel].clone();
                let bind_group = bind(gpu, &pipeline, &buffers, d);
                let sizes = d.sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
                Command::Dispatch { pipeline, bind_group, grid: [d.grid[0], d.grid[1], 1], sizes }
            }
        };
        let commands = plan.steps.iter().map(command).collect();
        let uploads = Uploads::new(IN_FLIGHT, plan.inputs.iter().map(|input| input.ty.bytes()));
        gpu.check()?;
        let watch = Watch::new(gpu, &plan, &buffers, IN_FLIGHT);
        let in_flight = VecDeque::new();
        Ok(Self { gpu: gpu.clone(), plan, buffers, commands, uploads, in_flight, watch, has_run: false })
    }

    /// A program that no plan describes: `plan` lists its buffers only.
    pub(super) fn from_parts(
        gpu: &Arc<Gpu>,
        plan: Plan,
        buffers: Vec<wgpu::Buffer>,
        commands: Vec<Command>,
    ) -> Self {
        let (uploads, in_flight) = (Uploads::default(), VecDeque::new());
        Self { gpu: gpu.clone(), plan, buffers, commands, uploads, in_flight, watch: None, has_run: false }
    }

    /// When the device is several runs behind, waits for the oldest.
    async fn make_room(&mut self) -> Result<()> {
        while self.in_flight.len() >= IN_FLIGHT {
            let Some(InFlight { submission, done }) = self.in_flight.front_mut() else { break };
            match done {
                Some(done) if !may_wait() => {
                    done.await?;
                    self.gpu.check()?;
                }
                _ => self.gpu.done(Some(submission.clone())).await?,
            }
            self.in_flight.pop_front();
        }
        Ok(())
    }

    /// Gives the next run an input.
    pub(super) async fn write_input(&mut self, input: BufferId, bytes: &[u8]) -> Result<()> {
        self.make_room().await?;
        if self.uploads.write(&self.gpu, input, bytes) {
            count(&self.gpu.tally.uploaded, bytes.len() as u64);
        } else {
            self.gpu.upload(&self.buffers[input], bytes);
        }
        Ok(())
    }

    /// Sends the inputs on their way, for what is not [`Program::run`].
    pub(super) fn flush_inputs(&mut self) {
        if !self.uploads.any() {
            return;
        }
        let mut encoder = self.gpu.encoder();
        self.uploads.encode(&mut encoder, &self.buffers);
        self.gpu.submit(encoder);
        self.uploads.submitted();
    }

    /// Encodes all steps and submits them, once unless they would take very long. Fails instead where an earlier run is
    /// known to have met something wrong.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.make_room().await?;
        self.watch.as_ref().map_or(Ok(()), |watch| watch.look(&self.gpu))?;
        let mut encoder = self.gpu.encoder();
        self.uploads.encode(&mut encoder, &self.buffers);
        for steps in self.plan.submitted_of(self.commands.len()) {
            if steps.start > 0 {
                let full = std::mem::replace(&mut encoder, self.gpu.encoder());
                self.gpu.submit(full);
            }
            encode(&self.gpu, &mut encoder, self.commands[steps].iter(), Marks::None);
        }
        if let Some(watch) = &self.watch {
            watch.encode(&self.gpu, &mut encoder);
        }
        let submission = self.gpu.submit(encoder);
        let done = (!may_wait()).then(|| self.gpu.submitted());
        self.in_flight.push_back(InFlight { submission, done });
        self.uploads.submitted();
        if let Some(watch) = &self.watch {
            watch.submitted();
        }
        self.has_run = true;
        self.gpu.check()
    }

    /// Fills every slot with copies of one word.
    pub(super) fn fill_slots(&self, word: u32) {
        for (plan, buffer) in self.plan.buffers.iter().zip(&self.buffers) {
            if plan.kind == BufferKind::Slot {
                let bytes: Vec<u8> = word.to_le_bytes().repeat((plan.bytes / 4) as usize);
                self.gpu.upload(buffer, &bytes);
            }
        }
    }
}

fn bind(
    gpu: &Gpu,
    pipeline: &wgpu::ComputePipeline,
    buffers: &[wgpu::Buffer],
    dispatch: &Dispatch,
) -> wgpu::BindGroup {
    let entry = |(number, bound): (usize, &crate::plan::Bound)| wgpu::BindGroupEntry {
        binding: number as u32,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &buffers[bound.buffer],
            offset: bound.offset,
            size: wgpu::BufferSize::new(bound.bytes),
        }),
    };
    let entries: Vec<_> = dispatch.bindings.iter().enumerate().map(entry).collect();
    count(&gpu.tally.bind_groups, 1);
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(dispatch.op),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}

#[cfg(test)]
mod tests {
    use crate::exec::gpu::WANTED;
    use crate::exec::{Device, Parameters};
    use crate::kernels::Limits;
    use crate::random::Rng;
    use crate::{Graph, HostTensor};

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
}
