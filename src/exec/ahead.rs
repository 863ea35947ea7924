//! Kernels compiled ahead, for lavapipe: it compiles a kernel when it first runs, one after the other, which is most
//! of the time to a program's first step. Devices beside the one that is used let the kernels run in no workgroup, side
//! by side, and Mesa's cache on disk hands on what they compiled.

use super::device::{AdapterIdentity, Backend};
use super::gpu::Gpu;
use crate::error::Result;
use crate::kernels::Kernel;
use std::cmp::Reverse;
use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Letters of WGSL besides those of the longest kernel for which more devices pay.
const LEAST_TEXT: usize = 40_000;
/// Where one of the longest kernels takes no longer than this, it was in the cache before, and so are the others.
const KNOWN: Duration = Duration::from_millis(50);
/// Bytes of a buffer that stands for any.
const BYTES: u64 = 256;

/// Whether a driver compiles late and keeps what it compiled.
fn helps(identity: &AdapterIdentity) -> bool {
    let lavapipe = identity.backend == Backend::Vulkan && identity.driver.starts_with("llvmpipe");
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let folder = ["MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME", "HOME"].iter().any(&set);
    let off = ["MESA_SHADER_CACHE_DISABLE", "MESA_GLSL_CACHE_DISABLE"].iter().any(&set);
    lavapipe && folder && !off
}

/// Runs these kernels on devices that `open` gives, one a core, the longest first; where that does not help, nothing
/// happens, and what fails is left to the device itself.
pub(super) fn compile(
    identity: &AdapterIdentity,
    kernels: &[&Kernel],
    open: impl Fn() -> Result<Gpu> + Sync,
) {
    let mut order = kernels.to_vec();
    order.sort_by_key(|kernel| Reverse(kernel.wgsl.len()));
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(8)).min(order.len());
    let text: usize = order.iter().skip(1).map(|kernel| kernel.wgsl.len()).sum();
    if threads < 2 || text < LEAST_TEXT || !helps(identity) {
        return;
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let Ok(gpu) = open() else { return };
        let mut first = true;
        while let Some(kernel) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            run_empty(&gpu, kernel);
            if first && start.elapsed() < KNOWN {
                next.store(order.len(), Ordering::Relaxed);
            }
            first = false;
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| drop(worker.join()));
    });
}

/// Runs a kernel in no workgroup.
fn run_empty(gpu: &Gpu, kernel: &Kernel) {
    let Ok(pipeline) = gpu.compile(kernel) else { return };
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
    pass.dispatch_workgroups(0, 1, 1);
    drop(pass);
    // What fails here fails again where it counts.
    drop(gpu.wait(Some(gpu.submit(encoder))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Device, Parameters};
    use crate::ops::Conv2d;
    use crate::{Graph, Result};

    #[test]
    fn it_helps_lavapipe_alone() {
        let identity = |backend, driver: &str| AdapterIdentity {
            name: "a card".into(),
            backend,
            kind: "software".into(),
            driver: driver.into(),
        };
        assert!(!helps(&identity(Backend::Gl, "llvmpipe Mesa 22.3.6")));
        assert!(!helps(&identity(Backend::Vulkan, "SwiftShader driver 5.0.0")));
        assert!(!helps(&identity(Backend::Vulkan, "NVIDIA 570.0")));
    }

    /// Neither a kernel that does not compile nor a device that does not open does any harm.
    #[test]
    fn what_fails_is_left_to_the_device() -> Result<()> {
        let device = Device::auto()?;
        let Some(identity) = device.identity().filter(|identity| helps(identity)) else {
            println!("SKIPPED: {} compiles kernels itself", device.describe());
            return Ok(());
        };
        let broken = |name| Kernel { name, wgsl: "no shader ".repeat(LEAST_TEXT) };
        let kernels = [broken("first"), broken("second")];
        let opened = AtomicUsize::new(0);
        compile(identity, &kernels.iter().collect::<Vec<_>>(), || {
            opened.fetch_add(1, Ordering::Relaxed);
            Err(crate::Error::device("a device", "none"))
        });
        // Two kernels, two devices, unless there is one core.
        let cores = thread::available_parallelism().map_or(1, |n| n.get());
        assert_eq!(opened.load(Ordering::Relaxed), if cores > 1 { 2 } else { 0 });
        // Enough kernels to be compiled ahead, and the device works on.
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [2, 16, 16, 16])?, graph.input("w", [16, 16, 3, 3])?);
        let y = x.conv2d(&w, None, Conv2d::default().padding(1))?;
        let gradients = y.gradients_from(&graph.input("error", y.shape())?, &[&x, &w])?;
        let program = Parameters::new(&device, 0).compile(&graph, &[&y, &gradients[0], &gradients[1]])?;
        assert!(program.plan().is_some_and(|plan| plan.kernels.len() > 2));
        Ok(())
    }
}
