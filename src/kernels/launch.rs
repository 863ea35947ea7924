//! Kernels as data: what a node becomes.

use super::{Limits, template};
use crate::error::Mismatch;
use minijinja::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A shader ready to be compiled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kernel {
    /// The entry point, the stem of the shader's file.
    pub name: &'static str,
    /// The generated text.
    pub wgsl: String,
    /// Sizes that each launch passes to it, in `var<immediate> sizes`; 0 for one whose sizes are constants.
    pub sizes: u32,
    /// Of a text from outside the crate, how each of its bindings is used: it runs with wgpu's bounds checks, and has to agree
    /// with this.
    pub foreign: Option<Vec<Access>>,
}

impl Kernel {
    /// A kernel of this crate whose sizes are constants.
    pub(crate) fn new(name: &'static str, wgsl: impl Into<String>) -> Self {
        Self { name, wgsl: wgsl.into(), sizes: 0, foreign: None }
    }

    /// The text as a browser takes it: the standard wants shuffles to be enabled, in words that naga 30 does not know.
    pub fn browser_wgsl(&self) -> Cow<'_, str> {
        if self.wgsl.contains("subgroupShuffle(") {
            Cow::Owned(format!("enable subgroups;\n{}", self.wgsl))
        } else {
            Cow::Borrowed(&self.wgsl)
        }
    }
}

/// The tensor a binding points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The node's input of this position.
    Input(usize),
    /// The node's output of this position.
    Output(usize),
    /// A scratch buffer of the lowering.
    Workspace(usize),
    /// Words of the lowering that are known before the first run.
    Table(usize),
    /// Four words of the node, all ones as long as nothing is wrong: see [`CHECK_BYTES`].
    Check,
}

/// Bytes of an [`Operand::Check`]. A kernel that meets an index out of its range takes the minimum of the first word and
/// the row; one that looks for what is not finite, of the first three and the position of a NaN, of inf and of -inf.
pub const CHECK_BYTES: u64 = 16;

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// One binding; its number is its position in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The tensor.
    pub operand: Operand,
    /// Read or written.
    pub access: Access,
    /// Offset and length in bytes; the whole tensor when absent.
    pub range: Option<(u64, u64)>,
    /// Whether its elements are stored as `f16`.
    pub half: bool,
}

impl Binding {
    pub(super) fn read(operand: Operand) -> Self {
        Self { operand, access: Access::Read, range: None, half: false }
    }

    pub(super) fn write(operand: Operand) -> Self {
        Self { operand, access: Access::Write, range: None, half: false }
    }

    pub(super) fn range(self, offset: u64, bytes: u64) -> Self {
        Self { range: Some((offset, bytes)), ..self }
    }
}

/// One launch of a kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The shader.
    pub kernel: Kernel,
    /// Its bindings, in order.
    pub bindings: Vec<Binding>,
    /// Workgroups along x and y.
    pub grid: [u32; 2],
    /// Iterations of the loops of one invocation at most, nested ones added up.
    pub iterations: u32,
    /// The variant and why it was chosen.
    pub why: String,
}

/// Kernels that bring operands into order or add up what others left: an op's operations are not theirs.
const HELPERS: [&str; 16] = [
    "channels_last",
    "conv2d_spread",
    "embedding_blocks",
    "embedding_sort",
    "embedding_starts",
    "embedding_zeros",
    "grid_sample_cells",
    "norm_statistics_join",
    "norm_sums_join",
    "reduce_partials",
    "sum_partials",
    "winograd_error",
    "winograd_gradient",
    "winograd_input",
    "winograd_output",
    "winograd_weight",
];

impl Launch {
    /// Whether it computes the op instead of preparing or gathering.
    pub fn computes(&self) -> bool {
        !HELPERS.contains(&self.kernel.name)
    }

    /// Whether it stores what the op gives, after what is fused with it.
    pub fn stores(&self) -> bool {
        let output = |b: &Binding| b.access == Access::Write && matches!(b.operand, Operand::Output(_));
        self.bindings.iter().any(output)
    }
}

/// What one node becomes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lowering {
    /// In order.
    pub launches: Vec<Launch>,
    /// Scratch buffers, in bytes.
    pub workspaces: Vec<u64>,
    /// Words that kernels read, written once.
    pub tables: Vec<Arc<[u32]>>,
    /// `(output, input)`: the kernel updates this input where it lies; it is bound as the output.
    pub in_place: Vec<(usize, usize)>,
    /// Pixels along a side of Winograd's tiles, for a convolution that is computed so.
    pub winograd: Option<usize>,
}

impl Lowering {
    pub(super) fn single(launch: Launch) -> Self {
        Self { launches: vec![launch], ..Self::default() }
    }

    /// Divides the FLOPs of the op among the launches that compute it, by their workgroups.
    pub fn divide_flops(&self, flops: u64) -> Vec<u64> {
        let groups = |launch: &Launch| {
            let [x, y] = launch.grid.map(u128::from);
            if launch.computes() { x * y } else { 0 }
        };
        let all: u128 = self.launches.iter().map(groups).sum();
        let mut before = 0;
        // Rounded where they add up, so that nothing is lost.
        let upto = |groups: u128| (u128::from(flops) * groups / all.max(1)) as u64;
        let part = |launch: &Launch| {
            let from = before;
            before += groups(launch);
            upto(before) - upto(from)
        };
        self.launches.iter().map(part).collect()
    }
}

/// Builds a launch of `groups` workgroups of the shader `name`, the loops of whose invocations take `iterations` iterations at
/// most. The grid is folded into two dimensions; the shader finds its flat workgroup number with `common/group.wgsl`.
pub(super) fn launch(
    limits: &Limits,
    name: &'static str,
    groups: usize,
    iterations: usize,
    bindings: Vec<Binding>,
    why: impl Into<String>,
    values: Value,
) -> Result<Launch, Mismatch> {
    let most = limits.max_workgroups as usize;
    let x = groups.min(most);
    let y = groups.div_ceil(x.max(1));
    Mismatch::check(y <= most, format!("at most {most}x{most} workgroups"), groups.to_string())?;
    let longest = limits.max_iterations;
    let too_long = || format!("{iterations} in {name}");
    Mismatch::check(
        iterations <= longest as usize,
        format!(
            "at most {longest} loop iterations of an invocation, after which this \
        driver may end its loops"
        ),
        too_long(),
    )?;
    let wgsl = template::render(name, groups, x, values)?;
    Ok(Launch {
        kernel: Kernel::new(name, wgsl),
        bindings,
        grid: [x as u32, y as u32],
        iterations: iterations as u32,
        why: why.into(),
    })
}
