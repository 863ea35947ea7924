//! The CPU reference: one plain loop nest an op, sums in f64. It is what every kernel is held to, and what
//! `Device::cpu` runs. It sees graph and ops only and shares no index arithmetic with the kernels.

mod adaptive_max_pool2d;
mod argmax;
mod avg_pool2d;
mod axis_map;
mod broadcast_to;
mod cast;
mod conv2d;
mod copy;
mod cross_entropy;
mod ctc_loss;
mod custom;
mod dropout;
mod elementwise;
mod embedding;
mod equal;
mod fractional_max_pool2d;
mod gather;
mod grid_sample;
mod interpreter;
mod losses;
mod matmul;
mod max_pool2d;
mod norm;
mod optimizer;
mod parallel;
mod recurrent;
mod reduce;
mod reshape;
mod select;
mod softmax;
mod sum;

pub(crate) use grid_sample::{position as grid_position, taps as grid_taps};
pub use interpreter::{Interpreter, Watch};
pub(crate) use norm::Positions as NormPlaces;

use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::ops::*;
use crate::tensor::{HostTensor, TensorType};
use half::f16;

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
        let halves = tensor.as_bytes().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]));
        let ty = tensor.ty();
        let data = match ty.dtype {
            DType::F16 => halves.map(f16::to_f64).collect(),
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
            DType::F16 => HostTensor::from_f16(shape, self.data.iter().map(|&v| f16::from_f64(v)).collect()),
            DType::F32 => HostTensor::from_f32(shape, self.data.iter().map(|&v| v as f32).collect()),
            DType::U32 => HostTensor::from_u32(shape, self.data.iter().map(|&v| v as u32).collect()),
        }
    }
}

/// How results are kept between ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Rounded to their type after each op, `f32` or `f16`, as a device stores them.
    F32,
    /// Not rounded, for finite differences.
    F64,
}

/// What an op computes, by its definition.
trait Define {
    /// The elements of each output. The inputs are of types that the op accepts, the outputs of those that follow.
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch>;

    /// The first row of the op's indices that is out of their range: see [`Op::index_range`].
    fn out_of_range(&self, _inputs: &[&Array]) -> Option<usize> {
        None
    }
}

/// Leaves, which are given their values.
macro_rules! leaves {
    ($($op:ident: |$leaf:ident| $values:expr),* $(,)?) => {
        $(impl Define for $op {
            fn eval(&self, _inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
                let $leaf = self;
                Ok($values)
            }
        })*
    };
}

leaves! {
    Input: |_leaf| vec![],
    State: |_leaf| vec![],
    Table: |leaf| vec![Array::from_host(&leaf.values).data],
    Constant: |leaf| vec![vec![f64::from(leaf.value)]],
}

macro_rules! dispatch {
    ($($op:ident),* $(,)?) => {
        /// The first row of an op's indices that is out of their range: see [`Op::index_range`].
        pub fn out_of_range(op: &Op, inputs: &[&Array]) -> Option<usize> {
            match op {
                $(Op::$op(op) => op.out_of_range(inputs),)*
            }
        }

        fn define(op: &Op, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
            match op {
                $(Op::$op(op) => op.eval(inputs, outputs),)*
            }
        }
    };
}

for_each_op!(dispatch);

/// Evaluates one op. A leaf has no value of its own here, except a constant.
///
/// # Errors
/// When the op does not accept the inputs.
pub fn eval(op: &Op, inputs: &[&Array], precision: Precision) -> Result<Vec<Array>> {
    let types: Vec<&TensorType> = inputs.iter().map(|a| &a.ty).collect();
    let fail = |m| Error::op(op.name(), "", m);
    let outputs = op.infer(&types).map_err(fail)?;
    let data = define(op, inputs, &outputs).map_err(fail)?;
    let round = |(ty, mut data): (TensorType, Vec<f64>)| {
        if precision == Precision::F32 && ty.dtype.is_float() {
            data.iter_mut().for_each(|v| *v = ty.dtype.rounded(*v));
        }
        Array { ty, data }
    };
    Ok(outputs.into_iter().zip(data).map(round).collect())
}
