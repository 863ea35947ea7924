//! axis_map: a linear map along one dimension, `output[a,t,b] = sum of matrix[t,s] input[a,s,b]`.
//!
//! The matrix is known while the graph is built: pads, flips, rolls, slices, selected indices, interpolation and adaptive
//! pools are such maps. The gradient is the same op with the matrix transposed: a sum in a fixed order.

use super::{Rule, SparseRows, count, elements};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;
use std::sync::Arc;

/// A linear map along a dimension, `(.., inputs, ..)` to `(.., outputs, ..)`. Of `u32`, elements are copied alone.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisMap {
    /// The dimension.
    pub dim: usize,
    /// The weights of the inputs of each output.
    pub matrix: Arc<SparseRows>,
    /// What an output without inputs is; other than 0 only where each output has at most one input, of weight 1.
    pub fill: f32,
}

impl AxisMap {
    /// The map without the constant of outputs that have no input.
    pub(crate) fn linear(&self) -> Self {
        Self { fill: 0.0, ..self.clone() }
    }

    /// `fill` as the word of 32 bits that kernels copy.
    pub(crate) fn fill_bits(&self, dtype: DType) -> u32 {
        match dtype {
            DType::F32 | DType::F16 => self.fill.to_bits(),
            DType::U32 => self.fill as u32,
        }
    }
}

/// Integers up to which an f32 is exact.
const WHOLE: f32 = (1 << 24) as f32;

impl Rule for AxisMap {
    const NAME: &'static str = "axis_map";

    fn attributes(&self) -> String {
        let fill = if self.fill.to_bits() == 0 { String::new() } else { format!(" fill {}", self.fill) };
        format!("dim {} {}{fill}", self.dim, self.matrix)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        let [_, size, _] = input.shape.axis(self.dim)?;
        let expected = format!("{} elements along dim {}", self.matrix.inputs(), self.dim);
        Mismatch::check(size == self.matrix.inputs(), expected, size.to_string())?;
        let copies = self.matrix.is_gather();
        if input.dtype == DType::U32 {
            Mismatch::check(copies, "u32 elements copied, or f32 inputs", "weights or sums of u32")?;
            let whole = self.fill.fract() == 0.0 && (0.0..=WHOLE).contains(&self.fill);
            Mismatch::check(whole, "a whole number up to 2^24 to fill u32 with", self.fill.to_string())?;
        }
        let filled = self.fill.to_bits() == 0 || copies;
        Mismatch::check(filled, "elements copied where outputs are filled", "weights or sums")?;
        let mut dims = input.shape.to_vec();
        dims[self.dim] = self.matrix.outputs();
        Ok(vec![TensorType { shape: dims.into(), dtype: input.dtype }])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        let rows = elements(inputs) / (self.matrix.inputs() as u64).max(1);
        if self.matrix.is_gather() { 0 } else { 2 * rows * self.matrix.entries() as u64 }
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}
