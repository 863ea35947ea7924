//! The symbolic tensor: a handle to a value of a graph, with the ops as methods.

use super::{Graph, ValueId};
use crate::error::Result;
use crate::functions::Function;
use crate::ops::{
    AvgPool2d, Conv2d, CrossEntropy, Elementwise, MaxPool2d, Op, Reduction, Softmax, conv2d, copy,
    cross_entropy, dropout, matmul, reshape, select, softmax, sum,
};
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

    fn one(&self, op: Op, inputs: &[&Tensor]) -> Result<Tensor> {
        self.graph.apply(op, inputs).map(|mut out| out.remove(0))
    }

    /// Cross-correlation of `self (N, C, H, W)` with `weight (K, C / groups, R, S)`, plus `bias (K)`:
    /// `(N, K, OH, OW)`. What the field calls convolution: the kernel is not flipped.
    ///
    /// # Errors
    /// When the shapes do not fit.
    #[doc(alias = "convolution")]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: Conv2d) -> Result<Tensor> {
        conv2d::build(self, weight, bias, options)
    }

    /// The maximum over each window of `self (N, C, H, W)`; ties take the first tap.
    ///
    /// # Errors
    /// When a window has no tap inside the input.
    pub fn max_pool2d(&self, options: MaxPool2d) -> Result<Tensor> {
        self.one(Op::MaxPool2d(options), &[self])
    }

    /// The maximum over each window and the index `h * W + w` it came from.
    ///
    /// # Errors
    /// As [`Tensor::max_pool2d`].
    pub fn max_pool2d_with_indices(&self, options: MaxPool2d) -> Result<(Tensor, Tensor)> {
        let mut outputs = self.graph.apply(Op::MaxPool2d(options), &[self])?;
        let indices = outputs.remove(1);
        Ok((outputs.remove(0), indices))
    }

    /// The mean over each window of `self (N, C, H, W)`.
    ///
    /// # Errors
    /// When the window does not fit.
    pub fn avg_pool2d(&self, options: AvgPool2d) -> Result<Tensor> {
        self.one(Op::AvgPool2d(options), &[self])
    }

    /// An element-wise function of this and `others`, broadcast by NumPy's rule: see [`crate::functions`], whose functions
    /// are methods too.
    ///
    /// # Errors
    /// When an operand is not `f32`, there are too few or too many, shapes do not broadcast, or a parameter is out of its
    /// range.
    pub fn elementwise(&self, function: Elementwise, others: &[&Tensor]) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = std::iter::once(self).chain(others.iter().copied()).collect();
        self.one(Op::Elementwise(function), &inputs)
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
        self.one(Op::Equal, &[self, other])
    }

    /// The matrix product `(.., M, K) x (.., K, N)`; leading dimensions broadcast as in PyTorch.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        matmul::build(self, other)
    }

    /// `self (.., in) x weight (out, in)^T + bias (out)`: `(.., out)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        matmul::build_linear(self, weight, bias)
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        self.one(Op::Reshape { shape: shape.into() }, &[self])
    }

    /// All dimensions from `start_dim` on as one; `flatten(1)` keeps the batch.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn flatten(&self, start_dim: usize) -> Result<Tensor> {
        reshape::flatten(self, start_dim)
    }

    /// Tensors one after the other along `dim`.
    ///
    /// # Errors
    /// When there are none or they differ in another dimension.
    #[doc(alias = "cat")]
    pub fn concat(tensors: &[&Tensor], dim: usize) -> Result<Tensor> {
        copy::concat(tensors, dim)
    }

    /// Tensors of one shape side by side along a new dimension `dim`.
    ///
    /// # Errors
    /// When there are none, their shapes differ, or `dim` is above their rank.
    pub fn stack(tensors: &[Tensor], dim: usize) -> Result<Tensor> {
        copy::stack(tensors, dim)
    }

    /// Runs of these sizes along `dim`.
    ///
    /// # Errors
    /// When the sizes do not add up to the dimension.
    pub fn split(&self, dim: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
        self.graph.apply(Op::Split { dim, sizes: sizes.to_vec() }, &[self])
    }

    /// The slices along `dim`, which is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn unbind(&self, dim: usize) -> Result<Vec<Tensor>> {
        copy::unbind(self, dim)
    }

    /// `length` positions along `dim`, from `start` on.
    ///
    /// # Errors
    /// When the range is empty or leaves the dimension.
    #[doc(alias = "slice")]
    pub fn narrow(&self, dim: usize, start: usize, length: usize) -> Result<Tensor> {
        self.one(Op::Narrow { dim, start, length }, &[self])
    }

    /// The dimensions in another order: dimension `i` of the result is `dims[i]` of this.
    ///
    /// # Errors
    /// When `dims` is no permutation of the dimensions.
    pub fn permute(&self, dims: &[usize]) -> Result<Tensor> {
        self.one(Op::Permute { dims: dims.to_vec() }, &[self])
    }

    /// Two dimensions exchanged.
    ///
    /// # Errors
    /// When one does not exist.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Tensor> {
        copy::transpose(self, a, b)
    }

    /// The rows of this table `(num_embeddings, embedding_dim)` at `indices (..)`: `(.., embedding_dim)`. An
    /// index that the table lacks gives zeros.
    ///
    /// # Errors
    /// When this is no table or the indices are not `u32`.
    pub fn embedding(&self, indices: &Tensor) -> Result<Tensor> {
        self.one(Op::Embedding, &[self, indices])
    }

    /// `a` where this is not 0, else `b`, all broadcast.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[doc(alias = "where")]
    pub fn select(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        select::build(self, a, b)
    }

    /// For lengths `(B)`, `u32`: `(max_length, B)` with 1 where the step lies within the sequence, else 0.
    ///
    /// # Errors
    /// When this is not `u32` of one dimension.
    pub fn sequence_mask(&self, max_length: usize) -> Result<Tensor> {
        self.one(Op::SequenceMask { max_length }, &[self])
    }

    /// In training, zero with probability `p`, else `x / (1 - p)`, drawn anew each run from the stream `seed`;
    /// in an evaluation graph the tensor itself.
    ///
    /// # Errors
    /// When `p` is not from 0 to below 1.
    pub fn dropout(&self, p: f32, seed: u32) -> Result<Tensor> {
        dropout::build(self, p, seed)
    }

    /// Repeats the elements along stretched and new leading dimensions.
    ///
    /// # Errors
    /// When the shape does not broadcast to `shape`.
    #[doc(alias = "expand")]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if self.shape() == shape {
            return Ok(self.clone());
        }
        self.one(Op::BroadcastTo { shape }, &[self])
    }

    /// The sum over `dims`; with `keepdim` they stay with size 1.
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn sum(&self, dims: &[usize], keepdim: bool) -> Result<Tensor> {
        sum::build(self, dims, keepdim)
    }

    /// The mean of all elements, a scalar.
    ///
    /// # Errors
    /// When the tensor is not `f32`.
    pub fn mean(&self) -> Result<Tensor> {
        let shape = self.shape();
        let dims: Vec<usize> = (0..shape.len()).collect();
        // A division: the reciprocal of the count would be rounded once more.
        self.sum(&dims, false)?.div(&self.graph.scalar(shape.elements() as f32)?)
    }

    /// `exp(x) / sum(exp(x))` along `dim`.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn softmax(&self, dim: usize) -> Result<Tensor> {
        softmax::build(self, Softmax { dim, log: false })
    }

    /// `x - log(sum(exp(x)))` along `dim`.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn log_softmax(&self, dim: usize) -> Result<Tensor> {
        softmax::build(self, Softmax { dim, log: true })
    }

    /// The index of the largest element along `dim`, the first of equals; the dimension is dropped.
    ///
    /// # Errors
    /// When there is no such dimension.
    pub fn argmax(&self, dim: usize) -> Result<Tensor> {
        self.one(Op::Argmax { dim }, &[self])
    }

    /// The cross entropy of logits `self (N, C, ..)` with class indices `target (N, ..)`, reduced to a
    /// scalar or left as `(N, ..)`.
    ///
    /// # Errors
    /// When the shapes do not fit or an option is out of range.
    pub fn cross_entropy(
        &self,
        target: &Tensor,
        options: CrossEntropy,
        reduction: Reduction,
    ) -> Result<Tensor> {
        cross_entropy::build(self, target, options, reduction)
    }
}
