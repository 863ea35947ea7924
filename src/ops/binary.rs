//! Element-wise functions of two tensors, broadcast by NumPy's rule.

use super::f32s;
use crate::dtype::DType;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// An element-wise function of two tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
}

pub(super) fn infer(inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [a, b] = f32s(inputs)?;
    Ok(vec![TensorType::f32(a.shape.broadcast(&b.shape)?)])
}

pub(super) fn infer_equal(inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [a, b] = super::count(inputs)?;
    Mismatch::check(a.dtype == DType::U32, "u32 operands", a.to_string())?;
    super::same("second operand", a, b)?;
    Ok(vec![TensorType::f32(a.shape.clone())])
}

/// The sum of `grad` over the dimensions along which an operand of shape `to` was stretched.
pub(super) fn unbroadcast(grad: &Tensor, to: &Shape) -> Result<Tensor> {
    let from = grad.shape();
    let lead = from.len() - to.len();
    let stretched = |&d: &usize| d < lead || (to[d - lead] == 1 && from[d] != 1);
    let dims: Vec<usize> = (0..from.len()).filter(stretched).collect();
    if dims.is_empty() {
        return if from == *to { Ok(grad.clone()) } else { grad.reshape(to.clone()) };
    }
    let sum = grad.sum(&dims, false)?;
    if sum.shape() == *to { Ok(sum) } else { sum.reshape(to.clone()) }
}

/// d(a+b) = (g, g); d(a-b) = (g, -g); d(ab) = (g b, g a); d(a/b) = (g / b, -g a / b^2).
pub(super) fn gradient(function: &Binary, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let (grad, a, b) = (flow.grad(function.name())?, &flow.inputs[0], &flow.inputs[1]);
    let to_a = |g: Tensor| unbroadcast(&g, &a.shape());
    let to_b = |g: Tensor| unbroadcast(&g, &b.shape());
    match function {
        Binary::Add => Ok(vec![flow.wants(0, || to_a(grad.clone()))?, flow.wants(1, || to_b(grad.clone()))?]),
        Binary::Sub => {
            Ok(vec![flow.wants(0, || to_a(grad.clone()))?, flow.wants(1, || to_b(grad.scale(-1.0)?))?])
        }
        Binary::Mul => Ok(vec![flow.wants(0, || to_a(grad.mul(b)?))?, flow.wants(1, || to_b(grad.mul(a)?))?]),
        Binary::Div => Ok(vec![
            flow.wants(0, || to_a(grad.div(b)?))?,
            flow.wants(1, || to_b(grad.mul(&flow.outputs[0])?.div(b)?.scale(-1.0)?))?,
        ]),
    }
}
