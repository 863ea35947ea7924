//! Devices: which adapters there are, and which one to use.

use super::cache::file_of;
use super::counters::Counters;
use super::gpu::{Gpu, WANTED};
use super::turns;
use crate::error::{Error, Result};
use crate::kernels::{Limits, Tuned};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// A graphics interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// Metal: macOS, iOS.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
    /// OpenGL and OpenGL ES.
    Gl,
}

impl Backend {
    const ALL: [Backend; 4] = [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl];
    const NATIVE: [Backend; 3] = [Backend::Vulkan, Backend::Metal, Backend::Dx12];

    fn wgpu(self) -> wgpu::Backends {
        match self {
            Backend::Vulkan => wgpu::Backends::VULKAN,
            Backend::Metal => wgpu::Backends::METAL,
            Backend::Dx12 => wgpu::Backends::DX12,
            Backend::Gl => wgpu::Backends::GL,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Vulkan => "vulkan",
            Backend::Metal => "metal",
            Backend::Dx12 => "dx12",
            Backend::Gl => "gl",
        })
    }
}

impl FromStr for Backend {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|b| b.to_string() == name.to_ascii_lowercase());
        found.ok_or_else(|| Error::argument("backend", "vulkan, metal, dx12 or gl", name))
    }
}

/// What an adapter is and can do.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterReport {
    /// Its place in the list, as [`Device::open`] takes it.
    pub index: usize,
    /// The card's name.
    pub name: String,
    /// The graphics interface.
    pub backend: Backend,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Name and value of the limits that matter to kernels.
    pub limits: Vec<(String, String)>,
    /// Name and presence of the features that matter to kernels.
    pub features: Vec<(String, bool)>,
}

/// Which adapter a device is: what must be equal for two measurements to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdapterIdentity {
    /// The card's name.
    pub name: String,
    /// The graphics interface.
    pub backend: Backend,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
}

fn identity(found: &Found) -> AdapterIdentity {
    let info = found.adapter.get_info();
    AdapterIdentity {
        name: info.name.clone(),
        backend: found.backend,
        kind: kind(&info).into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
    }
}

struct Found {
    adapter: wgpu::Adapter,
    backend: Backend,
}

/// Every adapter of every backend (or of one), in a fixed order: backends as in [`Backend`], each in the
/// driver's order. The index of an adapter in the full list is what `--device` takes.
fn find(instance_of: &[Backend]) -> Vec<Found> {
    let mut all = Vec::new();
    for &backend in instance_of {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backend.wgpu();
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = pollster::block_on(instance.enumerate_adapters(backend.wgpu()));
        all.extend(adapters.into_iter().map(|adapter| Found { adapter, backend }));
    }
    all
}

fn kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// Smaller is better.
fn rank(info: &wgpu::AdapterInfo) -> u32 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// Kernels need compute shaders with eight storage buffers and workgroups of 64.
fn usable(adapter: &wgpu::Adapter) -> bool {
    let limits = adapter.limits();
    limits.max_compute_invocations_per_workgroup >= 64 && limits.max_storage_buffers_per_shader_stage >= 8
}

/// The size of a subgroup where shuffles exist and every subgroup has it.
fn subgroup_size(adapter: &wgpu::Adapter) -> Option<u32> {
    let info = adapter.get_info();
    let fixed = info.subgroup_min_size == info.subgroup_max_size;
    (fixed && adapter.features().contains(wgpu::Features::SUBGROUP)).then_some(info.subgroup_min_size)
}

/// Whether the adapter is a CPU.
fn software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

/// Workgroups along a dimension that every device has; more is promised by some that then leave workgroups out.
const MOST_WORKGROUPS: u32 = 65_535;
/// Workgroup memory that every device has.
const LEAST_WORKGROUP_BYTES: u32 = 16 << 10;

/// The workgroup memory that kernels may take: half of what a GPU has, so that two workgroups fit, but never less than every
/// device has. That of a CPU adapter is memory like any other.
fn workgroup_bytes(adapter: &wgpu::Adapter) -> u32 {
    let all = adapter.limits().max_compute_workgroup_storage_size;
    if software(adapter) { all } else { (all / 2).max(all.min(LEAST_WORKGROUP_BYTES)) }
}

/// Operations that take about half a second where a kernel is far from its best: watchdogs end launches of two seconds
/// (Windows) to ten (Linux, macOS). A CPU adapter has none.
fn launch_work(adapter: &wgpu::Adapter) -> u64 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::Cpu => u64::MAX,
        wgpu::DeviceType::DiscreteGpu => 250_000_000_000,
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => {
            10_000_000_000
        }
    }
}

/// Whether launches can tell kernels numbers, and the adapter is a CPU, which compiles slowly.
fn immediates(adapter: &wgpu::Adapter) -> bool {
    software(adapter) && adapter.features().contains(wgpu::Features::IMMEDIATES)
}

/// Whether 64-bit words exist, and the adapter is a CPU, whose loads are loops over the lanes.
fn wide_loads(adapter: &wgpu::Adapter) -> bool {
    software(adapter) && adapter.features().contains(wgpu::Features::SHADER_INT64)
}

fn report(index: usize, found: &Found) -> AdapterReport {
    let (info, limits, features) =
        (found.adapter.get_info(), found.adapter.limits(), found.adapter.features());
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let subgroups = match (info.subgroup_min_size, info.subgroup_max_size) {
        (a, b) if a == b => a.to_string(),
        (a, b) => format!("{a} to {b}"),
    };
    AdapterReport {
        index,
        name: info.name.clone(),
        backend: found.backend,
        kind: kind(&info).into(),
        driver: identity(found).driver,
        limits: [
            ("largest buffer", mib(limits.max_buffer_size)),
            ("largest binding", mib(limits.max_storage_buffer_binding_size)),
            ("storage buffers a shader", limits.max_storage_buffers_per_shader_stage.to_string()),
            ("workgroup memory", format!("{} KiB", limits.max_compute_workgroup_storage_size >> 10)),
            ("invocations a workgroup", limits.max_compute_invocations_per_workgroup.to_string()),
            ("workgroups a dimension", limits.max_compute_workgroups_per_dimension.to_string()),
            ("subgroup size", subgroups),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec(),
        features: [
            ("subgroups", wgpu::Features::SUBGROUP),
            ("f16", wgpu::Features::SHADER_F16),
            ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
            ("cooperative matrix", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        ]
        .map(|(name, feature)| (name.to_owned(), features.contains(feature)))
        .to_vec(),
    }
}

/// Every adapter, or every adapter of one backend. Indices count over all backends.
pub fn adapters(backend: Option<Backend>) -> Vec<AdapterReport> {
    let all = find(&Backend::ALL);
    let reports = all.iter().enumerate().map(|(index, found)| report(index, found));
    reports.filter(|r| backend.is_none_or(|b| b == r.backend)).collect()
}

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

/// How to get an adapter where there is none.
pub const NO_ADAPTER: &str = "no usable GPU adapter; on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` gives \
     a software one, elsewhere install your card's driver";

impl Device {
    /// The best adapter: discrete before integrated before software, Vulkan, Metal or DX12 before OpenGL.
    /// With no adapter at all, the CPU reference; [`Device::notice`] then says so.
    ///
    /// # Errors
    /// When the adapter refuses to open.
    pub fn auto() -> Result<Self> {
        Self::open(None, None)
    }

    /// The CPU reference: exact, slow, everywhere.
    pub fn cpu() -> Self {
        Self(Kind::Cpu { notice: None }, Finite::Unchecked)
    }

    /// A device by backend, and by its index in [`adapters`] or part of its name; `cpu` is the reference
    /// and `auto` the best adapter.
    ///
    /// # Errors
    /// When what was asked for is not there.
    pub fn open(backend: Option<Backend>, device: Option<&str>) -> Result<Self> {
        Self::open_with(backend, device, false)
    }

    /// As [`Device::open`]; with `checked`, shaders are compiled with wgpu's bounds checks, to rule out or
    /// find accesses out of bounds. Slower by up to a factor of two.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open_with(backend: Option<Backend>, device: Option<&str>, checked: bool) -> Result<Self> {
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
            (None, Some(backend), _) => find(&[backend]),
            // The best adapter is never one of OpenGL where there is another, and OpenGL is slow to ask.
            (None, None, None) => {
                let native = find(&Backend::NATIVE);
                if native.iter().any(|f| usable(&f.adapter)) { native } else { find(&[Backend::Gl]) }
            }
            // An index counts over all backends.
            (_, _, _) => find(&Backend::ALL),
        };
        match choose(&all, backend, device, by_index)? {
            Some(found) => Self::from_adapter(found, checked),
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
        let all = find(&Backend::ALL);
        let Some(found) = choose(&all, None, None, None)? else { return Ok(None) };
        let Self(Kind::Gpu(gpu), _) = Self::from_adapter(found, false)? else { return Ok(None) };
        let gpu = Gpu::open(&found.adapter, identity(found), limits(gpu.limits()), false, features)?;
        Ok(Some(Self(Kind::Gpu(Arc::new(gpu)), Finite::Unchecked)))
    }

    fn from_adapter(found: &Found, checked: bool) -> Result<Self> {
        let limits = found.adapter.limits();
        let kernel_limits = Limits {
            max_binding_bytes: limits.max_storage_buffer_binding_size.min(1 << 31),
            max_buffer_bytes: limits.max_buffer_size,
            offset_alignment: u64::from(limits.min_storage_buffer_offset_alignment),
            max_workgroups: limits.max_compute_workgroups_per_dimension.min(MOST_WORKGROUPS),
            max_workgroup_bytes: workgroup_bytes(&found.adapter),
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_turns: u32::MAX,
            max_launch_work: launch_work(&found.adapter),
            subgroup_size: subgroup_size(&found.adapter),
            software: software(&found.adapter),
            wide_loads: wide_loads(&found.adapter),
            immediates: immediates(&found.adapter),
            variant: None,
            tuned: Arc::default(),
            broken: Arc::default(),
        };
        let open = |limits| -> Result<Self> {
            let gpu = Gpu::open(&found.adapter, identity(found), limits, checked, WANTED)?;
            Ok(Self(Kind::Gpu(Arc::new(gpu)), Finite::Unchecked))
        };
        let max_turns = turns::measure(&identity(found), || open(kernel_limits.clone()))?;
        open(Limits { max_turns, ..kernel_limits })
    }

    /// The same device, whose programs look at every input, parameter and result as soon as it is there: the next read
    /// or run after the first NaN or infinity fails, naming the node that gave it, the place and the value. Nothing is
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

    /// What a user should be told: that no adapter was found, and how to get a driver.
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

    /// Calls `tell` with a line for each kernel that the driver does not compile, so that another variant of it is
    /// used by [`Parameters::compile`](super::Parameters::compile). The first `tell` stays.
    pub fn on_broken_kernel(&self, tell: fn(&str)) {
        if let Kind::Gpu(gpu) = &self.0 {
            gpu.on_broken_kernel(tell);
        }
    }

    /// What kernels may assume; of the CPU reference, WebGPU's guaranteed limits.
    pub fn limits(&self) -> Limits {
        match &self.0 {
            Kind::Cpu { .. } => Limits::default(),
            Kind::Gpu(gpu) => gpu.limits(),
        }
    }
}

/// The adapter asked for, or the best; `None` when nothing was asked for and there is none.
fn choose<'a>(
    all: &'a [Found],
    backend: Option<Backend>,
    device: Option<&str>,
    index: Option<usize>,
) -> Result<Option<&'a Found>> {
    let name = |f: &Found| f.adapter.get_info().name;
    let list = || match all.len() {
        0 => NO_ADAPTER.to_owned(),
        _ => all
            .iter()
            .enumerate()
            .map(|(i, f)| format!("{i}: {} ({})", name(f), f.backend))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let named = |f: &Found, wanted: &str| name(f).to_lowercase().contains(&wanted.to_lowercase());
    let best = all
        .iter()
        .enumerate()
        .filter(|(_, f)| backend.is_none_or(|b| b == f.backend))
        .filter(|(i, f)| index.map_or_else(|| device.is_none_or(|d| named(f, d)), |wanted| wanted == *i))
        .filter(|(i, f)| index == Some(*i) || usable(&f.adapter))
        .min_by_key(|(_, f)| (rank(&f.adapter.get_info()), f.backend == Backend::Gl));
    match (best, backend, device) {
        (Some((_, found)), _, _) if usable(&found.adapter) => Ok(Some(found)),
        (Some((_, found)), _, _) => {
            Err(Error::device("compute shaders with 8 storage buffers and workgroups of 64", name(found)))
        }
        (None, None, None) => Ok(None),
        (None, backend, device) => {
            let named = device.map_or(String::new(), |d| format!(" called '{d}'"));
            let of = backend.map_or(String::new(), |b| format!(" of backend {b}"));
            Err(Error::device(format!("an adapter{named}{of}"), list()))
        }
    }
}
