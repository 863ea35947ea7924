//! Which adapters there are, what they can do, and which one is meant.

use super::identity::{AdapterIdentity, Backend};
use crate::error::{Error, Result};
use crate::platform::{BROWSER, block_on};

/// How to get an adapter where there is none.
pub const NO_ADAPTER: &str = if BROWSER {
    "no usable WebGPU adapter; a current Chrome, Edge, Firefox or Safari has one where the page is secure (https or \
     localhost) and hardware acceleration is on"
} else {
    "no usable GPU adapter; on Debian or Ubuntu `apt-get install mesa-vulkan-drivers` gives a software one, elsewhere \
     install your card's driver"
};

/// What an adapter is and can do.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterReport {
    /// Its index in the list, as [`Device::open`](super::Device::open) takes it.
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
    /// What kernels need and this adapter has not, so that it cannot be opened.
    pub lacks: Option<String>,
}

/// An adapter that was found, and by which backend.
pub(super) struct Found {
    pub(super) adapter: wgpu::Adapter,
    backend: Backend,
}

impl Found {
    pub(super) fn identity(&self) -> AdapterIdentity {
        let info = self.adapter.get_info();
        AdapterIdentity {
            name: name(&info),
            backend: self.backend,
            kind: kind(&info).into(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        }
    }
}

/// Every adapter of every backend (or of one), in a fixed order: backends as in [`Backend`], each in the
/// driver's order. The index of an adapter in the full list is what `--device` takes.
pub(super) async fn find(instance_of: &[Backend]) -> Vec<Found> {
    let mut all = Vec::new();
    // wgpu panics where a script has neither a window nor a worker's scope.
    if BROWSER && !wgpu::util::is_browser_webgpu_supported().await {
        return all;
    }
    for &backend in instance_of {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backend.wgpu();
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        let adapters = if backend == Backend::WebGpu {
            // A browser gives one: the one asked for.
            let power_preference = wgpu::PowerPreference::HighPerformance;
            let best = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
            instance.request_adapter(&best).await.into_iter().collect()
        } else {
            instance.enumerate_adapters(backend.wgpu()).await
        };
        all.extend(adapters.into_iter().map(|adapter| Found { adapter, backend }));
    }
    all
}

/// The card's name; a browser may keep it to itself.
fn name(info: &wgpu::AdapterInfo) -> String {
    if info.name.trim().is_empty() { "an unnamed adapter".into() } else { info.name.clone() }
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

/// What kernels need.
const NEEDED: &str = "compute shaders with 8 storage buffers and workgroups of 64";

/// Whether an adapter has what is [`NEEDED`].
pub(super) fn usable(adapter: &wgpu::Adapter) -> bool {
    let limits = adapter.limits();
    limits.max_compute_invocations_per_workgroup >= 64 && limits.max_storage_buffers_per_shader_stage >= 8
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
        name: name(&info),
        backend: found.backend,
        kind: kind(&info).into(),
        driver: found.identity().driver,
        limits: [
            ("largest buffer", mib(limits.max_buffer_size)),
            ("largest binding", mib(limits.max_storage_buffer_binding_size)),
            ("storage buffers per shader", limits.max_storage_buffers_per_shader_stage.to_string()),
            ("workgroup memory", format!("{} KiB", limits.max_compute_workgroup_storage_size >> 10)),
            ("invocations per workgroup", limits.max_compute_invocations_per_workgroup.to_string()),
            ("workgroups per dimension", limits.max_compute_workgroups_per_dimension.to_string()),
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
        lacks: (!usable(&found.adapter)).then(|| NEEDED.to_owned()),
    }
}

/// Every adapter, or every adapter of one backend. Indices count over all backends; those behind it are not asked. In a browser
/// there seem to be none: see [`adapters_async`].
pub fn adapters(backend: Option<Backend>) -> Vec<AdapterReport> {
    block_on("adapters_async", async { Ok(adapters_async(backend).await) }).unwrap_or_default()
}

/// As [`adapters`], without waiting.
pub async fn adapters_async(backend: Option<Backend>) -> Vec<AdapterReport> {
    // An index counts the adapters of the backends before, and of none behind.
    let last = Backend::ALL.iter().position(|found| backend == Some(*found));
    let all = find(Backend::ALL.split_at(last.map_or(Backend::ALL.len(), |last| last + 1)).0).await;
    let reports = all.iter().enumerate().map(|(index, found)| report(index, found));
    reports.filter(|r| backend.is_none_or(|b| b == r.backend)).collect()
}

/// The adapter asked for, or the best; `None` when nothing was asked for and there is none.
pub(super) fn choose<'a>(
    all: &'a [Found],
    backend: Option<Backend>,
    device: Option<&str>,
    index: Option<usize>,
) -> Result<Option<&'a Found>> {
    let name = |f: &Found| name(&f.adapter.get_info());
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
        (Some((_, found)), _, _) => Err(Error::device(NEEDED, name(found))),
        (None, None, None) => Ok(None),
        (None, backend, device) => {
            let named = device.map_or(String::new(), |d| format!(" called '{d}'"));
            let of = backend.map_or(String::new(), |b| format!(" of backend {b}"));
            Err(Error::device(format!("an adapter{named}{of}"), list()))
        }
    }
}
