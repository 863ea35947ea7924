//! Element-wise functions of one to three tensors, broadcast by NumPy's rule, and their partial derivatives: the rows of
//! [`crate::functions`].

use super::{Op, broadcast_to::unbroadcast, no_gradient};
use crate::dtype::DType;
use crate::error::{Mismatch, Result};
use crate::functions::{Elementwise, Part, Read};
use crate::graph::{Flow, Tensor};
use crate::tensor::TensorType;

pub(super) fn infer(function: &Elementwise, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    if let Some((expected, got)) = function.refusal() {
        return Err(Mismatch::new(expected, got));
    }
    let expected = function.operands();
    Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
    for ty in inputs {
        Mismatch::check(ty.dtype == DType::F32, "f32 inputs", ty.to_string())?;
    }
    let mut shape = inputs[0].shape.clone();
    for ty in &inputs[1..] {
        shape = shape.broadcast(&ty.shape)?;
    }
    // An error has the shape of the output.
    let whole = function.part() == Part::Value || shape == inputs[0].shape;
    Mismatch::check(whole, format!("an error of {shape}"), inputs[0].to_string())?;
    Ok(vec![TensorType::f32(shape)])
}

/// The error times each partial derivative, summed along the dimensions that an operand was stretched along.
pub(super) fn gradient(function: &Elementwise, op: &Op, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    if function.part() != Part::Value {
        return no_gradient(op, flow);
    }
    let grad = flow.grad(function.name())?;
    let of = |i: usize| -> Result<Option<Tensor>> {
        let Some(backward) = function.backward(i).filter(|_| flow.wanted[i]) else { return Ok(None) };
        let whole = match backward {
            Err(rule) => rule(function, flow, grad)?,
            Ok((partial, reads)) => {
                let saved = |read: &Read| match read {
                    Read::Operand(i) => &flow.inputs[*i],
                    Read::Output => &flow.outputs[0],
                };
                let inputs: Vec<&Tensor> = std::iter::once(grad).chain(reads.iter().map(saved)).collect();
                grad.graph().apply(Op::Elementwise(partial), &inputs)?.remove(0)
            }
        };
        unbroadcast(&whole, &flow.inputs[i].shape()).map(Some)
    };
    (0..flow.inputs.len()).map(of).collect()
}
