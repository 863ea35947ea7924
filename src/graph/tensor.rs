//! The symbolic tensor: a handle to a value of a graph, with the ops as methods.

use super::{Graph, ValueId};
use crate::error::Result;
use crate::functions::{Elementwise, Function};
use crate::ops::{Equal, Op};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// A value of a [`Graph`]; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub(crate) graph: Graph,
    pub(crate) value: ValueId,
}

impl Tensor {
    /// The graph it belongs to.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The id of the value in the graph.
    pub fn id(&self) -> ValueId {
        self.value
    }

    /// Shape and element type.
    pub fn ty(&self) -> TensorType {
        self.graph.with(|data| data.ty(self.value).clone())
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> Shape {
        self.ty().shape
    }

    /// The name of the input, parameter or state this is, if it is one.
    pub fn name(&self) -> Option<String> {
        self.graph.with(|data| data.producer(self.value).op.leaf_name().map(str::to_owned))
    }

    /// The gradient of this scalar with respect to each of `wrt`.
    ///
    /// # Errors
    /// As [`super::gradients`].
    pub fn gradients(&self, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
        super::gradients(self, wrt)
    }

    /// The gradient of `sum(self * grad_output)` with respect to each of `wrt`.
    ///
    /// # Errors
    /// As [`super::gradients_from`].
    pub fn gradients_from(&self, grad_output: &Tensor, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
        super::gradients_from(self, grad_output, wrt)
    }

    pub(super) fn one(&self, op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Tensor> {
        self.graph.apply(op, inputs).map(|mut out| out.remove(0))
    }

    /// An element-wise function of this and `others`, broadcast by NumPy's rule: see [`crate::functions`], whose functions
    /// are methods too.
    ///
    /// # Errors
    /// When an operand is not `f32`, there are too few or too many, shapes do not broadcast, or a parameter is out of its
    /// range.
    pub fn elementwise(&self, function: Elementwise, others: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = std::iter::once(self).chain(others.iter().copied()).collect();
        self.one(function, &inputs)
    }

    /// A function of one tensor with these parameters, such as one of your own ([`Function::build`]); missing parameters
    /// have their defaults.
    ///
    /// # Errors
    /// When the tensor is not `f32`, the function has more operands, or a parameter is out of its range.
    pub fn apply_function(&self, function: &Function, parameters: &[f32]) -> Result<Tensor> {
        self.elementwise(function.with(parameters)?, &[])
    }

    /// 1 where two `u32` tensors of one shape agree, else 0.
    ///
    /// # Errors
    /// When the shapes differ or an operand is not `u32`.
    pub fn equal(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Equal, &[self, other])
    }
}
