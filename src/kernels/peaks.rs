//! Micro-kernels that find out what an adapter can do: `shaders/bench_*.wgsl`. Bindings are workspaces.

use super::{Binding, Kernel, Launch, Limits, Operand, launch};
use crate::error::Mismatch;
use minijinja::context;

/// A micro-kernel, the buffers it needs and the work one run does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MicroKernel {
    pub(crate) launch: Launch,
    /// Bytes of its workspaces.
    pub(crate) buffers: Vec<u64>,
    /// Floating-point operations of a run.
    pub(crate) flops: u64,
    /// Bytes moved by a run.
    pub(crate) bytes: u64,
}

fn read(i: usize) -> Binding {
    Binding::read(Operand::Workspace(i))
}

fn write(i: usize) -> Binding {
    Binding::write(Operand::Workspace(i))
}

/// How a chain of multiply-adds is written. Compilers differ in which of these they keep in registers, so
/// the fastest is the peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chains {
    /// Independent sums: enough to hide the latency of an fma, few enough for the registers.
    accumulators: usize,
    /// Terms added to each in an iteration.
    unroll: usize,
    /// Components of a sum, 1 or 4.
    width: usize,
}

/// Those that were the fastest somewhere: the first on lavapipe (Vulkan), the second on llvmpipe (OpenGL).
pub(crate) const CHAINS: [Chains; 4] = [
    Chains { accumulators: 12, unroll: 32, width: 1 },
    Chains { accumulators: 3, unroll: 8, width: 4 },
    Chains { accumulators: 2, unroll: 16, width: 4 },
    Chains { accumulators: 8, unroll: 16, width: 1 },
];

/// Multiply-adds of `groups` workgroups, `iterations` iterations each, in 32 or 16 bits.
pub(crate) fn fma(
    chains: Chains,
    groups: usize,
    iterations: usize,
    half: bool,
    limits: &Limits,
) -> Result<MicroKernel, Mismatch> {
    let Chains { accumulators, unroll, width } = chains;
    let values = context! { accumulators, unroll, width, iterations, half };
    let number = if half { "f16" } else { "f32" };
    let why = format!("{accumulators} sums of {width} x {number}, {unroll} terms per iteration");
    let launch = launch(limits, "bench_fma", groups, 1 + iterations, vec![read(0), write(1)], why, values)?;
    let flops = (groups * 64 * iterations * unroll * accumulators * width * 2) as u64;
    Ok(MicroKernel { launch, buffers: vec![32, groups as u64 * 16], flops, bytes: 0 })
}

/// Copies `bytes`, or with `triad` adds two arrays of `bytes` into a third.
pub(crate) fn stream(bytes: u64, triad: bool, limits: &Limits) -> Result<MicroKernel, Mismatch> {
    let vec4s = (bytes / 16) as usize;
    let arrays = if triad { 3 } else { 2 };
    let mut bindings: Vec<Binding> = (0..arrays - 1).map(read).collect();
    bindings.push(write(arrays - 1));
    let why = if triad { "triad" } else { "copy" };
    let values = context! { vec4s, triad };
    let launch = launch(limits, "bench_stream", vec4s.div_ceil(256), 0, bindings, why, values)?;
    let flops = if triad { 2 * 4 * vec4s as u64 } else { 0 };
    let moved = arrays as u64 * vec4s as u64 * 16;
    Ok(MicroKernel { launch, buffers: vec![bytes; arrays], flops, bytes: moved })
}

/// Reads workgroup memory in `groups` workgroups, `iterations` iterations of 4 vec4 an invocation.
pub(crate) fn workgroup(groups: usize, iterations: usize, limits: &Limits) -> Result<MicroKernel, Mismatch> {
    let values = context! { iterations };
    let bindings = vec![read(0), write(1)];
    let launch =
        launch(limits, "bench_workgroup", groups, 1 + iterations, bindings, "workgroup memory", values)?;
    let bytes = (groups * 64 * iterations * 4 * 16) as u64;
    Ok(MicroKernel { launch, buffers: vec![256 * 16, groups as u64 * 16], flops: 0, bytes })
}

/// Counts the iterations that loops really take, one loop and two nested ones: `shaders/count_turns.wgsl`.
pub(crate) fn iterations(limits: &Limits) -> Result<MicroKernel, Mismatch> {
    // What it is there to find out is no limit yet.
    let limits = Limits { max_iterations: u32::MAX, ..limits.clone() };
    let launch =
        launch(&limits, "count_turns", 2, 0, vec![read(0), write(1)], "counts loop iterations", context! {})?;
    Ok(MicroKernel { launch, buffers: vec![16, 16], flops: 0, bytes: 0 })
}

/// Does nothing.
pub(crate) fn empty(limits: &Limits) -> Result<MicroKernel, Mismatch> {
    let launch = launch(limits, "bench_empty", 1, 0, vec![write(0)], "empty", context! {})?;
    Ok(MicroKernel { launch, buffers: vec![16], flops: 0, bytes: 0 })
}

/// The text of every micro-kernel in 32 bits, for those who check shaders without a device.
///
/// # Errors
/// When a template does not render.
pub fn micro_kernels(limits: &Limits) -> Result<Vec<Kernel>, Mismatch> {
    let mut all = vec![stream(1 << 16, false, limits)?, stream(1 << 16, true, limits)?];
    all.extend([workgroup(8, 4, limits)?, empty(limits)?, iterations(limits)?]);
    for chains in CHAINS {
        all.push(fma(chains, 8, 4, false, limits)?);
    }
    Ok(all.into_iter().map(|micro| micro.launch.kernel).collect())
}
