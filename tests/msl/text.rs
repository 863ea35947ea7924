//! A kernel as Metal is given it: naga's text with the options of wgpu-hal 30, and what wgpu-hal says to Metal besides.

use naga::back::msl;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ResourceBinding, ShaderStage, StorageAccess};
use wgrad::kernels::Kernel;

/// A kernel in Metal's language.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub text: String,
    /// Its function.
    pub entry: String,
    pub workgroup_size: [u32; 3],
    /// The number of the binding at each buffer index.
    pub slots: Vec<u32>,
    /// The places in `slots` of the buffers whose lengths the buffer of sizes holds, in its order.
    pub sized: Vec<usize>,
    /// Bytes of each variable in threadgroup memory, in the order of the function's parameters.
    pub shared: Vec<u32>,
}

/// The bindings of a layout that wgpu derives, in order, and whether each is written.
fn bindings(module: &Module) -> Vec<(ResourceBinding, bool)> {
    let storage = |variable: &naga::GlobalVariable| match variable.space {
        AddressSpace::Storage { access } => Some((variable.binding?, access.contains(StorageAccess::STORE))),
        _ => None,
    };
    let mut bound: Vec<_> = module.global_variables.iter().filter_map(|(_, v)| storage(v)).collect();
    bound.sort_by_key(|(binding, _)| (binding.group, binding.binding));
    bound
}

/// wgpu-hal's `create_pipeline_layout`: buffer indices in the order of the bindings, that of the sizes behind them.
fn resources(bound: &[(ResourceBinding, bool)]) -> Result<msl::EntryPointResources, String> {
    let slot = |place: usize| u8::try_from(place).map_err(|e| e.to_string());
    let mut resources = msl::BindingMap::new();
    for (place, (binding, mutable)) in bound.iter().enumerate() {
        let target =
            msl::BindTarget { buffer: Some(slot(place)?), mutable: *mutable, ..msl::BindTarget::default() };
        resources.insert(*binding, target);
    }
    Ok(msl::EntryPointResources {
        resources,
        immediates_buffer: None,
        sizes_buffer: Some(slot(bound.len())?),
    })
}

/// wgpu-hal's `load_shader`: every option that it gives naga.
fn options(
    kernel: &Kernel,
    bound: &[(ResourceBinding, bool)],
    checked: bool,
) -> Result<msl::Options, String> {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    Ok(msl::Options {
        lang_version: (2, 1),
        per_entry_point_map: [(kernel.name.to_owned(), resources(bound)?)].into(),
        inline_samplers: Vec::new(),
        spirv_cross_compatibility: false,
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: checked,
        task_dispatch_limits: None,
        mesh_shader_primitive_indices_clamp: checked,
        emit_int_div_checks: checked,
        ray_query_initialization_tracking: checked,
    })
}

/// Writes a kernel, with wgpu's checks or without.
pub fn written(kernel: &Kernel, checked: bool) -> Result<Written, String> {
    let module = naga::front::wgsl::parse_str(&kernel.wgsl).map_err(|e| e.emit_to_string(&kernel.wgsl))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    validator.subgroup_stages(ShaderStages::COMPUTE);
    validator.subgroup_operations(SubgroupOperationSet::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(&kernel.wgsl))?;
    let bound = bindings(&module);
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, kernel.name.to_owned())),
        allow_and_force_point_size: false,
        vertex_pulling_transform: true,
        ..msl::PipelineOptions::default()
    };
    let mut options = options(kernel, &bound, checked)?;
    let write = |options: &msl::Options| {
        msl::write_string(&module, &info, options, &pipeline).map_err(|e| e.to_string())
    };
    let (text, names) = write(&options)?;
    options.lang_version = (4, 0);
    let (newest, _) = write(&options)?;
    // wgpu-hal asks for the newest version that the system has; subgroups need 2.1.
    let body = |text: &str| text.split_once('\n').map(|(_, body)| body.to_owned());
    if body(&text) != body(&newest) {
        return Err(format!("{}: the text for Metal 4.0 is not that for 2.1:\n{newest}", kernel.name));
    }
    let entry = names.entry_point_names[0].clone().map_err(|e| e.to_string())?;
    let used = info.get_entry_point(0);
    let (mut sized, mut shared) = (Vec::new(), Vec::new());
    for (handle, variable) in module.global_variables.iter() {
        let ty = &module.types[variable.ty].inner;
        match variable.binding {
            _ if variable.space == AddressSpace::WorkGroup && !used[handle].is_empty() => {
                shared.push(ty.size(module.to_ctx()).next_multiple_of(16));
            }
            Some(binding) if ty.needs_host_buffer_byte_size(&module.types) => {
                let place = bound.iter().position(|(other, _)| *other == binding);
                sized.push(place.ok_or_else(|| format!("{}: a buffer without an index", kernel.name))?);
            }
            _ => {}
        }
    }
    let workgroup_size = module.entry_points[0].workgroup_size;
    let slots = bound.iter().map(|(binding, _)| binding.binding).collect();
    Ok(Written { text, entry, workgroup_size, slots, sized, shared })
}
