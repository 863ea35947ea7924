//! Gradients of the ops as new nodes, and the ops as methods of [`Tensor`](super::Tensor), one file a family.

mod axis_map;
mod cast;
mod conv2d;
mod convolutions;
mod copy;
mod ctc_loss;
mod custom;
mod dropout;
mod elementwise;
mod embedding;
mod fractional_max_pool2d;
mod gather;
mod grid_sample;
mod images;
mod losses;
mod margins;
mod matmul;
mod norm;
mod pool2d;
mod pools;
mod products;
mod recurrent;
mod reduce;
mod reshape;
mod slicing;
mod softmax;
mod sum;
mod windows;

pub(crate) use dropout::Dropped;
pub use norm::RunningStatistics;

use super::{Flow, Tensor};
use crate::error::{Error, Mismatch, Result};
use crate::ops::*;
use crate::{Dim, Dims};

impl Tensor {
    /// An error of a method that builds nodes, with the label they would have.
    fn refused(&self, op: &str) -> impl FnOnce(Mismatch) -> Error {
        move |mismatch| Error::op(op, &self.graph.label(), mismatch)
    }

    /// The position of a dimension, which `op` is asked to work along.
    fn dim(&self, op: &str, dim: impl Into<Dim>) -> Result<usize> {
        dim.into().of(self.shape().len()).map_err(self.refused(op))
    }

    /// The positions of dimensions, ascending.
    fn dims(&self, op: &str, dims: impl Into<Dims>) -> Result<Vec<usize>> {
        dims.into().of(self.shape().len()).map_err(self.refused(op))
    }

    /// What `op` gives along a dimension and drops none; a scalar is taken for one of a dimension.
    fn along(
        &self,
        op: &str,
        dim: impl Into<Dim>,
        apply: impl FnOnce(&Tensor, usize) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let dim = self.dim(op, dim)?;
        if self.shape().is_empty() { apply(&self.reshape([1])?, dim)?.reshape([]) } else { apply(self, dim) }
    }
}

/// The gradients of an op's inputs.
trait Differentiate {
    /// Those that are wanted, as new nodes.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>>;
}

macro_rules! dispatch {
    ($($op:ident),* $(,)?) => {
        impl Op {
            /// The gradients of the inputs that need one, as new nodes.
            pub(super) fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
                match self {
                    $(Op::$op(op) => op.gradient(flow),)*
                }
            }
        }
    };
}

for_each_op!(dispatch);

/// Ops whose gradient is 0 wherever it exists, or that have no inputs.
macro_rules! without_slope {
    ($($op:ident),* $(,)?) => {
        $(impl Differentiate for $op {
            fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
                Ok(vec![None; flow.inputs.len()])
            }
        })*
    };
}

without_slope!(Input, State, Constant, Table, Equal, Argmax, Argsort, SequenceMask, Increment);

/// What has no gradient is refused where one is wanted.
fn no_gradient(name: &str, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    if !flow.wanted.contains(&true) {
        return Ok(vec![None; flow.inputs.len()]);
    }
    let mismatch = Mismatch::new("an op with a gradient", format!("a derivative of {name}, which has none"));
    Err(Error::op("gradient", name, mismatch))
}

/// Ops that have no gradient: asking for one is an error.
macro_rules! without_gradient {
    ($($op:ident),* $(,)?) => {
        $(impl Differentiate for $op {
            fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
                no_gradient(self.name(), flow)
            }
        })*
    };
}

without_gradient!(
    MaxPool2dBackward,
    NormStatistics,
    NormSums,
    NormBackward,
    SoftmaxBackward,
    CrossEntropyBackward,
    NllLossBackward,
    CtcLossBackward,
    GridSampleBackwardInput,
    GridSampleBackwardGrid,
    ReduceBackward,
    RecurrentBackward,
    OptimizerStep,
);

/// That something is refused in these words, the first of which begin what is said.
#[cfg(test)]
fn must_refuse<T: std::fmt::Debug>(refused: crate::error::Result<T>, words: &[&str]) {
    let error = refused.expect_err(words[0]).to_string();
    let named = error.starts_with(words[0]) && words.iter().all(|word| error.contains(word));
    assert!(named, "{words:?}: {error}");
}
