//! Devices: an adapter that was opened, or the CPU reference.

use super::adapters::{Found, NO_ADAPTER, choose, find, usable};
use super::cache::{file_of, kept};
use super::counters::Counters;
use super::gpu::{Gpu, WANTED};
use super::identity::{AdapterIdentity, Backend};
use super::{iterations, limits, replay};
use crate::error::{Error, Result};
use crate::kernels::{Limits, Tuned};
use crate::plan::Plan;
use crate::platform::block_on;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Cpu { notice: Option<String> },
    Gpu(Arc<Gpu>),
}

/// Where programs run: an adapter, or the CPU reference. Clones are handles to the same device.
#[derive(Debug, Clone)]
pub struct Device(pub(super) Kind, Finite);

/// Whether programs look for what is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finite {
    Checked,
    Unchecked,
}

impl Device {
    /// The best adapter: discrete before integrated before software, Vulkan, Metal or DX12 before OpenGL.
    /// With no adapter at all, the CPU reference; [`Device::notice`] then says so.
    ///
    /// # Errors
    /// When the adapter refuses to open.
    pub fn auto() -> Result<Self> {
        Self::open(None, None)
    }

    /// As [`Device::auto`], without waiting: what a browser needs.
    ///
    /// # Errors
    /// As [`Device::auto`].
    pub async fn auto_async() -> Result<Self> {
        Self::open_async(None, None).await
    }

    /// The CPU reference: exact, slow, everywhere.
    pub fn cpu() -> Self {
        Self(Kind::Cpu { notice: None }, Finite::Unchecked)
    }

    /// A device by backend, and by its index in [`adapters`](super::adapters()) or part of its name; `cpu` is the reference
    /// and `auto` the best adapter. How many iterations loops may take is measured when an adapter with its driver is first
    /// opened, and kept in a file beside [`Device::pipelines_file`].
    ///
    /// # Errors
    /// When what was asked for is not there.
    pub fn open(backend: Option<Backend>, device: Option<&str>) -> Result<Self> {
        Self::open_with(backend, device, false)
    }

    /// As [`Device::open`], without waiting: what a browser needs.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open_async(backend: Option<Backend>, device: Option<&str>) -> Result<Self> {
        Self::open_with_async(backend, device, false).await
    }

    /// As [`Device::open`]; with `checked`, shaders are compiled with wgpu's bounds checks, to rule out or
    /// find accesses out of bounds. Slower by up to a factor of two.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open_with(backend: Option<Backend>, device: Option<&str>, checked: bool) -> Result<Self> {
        block_on("Device::open_async", Self::open_with_async(backend, device, checked))
    }

    /// As [`Device::open_with`], without waiting: what a browser needs. A browser does its own checks of bounds, always.
    ///
    /// # Errors
    /// As [`Device::open_with`].
    pub async fn open_with_async(
        backend: Option<Backend>,
        device: Option<&str>,
        checked: bool,
    ) -> Result<Self> {
        if device.is_some_and(|d| d.trim().is_empty()) {
            // Every adapter's name contains it.
            return Err(Error::argument("device", "an index, part of a name, cpu or auto", ""));
        }
        let device = device.filter(|d| !d.eq_ignore_ascii_case("auto"));
        if device.is_some_and(|d| d.eq_ignore_ascii_case("cpu")) {
            let got = |b: Backend| Error::device("no backend with the device cpu", b.to_string());
            return backend.map_or_else(|| Ok(Self::cpu()), |b| Err(got(b)));
        }
        let by_index = device.and_then(|d| d.parse::<usize>().ok());
        let all = match (by_index, backend, device) {
            (None, Some(backend), _) => find(&[backend]).await,
            // The best adapter is never one of OpenGL where there is another, and OpenGL is slow to ask.
            (None, None, None) => {
                let (first, rest) = Backend::FIRST;
                let found = find(first).await;
                if found.iter().any(|f| usable(&f.adapter)) { found } else { find(rest).await }
            }
            // An index counts over all backends.
            (_, _, _) => find(Backend::ALL).await,
        };
        match choose(&all, backend, device, by_index)? {
            Some(found) => Self::from_adapter(found, checked).await,
            None => {
                let notice = Some(format!("{NO_ADAPTER}; running on the CPU reference, slowly"));
                Ok(Self(Kind::Cpu { notice }, Finite::Unchecked))
            }
        }
    }

    /// The best adapter, opened with these features only and believed to have other limits; `None` without one.
    #[cfg(test)]
    pub(super) fn open_without(
        features: wgpu::Features,
        limits: fn(Limits) -> Limits,
    ) -> Result<Option<Self>> {
        let all = block_on("", async { Ok(find(Backend::ALL).await) })?;
        let Some(found) = choose(&all, None, None, None)? else { return Ok(None) };
        let Self(Kind::Gpu(gpu), _) = block_on("", Self::from_adapter(found, false))? else {
            return Ok(None);
        };
        let gpu = Gpu::open(&found.adapter, found.identity(), limits(gpu.limits()), false, features);
        let gpu = block_on("", gpu)?;
        Ok(Some(Self(Kind::Gpu(Arc::new(gpu)), Finite::Unchecked)))
    }

    async fn from_adapter(found: &Found, checked: bool) -> Result<Self> {
        let limits = limits::of(&found.adapter);
        // A browser opens an adapter once only.
        let gpu = Arc::new(Gpu::open(&found.adapter, found.identity(), limits, checked, WANTED).await?);
        gpu.begin_with(iterations::measure(&gpu).await?);
        Ok(Self(Kind::Gpu(gpu), Finite::Unchecked))
    }

    /// The same device, whose programs look at every input, parameter and result as soon as it is there: the next read
    /// or run after the first NaN or infinity fails, naming the node that gave it, the index and the value. Nothing is
    /// fused, and every value is read once more. Masks of -inf are found, too.
    ///
    /// ```
    /// # fn main() -> wgrad::Result<()> {
    /// use wgrad::{Device, Graph, HostTensor, Parameters};
    ///
    /// let graph = Graph::new();
    /// let x = graph.input("x", [2])?;
    /// let root = x.sqrt()?;
    /// let device = Device::auto()?.check_finite(true);
    /// let mut program = Parameters::new(&device, 0).compile(&graph, &[&root])?;
    /// program.run(&[(&x, &HostTensor::from_f32([2], vec![4.0, -1.0])?)])?;
    /// let error = program.read(&root).unwrap_err().to_string();
    /// assert_eq!(error, "sqrt: expected finite numbers, got NaN at [1] of output 0, f32 (2)");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn check_finite(self, check: bool) -> Self {
        Self(self.0, if check { Finite::Checked } else { Finite::Unchecked })
    }

    /// Lets every program on this device hold so many bytes at once, states and inputs among them: one that needs more is
    /// refused when it is planned, with its largest tensors, before anything is made. wgpu does not tell what an adapter has;
    /// where that runs out without a limit, compiling a program fails likewise. The CPU reference has no limit.
    pub fn limit_memory(&self, bytes: u64) {
        if let Kind::Gpu(gpu) = &self.0 {
            gpu.set_room(bytes);
        }
    }

    /// The limit of [`Device::limit_memory`], where there is one.
    pub fn memory_limit(&self) -> Option<u64> {
        match &self.0 {
            Kind::Cpu { .. } => None,
            Kind::Gpu(gpu) => Some(gpu.room()).filter(|&room| room < u64::MAX),
        }
    }

    /// Why the device was lost, where it was: a driver that was reset or updated, a card that was pulled, a kernel that a
    /// watchdog ended. All that was on it is gone and every call fails from then on. A program that is to go on opens another
    /// device, builds its trainer there and gives it the last [`Checkpoint`](super::Checkpoint). The CPU reference is never
    /// lost.
    pub fn lost(&self) -> Option<&str> {
        match &self.0 {
            Kind::Cpu { .. } => None,
            Kind::Gpu(gpu) => gpu.lost(),
        }
    }

    /// Loses the device, and with it that of every clone, so that a program can be tried on what it does then. Nothing is done
    /// to the CPU reference.
    pub fn lose(&self) {
        if let Kind::Gpu(gpu) = &self.0 {
            gpu.lose();
        }
    }

    pub(super) fn checks_finite(&self) -> bool {
        self.1 == Finite::Checked
    }

    /// Name, kind and backend.
    pub fn describe(&self) -> String {
        match &self.0 {
            Kind::Cpu { .. } => "CPU reference".into(),
            Kind::Gpu(gpu) => gpu.name(),
        }
    }

    /// Whether this is the CPU reference.
    pub fn is_cpu(&self) -> bool {
        matches!(self.0, Kind::Cpu { .. })
    }

    /// What a user should read: that no adapter was found, and how to get a driver.
    pub fn notice(&self) -> Option<&str> {
        match &self.0 {
            Kind::Cpu { notice } => notice.as_deref(),
            Kind::Gpu(_) => None,
        }
    }

    /// What was asked of it since it was opened; zeros for the CPU reference.
    pub fn counters(&self) -> Counters {
        match &self.0 {
            Kind::Cpu { .. } => Counters::default(),
            Kind::Gpu(gpu) => gpu.tally.snapshot(),
        }
    }

    /// Which adapter this is; `None` for the CPU reference.
    pub fn identity(&self) -> Option<&AdapterIdentity> {
        match &self.0 {
            Kind::Cpu { .. } => None,
            Kind::Gpu(gpu) => Some(&gpu.identity),
        }
    }

    /// Whether kernels may use 16-bit floats.
    pub fn has_f16(&self) -> bool {
        match &self.0 {
            Kind::Cpu { .. } => false,
            Kind::Gpu(gpu) => gpu.device.features().contains(wgpu::Features::SHADER_F16),
        }
    }

    /// Takes these variants in programs that are compiled from now on, instead of the planner's choice; the CPU
    /// reference has none. See [`bench::tune`](crate::bench::tune).
    pub fn tune(&self, tuned: Tuned) {
        if let Kind::Gpu(gpu) = &self.0 {
            gpu.tune(tuned);
        }
    }

    /// Keeps compiled pipelines in this file, for processes that come later: with it their first step starts sooner
    /// where the driver has no cache of its own. A file that is missing, of another driver or broken counts as empty.
    /// False where there is no such cache, which only Vulkan has, or a file was named before.
    pub fn keep_pipelines(&self, path: &Path) -> bool {
        match &self.0 {
            Kind::Cpu { .. } => false,
            Kind::Gpu(gpu) => gpu.keep_pipelines(path),
        }
    }

    /// A file of this device in the folder that the environment variable names, or else in the folder of this name below
    /// the user's `wgrad` cache. `None` when the variable is `off`, when there is no such folder, or for the CPU
    /// reference.
    pub fn file(&self, variable: &str, folder: &str, extension: &str) -> Option<PathBuf> {
        file_of(self.identity()?, variable, folder, extension)
    }

    /// Where compiled pipelines are kept between processes: in the folder that the environment variable `WGRAD_PIPELINES`
    /// names, or else in `pipelines` below the user's `wgrad` cache. `None` as for [`Device::file`].
    pub fn pipelines_file(&self) -> Option<PathBuf> {
        kept(self.identity()?, "bin")
    }

    /// Calls `tell` with a line for what [`Parameters::compile`](super::Parameters::compile) does not fail for: a kernel that
    /// the driver does not compile, so that another variant is used; kernels that take more than a second to compile;
    /// compiled ones that cannot be kept. The first `tell` stays.
    pub fn on_notice(&self, tell: fn(&str)) {
        if let Kind::Gpu(gpu) = &self.0 {
            gpu.on_notice(tell);
        }
    }

    /// The adapter, for what only an adapter can do, in words: `to measure`.
    ///
    /// # Errors
    /// For the CPU reference.
    pub(super) fn gpu(&self, to: &str) -> Result<&Arc<Gpu>> {
        match &self.0 {
            Kind::Gpu(gpu) => Ok(gpu),
            Kind::Cpu { .. } => Err(Error::device(format!("an adapter {to}"), "the CPU reference")),
        }
    }

    /// Makes the buffers of `plan` anew, fills each with its bytes of `memory`, runs the plan once and gives
    /// the bytes of all buffers back, in the order of [`Plan::buffers`].
    ///
    /// Not public: on a device without bounds checks the kernels of a plan must keep to their bindings, which only
    /// those of this crate are known to do.
    ///
    /// # Errors
    /// On the CPU reference, which has no memory of a plan; when a buffer's bytes are not as many as planned;
    /// when the device failed.
    pub(crate) async fn replay(&self, plan: &Plan, memory: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        replay::replay(self.gpu("to run a plan on")?, plan, memory).await
    }

    /// What kernels may assume; of the CPU reference, WebGPU's guaranteed limits.
    pub fn limits(&self) -> Limits {
        match &self.0 {
            Kind::Cpu { .. } => Limits::default(),
            Kind::Gpu(gpu) => gpu.limits(),
        }
    }
}
