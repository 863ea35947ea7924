//! Ops from outside the crate.

use super::{Differentiate, no_gradient};
use crate::custom::{Custom, Gradients};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};

impl Tensor {
    /// The first output of a custom op of this and `others`.
    ///
    /// # Errors
    /// When the op does not accept them.
    pub fn custom(&self, op: &Custom, others: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = std::iter::once(self).chain(others.iter().copied()).collect();
        self.one(op.clone(), &inputs)
    }
}

impl Differentiate for Custom {
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let name = self.op().name();
        let found = match self.op().gradient(flow)? {
            Gradients::Missing => return no_gradient(name, flow),
            Gradients::Zero => return Ok(vec![None; flow.inputs.len()]),
            Gradients::Of(found) => found,
        };
        let fail =
            |expected: String, got: String| Err(Error::op("gradient", name, Mismatch::new(expected, got)));
        if found.len() != flow.inputs.len() {
            let expected = format!("{} gradients, one an input", flow.inputs.len());
            return fail(expected, found.len().to_string());
        }
        for ((input, grad), &wanted) in flow.inputs.iter().zip(&found).zip(flow.wanted) {
            match grad {
                Some(grad) => {
                    input.graph().owns(name, &[grad])?;
                    if grad.ty() != input.ty() {
                        return fail(format!("a gradient of {}", input.ty()), grad.ty().to_string());
                    }
                }
                None if wanted => return fail("a gradient where one is wanted".into(), "none".into()),
                None => {}
            }
        }
        Ok(found)
    }
}
