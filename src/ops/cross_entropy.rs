//! cross_entropy of logits `(N, C, ..)` with class indices `(N, ..)`, row by row:
//! `log(sum(exp(x))) - (1 - e) x[target] - e / C sum(x)` with label smoothing `e`.
//!
//! What the backward pass reads is the row's maximum `m` and `log_sum = log(sum(exp(x - m)))`, two numbers: their sum
//! would lose the logarithm where logits are large. A logit of -inf that is not the target's has probability 0.
//!
//! Targets are `u32`; the graph cannot see their values. One outside `0..C` that is not `ignore_index` matches no class,
//! and the next run or read of the program fails, naming the row: see [`Op::index_range`]. In a row that is ignored the
//! gradient is 0 whatever its logits are (PyTorch's is NaN where they are).

use super::{Op, count, f32s, same, softmax::axis};
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a cross entropy, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CrossEntropy {
    /// Rows with this target count neither in the loss nor in the mean; none.
    pub ignore_index: Option<u32>,
    /// The share of the target spread over all classes, 0 to 1; 0.
    pub label_smoothing: f32,
}

/// How the losses of the rows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// Their mean over the rows that count.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Not at all.
    None,
}

impl fmt::Display for CrossEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ignore_index {
            Some(index) => write!(f, "label_smoothing {} ignore_index {index}", self.label_smoothing),
            None => write!(f, "label_smoothing {}", self.label_smoothing),
        }
    }
}

pub(crate) fn build(
    logits: &Tensor,
    target: &Tensor,
    options: CrossEntropy,
    reduction: Reduction,
) -> Result<Tensor> {
    let outputs = logits.graph().apply(Op::CrossEntropy(options), &[logits, target])?;
    let [rows, _, counted] = &outputs[..] else {
        let got = format!("{} outputs", outputs.len());
        return Err(Error::op("cross_entropy", "", Mismatch::new("3 outputs", got)));
    };
    let all: Vec<usize> = (0..rows.shape().len()).collect();
    match (reduction, options.ignore_index) {
        (Reduction::None, _) => Ok(rows.clone()),
        (Reduction::Sum, _) => rows.sum(&all, false),
        (Reduction::Mean, None) => rows.mean(),
        (Reduction::Mean, Some(_)) => rows.sum(&all, false)?.div(&counted.sum(&all, false)?),
    }
}

/// The type of what is saved: two numbers a row.
fn saved(rows: &TensorType) -> TensorType {
    let dims = rows.shape.iter().copied().chain([2]);
    TensorType::f32(dims.collect::<Vec<_>>())
}

/// What targets must be.
pub(super) fn index_range(options: &CrossEntropy, inputs: &[&TensorType]) -> Option<String> {
    let below = format!("targets below {}", inputs[0].shape.get(1)?);
    Some(match options.ignore_index {
        Some(ignored) => format!("{below} or {ignored}, which is ignored"),
        None => below,
    })
}

/// The type of one number a row.
fn rows(options: &CrossEntropy, logits: &TensorType) -> Result<TensorType, Mismatch> {
    let e = options.label_smoothing;
    Mismatch::check((0.0..=1.0).contains(&e), "label_smoothing of 0 to 1", e.to_string())?;
    f32s::<1>(&[logits])?;
    Mismatch::check(logits.shape.len() >= 2, "logits (N, C, ..)", logits.to_string())?;
    axis(&logits.shape, 1)?;
    let mut dims = logits.shape.to_vec();
    dims.remove(1);
    Ok(TensorType::f32(dims))
}

pub(super) fn infer(options: &CrossEntropy, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let [logits, target] = count(inputs)?;
    let rows = rows(options, logits)?;
    same("target", &TensorType { dtype: DType::U32, ..rows.clone() }, target)?;
    Ok(vec![rows.clone(), saved(&rows), rows])
}

pub(super) fn infer_backward(
    options: &CrossEntropy,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let [grad, logits, target, kept] = count(inputs)?;
    let rows = rows(options, logits)?;
    same("grad_loss", &rows, grad)?;
    same("saved", &saved(&rows), kept)?;
    same("target", &TensorType { dtype: DType::U32, ..rows }, target)?;
    Ok(vec![logits.clone()])
}

/// `grad * (softmax(x) - (1 - e) onehot(target) - e / C)`, 0 in ignored rows.
pub(super) fn gradient(options: &CrossEntropy, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let grad = flow.grad("cross_entropy")?;
    let rule = || {
        let inputs = [grad, &flow.inputs[0], &flow.inputs[1], &flow.outputs[1]];
        grad.graph().apply(Op::CrossEntropyBackward(*options), &inputs).map(|mut out| out.remove(0))
    };
    Ok(vec![flow.wants(0, rule)?, None])
}
