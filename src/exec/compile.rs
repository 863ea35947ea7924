//! The pipelines of a program: those not yet known compiled side by side; what does not compile, done without.

use super::ahead;
use super::counters::count;
use super::gpu::{Begun, Gpu};
use crate::error::{Error, Result};
use crate::kernels::Kernel;
use crate::platform::{beside, block_on, cores, each};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

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

/// How long kernels may take to compile before a line says so.
const SLOW: Duration = Duration::from_secs(1);

/// Kernels by name that the line names, those of which there are most.
const NAMED: usize = 6;

/// What is being compiled, in words.
fn compiling<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let (kernels, all) = (counts.values().sum::<usize>(), counts.len());
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let named: Vec<String> =
        counts.iter().take(NAMED).map(|(name, count)| format!("{count} {name}")).collect();
    let more = if all > NAMED { ", .." } else { "" };
    format!("compiling {kernels} kernels, which takes a while the first time ({}{more})", named.join(", "))
}

impl Gpu {
    /// The pipelines of these kernels; an error names the first that does not compile.
    pub(super) async fn pipelines(&self, kernels: &[Kernel]) -> Result<Vec<wgpu::ComputePipeline>> {
        let failed = |failed: Vec<NotCompiled>| {
            let NotCompiled { kernel, message } = &failed[0];
            Error::device(format!("{} to compile {}", self.name(), kernel.name), message)
        };
        self.compiled(kernels).await?.map_err(failed)
    }

    /// The pipelines of these kernels; `None` where some do not compile, which later plans do without.
    pub(super) async fn pipelines_or_fewer(
        &self,
        kernels: &[Kernel],
    ) -> Result<Option<Vec<wgpu::ComputePipeline>>> {
        match self.compiled(kernels).await? {
            Ok(pipelines) => Ok(Some(pipelines)),
            Err(failed) => {
                self.do_without(failed);
                Ok(None)
            }
        }
    }

    /// The pipelines of these kernels, those not yet known compiled side by side, or at least one that does not
    /// compile.
    async fn compiled(
        &self,
        kernels: &[Kernel],
    ) -> Result<std::result::Result<Vec<wgpu::ComputePipeline>, Vec<NotCompiled>>> {
        let known = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<Kernel> = {
            let known = known();
            kernels.iter().filter(|k| !known.contains_key(k)).cloned().collect()
        };
        let mut compiled = Vec::with_capacity(missing.len());
        for begun in self.begin_all(&missing)? {
            compiled.push(begun.compiled().await);
        }
        self.check()?;
        let mut failed = Vec::new();
        let any = !missing.is_empty();
        for (kernel, result) in missing.into_iter().zip(compiled) {
            match result {
                Ok(pipeline) => {
                    count(&self.tally.pipelines, 1);
                    known().insert(kernel, pipeline);
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
        let known = known();
        Ok(Ok(kernels.iter().filter_map(|k| known.get(k).cloned()).collect()))
    }

    /// Begins to compile these kernels, side by side.
    fn begin_all(
        &self,
        kernels: &[Kernel],
    ) -> Result<Vec<Begun<impl Future<Output = Option<wgpu::Error>> + Send + use<>>>> {
        let share = kernels.len().div_ceil(cores().min(8)).max(1);
        let (done, waits) = mpsc::channel::<()>();
        let tell = self.tell.get().filter(|_| !kernels.is_empty());
        let begun = beside(tell.map(|tell| move || self.tell_of_slow(kernels, waits, tell)), || {
            ahead::compile(&self.identity, kernels, || {
                let (identity, limits) = (self.identity.clone(), self.limits.clone());
                let open = Self::open(&self.adapter, identity, limits, self.checked, self.device.features());
                block_on("", open)
            });
            let begin = |part: &[Kernel]| part.iter().map(|k| self.begin(k)).collect::<Vec<_>>();
            let begun = each(kernels.chunks(share).map(|part| move || begin(part)));
            drop(done);
            begun.into_iter().collect::<std::result::Result<Vec<_>, _>>()
        });
        let failed = |_| Error::device("every shader compiled", "a compiler thread that failed");
        begun.map(|parts| parts.into_iter().flatten().collect()).map_err(failed)
    }

    /// Says what is compiled where that takes long; until the other end of `done` is gone.
    fn tell_of_slow(&self, missing: &[Kernel], done: mpsc::Receiver<()>, tell: &fn(&str)) {
        if done.recv_timeout(SLOW) == Err(RecvTimeoutError::Timeout) {
            tell(&format!("{}: {}", self.name(), compiling(missing.iter().map(|kernel| kernel.name))));
        }
    }

    /// Programs planned from now on do without these kernels.
    fn do_without(&self, failed: Vec<NotCompiled>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        for NotCompiled { kernel, message } in failed {
            // One from outside the crate has no other variant.
            if let (Some(tell), None) = (self.tell.get(), &kernel.foreign) {
                let (adapter, name, reason) = (self.name(), kernel.name, short(&message));
                tell(&format!("{adapter}: {name} does not compile ({reason}); another variant is used"));
            }
            Arc::make_mut(&mut broken).add(kernel, format!("on {}: {message}", self.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exec::gpu::WANTED;
    use crate::exec::{Device, Parameters};
    use crate::kernels::Limits;
    use crate::ops::Conv2d;
    use crate::plan::Step;
    use crate::random::Rng;
    use crate::{Graph, HostTensor};

    #[test]
    fn what_compiles_slowly_is_said_in_one_line() {
        let names = ["sum", "conv2d", "matmul", "conv2d"];
        let expected = "compiling 4 kernels, which takes a while the first time (2 conv2d, 1 matmul, 1 sum)";
        assert_eq!(super::compiling(names.into_iter()), expected);
        assert!(super::compiling(["a", "b", "c", "d", "e", "f", "g"].into_iter()).ends_with("1 f, ..)"));
    }

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
        device.on_notice(|line| println!("{line}"));
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
            let sized = |step: &Step| matches!(step, Step::Dispatch(d) if !d.sizes.is_empty());
            let sized = plan.steps.iter().filter(|step| sized(step)).count();
            (outputs.map(|output| program.read(&output).unwrap()), plan.kernels.len(), sized)
        };
        let (expected, all, none) = run(&without);
        let (found, fewer, sized) = run(&with);
        assert_eq!(none, 0);
        assert!(sized >= 4 && fewer + 2 <= all, "{sized} launches get sizes, {fewer} kernels of {all}");
        assert_eq!(found, expected);
        assert!(with.limits().broken.is_empty());
        // Where they do not compile, those they stand for replace them.
        let lying = Device::open_without(WANTED - wgpu::Features::IMMEDIATES, always).unwrap().unwrap();
        lying.on_notice(|line| println!("{line}"));
        assert_eq!(run(&lying), (expected, all, 0));
        assert!(!lying.limits().broken.is_empty());
    }
}
