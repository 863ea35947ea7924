//! The symbolic tensor: a handle to a value of a graph, with the ops as methods.

use super::{Graph, ValueId};
use crate::error::Result;
use crate::ops::{Binary, Equal, Op, Unary};
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

    /// Its place in the graph.
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

    /// An element-wise function of one tensor.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn unary(&self, function: Unary) -> Result<Tensor> {
        self.one(Op::Unary(function), &[self])
    }

    /// `max(x, 0)`; its derivative at 0 is 0.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn relu(&self) -> Result<Tensor> {
        self.unary(Unary::Relu)
    }

    /// `x` where `x > 0`, else `negative_slope * x` (PyTorch's default slope is 0.01).
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn leaky_relu(&self, negative_slope: f32) -> Result<Tensor> {
        self.unary(Unary::LeakyRelu { negative_slope })
    }

    /// `x` where `x > 0`, else `alpha * (exp(x) - 1)` (PyTorch's default alpha is 1).
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn elu(&self, alpha: f32) -> Result<Tensor> {
        self.unary(Unary::Elu { alpha })
    }

    /// `x * Phi(x)` with the normal distribution's cumulative function, through `erf`.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn gelu(&self) -> Result<Tensor> {
        self.unary(Unary::Gelu)
    }

    /// The `tanh` approximation of GELU.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn gelu_tanh(&self) -> Result<Tensor> {
        self.unary(Unary::GeluTanh)
    }

    /// `1 / (1 + exp(-x))`.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn sigmoid(&self) -> Result<Tensor> {
        self.unary(Unary::Sigmoid)
    }

    /// The hyperbolic tangent.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn tanh(&self) -> Result<Tensor> {
        self.unary(Unary::Tanh)
    }

    /// `factor * x`.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn scale(&self, factor: f32) -> Result<Tensor> {
        self.unary(Unary::Scale { factor })
    }

    /// The square root.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn sqrt(&self) -> Result<Tensor> {
        self.unary(Unary::Sqrt)
    }

    /// `min(x, max)`; the derivative at `max` is 1, as PyTorch's.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    #[doc(alias = "clamp")]
    pub fn clamp_max(&self, max: f32) -> Result<Tensor> {
        self.unary(Unary::ClampMax { max })
    }

    /// `self + other`, broadcast by NumPy's rule.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Op::Binary(Binary::Add), &[self, other])
    }

    /// `self - other`, broadcast by NumPy's rule.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn sub(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Op::Binary(Binary::Sub), &[self, other])
    }

    /// `self * other`, broadcast by NumPy's rule.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn mul(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Op::Binary(Binary::Mul), &[self, other])
    }

    /// `self / other`, broadcast by NumPy's rule.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn div(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Op::Binary(Binary::Div), &[self, other])
    }

    /// 1 where two `u32` tensors of one shape agree, else 0.
    ///
    /// # Errors
    /// When the shapes differ or an operand is not `u32`.
    pub fn equal(&self, other: &Tensor) -> Result<Tensor> {
        self.one(Equal, &[self, other])
    }
}
