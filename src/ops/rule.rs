//! What every op says of itself.

use crate::dtype::DType;
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

    /// Which of its tensors may be stored as `f16`. All that follows of shapes follows from [`Rule::infer`], which is asked as
    /// if they were `f32`.
    fn halves(&self) -> Halves {
        Halves::All
    }

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

/// Which tensors of an op may be stored as `f16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halves {
    /// None.
    No,
    /// All that would be `f32`, together.
    All,
    /// The first so many inputs, together with the first so many outputs; all others are `f32` as they are.
    First(usize, usize),
    /// Any: the op says itself what follows.
    Any,
}

/// The types of an op's outputs where it may be one of `f16`, by the rule for `f32`.
pub(super) fn infer(rule: &impl Rule, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let halves = rule.halves();
    if halves == Halves::Any || inputs.iter().all(|ty| ty.dtype != DType::F16) {
        return rule.infer(inputs);
    }
    let of = |types: &[&TensorType]| types.iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(" and ");
    let (taken, given) = match halves {
        Halves::No | Halves::Any => (0, 0),
        Halves::All => (inputs.len(), usize::MAX),
        Halves::First(taken, given) => (taken.min(inputs.len()), given),
    };
    let (together, others) = inputs.split_at(taken);
    let single = others.iter().all(|ty| ty.dtype != DType::F16);
    let expected = if taken == 0 { "f32 inputs" } else { "f32 beside the inputs that may be f16" };
    Mismatch::check(single, expected, of(others))?;
    let alike = together.iter().all(|ty| ty.dtype != DType::F32);
    Mismatch::check(alike, "inputs of one type, f32 or f16", of(together))?;
    let single: Vec<TensorType> = inputs.iter().map(|ty| ty.single()).collect();
    let outputs = rule.infer(&single.iter().collect::<Vec<_>>()).map_err(|m| match halves {
        // It speaks of f32, which is what it was given.
        Halves::All => Mismatch::new(m.expected.replace("f32", "f16"), m.got.replace("f32", "f16")),
        Halves::No | Halves::Any | Halves::First(..) => m,
    })?;
    let stored = |(i, ty): (usize, TensorType)| if i < given { ty.stored_as(DType::F16) } else { ty };
    Ok(outputs.into_iter().enumerate().map(stored).collect())
}

/// Elements of the first of some tensors; 0 of none.
pub(super) fn elements(types: &[&TensorType]) -> u64 {
    types.first().map_or(0, |ty| ty.shape.elements() as u64)
}
