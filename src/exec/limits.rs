//! What kernels may assume about an adapter.

use crate::kernels::Limits;
use std::sync::Arc;

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

/// Whether launches can pass sizes to kernels, and the adapter is a CPU, which compiles slowly.
fn immediates(adapter: &wgpu::Adapter) -> bool {
    software(adapter) && adapter.features().contains(wgpu::Features::IMMEDIATES)
}

/// Whether 64-bit words exist, and the adapter is a CPU, whose loads are loops over the lanes.
fn wide_loads(adapter: &wgpu::Adapter) -> bool {
    software(adapter) && adapter.features().contains(wgpu::Features::SHADER_INT64)
}

/// What kernels may assume; the iterations of loops are not yet measured.
pub(super) fn of(adapter: &wgpu::Adapter) -> Limits {
    let limits = adapter.limits();
    Limits {
        max_binding_bytes: limits.max_storage_buffer_binding_size.min(1 << 31),
        max_buffer_bytes: limits.max_buffer_size,
        offset_alignment: u64::from(limits.min_storage_buffer_offset_alignment),
        max_workgroups: limits.max_compute_workgroups_per_dimension.min(MOST_WORKGROUPS),
        max_workgroup_bytes: workgroup_bytes(adapter),
        max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        max_iterations: u32::MAX,
        max_launch_work: launch_work(adapter),
        subgroup_size: subgroup_size(adapter),
        software: software(adapter),
        wide_loads: wide_loads(adapter),
        f16: adapter.features().contains(wgpu::Features::SHADER_F16),
        immediates: immediates(adapter),
        variant: None,
        tuned: Arc::default(),
        broken: Arc::default(),
    }
}
