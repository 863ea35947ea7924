//! Matrix products.

use super::context::Exporter;
use super::writer::{Name, int};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::MatMul;

impl Exporter<'_> {
    /// A product of matrices, of which either may be stored transposed.
    pub(super) fn matmul(&mut self, node: &Node, op: &MatMul) -> Result<Name> {
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let bias = node.inputs.get(2).map(|&bias| self.name(bias)).transpose()?;
        let matrices = self.shape(a).len() == 2 && self.shape(b).len() == 2;
        if matrices && (op.trans_a || op.trans_b || bias.is_some()) {
            let (a, b, c) = (self.name(a)?, self.name(b)?, bias.unwrap_or_default());
            let attributes = vec![int("transA", i64::from(op.trans_a)), int("transB", i64::from(op.trans_b))];
            return Ok(self.to.node("Gemm", &[&a, &b, &c], attributes));
        }
        let (a, b) = (self.transposed(a, op.trans_a)?, self.transposed(b, op.trans_b)?);
        let product = self.to.node("MatMul", &[&a, &b], vec![]);
        Ok(match bias {
            Some(bias) => self.to.node("Add", &[&product, &bias], vec![]),
            None => product,
        })
    }

    /// With its last two dimensions exchanged.
    fn transposed(&mut self, value: ValueId, transpose: bool) -> Result<Name> {
        let (name, rank) = (self.name(value)?, self.shape(value).len());
        if !transpose {
            return Ok(name);
        }
        let mut dims: Vec<usize> = (0..rank).collect();
        dims.swap(rank - 1, rank - 2);
        Ok(self.transpose(&name, &dims))
    }
}
