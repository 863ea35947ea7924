//! The ops: attributes, shape inference and costs, one file a family.
//!
#![doc = include_str!("types.md")]
//!
#![doc = include_str!("edges.md")]

mod adaptive_max_pool2d;
mod argmax;
mod avg_pool2d;
mod axis_map;
mod broadcast_to;
mod cast;
mod conv2d;
mod convolutions;
mod copy;
mod cross_entropy;
mod ctc_loss;
mod custom;
mod draws;
mod dropout;
mod einsum;
mod elementwise;
mod embedding;
mod equal;
mod fractional_max_pool2d;
mod gather;
mod grid_sample;
mod init;
mod interpolate;
mod leaf;
mod list;
mod losses;
mod matmul;
mod max_pool2d;
mod names;
mod norm;
mod optimizer;
mod pad;
mod pools;
mod recurrent;
mod reduce;
mod reshape;
mod rule;
mod select;
mod softmax;
mod sparse;
mod sum;
mod windows;

pub use crate::custom::Custom;
pub use crate::functions::{Elementwise, Part};
pub use adaptive_max_pool2d::AdaptiveMaxPool2d;
pub use argmax::Argmax;
pub use avg_pool2d::{AvgPool2d, AvgPool2dBackward};
pub use axis_map::AxisMap;
pub use broadcast_to::BroadcastTo;
pub use cast::Cast;
pub use conv2d::{Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, ConvGeometry};
pub use convolutions::{Conv1d, ConvPadding, ConvTranspose1d, ConvTranspose2d, Ends, PaddingMode};
pub use copy::{Concat, Narrow, NarrowBackward, Permute, Split};
pub use cross_entropy::{CrossEntropy, CrossEntropyBackward, Reduction};
pub(crate) use ctc_loss::CtcSizes;
pub use ctc_loss::{CtcLoss, CtcLossBackward};
pub(crate) use custom::is_name;
pub use dropout::Dropout;
pub(crate) use einsum::{Einsum, Label};
pub use embedding::{Embedding, EmbeddingBackward};
pub use equal::Equal;
pub use fractional_max_pool2d::{FractionalMaxPool2d, FractionalOutput};
pub use gather::{Argsort, Gather, Scatter, ScatterAdd};
pub(crate) use grid_sample::GridSizes;
pub use grid_sample::{GridMode, GridPadding, GridSample, GridSampleBackwardGrid, GridSampleBackwardInput};
pub use init::{Drawn, Given, Init};
pub use interpolate::{Interpolate, InterpolateMode};
pub use leaf::{Constant, Input, Role, State, Table};
pub(crate) use list::for_each_op;
pub use losses::{
    GaussianNllLoss, KlDiv, MultiMarginLoss, NllLoss, NllLossBackward, PoissonNllLoss, TripletMarginLoss,
};
pub use matmul::{MatMul, MatMulGeometry};
pub use max_pool2d::{MaxPool2d, MaxPool2dBackward};
pub use norm::{Norm, NormApply, NormBackward, NormOver, NormStatistics, NormSums, Running};
pub(crate) use optimizer::LEARNING_RATE;
pub use optimizer::{Increment, OptimizerStep};
pub use pad::Pad;
pub use pools::{LPPool1d, LPPool2d, MaxPool1d, MaxUnpool1d, MaxUnpool2d};
pub(crate) use recurrent::RecurrentSizes;
pub use recurrent::{Recurrent, RecurrentBackward, RecurrentKind};
pub use reduce::{Reduce, ReduceBackward, ReduceKind};
pub use reshape::Reshape;
pub(crate) use rule::{Halves, Rule};
use rule::{elements, infer};
pub use select::SequenceMask;
pub use softmax::{Softmax, SoftmaxBackward};
pub use sparse::SparseRows;
pub use sum::Sum;
pub use windows::{AvgPool1d, Unfold};
pub(crate) use windows::{adaptive, running_sums, taps};

use crate::error::Mismatch;
use crate::tensor::TensorType;

macro_rules! ops {
    ($($op:ident),* $(,)?) => {
        /// What a node computes. Backward passes are ops like any other.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Op {
            $(#[doc = concat!("See [`struct@", stringify!($op), "`].")] $op($op),)*
        }

        $(impl From<$op> for Op {
            fn from(op: $op) -> Self {
                Self::$op(op)
            }
        })*

        impl Op {
            /// The op's name, PyTorch's where it has one.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$op(op) => op.name(),)*
                }
            }

            /// The name of every op and of every function of a family.
            pub fn names() -> Vec<&'static str> {
                [$($op::names()),*].concat()
            }

            /// The attributes as text, empty when there are none.
            pub fn attributes(&self) -> String {
                match self {
                    $(Self::$op(op) => op.attributes(),)*
                }
            }

            /// The types of the outputs, or why the inputs are refused.
            pub fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
                match self {
                    $(Self::$op(op) => infer(op, inputs),)*
                }
            }

            /// Floating-point operations: a multiply-add is two, anything else is one an element touched; none where the op
            /// does not accept the inputs.
            pub fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
                if self.infer(inputs).is_err() {
                    return 0;
                }
                match self {
                    $(Self::$op(op) => op.flops(inputs, outputs),)*
                }
            }

            /// As [`Op::flops`], without those of taps of convolutions and pools that lie in the padding.
            pub fn valid_flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
                if self.infer(inputs).is_err() {
                    return 0;
                }
                let valid = match self {
                    $(Self::$op(op) => op.valid_flops(inputs, outputs),)*
                };
                valid.unwrap_or_else(|| self.flops(inputs, outputs))
            }

            /// Whether every row of the outputs depends on the same row of every input alone.
            pub(crate) fn rowwise(&self, inputs: &[TensorType]) -> bool {
                let rows = |ty: &TensorType| ty.shape.first().copied();
                let same = inputs.iter().all(|ty| rows(ty).is_some() && rows(ty) == rows(&inputs[0]));
                same && match self {
                    $(Self::$op(op) => op.rowwise(inputs),)*
                }
            }

            /// Whether it updates its inputs where they lie, or in a copy of the whole buffer.
            pub(crate) fn updates_inputs(&self) -> bool {
                match self {
                    $(Self::$op(op) => op.updates_inputs(),)*
                }
            }

            /// What the indices or lengths that the op reads must be, in words; `None` for an op that reads none. The graph
            /// cannot see
            /// their values: kernels and reference look, and the next run or read says which row is wrong.
            pub fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
                self.infer(inputs).ok()?;
                match self {
                    $(Self::$op(op) => op.index_range(inputs),)*
                }
            }
        }
    };
}

for_each_op!(ops);

impl Op {
    /// The name of an input, parameter or state.
    pub fn leaf_name(&self) -> Option<&str> {
        match self {
            Op::Input(Input { name, .. }) | Op::State(State { name, .. }) => Some(name),
            // No other op is a leaf with a name.
            _ => None,
        }
    }

    /// How a state begins.
    pub(crate) fn first_value(&self) -> Option<Init> {
        // Others begin with nothing.
        if let Op::State(State { init, .. }) = self { Some(init.clone()) } else { None }
    }

    /// The type of a leaf; a constant is a scalar, as is anything else by convention.
    pub(crate) fn leaf_type(&self) -> TensorType {
        match self {
            Op::Input(Input { ty, .. }) | Op::State(State { ty, .. }) => ty.clone(),
            Op::Table(Table { values }) => values.ty(),
            // A constant, and what is no leaf.
            _ => TensorType::f32([]),
        }
    }
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
