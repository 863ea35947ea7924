//! A kernel from outside the crate, held to a function of its author.

use super::adapter::Adapter;
use super::estimates::Estimate;
use super::trial::{Effort, Outcome, Trial, Variant};
use crate::error::{Error, Result};
use crate::kernels::{Access, Kernel};
use crate::plan::{Bound, BufferKind, BufferPlan, Dispatch, Named, Output, Plan, Step};
use crate::platform::block_on;
use crate::tensor::{HostTensor, TensorType};

/// A WGSL kernel with its data. Inputs are bound in order from `@binding(0)` of `@group(0)` as
/// `var<storage, read>`, the output behind them as `var<storage, read_write>`; each binding is padded to whole
/// `vec4`s.
#[derive(Debug, Clone)]
pub struct UserKernel<'a> {
    /// The entry point.
    pub name: &'static str,
    /// The text.
    pub wgsl: &'a str,
    /// What it reads.
    pub inputs: &'a [HostTensor],
    /// What it writes.
    pub output: TensorType,
    /// Workgroups along x and y.
    pub workgroups: [u32; 2],
}

/// Holds a kernel to what `expected` says its output must be: the oracle is a CPU function of yours, written to
/// be obviously right, in f64. The output is poisoned before each run, canaries lie around all data, inputs must
/// be unchanged and the bits must repeat. The kernel runs with wgpu's bounds checks: an access out of bounds ends
/// in the canaries, not elsewhere in memory.
///
/// ```
/// use wgrad::reference::Array;
/// use wgrad::verify::{Adapter, Effort, Estimate, UserKernel, Verdict, run_kernel};
/// use wgrad::{HostTensor, TensorType};
///
/// # fn main() -> wgrad::Result<()> {
/// let Ok(adapter) = Adapter::open(None, None) else { return Ok(()) }; // no GPU here
/// let x = HostTensor::from_f32([100], (0..100).map(|i| i as f32 - 50.0).collect())?;
/// let kernel = UserKernel {
///     name: "double",
///     wgsl: "@group(0) @binding(0) var<storage, read> x: array<f32>;
///            @group(0) @binding(1) var<storage, read_write> y: array<f32>;
///            @compute @workgroup_size(64)
///            fn double(@builtin(global_invocation_id) id: vec3<u32>) {
///                if (id.x < 100u) { y[id.x] = 2.0 * x[id.x]; }
///            }",
///     inputs: &[x.clone()],
///     output: TensorType::f32([100]),
///     workgroups: [2, 1],
/// };
/// let doubled = x.as_f32()?.iter().map(|&v| 2.0 * f64::from(v)).collect();
/// let expected = Estimate::exact(Array { ty: kernel.output.clone(), data: doubled });
/// let outcome = run_kernel(&adapter, &kernel, expected, Effort::full())?;
/// assert_eq!(outcome.verdict, Verdict::Pass);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the expected value has another type than the output, the text does not compile, or the device fails.
pub fn run_kernel(
    adapter: &Adapter,
    kernel: &UserKernel<'_>,
    expected: Estimate,
    effort: Effort,
) -> Result<Outcome> {
    if expected.array.ty != kernel.output {
        let (wanted, got) = (kernel.output.to_string(), expected.array.ty.to_string());
        return Err(Error::argument("expected", wanted, got));
    }
    let named = |(number, value): (usize, &HostTensor)| (format!("input {number}"), value.clone());
    let inputs: Vec<_> = kernel.inputs.iter().enumerate().map(named).collect();
    let (names, expected) = (["output".to_owned()], [expected]);
    let mut trial = Trial::new(&inputs, &names, &expected, adapter, effort);
    let plan = plan(kernel, &inputs);
    let variant = Variant { name: "your kernel".into(), plan, same_bits: true, expected: None };
    block_on("verify::run_async", trial.run(vec![variant]))?;
    Ok(trial.outcome)
}

/// A plan of one dispatch.
fn plan(kernel: &UserKernel<'_>, inputs: &[(String, HostTensor)]) -> Plan {
    let padded = |bytes: u64| bytes.next_multiple_of(16);
    let mut plan = Plan::default();
    let mut bindings = Vec::new();
    for (name, value) in inputs {
        let (buffer, bytes) = (plan.buffers.len(), padded(value.ty().bytes()));
        plan.buffers.push(BufferPlan { bytes, kind: BufferKind::Input(name.clone()) });
        plan.inputs.push(Named { name: name.clone(), ty: value.ty(), buffer });
        bindings.push(Bound { buffer, offset: 0, bytes, write: false });
    }
    let (buffer, bytes) = (plan.buffers.len(), padded(kernel.output.bytes()));
    plan.buffers.push(BufferPlan { bytes, kind: BufferKind::Slot });
    plan.outputs.push(Output { value: 0, ty: kernel.output.clone(), buffer });
    bindings.push(Bound { buffer, offset: 0, bytes, write: true });
    let access = |bound: &Bound| if bound.write { Access::Write } else { Access::Read };
    let foreign = Some(bindings.iter().map(access).collect());
    plan.kernels.push(Kernel { foreign, ..Kernel::new(kernel.name, kernel.wgsl) });
    plan.steps.push(Step::Dispatch(Dispatch {
        sizes: Vec::new(),
        kernel: 0,
        bindings,
        grid: kernel.workgroups,
        // Whoever wrote it knows.
        iterations: 0,
        op: kernel.name,
        label: String::new(),
        why: "a kernel from outside the crate".into(),
        fused: Vec::new(),
        flops: 0,
    }));
    plan
}
