//! What kernels may assume about a device.

use super::{Broken, Tuned, Variant, variant};
use std::sync::Arc;

/// What a kernel may assume about the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The largest range of a buffer that can be bound, in bytes.
    pub max_binding_bytes: u64,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// Offsets of bindings are multiples of this.
    pub offset_alignment: u64,
    /// Workgroups along one dimension of a grid.
    pub max_workgroups: u32,
    /// Workgroup memory of a kernel, in bytes.
    pub max_workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub max_workgroup_invocations: u32,
    /// Buffers a kernel can bind.
    pub max_storage_buffers: u32,
    /// Iterations of the loops of one invocation, nested ones added up, that the device was seen to take. Mesa's llvmpipe ends
    /// all loops after 65,535, without an error.
    pub max_iterations: u32,
    /// Operations of a launch, about, that surely take less time than a watchdog allows; see
    /// [`Dispatch::work`](crate::plan::Dispatch::work). Launches of more are divided.
    pub max_launch_work: u64,
    /// The subgroup size, where shuffles are available and all subgroups have this one size.
    pub subgroup_size: Option<u32>,
    /// Whether the adapter is a CPU, whose workgroup memory is no faster than any other.
    pub software: bool,
    /// Whether four numbers are better loaded as two words of 64 bits: on a CPU adapter that has these.
    pub wide_loads: bool,
    /// Whether shaders can load and store `f16`.
    pub f16: bool,
    /// Whether kernels can get sizes at each launch, and are merged where that leaves fewer to compile: a CPU
    /// adapter compiles slowly.
    pub immediates: bool,
    /// A variant to take instead of the planner's choice, by ops that have [`variants`](super::variants).
    pub variant: Option<Variant>,
    /// What was measured to be faster than the planner's choice; `variant` comes first.
    pub tuned: Arc<Tuned>,
    /// What the driver is known not to compile; never planned for.
    pub broken: Arc<Broken>,
}

impl Default for Limits {
    /// WebGPU's guaranteed limits.
    fn default() -> Self {
        Self {
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            offset_alignment: 256,
            max_workgroups: 65535,
            max_workgroup_bytes: 16 << 10,
            max_workgroup_invocations: 256,
            max_storage_buffers: 8,
            max_iterations: u32::MAX,
            max_launch_work: u64::MAX,
            subgroup_size: None,
            software: false,
            wide_loads: false,
            f16: false,
            immediates: false,
            variant: None,
            tuned: Arc::default(),
            broken: Arc::default(),
        }
    }
}

impl Limits {
    /// What a test gives a planner for this device, so that every variant is chosen: each tile, no shuffles,
    /// bindings and grids so small that work is split. Name and limits.
    pub fn variants(&self) -> Vec<(String, Self)> {
        let (bytes, aligned) = ((16 << 10).min(self.max_binding_bytes), self.offset_alignment.max(256));
        let small = Self { max_binding_bytes: bytes, offset_alignment: aligned, ..self.clone() };
        let mut variants = vec![
            ("bindings of 16 KiB".to_owned(), small),
            ("100 workgroups per dimension".to_owned(), Self { max_workgroups: 100, ..self.clone() }),
            ("100 iterations per invocation".to_owned(), Self { max_iterations: 100, ..self.clone() }),
            ("short launches".to_owned(), Self { max_launch_work: 1 << 22, ..self.clone() }),
        ];
        let forced = variant::all(self).into_iter();
        variants.extend(forced.map(|v| (format!("{v} tiles"), Self { variant: Some(v), ..self.clone() })));
        if self.subgroup_size.is_some() {
            variants.push(("no shuffles".to_owned(), Self { subgroup_size: None, ..self.clone() }));
        }
        if self.software {
            let gpu = Self { software: false, subgroup_size: None, ..self.clone() };
            variants.push(("a GPU's tiles".to_owned(), gpu));
        }
        if self.wide_loads {
            variants.push(("no wide loads".to_owned(), Self { wide_loads: false, ..self.clone() }));
        }
        variants
    }
}
