//! Elements by index along a dimension, their sums and the last of them by index, and the order of elements along a dimension.
//!
//! Indices are `u32`; the graph cannot see their values. One beyond the dimension gives 0 where it is looked up and is left
//! out where it is added, and the next run or read of the program fails, naming its position: see
//! [`Op::index_range`](super::Op::index_range).

use super::{Rule, count, elements, f32s, only_f32};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// Whether an index has other sizes than what it points into, but for those of dimension `dim`.
fn differs(of: &TensorType, index: &TensorType, dim: usize) -> bool {
    let (of, index) = (&of.shape, &index.shape);
    of.len() != index.len() || (0..of.len()).any(|d| d != dim && of[d] != index[d])
}

/// `input, index` of one shape but for dimension `dim` to `output[o,l,i] = input[o, index[o,l,i], i]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gather {
    /// The dimension.
    pub dim: usize,
}

impl Rule for Gather {
    const NAME: &'static str = "gather";

    fn attributes(&self) -> String {
        format!("dim {}", self.dim)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input, index] = count(inputs)?;
        f32s::<1>(&[input])?;
        input.shape.axis(self.dim)?;
        let fits = index.dtype == DType::U32 && !differs(input, index, self.dim);
        let expected = format!("a u32 index of {} but for dimension {}", input.shape, self.dim);
        Mismatch::check(fits, expected, index.to_string())?;
        Ok(vec![TensorType::f32(index.shape.clone())])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }

    fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        inputs[0].shape.get(self.dim).map(|size| format!("indices below {size}"))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}

/// What a source `(O, L, I)` and an index of one shape give along a dimension: `(O, size, I)`.
fn by_index(inputs: &[&TensorType], dim: usize, size: usize) -> Result<Vec<TensorType>, Mismatch> {
    let [source, index] = count(inputs)?;
    f32s::<1>(&[source])?;
    source.shape.axis(dim)?;
    let fits = index.dtype == DType::U32 && index.shape == source.shape;
    Mismatch::check(fits, format!("a u32 index of {}", source.shape), index.to_string())?;
    Mismatch::check(size > 0, "a size of 1 at least", size.to_string())?;
    let mut shape = source.shape.to_vec();
    if let Some(along) = shape.get_mut(dim) {
        *along = size;
    }
    Ok(vec![TensorType::f32(shape)])
}

/// `source, index` of one shape to `output[o,j,i]`, the last `source[o,l,i]` in the order of `l` where `index[o,l,i]` is `j`,
/// or 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scatter {
    /// The dimension.
    pub dim: usize,
    /// Its size in the result.
    pub size: usize,
}

impl Rule for Scatter {
    const NAME: &'static str = "scatter";

    fn attributes(&self) -> String {
        format!("dim {} size {}", self.dim, self.size)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        by_index(inputs, self.dim, self.size)
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }

    fn index_range(&self, _inputs: &[&TensorType]) -> Option<String> {
        Some(format!("indices below {}", self.size))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}

/// `source, index` of one shape to `output[o,j,i]`, the sum of `source[o,l,i]` where `index[o,l,i]` is `j`, in the order of
/// `l`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScatterAdd {
    /// The dimension.
    pub dim: usize,
    /// Its size in the result.
    pub size: usize,
}

impl Rule for ScatterAdd {
    const NAME: &'static str = "scatter_add";

    fn attributes(&self) -> String {
        format!("dim {} size {}", self.dim, self.size)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        by_index(inputs, self.dim, self.size)
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        elements(inputs)
    }

    fn index_range(&self, _inputs: &[&TensorType]) -> Option<String> {
        Some(format!("indices below {}", self.size))
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}

/// The positions along a dimension of its first `k` elements in order, equal ones in the order in which they lie. NaN is larger
/// than all numbers, -0 is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Argsort {
    /// The dimension.
    pub dim: usize,
    /// The largest first.
    pub descending: bool,
    /// How many are kept.
    pub k: usize,
}

/// Elements along a dimension that can be sorted.
const MOST: usize = 1024;

impl Rule for Argsort {
    const NAME: &'static str = "argsort";

    fn attributes(&self) -> String {
        format!("dim {} descending {} k {}", self.dim, self.descending, self.k)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let input = only_f32(inputs)?;
        let [_, length, _] = input.shape.axis(self.dim)?;
        Mismatch::check(length <= MOST, format!("at most {MOST} elements to sort"), length.to_string())?;
        let within = (1..=length).contains(&self.k);
        Mismatch::check(within, format!("k from 1 to {length}"), self.k.to_string())?;
        let mut shape = input.shape.to_vec();
        shape[self.dim] = self.k;
        Ok(vec![TensorType::u32(shape)])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        let length = inputs[0].shape.get(self.dim).copied().unwrap_or(1);
        elements(inputs) * u64::from(length.max(2).ilog2())
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        self.dim > 0
    }
}
