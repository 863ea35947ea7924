//! The same elements at other positions, and repeated.

use super::batch::Size;
use super::context::Exporter;
use super::element::{FLOAT, data_type};
use super::writer::{Name, int, ints};
use crate::DType;
use crate::error::Result;
use crate::graph::{Node, ValueId};
use crate::ops::{Cast, Concat, Narrow, Permute, Split};

impl Exporter<'_> {
    /// Elements along a dimension, from, to before, and every how many.
    pub(super) fn slice(&mut self, input: &str, dim: usize, [start, end, step]: [i64; 3]) -> Name {
        let (starts, ends, axes) = (self.to.row(&[start]), self.to.row(&[end]), self.to.row(&[dim as i64]));
        if step == 1 {
            return self.to.node("Slice", &[input, &starts, &ends, &axes], vec![]);
        }
        let steps = self.to.row(&[step]);
        self.to.node("Slice", &[input, &starts, &ends, &axes, &steps], vec![])
    }

    pub(super) fn narrow(&mut self, node: &Node, op: &Narrow) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        Ok(self.slice(&input, op.dim, [op.start as i64, (op.start + op.length) as i64, 1]))
    }

    pub(super) fn split(&mut self, node: &Node, op: &Split) -> Result<()> {
        let input = self.name(node.inputs[0])?;
        let parts = self.split_of(&input, op.dim, &op.sizes);
        node.outputs.iter().zip(parts).for_each(|(&value, name)| self.give(value, name));
        Ok(())
    }

    /// Parts of these lengths along a dimension.
    pub(super) fn split_of(&mut self, input: &str, dim: usize, sizes: &[usize]) -> Vec<Name> {
        let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
        let lengths = self.to.row(&sizes);
        self.to.node_of("Split", &[input, &lengths], &vec![true; sizes.len()], vec![int("axis", dim as i64)])
    }

    pub(super) fn concat(&mut self, node: &Node, op: &Concat) -> Result<Name> {
        let inputs = self.inputs(node)?;
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.to.node("Concat", &inputs, vec![int("axis", op.dim as i64)]))
    }

    pub(super) fn permute(&mut self, node: &Node, op: &Permute) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        Ok(self.transpose(&input, &op.dims))
    }

    /// Dimensions in another order.
    pub(super) fn transpose(&mut self, input: &str, dims: &[usize]) -> Name {
        self.to.node("Transpose", &[input], vec![ints("perm", dims.iter().copied())])
    }

    /// `source` with the shape of `value`.
    pub(super) fn reshape(&mut self, source: ValueId, value: ValueId) -> Result<Name> {
        let (input, target) = (self.name(source)?, self.target(value));
        Ok(self.to.node("Reshape", &[&input, &target], vec![]))
    }

    /// The same elements in these sizes, one of which may be -1.
    pub(super) fn reshaped(&mut self, input: &str, sizes: &[i64]) -> Name {
        let target = self.to.row(sizes);
        self.to.node("Reshape", &[input, &target], vec![])
    }

    pub(super) fn broadcast(&mut self, node: &Node) -> Result<Name> {
        let input = self.name(node.inputs[0])?;
        let sizes = self.sizes.of(node.outputs[0]).to_vec();
        Ok(self.expanded(&input, &sizes))
    }

    /// Repeated to these sizes.
    pub(super) fn expanded(&mut self, input: &str, sizes: &[Size]) -> Name {
        let target = self.shape_of(sizes);
        self.to.node("Expand", &[input, &target], vec![])
    }

    /// Numbers in another type. What becomes an index is at least 0.
    pub(super) fn cast(&mut self, node: &Node, op: &Cast) -> Result<Name> {
        let (mut input, from) = (self.name(node.inputs[0])?, self.dtype(node.inputs[0]));
        if op.to == DType::U32 && from.is_float() {
            let zero = self.to.number(from, 0.0);
            input = self.to.node("Max", &[&input, &zero], vec![]);
        }
        Ok(self.cast_to(&input, data_type(op.to)))
    }

    /// As elements of this type of the file.
    pub(super) fn cast_to(&mut self, input: &str, data_type: i32) -> Name {
        self.to.node("Cast", &[input], vec![int("to", i64::from(data_type))])
    }

    /// What is true as numbers, 1 or 0.
    pub(super) fn truth(&mut self, input: &str) -> Name {
        self.cast_to(input, FLOAT)
    }
}
