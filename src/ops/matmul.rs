//! matmul and linear: `output[m,n] = bias[n] + sum a[m,k] b[k,n]`, either operand possibly transposed.

use super::{Rule, elements, f32s, same};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use std::fmt;

/// How the operands of a matrix product are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MatMul {
    /// The first operand is stored `(.., K, M)`.
    pub trans_a: bool,
    /// The second operand is stored `(.., N, K)`, as the weight of a linear layer is.
    pub trans_b: bool,
}

impl fmt::Display for MatMul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trans_a {} trans_b {}", self.trans_a, self.trans_b)
    }
}

/// All sizes of one product, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatMulGeometry {
    /// Leading dimensions of the result.
    pub batch: Shape,
    /// Rows of the result.
    pub m: usize,
    /// Terms of each sum.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
}

impl MatMulGeometry {
    /// Checks that two operands fit together.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn new(options: &MatMul, a: &Shape, b: &Shape) -> Result<Self, Mismatch> {
        let fits = "operands (.., M, K) and (.., K, N)";
        Mismatch::check(a.len() >= 2 && b.len() >= 2, fits, format!("{a} and {b}"))?;
        let split = |shape: &Shape, trans: bool| {
            let (lead, last) = shape.split_at(shape.len() - 2);
            let (rows, columns) = if trans { (last[1], last[0]) } else { (last[0], last[1]) };
            (Shape::from(lead), rows, columns)
        };
        let ((lead_a, m, k), (lead_b, k_b, n)) = (split(a, options.trans_a), split(b, options.trans_b));
        Mismatch::check(k == k_b, fits, format!("{a} and {b} ({options})"))?;
        Ok(Self { batch: lead_a.broadcast(&lead_b)?, m, k, n })
    }

    /// `(.., M, N)`.
    pub fn output(&self) -> Shape {
        let mut dims = self.batch.to_vec();
        dims.extend([self.m, self.n]);
        dims.into()
    }
}

impl Rule for MatMul {
    const NAME: &'static str = "matmul";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let got = inputs.len();
        Mismatch::check(
            (2..=3).contains(&got),
            "two operands and an optional bias",
            format!("{got} inputs"),
        )?;
        let [a, b] = f32s(&inputs[..2])?;
        let geometry = MatMulGeometry::new(self, &a.shape, &b.shape)?;
        if let Some(&bias) = inputs.get(2) {
            same("bias", &TensorType::f32([geometry.n]), bias)?;
        }
        Ok(vec![TensorType::f32(geometry.output())])
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let a = &inputs[0].shape;
        // Two operations a term.
        2 * elements(outputs) * a[a.len() - if self.trans_a { 2 } else { 1 }] as u64
    }
}
