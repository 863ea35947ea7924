//! Kernels compiled ahead, for lavapipe: it compiles a kernel when it first runs, one after the other, which is most
//! of the time to a program's first step. Devices beside the one that is used let the kernels run in no workgroup, side
//! by side, and Mesa's cache on disk hands on what they compiled.

use super::gpu::Gpu;
use super::identity::{AdapterIdentity, Backend};
use crate::error::Result;
use crate::kernels::Kernel;
use crate::platform::{Instant, block_on, cores, each};
use std::cmp::Reverse;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Letters of WGSL besides those of the longest kernel for which more devices pay.
const LEAST_TEXT: usize = 40_000;
/// Where one of the longest kernels takes no longer than this, it was in the cache before, and so are the others.
const KNOWN: Duration = Duration::from_millis(50);
/// Bytes of a buffer that stands for any.
const BYTES: u64 = 256;

/// Whether a driver compiles late and keeps what it compiled, where these variables are set.
fn helps(identity: &AdapterIdentity, set: impl Fn(&str) -> bool) -> bool {
    let lavapipe = identity.backend == Backend::Vulkan && identity.driver.starts_with("llvmpipe");
    let any = |names: &[&str]| names.iter().any(|name| set(name));
    let folder = any(&["MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME", "HOME"]);
    lavapipe && folder && !any(&["MESA_SHADER_CACHE_DISABLE", "MESA_GLSL_CACHE_DISABLE"])
}

/// Whether a variable is set, and not to nothing.
fn set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// Runs these kernels on devices that `open` gives, one a core, the longest first; where that does not help, nothing
/// happens, and what fails is left to the device itself.
pub(super) fn compile(identity: &AdapterIdentity, kernels: &[Kernel], open: impl Fn() -> Result<Gpu> + Sync) {
    let mut order: Vec<&Kernel> = kernels.iter().collect();
    order.sort_by_key(|kernel| Reverse(kernel.wgsl.len()));
    let threads = cores().min(8).min(order.len());
    let text: usize = order.iter().skip(1).map(|kernel| kernel.wgsl.len()).sum();
    if threads < 2 || text < LEAST_TEXT || !helps(identity, set) {
        return;
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let Ok(gpu) = open() else { return };
        let mut first = true;
        while let Some(kernel) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            // What fails here fails again where it counts.
            let _ = block_on("", run_empty(&gpu, kernel));
            if first && start.elapsed() < KNOWN {
                next.store(order.len(), Ordering::Relaxed);
            }
            first = false;
        }
    };
    // A thread that panics leaves its kernels to the device itself.
    drop(each((0..threads).map(|_| &work)));
}

/// Runs a kernel in no workgroup; one that does not compile is left out.
async fn run_empty(gpu: &Gpu, kernel: &Kernel) -> Result<()> {
    let Ok(pipeline) = gpu.begin(kernel).compiled().await else { return Ok(()) };
    let count = kernel.wgsl.matches("@binding(").count();
    let buffers: Vec<_> = (0..count).map(|_| gpu.buffer("nothing", BYTES)).collect();
    let entry = |(binding, buffer)| {
        let buffer: &wgpu::Buffer = buffer;
        wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
    };
    let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some(kernel.name),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &(0..).zip(&buffers).map(entry).collect::<Vec<_>>(),
    });
    let mut encoder = gpu.encoder();
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bind_group, &[]);
    if kernel.sizes > 0 {
        pass.set_immediates(0, &vec![0; 4 * kernel.sizes as usize]);
    }
    pass.dispatch_workgroups(0, 1, 1);
    drop(pass);
    let submission = gpu.submit(encoder);
    gpu.done(Some(submission)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::device::{Device, Kind};
    use crate::exec::{Backend, Parameters};
    use crate::nn::Lstm;
    use crate::ops::{Conv2d, MaxPool2d};
    use crate::{Graph, Tensor};

    #[test]
    fn it_helps_lavapipe_with_a_cache_alone() {
        let helps_where = |backend, driver: &str, variables: &[&str]| {
            let (name, kind, driver) = ("a card".into(), "software".into(), driver.into());
            helps(&AdapterIdentity { name, backend, kind, driver }, |name| variables.contains(&name))
        };
        let lavapipe = "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)";
        assert!(helps_where(Backend::Vulkan, lavapipe, &["HOME"]));
        assert!(helps_where(Backend::Vulkan, lavapipe, &["MESA_SHADER_CACHE_DIR"]));
        assert!(!helps_where(Backend::Vulkan, lavapipe, &[]));
        assert!(!helps_where(Backend::Vulkan, lavapipe, &["HOME", "MESA_SHADER_CACHE_DISABLE"]));
        assert!(!helps_where(Backend::Gl, lavapipe, &["HOME"]));
        assert!(!helps_where(Backend::Vulkan, "SwiftShader driver 5.0.0", &["HOME"]));
    }

    /// A device that does not open does no harm, and each core asks for one where there is enough to compile.
    #[test]
    fn a_device_for_each_core_where_there_is_much_to_compile() {
        let identity = AdapterIdentity {
            name: "llvmpipe".into(),
            backend: Backend::Vulkan,
            kind: "software".into(),
            driver: "llvmpipe".into(),
        };
        let opened = |kernels: &[Kernel]| {
            let opened = AtomicUsize::new(0);
            compile(&identity, kernels, || {
                opened.fetch_add(1, Ordering::Relaxed);
                Err(crate::Error::device("a device", "none"))
            });
            opened.into_inner()
        };
        let kernel = |name, letters| Kernel::new(name, "x".repeat(letters));
        let (long, other, short) = (kernel("a", LEAST_TEXT), kernel("b", LEAST_TEXT), kernel("c", 1000));
        let cores = cores();
        let wanted = if cores > 1 && helps(&identity, set) { 2 } else { 0 };
        assert_eq!(opened(&[long.clone(), other]), wanted);
        assert_eq!([opened(&[]), opened(std::slice::from_ref(&long)), opened(&[long, short])], [0; 3]);
    }

    /// Kernels of all sorts have as many bindings as they are given, and run in no workgroup on any device.
    #[test]
    fn kernels_run_in_no_workgroup() -> Result<()> {
        let device = Device::auto()?;
        let Kind::Gpu(gpu) = &device.0 else {
            println!("SKIPPED: {}", device.notice().unwrap_or("no adapter"));
            return Ok(());
        };
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [4, 16, 16, 16])?, graph.input("w", [16, 16, 3, 3])?);
        let y = x.conv2d(&w, None, Conv2d::default().padding(1))?.relu()?.max_pool2d(MaxPool2d::new(2))?;
        let gradients = y.gradients_from(&graph.input("error", y.shape())?, &[&x, &w])?;
        let row = graph.input("row", [3, 4, 8])?;
        let sequence = Lstm::new(8, 16).sequence(&row, None, None)?.output;
        let outputs: Vec<&Tensor> = gradients.iter().chain([&y, &sequence]).collect();
        let program = Parameters::new(&device, 0).compile(&graph, &outputs)?;
        let kernels = program.plan().map(|plan| plan.kernels.clone()).unwrap_or_default();
        assert!(kernels.len() > 5, "{}", kernels.len());
        for kernel in &kernels {
            block_on("", run_empty(gpu, kernel))?;
        }
        // What does not compile is left to the program that needs it.
        block_on("", run_empty(gpu, &Kernel::new("broken", "no shader")))?;
        gpu.check()
    }
}
