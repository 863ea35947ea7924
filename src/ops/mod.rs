//! The ops: attributes, shape inference, gradient rules and costs, one file a family.
//!
#![doc = include_str!("edges.md")]

mod argmax;
mod avg_pool2d;
mod broadcast_to;
pub(crate) mod conv2d;
pub(crate) mod copy;
pub(crate) mod cross_entropy;
pub(crate) mod dropout;
mod elementwise;
mod embedding;
mod equal;
mod leaf;
pub(crate) mod matmul;
mod max_pool2d;
mod names;
mod optimizer;
pub(crate) mod recurrent;
pub(crate) mod reshape;
pub(crate) mod select;
pub(crate) mod softmax;
pub(crate) mod sum;

pub use crate::functions::{Elementwise, Part};
pub use avg_pool2d::AvgPool2d;
pub use conv2d::{Conv2d, ConvGeometry};
pub use cross_entropy::{CrossEntropy, Reduction};
pub use dropout::Dropout;
pub use leaf::{Init, Role};
pub use matmul::{MatMul, MatMulGeometry};
pub use max_pool2d::MaxPool2d;
pub(crate) use optimizer::LEARNING_RATE;
pub use optimizer::{AdamStep, SgdStep};
pub use recurrent::{Recurrent, RecurrentBackward, RecurrentKind};
pub use softmax::Softmax;

use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::{Shape, Window};
use crate::tensor::TensorType;

/// What a node computes. Backward passes are ops like any other.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A value given before each run.
    Input {
        /// Its name.
        name: String,
        /// Its type.
        ty: TensorType,
    },
    /// A value kept from run to run: parameters, optimizer state, counters.
    State {
        /// Its state-dict key.
        name: String,
        /// Its type.
        ty: TensorType,
        /// Its first value.
        init: Init,
        /// What it is for.
        role: Role,
    },
    /// A scalar known when the graph is built.
    Constant {
        /// Its value.
        value: f32,
    },
    /// `input (N, C, H, W), weight (K, C / groups, R, S), [bias (K)]` to `(N, K, OH, OW)`.
    Conv2d(Conv2d),
    /// `grad_output (N, K, OH, OW), weight` to `grad_input (N, C, H, W)`.
    Conv2dBackwardInput {
        /// The forward op's attributes.
        options: Conv2d,
        /// The forward op's input shape.
        input: Shape,
    },
    /// `grad_output (N, K, OH, OW), input (N, C, H, W)` to `grad_weight (K, C / groups, R, S)`.
    Conv2dBackwardWeight {
        /// The forward op's attributes.
        options: Conv2d,
        /// The forward op's weight shape.
        weight: Shape,
    },
    /// `(N, C, H, W)` to the maxima `(N, C, OH, OW)` and their indices in the plane, `u32`.
    MaxPool2d(MaxPool2d),
    /// `grad_output, indices` to `grad_input (N, C, H, W)`.
    MaxPool2dBackward {
        /// The forward op's attributes.
        options: MaxPool2d,
        /// The forward op's input shape.
        input: Shape,
    },
    /// `(N, C, H, W)` to `(N, C, OH, OW)`.
    AvgPool2d(AvgPool2d),
    /// `grad_output` to `grad_input (N, C, H, W)`.
    AvgPool2dBackward {
        /// The forward op's attributes.
        options: AvgPool2d,
        /// The forward op's input shape.
        input: Shape,
    },
    /// An element-wise function of one to three tensors, broadcast, or its partial derivative times an error: of the error
    /// and what that reads.
    Elementwise(Elementwise),
    /// `u32, u32` of one shape to `f32` 1 or 0.
    Equal,
    /// `a (.., M, K), b (.., K, N), [bias (N)]` to `(.., M, N)`.
    MatMul(MatMul),
    /// The same elements under another shape.
    Reshape {
        /// The new shape.
        shape: Shape,
    },
    /// Elements repeated along stretched dimensions.
    BroadcastTo {
        /// The new shape.
        shape: Shape,
    },
    /// The sum over dimensions, which are dropped.
    Sum {
        /// Ascending, each once.
        dims: Vec<usize>,
    },
    /// The index of the maximum along a dimension, which is dropped.
    Argmax {
        /// The dimension.
        dim: usize,
    },
    /// Softmax or its logarithm along a dimension.
    Softmax(Softmax),
    /// `grad_output, output` to `grad_input`.
    SoftmaxBackward(Softmax),
    /// `logits (N, C, ..), target (N, ..)` to `loss (N, ..)`, `saved (N, .., 2)`, the maximum of each row and the logarithm
    /// of the sum relative to it, and `counted (N, ..)`.
    CrossEntropy(CrossEntropy),
    /// `grad_loss (N, ..), logits, target, saved` to `grad_logits`.
    CrossEntropyBackward(CrossEntropy),
    /// Inputs one after the other along a dimension.
    Concat {
        /// The dimension.
        dim: usize,
    },
    /// Runs along a dimension, an output each.
    Split {
        /// The dimension.
        dim: usize,
        /// Their lengths.
        sizes: Vec<usize>,
    },
    /// A run along a dimension.
    Narrow {
        /// The dimension.
        dim: usize,
        /// Where it begins.
        start: usize,
        /// Its length.
        length: usize,
    },
    /// `grad_output` to `grad_input`, zero outside the run.
    NarrowBackward {
        /// The dimension.
        dim: usize,
        /// Where the run begins.
        start: usize,
        /// The forward op's input shape.
        input: Shape,
    },
    /// The dimensions in another order.
    Permute {
        /// For each dimension of the output the input's.
        dims: Vec<usize>,
    },
    /// `weight (V, D), indices (..)` to `(.., D)`.
    Embedding,
    /// `grad_output (.., D), indices (..)` to `grad_weight (V, D)`.
    EmbeddingBackward {
        /// The forward op's weight shape.
        weight: Shape,
    },
    /// `condition, a, b`, broadcast, to one of the two by element.
    Where,
    /// `lengths (B)`, `u32`, to `(max_length, B)`: 1 within a sequence, else 0.
    SequenceMask {
        /// The number of steps.
        max_length: usize,
    },
    /// A recurrent layer in one direction over all steps; see [`Recurrent`] for inputs and outputs.
    Recurrent(Recurrent),
    /// Its backward pass through time; see [`RecurrentBackward`].
    RecurrentBackward(RecurrentBackward),
    /// `input, counter` to the input with a random share of zeros.
    Dropout(Dropout),
    /// `param, grad, lr, [momentum_buffer]` to their new values.
    Sgd(SgdStep),
    /// `param, grad, lr, step, exp_avg, exp_avg_sq` to the new `param, exp_avg, exp_avg_sq`.
    Adam(AdamStep),
    /// `u32` to one more.
    Increment,
}

impl Op {
    /// The types of the outputs, or why the inputs are refused.
    pub fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        match self {
            Op::Input { ty, .. } => leaf::infer(ty),
            Op::State { ty, .. } => leaf::infer(ty),
            Op::Constant { .. } => Ok(vec![TensorType::f32([])]),
            Op::Conv2d(o) => conv2d::infer(o, inputs),
            Op::Conv2dBackwardInput { options, input } => {
                conv2d::infer_backward_input(options, input, inputs)
            }
            Op::Conv2dBackwardWeight { options, weight } => {
                conv2d::infer_backward_weight(options, weight, inputs)
            }
            Op::MaxPool2d(o) => max_pool2d::infer(o, inputs),
            Op::MaxPool2dBackward { options, input } => max_pool2d::infer_backward(options, input, inputs),
            Op::AvgPool2d(o) => avg_pool2d::infer(o, inputs),
            Op::AvgPool2dBackward { options, input } => avg_pool2d::infer_backward(options, input, inputs),
            Op::Elementwise(f) => elementwise::infer(f, inputs),
            Op::Equal => equal::infer(inputs),
            Op::MatMul(o) => matmul::infer(o, inputs),
            Op::Reshape { shape } => reshape::infer(shape, inputs),
            Op::BroadcastTo { shape } => broadcast_to::infer(shape, inputs),
            Op::Sum { dims } => sum::infer(dims, inputs),
            Op::Argmax { dim } => argmax::infer(*dim, inputs),
            Op::Softmax(s) => softmax::infer(s, inputs),
            Op::SoftmaxBackward(s) => softmax::infer_backward(s, inputs),
            Op::CrossEntropy(o) => cross_entropy::infer(o, inputs),
            Op::CrossEntropyBackward(o) => cross_entropy::infer_backward(o, inputs),
            Op::Concat { dim } => copy::infer_concat(*dim, inputs),
            Op::Split { dim, sizes } => copy::infer_split(*dim, sizes, inputs),
            Op::Narrow { dim, start, length } => copy::infer_narrow([*dim, *start, *length], inputs),
            Op::NarrowBackward { dim, start, input } => {
                copy::infer_narrow_backward([*dim, *start], input, inputs)
            }
            Op::Permute { dims } => copy::infer_permute(dims, inputs),
            Op::Embedding => embedding::infer(inputs),
            Op::EmbeddingBackward { weight } => embedding::infer_backward(weight, inputs),
            Op::Where => select::infer_where(inputs),
            Op::SequenceMask { max_length } => select::infer_mask(*max_length, inputs),
            Op::Dropout(o) => dropout::infer(o, inputs),
            Op::Recurrent(o) => recurrent::infer(o, inputs),
            Op::RecurrentBackward(o) => recurrent::infer_backward(o, inputs),
            Op::Sgd(o) => optimizer::infer_sgd(o, inputs),
            Op::Adam(o) => optimizer::infer_adam(o, inputs),
            Op::Increment => optimizer::infer_increment(inputs),
        }
    }

    /// The gradients of the inputs that need one, as new nodes.
    pub(crate) fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        match self {
            Op::Input { .. } => Ok(vec![]),
            Op::State { .. } => Ok(vec![]),
            Op::Constant { .. } => Ok(vec![]),
            Op::Conv2d(o) => conv2d::gradient(o, flow),
            Op::Conv2dBackwardInput { options, .. } => conv2d::gradient_backward_input(options, flow),
            Op::Conv2dBackwardWeight { options, .. } => conv2d::gradient_backward_weight(options, flow),
            Op::MaxPool2d(o) => max_pool2d::gradient(o, flow),
            Op::MaxPool2dBackward { .. } => no_gradient(self, flow),
            Op::AvgPool2d(o) => avg_pool2d::gradient(o, flow),
            Op::AvgPool2dBackward { options, .. } => avg_pool2d::gradient_backward(options, flow),
            Op::Elementwise(f) => elementwise::gradient(f, self, flow),
            Op::Equal => Ok(vec![None, None]),
            Op::MatMul(o) => matmul::gradient(o, flow),
            Op::Reshape { .. } => reshape::gradient(flow),
            Op::BroadcastTo { .. } => broadcast_to::gradient(flow),
            Op::Sum { dims } => sum::gradient(dims, flow),
            Op::Argmax { .. } => Ok(vec![None]),
            Op::Softmax(s) => softmax::gradient(s, flow),
            Op::SoftmaxBackward(_) => no_gradient(self, flow),
            Op::CrossEntropy(o) => cross_entropy::gradient(o, flow),
            Op::CrossEntropyBackward(_) => no_gradient(self, flow),
            Op::Concat { dim } => copy::gradient_concat(*dim, flow),
            Op::Split { dim, .. } => copy::gradient_split(*dim, flow),
            Op::Narrow { dim, start, .. } => copy::gradient_narrow([*dim, *start], flow),
            Op::NarrowBackward { dim, start, .. } => copy::gradient_narrow_backward([*dim, *start], flow),
            Op::Permute { dims } => copy::gradient_permute(dims, flow),
            Op::Embedding => embedding::gradient(flow),
            Op::EmbeddingBackward { .. } => embedding::gradient_backward(flow),
            Op::Where => select::gradient_where(flow),
            Op::SequenceMask { .. } => Ok(vec![None]),
            Op::Dropout(o) => dropout::gradient(o, flow),
            Op::Recurrent(o) => recurrent::gradient(o, flow),
            Op::RecurrentBackward(_) => no_gradient(self, flow),
            Op::Sgd(_) => no_gradient(self, flow),
            Op::Adam(_) => no_gradient(self, flow),
            Op::Increment => Ok(vec![None]),
        }
    }

    /// Floating-point operations: a multiply-add is two, anything else is one an element touched.
    pub fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let elements = |ty: Option<&&TensorType>| ty.map_or(0, |t| t.shape.elements() as u64);
        let (read, written) = (elements(inputs.first()), elements(outputs.first()));
        match self {
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => 0,
            Op::BroadcastTo { .. } => 0,
            Op::Conv2d(_) => conv2d::flops(written, inputs[1]),
            Op::Conv2dBackwardInput { .. } => conv2d::flops(read, inputs[1]),
            Op::Conv2dBackwardWeight { .. } => conv2d::flops(read, outputs[0]),
            Op::MaxPool2d(o) => written * (o.kernel_size.h * o.kernel_size.w) as u64,
            Op::AvgPool2d(o) => written * (o.kernel_size.h * o.kernel_size.w) as u64,
            Op::MaxPool2dBackward { .. } | Op::AvgPool2dBackward { .. } => read.max(written),
            Op::MatMul(o) => matmul::flops(o, inputs, written),
            Op::Elementwise(_) | Op::Equal | Op::Increment => written,
            Op::Sum { .. } | Op::Argmax { .. } => read,
            Op::Softmax(_) | Op::SoftmaxBackward(_) => 4 * read,
            Op::CrossEntropy(_) => 4 * read,
            Op::CrossEntropyBackward(_) => 4 * written,
            Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => 0,
            Op::Permute { .. } | Op::Embedding | Op::SequenceMask { .. } => 0,
            Op::EmbeddingBackward { .. } => read,
            Op::Where | Op::Dropout(_) => written,
            Op::Recurrent(o) => recurrent::flops(o.kind, outputs[0]),
            Op::RecurrentBackward(o) => recurrent::flops(o.forward.kind, inputs[0]),
            Op::Sgd(_) => 4 * written,
            Op::Adam(_) => 12 * written,
        }
    }

    /// As [`Op::flops`], without those of taps of convolutions and pools that lie in the padding.
    pub fn valid_flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let conv = |options: &Conv2d, input: &Shape, weight: &Shape| {
            ConvGeometry::new(options, input, weight).map(|g| g.valid_flops()).ok()
        };
        let pool = |windows: [Window; 2]| {
            let [n, c, oh, ow] = outputs[0].shape[..].try_into().ok()?;
            Some((n * c * windows[0].valid_taps(oh) as usize * windows[1].valid_taps(ow) as usize) as u64)
        };
        let image = || (inputs[0].shape[2], inputs[0].shape[3]);
        let valid = match self {
            Op::Conv2d(o) => conv(o, &inputs[0].shape, &inputs[1].shape),
            Op::Conv2dBackwardInput { options, input } => conv(options, input, &inputs[1].shape),
            Op::Conv2dBackwardWeight { options, weight } => conv(options, &inputs[1].shape, weight),
            Op::MaxPool2d(o) => pool(o.windows(image().0, image().1)),
            Op::AvgPool2d(o) => pool(o.windows(image().0, image().1)),
            // They write or read each element of the image once.
            Op::MaxPool2dBackward { .. } | Op::AvgPool2dBackward { .. } => None,
            // No others know padding.
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => None,
            Op::Elementwise(_) | Op::Equal | Op::Where => None,
            Op::MatMul(_) | Op::BroadcastTo { .. } | Op::Sum { .. } | Op::Argmax { .. } => None,
            Op::Softmax(_) | Op::SoftmaxBackward(_) => None,
            Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => None,
            Op::Concat { .. } | Op::Split { .. } | Op::Permute { .. } => None,
            Op::Narrow { .. } | Op::NarrowBackward { .. } | Op::SequenceMask { .. } => None,
            Op::Embedding | Op::EmbeddingBackward { .. } | Op::Dropout(_) => None,
            Op::Recurrent(_) | Op::RecurrentBackward(_) => None,
            Op::Sgd(_) | Op::Adam(_) | Op::Increment => None,
        };
        valid.unwrap_or_else(|| self.flops(inputs, outputs))
    }

    /// What the indices that the op reads must be, in words; `None` for an op that reads none. The graph cannot see their
    /// values: kernels and reference look, and the next run or read says which row is wrong.
    pub fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        match self {
            Op::CrossEntropy(o) => cross_entropy::index_range(o, inputs),
            Op::Embedding => embedding::index_range(inputs[0]),
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } | Op::Reshape { .. } => None,
            Op::Conv2d(_) | Op::Conv2dBackwardInput { .. } | Op::Conv2dBackwardWeight { .. } => None,
            Op::MaxPool2d(_) | Op::MaxPool2dBackward { .. } => None,
            Op::AvgPool2d(_) | Op::AvgPool2dBackward { .. } => None,
            Op::Elementwise(_) | Op::Equal | Op::MatMul(_) => None,
            Op::BroadcastTo { .. } | Op::Sum { .. } | Op::Argmax { .. } => None,
            Op::Softmax(_) | Op::SoftmaxBackward(_) => None,
            Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => None,
            Op::Permute { .. } | Op::Where | Op::SequenceMask { .. } | Op::Dropout(_) => None,
            Op::Recurrent(_) | Op::RecurrentBackward(_) => None,
            // Their forward pass looks at the same indices.
            Op::CrossEntropyBackward(_) | Op::EmbeddingBackward { .. } => None,
            Op::Sgd(_) | Op::Adam(_) | Op::Increment => None,
        }
    }

    /// The name of an input, parameter or state.
    pub fn leaf_name(&self) -> Option<&str> {
        if let Op::Input { name, .. } | Op::State { name, .. } = self { Some(name) } else { None }
    }

    /// The type of a leaf; a constant is a scalar, as is anything else by convention.
    pub(crate) fn leaf_type(&self) -> TensorType {
        if let Op::Input { ty, .. } | Op::State { ty, .. } = self { ty.clone() } else { TensorType::f32([]) }
    }

    /// The attributes as text, empty when there are none.
    pub fn attributes(&self) -> String {
        match self {
            Op::Input { name, .. } => format!("'{name}'"),
            Op::State { name, role, .. } => format!("'{name}' {role}"),
            Op::Constant { value } => value.to_string(),
            Op::Conv2d(o) => o.to_string(),
            Op::Conv2dBackwardInput { options, .. } => options.to_string(),
            Op::Conv2dBackwardWeight { options, .. } => options.to_string(),
            Op::MaxPool2d(o) => o.to_string(),
            Op::MaxPool2dBackward { options, .. } => options.to_string(),
            Op::AvgPool2d(o) => o.to_string(),
            Op::AvgPool2dBackward { options, .. } => options.to_string(),
            Op::Elementwise(f) => f.attributes(),
            Op::MatMul(o) => o.to_string(),
            Op::Sum { dims } => format!("dims {dims:?}"),
            Op::Argmax { dim } => format!("dim {dim}"),
            Op::Softmax(s) => format!("dim {}", s.dim),
            Op::SoftmaxBackward(s) => format!("dim {}", s.dim),
            Op::CrossEntropy(o) => o.to_string(),
            Op::CrossEntropyBackward(o) => o.to_string(),
            Op::Concat { dim } => format!("dim {dim}"),
            Op::Split { dim, sizes } => format!("dim {dim} sizes {sizes:?}"),
            Op::Narrow { dim, start, length } => format!("dim {dim} start {start} length {length}"),
            Op::NarrowBackward { dim, start, .. } => format!("dim {dim} start {start}"),
            Op::Permute { dims } => format!("dims {dims:?}"),
            Op::SequenceMask { max_length } => format!("max_length {max_length}"),
            Op::Dropout(o) => o.to_string(),
            Op::Recurrent(o) => o.to_string(),
            Op::RecurrentBackward(o) => o.to_string(),
            Op::Embedding | Op::EmbeddingBackward { .. } | Op::Where => String::new(),
            Op::Sgd(o) => format!("{o:?}"),
            Op::Adam(o) => format!("{o:?}"),
            Op::Equal | Op::Reshape { .. } | Op::BroadcastTo { .. } | Op::Increment => String::new(),
        }
    }
}

fn no_gradient(op: &Op, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    if !flow.wanted.contains(&true) {
        return Ok(vec![None; flow.inputs.len()]);
    }
    let mismatch = Mismatch::new("an op with a gradient", format!("a second derivative of {}", op.name()));
    Err(crate::Error::op("gradient", op.name(), mismatch))
}

/// The only input, which must be `f32`.
fn only_f32<'a>(inputs: &[&'a TensorType]) -> Result<&'a TensorType, Mismatch> {
    let [x] = f32s(inputs)?;
    Ok(x)
}

/// Exactly `N` inputs, all `f32`.
fn f32s<'a, const N: usize>(inputs: &[&'a TensorType]) -> Result<[&'a TensorType; N], Mismatch> {
    let exact = count::<N>(inputs)?;
    for ty in exact {
        Mismatch::check(ty.dtype == crate::DType::F32, "f32 inputs", ty.to_string())?;
    }
    Ok(exact)
}

/// Exactly `N` inputs.
fn count<'a, const N: usize>(inputs: &[&'a TensorType]) -> Result<[&'a TensorType; N], Mismatch> {
    inputs.try_into().map_err(|_| Mismatch::new(format!("{N} inputs"), inputs.len().to_string()))
}

/// The sizes of a tensor of rank `N`, `what` in words.
fn dims<const N: usize>(ty: &TensorType, what: &str) -> Result<[usize; N], Mismatch> {
    ty.shape[..].try_into().map_err(|_| Mismatch::new(what, ty.to_string()))
}

/// That two types agree.
fn same(what: &str, expected: &TensorType, got: &TensorType) -> Result<(), Mismatch> {
    Mismatch::check(expected == got, format!("{what} of {expected}"), got.to_string())
}
