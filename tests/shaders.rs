//! Every shader of every case, in every variant the planner can choose, with no device: validated by naga, held to what
//! browsers demand besides, and written as SPIR-V, MSL, HLSL and GLSL with the options that wgpu uses, checked and unchecked;
//! of those that differ in their numbers alone, one is written. Where `spirv-val` is installed it checks the SPIR-V.
//!
//! With `WGRAD_WRITE_HLSL=FOLDER` every distinct text's HLSL is kept there, of each shader model that a device may compile it
//! for, for Microsoft's compilers (`scripts/hlsl.sh`): `NAME-GROUP-TEXT.MODEL.CHECKS.hlsl`, texts of one group differ in
//! numbers alone.

mod each;
mod fxc;
mod wgsl_rules;

use each::each;
use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ResourceBinding, ShaderStage, StorageAccess};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use wgrad::TensorType;
use wgrad::kernels::{Kernel, Limits, micro_kernels, sources};
use wgrad::plan::plan;
use wgrad::verify::{Case, Line, table};

/// A CPU adapter with shuffles, and the ops that have kernels for it alone.
const CPU: &str = "a CPU adapter";
const CPU_OPS: [&str; 5] = ["rnn_tanh", "rnn_relu", "lstm", "gru", "matmul"];

/// The devices whose kernels are written: what each promises decides the variant. Those with and without the
/// shuffles' subgroups are given every variant in turn.
fn devices() -> Vec<(String, Limits)> {
    let default = Limits::default();
    let subgroups = |size| Limits { subgroup_size: Some(size), ..Limits::default() };
    let mut devices = vec![
        ("no subgroups".to_owned(), default),
        ("subgroups of 8".to_owned(), subgroups(8)),
        ("subgroups of 4".to_owned(), subgroups(4)),
        ("subgroups of 32".to_owned(), subgroups(32)),
    ];
    // What most GPUs have, and what their largest tiles need.
    let large = Limits { max_workgroup_bytes: 32 << 10, ..subgroups(32) };
    devices.push(("a GPU with 32 KiB".to_owned(), large.clone()));
    devices.extend(large.variants());
    devices.extend(Limits { wide_loads: true, ..subgroups(8) }.variants());
    devices.push((CPU.to_owned(), Limits { software: true, wide_loads: true, ..subgroups(8) }));
    // Kernels of launches that are divided in time differ in the number of their first workgroup alone.
    devices.retain(|(_, limits)| limits.max_launch_work == u64::MAX);
    devices.iter_mut().for_each(|(_, limits)| limits.f16 = true);
    devices
}

/// What a back end does not express, and why that is no gap: `(back end, part of the text, reason)`.
const NOT_WRITTEN: [(&str, &str, &str); 3] = [
    ("GLSL", "enable f16", "wgpu's GL adapters have no shader-f16, so the planner refuses f16 there"),
    (
        "GLSL",
        "subgroupShuffle",
        "wgpu's GL adapters have no subgroups, so the planner never chooses it there",
    ),
    ("GLSL", "u64", "wgpu's GL adapters have no 64-bit integers, so the planner never chooses it there"),
];

/// Kernels that shuffle always: where there are no subgroups, others do their work.
const SHUFFLED: [&str; 2] = ["recurrent_held", "recurrent_held_backward"];

/// Cases that a device refuses while planning, by device.
type Refused = BTreeMap<String, usize>;

/// The shaders of a case that were not seen before, and the devices that refuse it while planning.
fn kernels_of(
    line: &Line,
    devices: &[(String, Limits)],
    seen: &Mutex<HashSet<Kernel>>,
) -> (Vec<Kernel>, Refused) {
    let (mut kernels, mut refused) = (Vec::new(), Refused::new());
    let case = Case::build(line).expect("a case of the table");
    let outputs: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
    // A device that takes little at a time has a kernel for each of the thousands of pieces of long work, all alike.
    let long = line.fields.iter().any(|(key, value)| key == "data" && value.starts_with("late"));
    for (device, limits) in devices {
        if device == CPU && !CPU_OPS.contains(&line.op.as_str()) {
            continue;
        }
        if long && (limits.max_iterations < u32::MAX || limits.max_binding_bytes < 1 << 20) {
            continue;
        }
        match case.graph.with(|data| plan(data, &outputs, limits)) {
            Ok(plan) => {
                let mut seen = seen.lock().expect("no thread panicked");
                kernels.extend(plan.kernels.into_iter().filter(|k| seen.insert(k.clone())));
            }
            Err(e) => {
                let (text, most) = (e.to_string(), limits.max_binding_bytes.to_string());
                let iterations = format!("at most {} loop iterations", limits.max_iterations);
                let named = text.contains("bytes") && text.contains(&most)
                    || text.contains("workgroups")
                    || text.contains(&iterations);
                assert!(named, "{line} on a device with {device}: {text}");
                *refused.entry(device.clone()).or_default() += 1;
            }
        }
    }
    (kernels, refused)
}

/// Each distinct shader; and how many cases a device refuses while planning.
fn kernels() -> (Vec<Kernel>, Refused) {
    // A shader depends on shapes and attributes, not on the data.
    let mut shapes = HashSet::new();
    let mut lines = table(None).expect("the table");
    lines.retain(|line| {
        let fields: Vec<_> = line.fields.iter().filter(|(key, _)| key != "data" && key != "seed").collect();
        shapes.insert(format!("{} {fields:?}", line.op))
    });
    let seen = Mutex::new(HashSet::new());
    let found = each(&lines, devices, |devices, line| kernels_of(line, devices, &seen));
    let (mut kernels, mut refused) = (Vec::new(), Refused::new());
    for (some, by_device) in found {
        kernels.extend(some);
        by_device.into_iter().for_each(|(device, count)| *refused.entry(device).or_default() += count);
    }
    let mut seen = seen.into_inner().expect("no thread panicked");
    for (_, limits) in devices() {
        let micro = micro_kernels(&limits).expect("micro-kernels");
        kernels.extend(micro.into_iter().filter(|k| seen.insert(k.clone())));
        // What looks for values that are not finite belongs to no case.
        let watched = wgrad::kernels::finite(&TensorType::f32([70]), &limits).expect("a small tensor");
        kernels.extend(watched.into_iter().map(|launch| launch.kernel).filter(|k| seen.insert(k.clone())));
    }
    (kernels, refused)
}

/// The loops of a block, those in each other too.
fn loops_of(block: &naga::Block) -> usize {
    let of = |statement: &naga::Statement| match statement {
        naga::Statement::Loop { body, continuing, .. } => 1 + loops_of(body) + loops_of(continuing),
        naga::Statement::Block(block) => loops_of(block),
        naga::Statement::If { accept, reject, .. } => loops_of(accept) + loops_of(reject),
        naga::Statement::Switch { cases, .. } => cases.iter().map(|case| loops_of(&case.body)).sum(),
        _ => 0,
    };
    block.iter().map(of).sum()
}

/// A shader, parsed and validated as wgpu does for a device with or without subgroups.
fn parse(kernel: &Kernel) -> Result<(Module, ModuleInfo), String> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}\n{}", kernel.name, kernel.wgsl);
    let module = naga::front::wgsl::parse_str(&kernel.wgsl)
        .map_err(|e| fail(&e.emit_to_string_with_path(&kernel.wgsl, kernel.name)))?;
    let subgroups = kernel.wgsl.contains("subgroup");
    let mut capabilities = if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
    capabilities.set(Capabilities::SHADER_INT64, kernel.wgsl.contains("u64"));
    capabilities.set(Capabilities::SHADER_FLOAT16, kernel.wgsl.contains("enable f16"));
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    let info = validator.validate(&module).map_err(|e| fail(&e.emit_to_string(&kernel.wgsl)))?;
    let found = wgrad::verify::loops(&kernel.wgsl);
    let written = module.functions.iter().map(|(_, function)| function);
    let written = written.chain(module.entry_points.iter().map(|entry| &entry.function));
    let loops: usize = written.map(|function| loops_of(&function.body)).sum();
    if let Some(fault) = wgsl_rules::mixed(&kernel.wgsl).or_else(|| wgsl_rules::divergent(&module)) {
        return Err(format!("{}: no browser would take it: {fault}\n{}", kernel.name, kernel.wgsl));
    }
    if found != loops {
        return Err(format!(
            "{}: {loops} loops, of which those who count iterations find {found}",
            kernel.name
        ));
    }
    let entries: Vec<_> = module.entry_points.iter().map(|e| (e.stage, e.name.as_str())).collect();
    if entries != [(ShaderStage::Compute, kernel.name)] {
        return Err(format!("{}: entry points {entries:?}", kernel.name));
    }
    Ok((module, info))
}

/// The storage buffers of a module and whether each is written.
fn bindings(module: &Module) -> Vec<(ResourceBinding, bool)> {
    let storage = |variable: &naga::GlobalVariable| match variable.space {
        AddressSpace::Storage { access } => Some((variable.binding?, access.contains(StorageAccess::STORE))),
        _ => None,
    };
    module.global_variables.iter().filter_map(|(_, variable)| storage(variable)).collect()
}

/// wgpu's index checks, or none.
fn policies(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: BoundsCheckPolicy::Unchecked,
    }
}

/// As wgpu-hal's Vulkan back end: the oldest version a device with subgroups has, and the newest.
fn spirv(
    module: &Module,
    info: &ModuleInfo,
    kernel: &Kernel,
    checked: bool,
    lang_version: (u8, u8),
) -> Result<Vec<u32>, String> {
    use spv::Capability as C;
    let mut capabilities = vec![C::Shader, C::Matrix, C::Sampled1D, C::Image1D, C::ImageQuery];
    capabilities.extend([C::DerivativeControl, C::StorageImageExtendedFormats]);
    if kernel.wgsl.contains("subgroup") {
        capabilities.extend([C::GroupNonUniform, C::GroupNonUniformVote, C::GroupNonUniformArithmetic]);
        capabilities.extend([C::GroupNonUniformBallot, C::GroupNonUniformShuffle]);
        capabilities.extend([C::GroupNonUniformShuffleRelative, C::GroupNonUniformQuad]);
    }
    if kernel.wgsl.contains("u64") {
        capabilities.push(C::Int64);
    }
    if kernel.wgsl.contains("enable f16") {
        capabilities.extend([C::Float16, C::StorageBuffer16BitAccess]);
        capabilities.extend([C::UniformAndStorageBuffer16BitAccess, C::StorageInputOutput16]);
    }
    let binding = |(binding, _): (ResourceBinding, bool)| {
        let target = spv::BindingInfo {
            descriptor_set: binding.group,
            binding: binding.binding,
            binding_array_size: None,
        };
        (binding, target)
    };
    let options = spv::Options {
        lang_version,
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checked,
        fake_missing_bindings: false,
        binding_map: bindings(module).into_iter().map(binding).collect(),
        emit_int_div_checks: checked,
        ..spv::Options::default()
    };
    let pipeline =
        spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: kernel.name.to_owned() };
    spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())
}

/// As wgpu-hal's Metal back end; subgroups need Metal 2.1.
fn metal(module: &Module, info: &ModuleInfo, kernel: &Kernel, checked: bool) -> Result<String, String> {
    let buffers = bindings(module);
    let slots = buffers.iter().enumerate().map(|(slot, (binding, mutable))| {
        let target =
            msl::BindTarget { buffer: Some(slot as u8), mutable: *mutable, ..msl::BindTarget::default() };
        (*binding, target)
    });
    let resources = msl::EntryPointResources {
        resources: slots.collect(),
        immediates_buffer: None,
        sizes_buffer: Some(buffers.len() as u8),
    };
    let options = msl::Options {
        lang_version: (2, 1),
        fake_missing_bindings: false,
        spirv_cross_compatibility: false,
        per_entry_point_map: [(kernel.name.to_owned(), resources)].into(),
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..msl::Options::default()
    };
    let pipeline = msl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, kernel.name.to_owned())),
        vertex_pulling_transform: true,
        ..msl::PipelineOptions::default()
    };
    let (text, info) = msl::write_string(module, info, &options, &pipeline).map_err(|e| e.to_string())?;
    info.entry_point_names[0].clone().map_err(|e| e.to_string())?;
    Ok(text)
}

/// The shader models that a device may compile a kernel for, and their names: from 5.1, from 6.0 where there are subgroups or
/// 64-bit integers, from 6.2 where there is f16.
fn shader_models(kernel: &Kernel) -> &'static [(hlsl::ShaderModel, &'static str)] {
    const ALL: &[(hlsl::ShaderModel, &str)] = &[
        (hlsl::ShaderModel::V5_1, "5_1"),
        (hlsl::ShaderModel::V6_0, "6_0"),
        (hlsl::ShaderModel::V6_2, "6_2"),
    ];
    match kernel.wgsl.as_str() {
        text if text.contains("enable f16") => &ALL[2..],
        text if text.contains("subgroup") || text.contains("u64") => &ALL[1..],
        _ => ALL,
    }
}

/// As wgpu-hal's DX12 back end.
fn direct3d(
    module: &Module,
    info: &ModuleInfo,
    kernel: &Kernel,
    checked: bool,
    shader_model: hlsl::ShaderModel,
) -> Result<String, String> {
    let mut registers = [0, 0];
    let mut target = |(binding, write): (ResourceBinding, bool)| {
        let register = registers[usize::from(write)];
        registers[usize::from(write)] += 1;
        (binding, hlsl::BindTarget { space: 0, register, ..hlsl::BindTarget::default() })
    };
    let options = hlsl::Options {
        shader_model,
        binding_map: bindings(module).into_iter().map(&mut target).collect(),
        fake_missing_bindings: false,
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..hlsl::Options::default()
    };
    let pipeline =
        hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, kernel.name.to_owned())) };
    let mut text = String::new();
    let written = hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|e| e.to_string())?;
    written.entry_point_names[0].clone().map_err(|e| e.to_string())?;
    Ok(text)
}

/// As wgpu-hal's GL back end, which leaves index checks to the driver: ES 3.1 and desktop 4.3.
fn opengl(
    module: &Module,
    info: &ModuleInfo,
    kernel: &Kernel,
    version: glsl::Version,
) -> Result<String, String> {
    let slots = bindings(module).into_iter().enumerate().map(|(slot, (b, _))| (b, slot as u8));
    let options = glsl::Options {
        version,
        writer_flags: glsl::WriterFlags::ADJUST_COORDINATE_SPACE | glsl::WriterFlags::FORCE_POINT_SIZE,
        binding_map: slots.collect(),
        zero_initialize_workgroup_memory: false,
    };
    let pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: kernel.name.to_owned(),
        multiview: None,
    };
    let mut text = String::new();
    let mut writer = glsl::Writer::new(&mut text, module, info, &options, &pipeline, policies(false))
        .map_err(|e| e.to_string())?;
    writer.write().map_err(|e| e.to_string())?;
    drop(writer);
    Ok(text)
}

/// `spirv-val` on one module; `None` where it is not installed.
fn spirv_val(words: &[u32], environment: &str, file: &Path) -> Option<Result<(), String>> {
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    std::fs::write(file, bytes).expect("a temporary file");
    let output = Command::new("spirv-val").args(["--target-env", environment]).arg(file).output().ok()?;
    let message = || String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(message()) })
}

/// `(shader file, back end) -> texts written`, and what went wrong.
#[derive(Default)]
struct Report {
    written: BTreeMap<(&'static str, &'static str), usize>,
    not_written: BTreeMap<(&'static str, &'static str), &'static str>,
    failures: Vec<String>,
}

/// The text with every number as 0.
fn without_numbers(wgsl: &str) -> String {
    let mut text = String::with_capacity(wgsl.len());
    let mut word = false;
    for c in wgsl.chars() {
        let digit = c.is_ascii_digit() && !word;
        if !(digit && text.ends_with('0')) {
            text.push(if digit { '0' } else { c });
        }
        // Digits of a name are none of a number.
        word = (c.is_alphabetic() || c == '_') || word && c.is_ascii_digit();
    }
    text
}

/// Keeps a text's HLSL of each shader model, with wgpu's checks and without.
fn keep_hlsl(kernel: &Kernel, module: &Module, info: &ModuleInfo, texts: &Path) {
    let sum = |text: &str| crc32fast::hash(text.as_bytes());
    let stem =
        format!("{}-{:08x}-{:08x}", kernel.name, sum(&without_numbers(&kernel.wgsl)), sum(&kernel.wgsl));
    let write = |name: String, text: &str| {
        std::fs::write(texts.join(name), text).expect("a folder that WGRAD_WRITE_HLSL names");
    };
    for (model, number) in shader_models(kernel) {
        for (checked, word) in [(false, "unchecked"), (true, "checked")] {
            // What cannot be written is a failure of its own.
            if let Ok(text) = direct3d(module, info, kernel, checked, *model) {
                write(format!("{stem}.{number}.{word}.hlsl"), &text);
            }
        }
    }
}

/// Parses and validates a shader; with a folder for `spirv-val` it is written in every back end too.
fn write_all(kernel: &Kernel, folder: Option<&Path>, report: &Mutex<Report>) {
    let record = |back_end: &'static str, result: Result<(), String>| {
        let mut report = report.lock().expect("no thread panicked");
        match result {
            Ok(()) => *report.written.entry((kernel.name, back_end)).or_default() += 1,
            Err(e) => report.failures.push(format!("{back_end}: {}: {e}\n{}", kernel.name, kernel.wgsl)),
        }
    };
    let (module, info) = match parse(kernel) {
        Ok(parsed) => parsed,
        Err(e) => return record("WGSL", Err(e)),
    };
    record("WGSL", Ok(()));
    if shader_models(kernel)[0].0 == hlsl::ShaderModel::V5_1 {
        let wrong = match fxc::divided_bit_fields(&module, &info) {
            0 => Ok(()),
            count => {
                Err(format!("{count} divisions of bit fields, which div_u32 and div_i32 write otherwise"))
            }
        };
        record("FXC", wrong);
    }
    if let Some(texts) = std::env::var_os("WGRAD_WRITE_HLSL") {
        keep_hlsl(kernel, &module, &info, Path::new(&texts));
    }
    let Some(folder) = folder else { return };
    let file = folder.join("kernel.spv");
    for (checked, version, environment) in [(false, (1, 3), "vulkan1.1"), (true, (1, 6), "vulkan1.3")] {
        let words = spirv(&module, &info, kernel, checked, version);
        if let Ok(Some(result)) = words.as_deref().map(|words| spirv_val(words, environment, &file)) {
            record("spirv-val", result);
        }
        record("SPIR-V", words.map(drop));
        record("MSL", metal(&module, &info, kernel, checked).map(drop));
        let (model, _) = shader_models(kernel)[0];
        record("HLSL", direct3d(&module, &info, kernel, checked, model).map(drop));
    }
    if let Some((_, _, reason)) =
        NOT_WRITTEN.iter().find(|(b, part, _)| *b == "GLSL" && kernel.wgsl.contains(part))
    {
        report.lock().expect("no thread panicked").not_written.insert((kernel.name, "GLSL"), reason);
        return;
    }
    for version in [glsl::Version::new_gles(310), glsl::Version::Desktop(430)] {
        record("GLSL", opengl(&module, &info, kernel, version).map(drop));
    }
}

/// Names the folder of [`texts_for_other_compilers`].
const FOLDER: &str = "WGRAD_WRITE_WGSL";

/// Writes every text as a browser gets it, for compilers that are no libraries.
#[test]
#[ignore = "writes files: scripts/tint.sh"]
fn texts_for_other_compilers() {
    let folder = std::env::var_os(FOLDER).unwrap_or_else(|| panic!("{FOLDER} names no folder"));
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    // WebGPU has no 64-bit integers: an adapter of a browser never has kernels with them.
    let (left_out, texts): (Vec<_>, Vec<_>) =
        kernels().0.into_iter().partition(|kernel| kernel.wgsl.contains("u64"));
    for (number, kernel) in texts.iter().enumerate() {
        let file = folder.join(format!("{}-{number}.wgsl", kernel.name));
        std::fs::write(&file, &*kernel.browser_wgsl()).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
    println!("{} texts written, {} with 64-bit integers left out", texts.len(), left_out.len());
}

#[test]
fn every_shader_in_every_back_end() {
    let (kernels, refused) = kernels();
    println!("{} distinct shaders; cases refused while planning: {refused:?}", kernels.len());
    let report = Mutex::new(Report::default());
    let folder = || tempfile::tempdir().expect("a temporary folder");
    let written = Mutex::new(HashSet::new());
    each(&kernels, folder, |folder, kernel| {
        let first =
            written.lock().expect("no thread panicked").insert((kernel.name, without_numbers(&kernel.wgsl)));
        write_all(kernel, first.then_some(folder.path()), &report);
    });
    println!("{} of them differ in more than numbers", written.lock().expect("no thread panicked").len());
    let report = report.into_inner().expect("no thread panicked");
    let files: BTreeSet<_> = report.written.keys().map(|(name, _)| *name).collect();
    let back_ends = ["WGSL", "SPIR-V", "spirv-val", "MSL", "HLSL", "GLSL"];
    println!("{:26}{}", "texts written", back_ends.map(|b| format!("{b:>10}")).concat());
    for file in &files {
        let count = |b| report.written.get(&(*file, b)).copied().unwrap_or(0);
        println!("{file:26}{}", back_ends.map(|b| format!("{:10}", count(b))).concat());
    }
    for ((file, back_end), reason) in &report.not_written {
        println!("{file} with shuffles is not written as {back_end}: {reason}");
    }
    if !report.written.keys().any(|(_, b)| *b == "spirv-val") {
        println!("SKIPPED: spirv-val is not installed");
    }
    let failures = &report.failures;
    assert!(failures.is_empty(), "{} failures, the first:\n{}", failures.len(), failures[0]);
    for file in &files {
        for back_end in ["SPIR-V", "MSL", "HLSL", "GLSL"] {
            let never = back_end == "GLSL" && SHUFFLED.contains(file);
            assert!(
                report.written.contains_key(&(*file, back_end)) != never,
                "{file} as {back_end}: written, or not, against what is known of it"
            );
        }
    }
}

/// Every file of `shaders/` is compiled into the library and reached by a case, the common ones through the
/// files that include them.
#[test]
fn every_shader_file_is_reached() {
    let mut on_disk = BTreeSet::new();
    for (folder, prefix) in [("shaders", ""), ("shaders/common", "common/")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(path).expect("the shaders").flatten() {
            let name = entry.file_name().into_string().expect("a name in UTF-8");
            if name.ends_with(".wgsl") {
                on_disk.insert(format!("{prefix}{name}"));
            }
        }
    }
    let registered: BTreeSet<String> = sources().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(on_disk, registered, "files of shaders/ and what the library registers");
    let used: BTreeSet<&str> = kernels().0.iter().map(|k| k.name).collect();
    for (name, text) in sources() {
        let reached = if name.starts_with("common/") {
            // Included by a file, or function by function by what a row calls.
            let includes = |text: &str| text.contains(&format!("\"{name}\""));
            let first = text.split("\nfn ").nth(1).and_then(|rest| rest.split('(').next());
            let called = |name: &str| kernels().0.iter().any(|k| k.wgsl.contains(&format!("fn {name}(")));
            sources().iter().any(|(_, text)| includes(text)) || first.is_some_and(called)
        } else {
            used.contains(name.trim_end_matches(".wgsl"))
        };
        assert!(reached, "{name}: no case reaches it");
    }
}
