//! The operators that are read, in the order of the alphabet.

use super::node::Node;
use super::{
    Value, constants, control, convolutions, elementwise, gather, images, losses, norms, pools, products,
    recurrent, reduce, resize, select, shapes, windows,
};
use crate::error::Result;

/// An operator.
pub(in crate::onnx) struct Operator {
    /// Its name.
    pub(super) name: &'static str,
    /// The group that it is built alike with: the path of what builds it.
    pub(super) group: &'static str,
    /// Adds it to a graph.
    pub(super) build: fn(&Node<'_>) -> Result<Vec<Value>>,
    /// It is not computed aside where its inputs are known: it holds other nodes, or names a value.
    pub(super) control: bool,
}

/// By groups of operators that are built alike.
macro_rules! operators {
    ($($build:path: $($name:literal)+;)*) => {
        const OPERATORS: &[Operator] = &[
            $($(Operator { name: $name, group: stringify!($build), build: $build, control: is_control($name) },)+)*
        ];
    };
}

const fn is_control(name: &str) -> bool {
    matches!(name.as_bytes(), b"Constant" | b"If" | b"Loop")
}

operators! {
    control::branch: "If";
    control::repeat: "Loop";
    convolutions::conv: "Conv";
    convolutions::conv_transpose: "ConvTranspose";
    elementwise::binary: "Add" "Div" "Mod" "Mul" "PRelu" "Pow" "Sub";
    elementwise::choose: "Where";
    elementwise::clip: "Clip";
    elementwise::comparison: "And" "Equal" "Greater" "GreaterOrEqual" "Less" "LessOrEqual" "Or" "Xor";
    elementwise::dropout: "Dropout";
    elementwise::question: "IsInf" "IsNaN" "Not";
    elementwise::unary: "Abs" "Acos" "Acosh" "Asin" "Asinh" "Atan" "Atanh" "Ceil" "Celu" "Cos" "Cosh" "Elu" "Erf" "Exp"
        "Floor" "Gelu" "HardSigmoid" "HardSwish" "LeakyRelu" "Log" "Mish" "Neg" "Reciprocal" "Relu" "Round" "Selu" "Shrink"
        "Sigmoid" "Sign" "Sin" "Sinh" "Softplus" "Softsign" "Sqrt" "Swish" "Tan" "Tanh" "ThresholdedRelu";
    elementwise::variadic: "Max" "Mean" "Min" "Sum";
    gather::gather: "Gather";
    gather::gather_elements: "GatherElements";
    gather::gather_nd: "GatherND";
    gather::one_hot: "OneHot";
    gather::scatter_elements: "Scatter" "ScatterElements";
    gather::scatter_nd: "ScatterND";
    gather::reverse_sequence: "ReverseSequence";
    images::affine_grid: "AffineGrid";
    images::grid_sample: "GridSample";
    losses::cross_entropy: "SoftmaxCrossEntropyLoss";
    losses::nll: "NegativeLogLikelihoodLoss";
    norms::batch: "BatchNormalization";
    norms::group: "GroupNormalization";
    norms::instance: "InstanceNormalization";
    norms::layer: "LayerNormalization" "RMSNormalization";
    norms::lp: "LpNormalization";
    norms::lrn: "LRN";
    norms::mean_variance: "MeanVarianceNormalization";
    pools::average: "AveragePool";
    pools::global: "GlobalAveragePool" "GlobalLpPool" "GlobalMaxPool";
    pools::lp: "LpPool";
    pools::max: "MaxPool";
    pools::unpool: "MaxUnpool";
    products::einsum: "Einsum";
    products::gemm: "Gemm";
    products::matmul: "MatMul";
    recurrent::gru: "GRU";
    recurrent::lstm: "LSTM";
    recurrent::rnn: "RNN";
    reduce::arg: "ArgMax" "ArgMin";
    reduce::cumsum: "CumSum";
    reduce::hardmax: "Hardmax";
    reduce::reduce: "ReduceL1" "ReduceL2" "ReduceLogSum" "ReduceLogSumExp" "ReduceMax" "ReduceMean" "ReduceMin" "ReduceProd"
        "ReduceSum" "ReduceSumSquare";
    reduce::softmax: "LogSoftmax" "Softmax";
    reduce::topk: "TopK";
    resize::resize: "Resize" "Upsample";
    select::compress: "Compress";
    select::pad: "Pad";
    select::trilu: "Trilu";
    shapes::blocks: "DepthToSpace" "SpaceToDepth";
    constants::cast: "Cast" "CastLike";
    shapes::concat: "Concat";
    constants::constant: "Constant";
    constants::constant_of_shape: "ConstantOfShape";
    shapes::expand: "Expand";
    constants::eye_like: "EyeLike";
    constants::identity: "Identity";
    constants::non_zero: "NonZero";
    constants::range: "Range";
    shapes::reshape: "Flatten" "Reshape" "Squeeze" "Unsqueeze";
    constants::shape: "Shape";
    constants::size: "Size";
    shapes::slice: "Slice";
    shapes::split: "Split";
    shapes::tile: "Tile";
    shapes::transpose: "Transpose";
    windows::window: "BlackmanWindow" "HammingWindow" "HannWindow";
}

/// The operator of this name.
pub(in crate::onnx) fn find(name: &str) -> Option<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name)
}

/// The names of all.
pub(in crate::onnx) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = OPERATORS.iter().map(|operator| operator.name).collect();
    names.sort_unstable();
    names
}

/// Why an operator is not read.
pub(in crate::onnx) fn why(name: &str) -> &'static str {
    const QUANTISED: &str = "one of quantised numbers";
    const SEQUENCES: &str = "one of sequences or optional values";
    const CONTROL: &str = "one of control flow";
    const RANDOM: &str = "one of random numbers";
    const TEXTS: &str = "one of texts";
    match name {
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "ConvInteger"
        | "MatMulInteger"
        | "QLinearConv"
        | "QLinearMatMul" => QUANTISED,
        _ if name.starts_with("Sequence") || name.starts_with("Optional") => SEQUENCES,
        "ConcatFromSequence" | "SplitToSequence" => SEQUENCES,
        "Scan" => CONTROL,
        "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomNormalLike" | "RandomUniform"
        | "RandomUniformLike" => RANDOM,
        "StringNormalizer" | "TfIdfVectorizer" | "StringConcat" | "StringSplit" | "RegexFullMatch"
        | "LabelEncoder" => TEXTS,
        _ => "another",
    }
}
