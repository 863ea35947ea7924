//! The Rust twin of each shader: which text, which bindings, which grid, for one op of given shapes.
//!
//! Kernels are data. Shapes are constants of the generated WGSL, so that divisions become multiplications
//! and loops unroll; a pipeline is compiled once for each distinct text.

mod argmax;
mod avg_pool2d;
mod broadcast_to;
mod broken;
mod channels_last;
mod conv2d;
mod conv2d_direct;
mod copy;
mod cross_entropy;
mod dropout;
mod elementwise;
mod embedding;
mod equal;
mod finite;
mod fused;
mod matmul;
mod max_pool2d;
mod optimizer;
mod partials;
pub(crate) mod peaks;
mod phases;
mod pointwise;
mod pool2d;
mod ranges;
mod recurrent;
mod refusal;
mod roles;
mod runs;
mod select;
mod softmax;
mod stretch;
mod strided;
mod sum;
mod template;
mod tile;
mod tuned;
mod turns;
mod variant;
mod winograd;
mod winograd_gradient;
mod winograd_transforms;
mod workgroup_tile;

pub use broken::Broken;
pub use finite::finite;
pub use fused::{Chain, ChainStep, Fused, Source, value_operand};
pub use optimizer::shared_by_steps;
pub use peaks::micro_kernels;
pub use refusal::Refusal;
pub use stretch::Stretch;
pub use template::sources;
pub use tuned::Tuned;
pub use variant::{Variant, variants};
pub use winograd_transforms::{Transforms, transposed};

use ranges::chunks;

use crate::error::Mismatch;
use crate::ops::Op;
use crate::tensor::TensorType;
use minijinja::Value;
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
    /// Turns of the loops of one invocation, nested ones added up, that the device was seen to take. Mesa's llvmpipe ends
    /// all loops after 65,535, without an error.
    pub max_turns: u32,
    /// Operations of a launch, about, that surely take less time than a watchdog allows; see
    /// [`Dispatch::work`](crate::plan::Dispatch::work). Launches of more are divided.
    pub max_launch_work: u64,
    /// The subgroup size, where shuffles are available and all subgroups have this one size.
    pub subgroup_size: Option<u32>,
    /// Whether the adapter is a CPU, whose workgroup memory is no faster than any other.
    pub software: bool,
    /// Whether four numbers are better loaded as two words of 64 bits: on a CPU adapter that has these.
    pub wide_loads: bool,
    /// Whether kernels can be told sizes at each launch, and had better be where that leaves fewer to compile: a CPU
    /// adapter compiles slowly.
    pub immediates: bool,
    /// A variant to take instead of the planner's choice, by ops that have [`variants`].
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
            max_turns: u32::MAX,
            max_launch_work: u64::MAX,
            subgroup_size: None,
            software: false,
            wide_loads: false,
            immediates: false,
            variant: None,
            tuned: Arc::default(),
            broken: Arc::default(),
        }
    }
}

impl Limits {
    /// What a test gives a planner for this device, so that every variant has its turn: each tile, no shuffles,
    /// bindings and grids so small that work is split. Name and limits.
    pub fn variants(&self) -> Vec<(String, Self)> {
        let bytes = (16 << 10).min(self.max_binding_bytes);
        let mut variants = vec![
            ("bindings of 16 KiB".to_owned(), Self { max_binding_bytes: bytes, ..self.clone() }),
            ("100 workgroups a dimension".to_owned(), Self { max_workgroups: 100, ..self.clone() }),
            ("100 turns an invocation".to_owned(), Self { max_turns: 100, ..self.clone() }),
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

/// A shader ready to be compiled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kernel {
    /// The entry point, the stem of the shader's file.
    pub name: &'static str,
    /// The generated text.
    pub wgsl: String,
    /// Numbers that each launch tells it, in `var<immediate> sizes`; 0 for one whose sizes are constants.
    pub sizes: u32,
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
    /// Four words of the node, all ones as long as nothing is wrong: see [`CHECK_BYTES`].
    Check,
}

/// Bytes of an [`Operand::Check`]. A kernel that meets an index out of its range takes the minimum of the first word and
/// the row; one that looks for what is not finite, of the first three and the place of a NaN, of inf and of -inf.
pub const CHECK_BYTES: u64 = 16;

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// One binding; its number is its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The tensor.
    pub operand: Operand,
    /// Read or written.
    pub access: Access,
    /// Offset and length in bytes; the whole tensor when absent.
    pub range: Option<(u64, u64)>,
}

impl Binding {
    fn read(operand: Operand) -> Self {
        Self { operand, access: Access::Read, range: None }
    }

    fn write(operand: Operand) -> Self {
        Self { operand, access: Access::Write, range: None }
    }

    fn range(self, offset: u64, bytes: u64) -> Self {
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
    /// Turns of the loops of one invocation at most, nested ones added up.
    pub turns: u32,
    /// The variant and why it was chosen.
    pub why: String,
}

/// Kernels that bring operands into order or add up what others left: an op's operations are not theirs.
const HELPERS: [&str; 11] = [
    "channels_last",
    "conv2d_spread",
    "embedding_blocks",
    "embedding_sort",
    "embedding_starts",
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
    /// `(output, input)`: the kernel updates this input where it lies; it is bound as the output.
    pub in_place: Vec<(usize, usize)>,
    /// Pixels along a side of Winograd's tiles, for a convolution that is computed so.
    pub winograd: Option<usize>,
}

impl Lowering {
    fn single(launch: Launch) -> Self {
        Self { launches: vec![launch], ..Self::default() }
    }

    /// Shares the operations of the op out among the launches that compute it, by their workgroups.
    pub fn shares(&self, flops: u64) -> Vec<u64> {
        let groups = |launch: &Launch| {
            let [x, y] = launch.grid.map(u128::from);
            if launch.computes() { x * y } else { 0 }
        };
        let all: u128 = self.launches.iter().map(groups).sum();
        let mut before = 0;
        // Rounded where they add up, so that nothing is lost.
        let upto = |groups: u128| (u128::from(flops) * groups / all.max(1)) as u64;
        let share = |launch: &Launch| {
            let from = before;
            before += groups(launch);
            upto(before) - upto(from)
        };
        self.launches.iter().map(share).collect()
    }
}

/// Builds a launch of `groups` workgroups of the shader `name`, the loops of whose invocations take `turns` turns at most.
/// The grid is folded into two dimensions; the shader finds its flat workgroup number with `common/group.wgsl`.
fn launch(
    limits: &Limits,
    name: &'static str,
    groups: usize,
    turns: usize,
    bindings: Vec<Binding>,
    why: impl Into<String>,
    values: Value,
) -> Result<Launch, Mismatch> {
    let most = limits.max_workgroups as usize;
    let x = groups.min(most);
    let y = groups.div_ceil(x.max(1));
    Mismatch::check(y <= most, format!("at most {most}x{most} workgroups"), groups.to_string())?;
    let longest = limits.max_turns;
    let too_long = || format!("{turns} in {name}");
    Mismatch::check(
        turns <= longest as usize,
        format!(
            "at most {longest} loop turns of an invocation, after which this \
        driver may end its loops"
        ),
        too_long(),
    )?;
    let wgsl = template::render(name, groups, x, values)?;
    Ok(Launch {
        kernel: Kernel { name, wgsl, sizes: 0 },
        bindings,
        grid: [x as u32, y as u32],
        turns: turns as u32,
        why: why.into(),
    })
}

/// Whether the kernels of an op can apply a [`Chain`] to what they store.
pub fn takes_epilogue(op: &Op) -> bool {
    match op {
        Op::Conv2d(_) | Op::Conv2dBackwardInput { .. } | Op::MatMul(_) | Op::MaxPool2dBackward { .. } => true,
        Op::Elementwise(_) | Op::Sum { .. } => true,
        Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => false,
        Op::Conv2dBackwardWeight { .. } | Op::MaxPool2d(_) | Op::AvgPool2d(_) => false,
        Op::AvgPool2dBackward { .. } | Op::Equal | Op::BroadcastTo { .. } => false,
        Op::Argmax { .. } | Op::Softmax(_) | Op::SoftmaxBackward(_) => false,
        Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) | Op::Sgd(_) | Op::Adam(_) | Op::Increment => false,
        Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => false,
        Op::Permute { .. } | Op::Embedding | Op::EmbeddingBackward { .. } | Op::Where => false,
        Op::SequenceMask { .. } | Op::Recurrent(_) | Op::RecurrentBackward(_) | Op::Dropout(_) => false,
    }
}

/// Whether the kernels of an op can apply a [`Chain`] to what they load: where they load each element once, and neighbours
/// together.
pub fn takes_prologue(op: &Op, input: &TensorType) -> bool {
    let Op::Sum { dims } = op else { return false };
    let inner = input.shape.len().checked_sub(1);
    inner.is_some_and(|last| dims.contains(&last)) || dims.iter().enumerate().all(|(i, &dim)| i == dim)
}

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
    let loads = || inputs.first().is_some_and(|input| takes_prologue(op, input));
    let stores = || takes_epilogue(op);
    if !(fused.loads.0.is_empty() || loads()) || !(fused.stores.0.is_empty() || stores()) {
        let expected = format!("nothing fused with {} but what its kernels apply", op.name());
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
    let own = &inputs[..inputs.len().saturating_sub(fused.operands())];
    if limits.variant.is_none()
        && let Some(variant) = limits.tuned.variant(op, own, limits)
    {
        let limits = Limits { variant: Some(variant), ..limits.clone() };
        let mut lowering = lower_once(op, fused, inputs, outputs, &limits)?;
        let computing = lowering.launches.iter_mut().filter(|launch| launch.computes());
        computing.for_each(|launch| launch.why.push_str("; as measured by tuning"));
        return Ok(lowering);
    }
    let lowering = match op {
        Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => Lowering::default(),
        Op::Conv2d(o) => conv2d::forward(o, &fused.stores, own, limits)?,
        Op::Conv2dBackwardInput { options, input } => {
            conv2d::backward_input(options, input, &fused.stores, own, limits)?
        }
        Op::Conv2dBackwardWeight { options, weight } => {
            conv2d::backward_weight(options, weight, inputs, limits)?
        }
        Op::MaxPool2d(o) => max_pool2d::forward(o, &inputs[0].shape, limits)?,
        Op::MaxPool2dBackward { options, input } => {
            max_pool2d::backward(options, input, &fused.stores, limits)?
        }
        Op::AvgPool2d(o) => avg_pool2d::forward(o, &inputs[0].shape, limits)?,
        Op::AvgPool2dBackward { options, input } => avg_pool2d::backward(options, input, limits)?,
        Op::Elementwise(f) => elementwise::chain(f, &fused.stores, own, outputs, limits)?,
        Op::Equal => equal::equal(inputs, limits)?,
        Op::MatMul(o) => matmul::forward(o, &fused.stores, own, limits)?,
        Op::BroadcastTo { shape } => broadcast_to::forward(shape, inputs, limits)?,
        Op::Sum { dims } => sum::forward(dims, fused, own, outputs, limits)?,
        Op::Argmax { dim } => argmax::forward(*dim, inputs, limits)?,
        Op::Softmax(s) => softmax::forward(s, inputs, limits)?,
        Op::SoftmaxBackward(s) => softmax::backward(s, inputs, limits)?,
        Op::CrossEntropy(o) => cross_entropy::forward(o, inputs, limits)?,
        Op::CrossEntropyBackward(o) => cross_entropy::backward(o, inputs, limits)?,
        Op::Concat { dim } => copy::concat(*dim, inputs, outputs, limits)?,
        Op::Split { dim, .. } => copy::parts(*dim, 0, inputs, outputs, limits)?,
        Op::Narrow { dim, start, .. } => copy::parts(*dim, *start, inputs, outputs, limits)?,
        Op::NarrowBackward { dim, start, input } => {
            copy::narrow_backward(*dim, *start, input, inputs, limits)?
        }
        Op::Permute { dims } => copy::permute(dims, inputs, outputs, limits)?,
        Op::Embedding => embedding::forward(inputs, limits)?,
        Op::EmbeddingBackward { weight } => embedding::backward(weight, inputs, limits)?,
        Op::Where => select::choose(inputs, outputs, limits)?,
        Op::SequenceMask { max_length } => select::mask(*max_length, inputs, limits)?,
        Op::Recurrent(o) => recurrent::forward(o, inputs, limits)?,
        Op::RecurrentBackward(o) => recurrent::backward(o, inputs, limits)?,
        Op::Dropout(o) => dropout::forward(o, inputs, limits)?,
        Op::Sgd(o) => optimizer::sgd(o, inputs, limits)?,
        Op::Adam(o) => optimizer::adam(o, inputs, limits)?,
        Op::Increment => optimizer::increment(inputs, limits)?,
    };
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
