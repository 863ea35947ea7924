//! Element-wise functions of one, two and three tensors.

use super::Differentiate;
use crate::error::Result;
use crate::functions::{Operand, Read};
use crate::graph::{Flow, Tensor};
use crate::ops::{Elementwise, Part, Where};
use crate::shape::Shape;

impl Tensor {
    /// `a` where this is not 0, else `b`, tensors or numbers, all broadcast.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[doc(alias = "where")]
    pub fn select(&self, a: impl Operand, b: impl Operand) -> Result<Tensor> {
        let (a, b) = (a.tensor(self)?, b.tensor(self)?);
        self.one(Where, &[self, &a, &b])
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

impl Differentiate for Elementwise {
    /// The error times each partial derivative, summed along the dimensions that an operand was stretched along.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        if self.part() != Part::Value {
            return super::no_gradient(self.name(), flow);
        }
        let grad = flow.grad(self.name())?;
        let of = |i: usize| -> Result<Option<Tensor>> {
            let Some(backward) = self.backward(i).filter(|_| flow.wanted[i]) else { return Ok(None) };
            let whole = match backward {
                Err(rule) => rule(self, flow, grad)?,
                Ok((partial, reads)) => {
                    let saved = |read: &Read| match read {
                        Read::Operand(i) => &flow.inputs[*i],
                        Read::Output => &flow.outputs[0],
                    };
                    let inputs: Vec<&Tensor> = std::iter::once(grad).chain(reads.iter().map(saved)).collect();
                    grad.one(partial, &inputs)?
                }
            };
            unbroadcast(&whole, &flow.inputs[i].shape()).map(Some)
        };
        (0..flow.inputs.len()).map(of).collect()
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
