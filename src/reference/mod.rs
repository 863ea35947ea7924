//! The CPU reference: one plain loop nest an op, sums in f64. It is what every kernel is held to, and what
//! `Device::cpu` runs. It sees graph and ops only and shares no index arithmetic with the kernels.

mod argmax;
mod avg_pool2d;
mod broadcast_to;
mod conv2d;
mod copy;
mod cross_entropy;
mod dropout;
mod elementwise;
mod embedding;
mod equal;
mod interpreter;
mod matmul;
mod max_pool2d;
mod optimizer;
mod parallel;
mod recurrent;
mod select;
mod softmax;
mod sum;

pub use interpreter::{Interpreter, Watch};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Op;
use crate::tensor::{HostTensor, TensorType};

/// A tensor of the reference: every element in f64; `u32` values exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Shape and element type.
    pub ty: TensorType,
    /// Row-major elements.
    pub data: Vec<f64>,
}

impl Array {
    /// All zeros.
    pub fn zeros(ty: &TensorType) -> Self {
        Self { ty: ty.clone(), data: vec![0.0; ty.shape.elements()] }
    }

    /// The same values.
    pub fn from_host(tensor: &HostTensor) -> Self {
        let words = tensor.as_bytes().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let ty = tensor.ty();
        let data = match ty.dtype {
            DType::F32 => words.map(|w| f64::from(f32::from_bits(w))).collect(),
            DType::U32 => words.map(f64::from).collect(),
        };
        Self { ty, data }
    }

    /// The same values, rounded to the element type.
    ///
    /// # Errors
    /// When the data does not have as many elements as the shape.
    pub fn to_host(&self) -> Result<HostTensor> {
        let shape = self.ty.shape.clone();
        match self.ty.dtype {
            DType::F32 => HostTensor::from_f32(shape, self.data.iter().map(|&v| v as f32).collect()),
            DType::U32 => HostTensor::from_u32(shape, self.data.iter().map(|&v| v as u32).collect()),
        }
    }
}

/// How results are kept between ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Rounded to `f32` after each op, as a device stores them.
    F32,
    /// Not rounded, for finite differences.
    F64,
}

/// The first row of an op's indices that is out of their range: see [`Op::index_range`].
pub fn out_of_range(op: &Op, inputs: &[&Array]) -> Option<usize> {
    match op {
        Op::CrossEntropy(o) => cross_entropy::out_of_range(o, inputs),
        Op::Embedding => embedding::out_of_range(inputs),
        // Which ops read indices is said there, for all of them by name.
        _ => None,
    }
}

/// Evaluates one op. A leaf has no value of its own here, except a constant.
///
/// # Errors
/// When the op does not accept the inputs.
pub fn eval(op: &Op, inputs: &[&Array], precision: Precision) -> Result<Vec<Array>> {
    let types: Vec<&TensorType> = inputs.iter().map(|a| &a.ty).collect();
    let outputs = op.infer(&types).map_err(|m| Error::op(op.name(), "", m))?;
    let fail = |m| Error::op(op.name(), "", m);
    let data: Vec<Vec<f64>> = match op {
        Op::Input { .. } | Op::State { .. } => vec![],
        Op::Constant { value } => vec![vec![f64::from(*value)]],
        Op::Conv2d(o) => vec![conv2d::forward(o, inputs).map_err(fail)?],
        Op::Conv2dBackwardInput { options, input } => {
            vec![conv2d::backward_input(options, input, inputs).map_err(fail)?]
        }
        Op::Conv2dBackwardWeight { options, weight } => {
            vec![conv2d::backward_weight(options, weight, inputs).map_err(fail)?]
        }
        Op::MaxPool2d(o) => max_pool2d::forward(o, inputs, &outputs),
        Op::MaxPool2dBackward { input, .. } => vec![max_pool2d::backward(input, inputs)],
        Op::AvgPool2d(o) => vec![avg_pool2d::forward(o, inputs, &outputs)],
        Op::AvgPool2dBackward { options, input } => vec![avg_pool2d::backward(options, input, inputs)],
        Op::Elementwise(f) => vec![elementwise::forward(f, inputs, &outputs)],
        Op::Equal => vec![equal::equal(inputs)],
        Op::MatMul(o) => vec![matmul::forward(o, inputs).map_err(fail)?],
        Op::Reshape { .. } => vec![inputs[0].data.clone()],
        Op::BroadcastTo { shape } => vec![broadcast_to::forward(inputs[0], shape)],
        Op::Sum { dims } => vec![sum::forward(dims, inputs, &outputs)],
        Op::Argmax { dim } => vec![argmax::forward(*dim, inputs).map_err(fail)?],
        Op::Softmax(s) => vec![softmax::forward(s, inputs).map_err(fail)?],
        Op::SoftmaxBackward(s) => vec![softmax::backward(s, inputs).map_err(fail)?],
        Op::CrossEntropy(o) => cross_entropy::forward(o, inputs).map_err(fail)?,
        Op::CrossEntropyBackward(o) => vec![cross_entropy::backward(o, inputs).map_err(fail)?],
        Op::Concat { dim } => vec![copy::concat(*dim, inputs)],
        Op::Split { dim, .. } => copy::split(*dim, inputs, &outputs),
        Op::Narrow { dim, start, .. } => vec![copy::narrow(*dim, *start, inputs[0], &outputs[0])],
        Op::NarrowBackward { dim, start, input } => vec![copy::narrow_backward(*dim, *start, input, inputs)],
        Op::Permute { dims } => vec![copy::permute(dims, inputs, &outputs)],
        Op::Embedding => vec![embedding::forward(inputs)],
        Op::EmbeddingBackward { weight } => vec![embedding::backward(weight, inputs)],
        Op::Where => vec![select::choose(inputs, &outputs)],
        Op::SequenceMask { max_length } => vec![select::mask(*max_length, inputs)],
        Op::Recurrent(o) => recurrent::forward(o, inputs),
        Op::RecurrentBackward(o) => recurrent::backward(o, inputs),
        Op::Dropout(o) => vec![dropout::forward(o, inputs)],
        Op::Sgd(o) => optimizer::sgd(o, inputs),
        Op::Adam(o) => optimizer::adam(o, inputs),
        Op::Increment => vec![inputs[0].data.iter().map(|v| v + 1.0).collect()],
    };
    let round = |(ty, mut data): (TensorType, Vec<f64>)| {
        if precision == Precision::F32 && ty.dtype == DType::F32 {
            data.iter_mut().for_each(|v| *v = f64::from(*v as f32));
        }
        Array { ty, data }
    };
    Ok(outputs.into_iter().zip(data).map(round).collect())
}
