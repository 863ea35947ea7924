//! Sums, means, extremes and the like over dimensions.

use super::context::{Exporter, refused};
use super::element::BOOL;
use super::writer::{Name, int, ints};
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Argmax, Reduce, ReduceKind, Softmax, Sum};

impl Exporter<'_> {
    /// An operator over dimensions, which are an input of it since opset 18, of sums since 13.
    pub(super) fn reduced(&mut self, op: &str, input: &str, dims: &[usize], keepdim: bool) -> Name {
        let keep = int("keepdims", i64::from(keepdim));
        if self.to.opset >= 18 || op == "ReduceSum" {
            let dims: Vec<i64> = dims.iter().map(|&dim| dim as i64).collect();
            let axes = self.to.row(&dims);
            return self.to.node(op, &[input, &axes], vec![keep]);
        }
        self.to.node(op, &[input], vec![ints("axes", dims.iter().copied()), keep])
    }

    pub(super) fn sum(&mut self, node: &Node, op: &Sum) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        if op.dims.is_empty() {
            return Ok(input);
        }
        Ok(self.reduced("ReduceSum", &input, &op.dims, false))
    }

    pub(super) fn mean(&mut self, input: ValueId, dims: &[usize], keepdim: bool) -> Result<Name> {
        let input = self.name(input)?;
        Ok(self.reduced("ReduceMean", &input, dims, keepdim))
    }

    pub(super) fn softmax(&mut self, node: &Node, op: &Softmax) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        let name = if op.log { "LogSoftmax" } else { "Softmax" };
        Ok(self.to.node(name, &[&input], vec![int("axis", op.dim as i64)]))
    }

    pub(super) fn argmax(&mut self, node: &Node, op: &Argmax) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        Ok(self.position("ArgMax", &input, op.dim))
    }

    fn position(&mut self, op: &str, input: &str, dim: usize) -> Name {
        self.to.node(op, &[input], vec![int("axis", dim as i64), int("keepdims", 0)])
    }

    pub(super) fn reduce(&mut self, node: &Node, op: &Reduce) -> Result<Name> {
        if node.outputs[1..].iter().any(|&saved| self.wants(saved)) {
            return Err(refused(node, "the result alone", "what its gradient reads beside it"));
        }
        let (value, dims) = (node.inputs[0], &op.dims);
        let x = self.name(value)?;
        Ok(match op.kind {
            ReduceKind::Prod => self.reduced("ReduceProd", &x, dims, false),
            ReduceKind::Amax => self.reduced("ReduceMax", &x, dims, false),
            ReduceKind::Amin => self.reduced("ReduceMin", &x, dims, false),
            ReduceKind::LogSumExp => self.reduced("ReduceLogSumExp", &x, dims, false),
            ReduceKind::Argmin => self.argmin(value, &x, dims),
            ReduceKind::Var { correction } => {
                self.variance(value, &x, dims, op.count(self.shape(value)) - correction)
            }
            ReduceKind::Std { correction } => {
                let variance = self.variance(value, &x, dims, op.count(self.shape(value)) - correction);
                self.to.node("Sqrt", &[&variance], vec![])
            }
            ReduceKind::Norm { p } => self.norm_of(value, &x, dims, p),
            ReduceKind::Any => self.truths(value, "ReduceMax", &x, dims),
            ReduceKind::All => self.truths(value, "ReduceMin", &x, dims),
        })
    }

    /// The position among the elements of all dimensions, which are one behind the others.
    fn argmin(&mut self, value: ValueId, x: &str, dims: &[usize]) -> Name {
        if let [dim] = dims {
            return self.position("ArgMin", x, *dim);
        }
        let rank = self.shape(value).len();
        let kept: Vec<usize> = (0..rank).filter(|dim| !dims.contains(dim)).collect();
        let transposed = self.transpose(x, &[&kept[..], dims].concat());
        let mut sizes: Vec<_> = kept.iter().map(|&dim| self.sizes.of(value)[dim]).collect();
        sizes.push(super::batch::Size::Fixed(dims.iter().map(|&dim| self.shape(value)[dim]).product()));
        let target = self.shape_of(&sizes);
        let flat = self.to.node("Reshape", &[&transposed, &target], vec![]);
        self.position("ArgMin", &flat, kept.len())
    }

    fn variance(&mut self, value: ValueId, x: &str, dims: &[usize], divisor: usize) -> Name {
        let mean = self.reduced("ReduceMean", x, dims, true);
        let apart = self.to.node("Sub", &[x, &mean], vec![]);
        let square = self.to.node("Mul", &[&apart, &apart], vec![]);
        let sum = self.reduced("ReduceSum", &square, dims, false);
        let divisor = self.to.number(self.dtype(value), divisor as f32);
        self.to.node("Div", &[&sum, &divisor], vec![])
    }

    fn norm_of(&mut self, value: ValueId, x: &str, dims: &[usize], p: f32) -> Name {
        if p == 1.0 || p == 2.0 {
            return self.reduced(if p == 1.0 { "ReduceL1" } else { "ReduceL2" }, x, dims, false);
        }
        if p == 0.0 {
            let dtype = super::element::data_type(self.dtype(value));
            let given = self.cast_to(x, BOOL);
            let ones = self.cast_to(&given, dtype);
            return self.reduced("ReduceSum", &ones, dims, false);
        }
        let size = self.to.node("Abs", &[x], vec![]);
        if p.is_infinite() {
            return self.reduced(if p > 0.0 { "ReduceMax" } else { "ReduceMin" }, &size, dims, false);
        }
        let dtype = self.dtype(value);
        let (power, root) = (self.to.number(dtype, p), self.to.number(dtype, 1.0 / p));
        let powers = self.to.node("Pow", &[&size, &power], vec![]);
        let sum = self.reduced("ReduceSum", &powers, dims, false);
        self.to.node("Pow", &[&sum, &root], vec![])
    }

    fn truths(&mut self, value: ValueId, op: &str, x: &str, dims: &[usize]) -> Name {
        let dtype = super::element::data_type(self.dtype(value));
        let given = self.cast_to(x, BOOL);
        let ones = self.cast_to(&given, dtype);
        self.reduced(op, &ones, dims, false)
    }
}
