//! Which ops work row by row.

use super::Op;
use crate::tensor::TensorType;

impl Op {
    /// Whether every row of the outputs depends on the same row of every input alone.
    pub(crate) fn rowwise(&self, inputs: &[TensorType]) -> bool {
        let rows = |ty: &TensorType| ty.shape.first().copied();
        let same_rows = inputs.iter().all(|ty| rows(ty).is_some() && rows(ty) == rows(&inputs[0]));
        let inside = match self {
            Op::Unary(_) | Op::UnaryBackward(_) => true,
            Op::Binary(_) => inputs[0] == inputs[1],
            Op::MaxPool2d(_) | Op::MaxPool2dBackward { .. } => true,
            Op::AvgPool2d(_) | Op::AvgPool2dBackward { .. } => true,
            Op::Softmax(s) | Op::SoftmaxBackward(s) => s.dim > 0,
            Op::Argmax { dim } => *dim > 0,
            Op::CrossEntropy(_) | Op::CrossEntropyBackward(_) => true,
            Op::Input { .. } | Op::State { .. } | Op::Constant { .. } => false,
            // Their operands are no rows of a batch, or not all of them, or they change what a row is.
            Op::Conv2d(_) | Op::Conv2dBackwardInput { .. } | Op::Conv2dBackwardWeight { .. } => false,
            Op::MatMul(_) | Op::Reshape { .. } | Op::BroadcastTo { .. } | Op::Sum { .. } => false,
            Op::Concat { .. } | Op::Split { .. } | Op::Narrow { .. } | Op::NarrowBackward { .. } => false,
            Op::Permute { .. } | Op::Embedding | Op::EmbeddingBackward { .. } | Op::Where => false,
            Op::SequenceMask { .. } | Op::Recurrent(_) | Op::RecurrentBackward(_) => false,
            // Its random numbers are those of an element's place; and comparing indices is cheap.
            Op::Dropout(_) | Op::Equal => false,
            Op::Sgd(_) | Op::Adam(_) | Op::Increment => false,
        };
        same_rows && inside
    }
}
