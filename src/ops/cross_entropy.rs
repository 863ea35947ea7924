//! cross_entropy of logits `(N, C, ..)` with class indices `(N, ..)`, row by row:
//! `log(sum(exp(x))) - (1 - e) x[target] - e / C sum(x)` with label smoothing `e`.
//!
//! What the backward pass reads is the row's maximum `m` and `log_sum = log(sum(exp(x - m)))`, two numbers: their sum
//! would lose the logarithm where logits are large. A logit of -inf that is not the target's has probability 0.
//!
//! Targets are `u32`; the graph cannot see their values. One outside `0..C` that is not `ignore_index` matches no class,
//! and the next run or read of the program fails, naming the row: see [`Op::index_range`]. In a row that is ignored the
//! gradient is 0 whatever its logits are (PyTorch's is NaN where they are).

use super::{Rule, count, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;
use std::fmt;

/// The attributes of a cross entropy, with PyTorch's names and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CrossEntropy {
    /// Rows with this target count neither in the loss nor in the mean; none.
    pub ignore_index: Option<u32>,
    /// The fraction of the target distributed over all classes, 0 to 1; 0.
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

/// The type of what is saved: two numbers a row.
fn saved(rows: &TensorType) -> TensorType {
    let dims = rows.shape.iter().copied().chain([2]);
    TensorType::f32(dims.collect::<Vec<_>>())
}

/// The type of one number a row.
fn rows(options: &CrossEntropy, logits: &TensorType) -> Result<TensorType, Mismatch> {
    let e = options.label_smoothing;
    Mismatch::check((0.0..=1.0).contains(&e), "label_smoothing of 0 to 1", e.to_string())?;
    f32s::<1>(&[logits])?;
    Mismatch::check(logits.shape.len() >= 2, "logits (N, C, ..)", logits.to_string())?;
    logits.shape.axis(1)?;
    let mut dims = logits.shape.to_vec();
    dims.remove(1);
    Ok(TensorType::f32(dims))
}

impl Rule for CrossEntropy {
    const NAME: &'static str = "cross_entropy";

    fn attributes(&self) -> String {
        self.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [logits, target] = count(inputs)?;
        let rows = rows(self, logits)?;
        same("target", &TensorType { dtype: DType::U32, ..rows.clone() }, target)?;
        Ok(vec![rows.clone(), saved(&rows), rows])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }

    fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        let below = format!("targets below {}", inputs[0].shape.get(1)?);
        Some(match self.ignore_index {
            Some(ignored) => format!("{below} or {ignored}, which is ignored"),
            None => below,
        })
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}

/// `grad_loss (N, ..), logits, target, saved` to `grad_logits`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossEntropyBackward(pub CrossEntropy);

impl Rule for CrossEntropyBackward {
    const NAME: &'static str = "cross_entropy_backward";

    fn attributes(&self) -> String {
        self.0.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, logits, target, kept] = count(inputs)?;
        let rows = rows(&self.0, logits)?;
        same("grad_loss", &rows, grad)?;
        same("saved", &saved(&rows), kept)?;
        same("target", &TensorType { dtype: DType::U32, ..rows }, target)?;
        Ok(vec![logits.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        4 * elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
