//! The Rust twin of each shader: which text, which bindings, which grid, for one op of given shapes.
//!
//! Kernels are data. Shapes are constants of the generated WGSL, so that divisions become multiplications
//! and loops unroll; a pipeline is compiled once for each distinct text.

mod adaptive_max_pool2d;
mod argmax;
mod avg_pool2d;
mod avg_pool2d_side;
mod axis_map;
mod broadcast;
mod broadcast_to;
mod broken;
mod cast;
mod channels_last;
mod conv2d;
mod conv2d_direct;
mod conv2d_weight;
mod copy;
mod cross_entropy;
mod ctc_loss;
mod custom;
mod dropout;
mod elementwise;
mod embedding;
mod equal;
mod finite;
mod fractional_max_pool2d;
mod fused;
mod gather;
mod grid_sample;
mod halves;
mod iterations;
mod launch;
mod limits;
mod losses;
mod matmul;
mod matmul_method;
mod matmul_packed;
mod max_pool2d;
mod norm;
mod norm_runs;
mod norm_statistics;
mod norm_sums;
mod optimizer;
mod partials;
pub(crate) mod peaks;
mod phases;
mod pointwise;
mod pool2d;
mod ranges;
mod recurrent;
mod recurrent_held;
mod recurrent_tiling;
mod reduce;
mod refusal;
mod roles;
mod rows;
mod runs;
mod select;
mod softmax;
mod strided;
mod sum;
mod template;
mod tile;
mod tuned;
mod variant;
mod winograd;
mod winograd_gradient;
mod winograd_transforms;
mod workgroup_tile;

pub use broadcast::Broadcast;
pub use broken::Broken;
pub use finite::finite;
pub use fused::{Chain, ChainStep, Fused, Source, value_operand};
use launch::launch;
pub use launch::{Access, Binding, CHECK_BYTES, Kernel, Launch, Lowering, Operand};
pub use limits::Limits;
pub use optimizer::shared_by_steps;
pub use peaks::micro_kernels;
pub use refusal::Refusal;
pub use template::sources;
pub use tuned::Tuned;
pub use variant::{Variant, variants};
pub use winograd_transforms::{Transforms, transposed};

use ranges::chunks;

use crate::error::Mismatch;
use crate::ops::*;
use crate::tensor::TensorType;

/// Where an op is lowered: what is fused with it, what it reads and writes, and on which device.
struct Site<'a> {
    fused: &'a Fused,
    /// The op's own inputs, then the operands of what is fused.
    inputs: &'a [&'a TensorType],
    outputs: &'a [&'a TensorType],
    limits: &'a Limits,
}

impl Site<'_> {
    /// The op's own inputs.
    fn own(&self) -> &[&TensorType] {
        &self.inputs[..self.inputs.len().saturating_sub(self.fused.operands())]
    }
}

/// The kernels of an op.
trait Lower {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal>;

    /// Whether they can apply a [`Chain`] to what they store.
    fn takes_epilogue(&self) -> bool {
        false
    }

    /// Whether they can apply a [`Chain`] to what they load.
    fn takes_prologue(&self, _input: &TensorType) -> bool {
        false
    }
}

/// Ops without kernels: leaves, and other names for memory.
macro_rules! without_kernels {
    ($($op:ident),* $(,)?) => {
        $(impl Lower for $op {
            fn lower(&self, _site: &Site<'_>) -> Result<Lowering, Refusal> {
                Ok(Lowering::default())
            }
        })*
    };
}

without_kernels!(Input, State, Constant, Table, Reshape);

macro_rules! dispatch {
    ($($op:ident),* $(,)?) => {
        /// Whether the kernels of an op can apply a [`Chain`] to what they store.
        pub fn takes_epilogue(op: &Op) -> bool {
            match op {
                $(Op::$op(op) => op.takes_epilogue(),)*
            }
        }

        /// Whether the kernels of an op can apply a [`Chain`] to what they load.
        pub fn takes_prologue(op: &Op, input: &TensorType) -> bool {
            match op {
                $(Op::$op(op) => op.takes_prologue(input),)*
            }
        }

        fn lower_op(op: &Op, site: &Site<'_>) -> Result<Lowering, Refusal> {
            match op {
                $(Op::$op(op) => op.lower(site),)*
            }
        }
    };
}

for_each_op!(dispatch);

/// The kernels of one node and of the element-wise functions fused with it, whose other operands follow the
/// op's own inputs. An op that only renames memory (reshape) and leaves have none.
///
/// # Errors
/// When a tensor is larger than the device can bind and the op cannot be split, the op needs too many
/// workgroups, or no variant of a kernel compiles.
pub fn lower(
    op: &Op,
    fused: &Fused,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let prologue = || inputs.first().is_some_and(|input| takes_prologue(op, input));
    let epilogue = || takes_epilogue(op);
    if !(fused.prologue.0.is_empty() || prologue()) || !(fused.epilogue.0.is_empty() || epilogue()) {
        let expected = format!("only fused functions that the kernels of {} apply", op.name());
        return Err(Mismatch::new(expected, fused.why()).into());
    }
    let usual = lower_once(op, fused, inputs, outputs, limits)?;
    broken::avoid(usual, op, fused, inputs, outputs, limits)
}

/// Pixels along a side of the tiles in which Winograd computes this op here; `None` for any other op and way.
pub fn winograd_tile(
    op: &Op,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Option<usize> {
    let offered = winograd::variants(op, inputs);
    let lowering = (!offered.is_empty()).then(|| lower(op, &Fused::default(), inputs, outputs, limits).ok());
    lowering.flatten()?.winograd
}

/// Bytes that the kernels of an op write to bring channels together before they compute.
pub fn rearranged(op: &Op, inputs: &[&TensorType], outputs: &[&TensorType], limits: &Limits) -> u64 {
    let lowering = lower_once(op, &Fused::default(), inputs, outputs, limits);
    let launches = lowering.map_or_else(|_| Vec::new(), |lowering| lowering.launches);
    let packing = launches.iter().filter(|launch| launch.kernel.name == "channels_last");
    let written = packing.flat_map(|launch| &launch.bindings).filter(|b| b.access == Access::Write);
    written.map(|binding| binding.range.map_or(0, |(_, bytes)| bytes)).sum()
}

/// As [`lower`], whether or not the kernels are known to compile.
fn lower_once(
    op: &Op,
    fused: &Fused,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let site = Site { fused, inputs, outputs, limits };
    if limits.variant.is_none()
        && let Some(variant) = limits.tuned.variant(op, site.own(), limits)
    {
        let limits = Limits { variant: Some(variant), ..limits.clone() };
        let mut lowering = lower_once(op, fused, inputs, outputs, &limits)?;
        let computing = lowering.launches.iter_mut().filter(|launch| launch.computes());
        computing.for_each(|launch| launch.why.push_str("; as measured by tuning"));
        return Ok(lowering);
    }
    let lowering = if halves::any(&site) { halves::lower(op, &site)? } else { lower_op(op, &site)? };
    check_bindings(&lowering, inputs, outputs, limits)?;
    Ok(lowering)
}

/// Every bound range must fit the device.
fn check_bindings(
    lowering: &Lowering,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<(), Refusal> {
    for binding in lowering.launches.iter().flat_map(|l| &l.bindings) {
        let whole = match binding.operand {
            Operand::Input(i) => inputs[i].bytes(),
            Operand::Output(i) => outputs[i].bytes(),
            Operand::Workspace(i) => lowering.workspaces[i],
            Operand::Table(i) => lowering.tables[i].len() as u64 * 4,
            Operand::Check => CHECK_BYTES,
        };
        let bytes = binding.range.map_or(whole, |(_, bytes)| bytes);
        let most = limits.max_binding_bytes;
        if bytes > most {
            return Err(Refusal::TooLarge { operand: binding.operand, bytes, most });
        }
    }
    Ok(())
}

/// Invocations that add up terms together, at least.
const FEWEST_LANES: usize = 8;

/// Invocations that add up `terms` together: a power of two. A CPU adapter's workgroup is best one vector wide,
/// where no barrier has to switch between invocations.
fn lanes(terms: usize, limits: &Limits) -> usize {
    let most = if tile::shuffles(limits) { tile::LANES } else { 64 };
    terms.next_power_of_two().clamp(FEWEST_LANES, most)
}
