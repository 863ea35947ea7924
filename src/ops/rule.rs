//! What every op says of itself.

use crate::error::Mismatch;
use crate::tensor::TensorType;

/// Shapes, costs and names of one op or, where its attributes choose a function, of one family of ops.
pub(crate) trait Rule: Sized {
    /// The name, PyTorch's where it has one; of a family, what its functions have in common.
    const NAME: &'static str;

    /// The name of this op of the family.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// The names of all ops of the family. Each has to have cases, fixtures and a gradient check.
    fn names() -> Vec<&'static str> {
        vec![Self::NAME]
    }

    /// The attributes as text, empty when there are none.
    fn attributes(&self) -> String {
        String::new()
    }

    /// The types of the outputs, or why the inputs are refused.
    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch>;

    /// Floating-point operations: a multiply-add is two, anything else is one an element touched.
    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64;

    /// As `flops`, without those of taps that lie in the padding; `None` where there is no padding.
    fn valid_flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> Option<u64> {
        None
    }

    /// Whether every row of the outputs depends on the same row of every input alone, of inputs with as many rows.
    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        false
    }

    /// Whether it updates its inputs where they lie.
    fn updates_inputs(&self) -> bool {
        false
    }

    /// What the indices that the op reads must be, in words; `None` for an op that reads none.
    fn index_range(&self, _inputs: &[&TensorType]) -> Option<String> {
        None
    }
}

/// Elements of the first of some tensors; 0 of none.
pub(super) fn elements(types: &[&TensorType]) -> u64 {
    types.first().map_or(0, |ty| ty.shape.elements() as u64)
}
