//! concat, split, narrow and permute: the same elements at other positions.

use super::{Rule, count, only_f32, same};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// `shape` with `size` at `dim`.
fn resized(shape: &Shape, dim: usize, size: usize) -> Shape {
    let mut dims = shape.to_vec();
    dims[dim] = size;
    dims.into()
}

/// Inputs one after the other along a dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concat {
    /// The dimension.
    pub dim: usize,
}

impl Rule for Concat {
    const NAME: &'static str = "concat";

    fn attributes(&self) -> String {
        format!("dim {}", self.dim)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let Some(&first) = inputs.first() else { return Err(Mismatch::new("at least one input", "none")) };
        first.shape.axis(self.dim)?;
        let mut total = 0usize;
        for input in inputs {
            let fits = input.dtype == first.dtype
                && input.shape.len() == first.shape.len()
                && resized(&input.shape, self.dim, 1) == resized(&first.shape, self.dim, 1);
            Mismatch::check(
                fits,
                format!("inputs that agree with {first} but for dim {}", self.dim),
                input.to_string(),
            )?;
            total = total.saturating_add(input.shape[self.dim]);
        }
        Ok(vec![TensorType { shape: resized(&first.shape, self.dim, total), dtype: first.dtype }])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// Runs along a dimension, an output each.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The dimension.
    pub dim: usize,
    /// Their lengths.
    pub sizes: Vec<usize>,
}

impl Rule for Split {
    const NAME: &'static str = "split";

    fn attributes(&self) -> String {
        format!("dim {} sizes {:?}", self.dim, self.sizes)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        let [_, length, _] = input.shape.axis(self.dim)?;
        let total = self.sizes.iter().fold(0usize, |sum, &size| sum.saturating_add(size));
        Mismatch::check(
            total == length && !self.sizes.contains(&0),
            format!("sizes above 0 that add up to {length}"),
            format!("{:?}", self.sizes),
        )?;
        let part =
            |&size: &usize| TensorType { shape: resized(&input.shape, self.dim, size), dtype: input.dtype };
        Ok(self.sizes.iter().map(part).collect())
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// That `start..start + length` lies within dimension `dim`.
fn check_range(shape: &Shape, dim: usize, start: usize, length: usize) -> Result<(), Mismatch> {
    let [_, size, _] = shape.axis(dim)?;
    let inside = length > 0 && start.saturating_add(length) <= size;
    let got = format!("{length} from {start} on");
    Mismatch::check(inside, format!("a range of at least 1 within {size} along dim {dim}"), got)
}

/// A run along a dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Narrow {
    /// The dimension.
    pub dim: usize,
    /// Where it begins.
    pub start: usize,
    /// Its length.
    pub length: usize,
}

impl Rule for Narrow {
    const NAME: &'static str = "narrow";

    fn attributes(&self) -> String {
        format!("dim {} start {} length {}", self.dim, self.start, self.length)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        check_range(&input.shape, self.dim, self.start, self.length)?;
        Ok(vec![TensorType { shape: resized(&input.shape, self.dim, self.length), dtype: input.dtype }])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// `grad_output` to `grad_input`, zero outside the run.
#[derive(Debug, Clone, PartialEq)]
pub struct NarrowBackward {
    /// The dimension.
    pub dim: usize,
    /// Where the run begins.
    pub start: usize,
    /// The forward op's input shape.
    pub input: Shape,
}

impl Rule for NarrowBackward {
    const NAME: &'static str = "narrow_backward";

    fn attributes(&self) -> String {
        format!("dim {} start {}", self.dim, self.start)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let grad = only_f32(inputs)?;
        grad.shape.axis(self.dim)?;
        check_range(&self.input, self.dim, self.start, grad.shape[self.dim])?;
        same("grad_output", &TensorType::f32(resized(&self.input, self.dim, grad.shape[self.dim])), grad)?;
        Ok(vec![TensorType::f32(self.input.clone())])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// The dimensions in another order.
#[derive(Debug, Clone, PartialEq)]
pub struct Permute {
    /// For each dimension of the output the input's.
    pub dims: Vec<usize>,
}

impl Rule for Permute {
    const NAME: &'static str = "permute";

    fn attributes(&self) -> String {
        format!("dims {:?}", self.dims)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [input] = count(inputs)?;
        let rank = input.shape.len();
        let mut sorted = self.dims.to_vec();
        sorted.sort_unstable();
        let valid = sorted == (0..rank).collect::<Vec<_>>();
        Mismatch::check(
            valid,
            format!("each dimension below the rank {rank} once"),
            format!("{:?}", self.dims),
        )?;
        let shape: Vec<usize> = self.dims.iter().map(|&d| input.shape[d]).collect();
        Ok(vec![TensorType { shape: shape.into(), dtype: input.dtype }])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}
