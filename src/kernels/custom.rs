//! Kernels from outside the crate: bindings declared behind their text, and nothing believed that can be looked at.

use super::launch::Launch;
use super::{Access, Binding, Kernel, Limits, Lower, Lowering, Operand, Refusal, Site};
use crate::custom::{self, Buffer, Custom};
use crate::error::Mismatch;
use crate::ops::is_name;
use std::fmt::Write;

impl Lower for Custom {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        let kernels = self.op().kernels(site.inputs, site.outputs)?;
        Mismatch::check(!kernels.launches.is_empty(), "at least one kernel", "none")?;
        let bytes = |numbers: &usize| (*numbers as u64).saturating_mul(4);
        let workspaces: Vec<u64> = kernels.scratch.iter().map(bytes).collect();
        let most = site.limits.max_buffer_bytes;
        for &bytes in &workspaces {
            let expected = format!("scratch memory of 1 to {most} bytes");
            Mismatch::check((1..=most).contains(&bytes), expected, bytes.to_string())?;
        }
        let launches = kernels.launches.iter().map(|kernel| launch(kernel, site, workspaces.len()));
        let launches = launches.collect::<Result<Vec<_>, Mismatch>>()?;
        for number in 0..site.outputs.len() {
            let writes = |b: &Binding| b.access == Access::Write && b.operand == Operand::Output(number);
            let written = launches.iter().flat_map(|launch| &launch.bindings).any(writes);
            let expected = format!("a kernel that writes output {number}");
            Mismatch::check(written, expected, "none")?;
        }
        Ok(Lowering { launches, workspaces, ..Lowering::default() })
    }
}

fn launch(kernel: &custom::Kernel, site: &Site<'_>, scratch: usize) -> Result<Launch, Mismatch> {
    let (entry, limits) = (kernel.entry, site.limits);
    Mismatch::check(is_name(entry), "the name of an entry point", format!("'{entry}'"))?;
    let [x, y] = grid(kernel, limits)?;
    let most = limits.max_storage_buffers as usize;
    let count = kernel.bindings.len();
    let expected = format!("1 to {most} bindings of {entry}");
    Mismatch::check((1..=most).contains(&count), expected, count.to_string())?;
    let (iterations, longest) = (kernel.iterations, limits.max_iterations as usize);
    let expected = format!("at most {longest} loop iterations of an invocation on this device");
    Mismatch::check(iterations <= longest, expected, format!("{iterations} in {entry}"))?;
    let mut wgsl = kernel.wgsl.clone();
    let (mut bindings, mut accesses): (Vec<Binding>, Vec<Access>) = (Vec::new(), Vec::new());
    for (number, binding) in kernel.bindings.iter().enumerate() {
        let name = &binding.name;
        Mismatch::check(is_name(name), format!("names of bindings of {entry}"), format!("'{name}'"))?;
        let (operand, element) = operand(binding, site, scratch)?;
        let twice = bindings.iter().any(|before| before.operand == operand);
        let expected = format!("each buffer bound once by {entry}");
        Mismatch::check(!twice, expected, format!("{:?} twice", binding.buffer))?;
        let access = if binding.write { Access::Write } else { Access::Read };
        let array = if binding.vec4 { format!("vec4<{element}>") } else { element.to_owned() };
        let usage = if binding.write { "read_write" } else { "read" };
        // A string takes all that is written.
        let _ = write!(wgsl, "\n@group(0) @binding({number}) var<storage, {usage}> {name}: array<{array}>;");
        bindings.push(Binding { operand, access, range: None, half: false });
        accesses.push(access);
    }
    let _ = write!(wgsl, "\nconst GROUPS_X = {x}u;\n");
    let kernel = Kernel { foreign: Some(accesses), ..Kernel::new(entry, wgsl) };
    let why = format!("{count} bindings, from outside the crate");
    Ok(Launch { kernel, bindings, grid: [x, y], iterations: iterations as u32, why })
}

/// Workgroups along x and y.
fn grid(kernel: &custom::Kernel, limits: &Limits) -> Result<[u32; 2], Mismatch> {
    let (groups, most) = (kernel.groups, limits.max_workgroups as usize);
    let y = groups.div_ceil(most.max(1)).max(1);
    let expected = format!("1 to {most}x{most} workgroups of {}", kernel.entry);
    Mismatch::check(groups > 0 && y <= most, expected, groups.to_string())?;
    Ok([groups.div_ceil(y) as u32, y as u32])
}

/// The buffer that a binding names, and the type of its elements.
fn operand(
    binding: &custom::Binding,
    site: &Site<'_>,
    scratch: usize,
) -> Result<(Operand, &'static str), Mismatch> {
    let none = |count: usize, what: &str| {
        let expected = format!("one of {count} {what} as '{}'", binding.name);
        Mismatch::new(expected, format!("{:?}", binding.buffer))
    };
    Ok(match binding.buffer {
        Buffer::Input(i) => {
            let ty = site.inputs.get(i).ok_or_else(|| none(site.inputs.len(), "inputs"))?;
            Mismatch::check(
                !binding.write,
                "inputs that are read only",
                format!("'{}' written", binding.name),
            )?;
            (Operand::Input(i), ty.dtype.wgsl())
        }
        Buffer::Output(i) => {
            let ty = site.outputs.get(i).ok_or_else(|| none(site.outputs.len(), "outputs"))?;
            (Operand::Output(i), ty.dtype.wgsl())
        }
        Buffer::Scratch(i) => {
            Mismatch::check(i < scratch, none(scratch, "scratch buffers").expected, format!("{i}"))?;
            (Operand::Workspace(i), "f32")
        }
    })
}
