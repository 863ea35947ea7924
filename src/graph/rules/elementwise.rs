//! Element-wise functions of one, two and three tensors.

use super::Differentiate;
use crate::error::Result;
use crate::graph::{Flow, Tensor};
use crate::ops::{Binary, Saved, Unary, UnaryBackward, Where};
use crate::shape::Shape;

impl Tensor {
    /// `a` where this is not 0, else `b`, all broadcast.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[doc(alias = "where")]
    pub fn select(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        self.one(Where, &[self, a, b])
    }
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

impl Differentiate for Unary {
    /// `grad * f'(x)`, one node.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad(self.name())?;
        let rule = || {
            if let Unary::Scale { factor } = *self {
                return grad.scale(factor);
            }
            let saved = match self.saved() {
                Saved::Input => &flow.inputs[0],
                Saved::Output => &flow.outputs[0],
            };
            grad.one(UnaryBackward(*self), &[grad, saved])
        };
        Ok(vec![flow.wants(0, rule)?])
    }
}

impl Differentiate for Binary {
    /// d(a+b) = (g, g); d(a-b) = (g, -g); d(ab) = (g b, g a); d(a/b) = (g / b, -g a / b^2).
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, a, b) = (flow.grad(self.name())?, &flow.inputs[0], &flow.inputs[1]);
        let to_a = |g: Tensor| unbroadcast(&g, &a.shape());
        let to_b = |g: Tensor| unbroadcast(&g, &b.shape());
        match self {
            Binary::Add => {
                Ok(vec![flow.wants(0, || to_a(grad.clone()))?, flow.wants(1, || to_b(grad.clone()))?])
            }
            Binary::Sub => {
                Ok(vec![flow.wants(0, || to_a(grad.clone()))?, flow.wants(1, || to_b(grad.scale(-1.0)?))?])
            }
            Binary::Mul => {
                Ok(vec![flow.wants(0, || to_a(grad.mul(b)?))?, flow.wants(1, || to_b(grad.mul(a)?))?])
            }
            Binary::Div => Ok(vec![
                flow.wants(0, || to_a(grad.div(b)?))?,
                flow.wants(1, || to_b(grad.mul(&flow.outputs[0])?.div(b)?.scale(-1.0)?))?,
            ]),
        }
    }
}

impl Differentiate for Where {
    /// The error goes to what was chosen.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, condition) = (flow.grad("where")?, &flow.inputs[0]);
        let zero = grad.graph().scalar(0.0)?;
        let to = |g: Tensor, i: usize| unbroadcast(&g, &flow.inputs[i].shape());
        Ok(vec![
            None,
            flow.wants(1, || to(condition.select(grad, &zero)?, 1))?,
            flow.wants(2, || to(condition.select(&zero, grad)?, 2))?,
        ])
    }
}
