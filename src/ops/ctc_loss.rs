//! The connectionist temporal classification loss (Graves and others, 2006), in log space.
//!
//! With the labels of a sample interleaved with blanks as `blank, l1, blank, l2, .., blank`, `alpha[t][s]` is the logarithm of the
//! probability of all ways to have come to state `s` after step `t`. A state follows from itself, from the one before, and,
//! where its label is neither a blank nor that of two before, from that one.

use super::{Rule, count, elements, f32s, same};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// `log_probs (T, N, C)`, labels `targets (N, S)`, `input_lengths (N)` and `target_lengths (N)`, all three `u32`, to losses
/// `(N)`,
/// `alpha (N, T, 2 S + 1)`, and for the mean the target lengths, at least 1, as numbers `(N)`. States behind the end of a
/// sample and steps behind it are -inf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CtcLoss {
    /// The class of no label; 0.
    pub blank: u32,
    /// Whether a sample whose labels do not fit into its steps has loss and gradient 0, not infinity and NaN; false.
    pub zero_infinity: bool,
}

/// The sizes of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CtcSizes {
    /// T.
    pub(crate) steps: usize,
    /// N.
    pub(crate) batch: usize,
    /// C.
    pub(crate) classes: usize,
    /// S.
    pub(crate) labels: usize,
}

impl CtcSizes {
    /// `2 S + 1`.
    pub(crate) fn states(&self) -> usize {
        self.labels.saturating_mul(2).saturating_add(1)
    }

    fn alpha(&self) -> TensorType {
        TensorType::f32([self.batch, self.steps, self.states()])
    }
}

impl CtcLoss {
    /// The sizes of `log_probs, targets, input_lengths, target_lengths`, if they fit.
    pub(crate) fn sizes(&self, inputs: [&TensorType; 4]) -> Result<CtcSizes, Mismatch> {
        let [log_probs, targets, input_lengths, target_lengths] = inputs;
        f32s::<1>(&[log_probs])?;
        let [steps, batch, classes] = log_probs.shape[..] else {
            return Err(Mismatch::new("log-probabilities (T, N, C)", log_probs.to_string()));
        };
        let labels = targets.shape.get(1).copied().unwrap_or(1);
        same("targets", &TensorType::u32([batch, labels]), targets)?;
        same("input_lengths", &TensorType::u32([batch]), input_lengths)?;
        same("target_lengths", &TensorType::u32([batch]), target_lengths)?;
        let within = (self.blank as usize) < classes;
        Mismatch::check(within, format!("a blank below {classes}"), self.blank.to_string())?;
        Ok(CtcSizes { steps, batch, classes, labels })
    }

    fn described(&self) -> String {
        format!("blank {} zero_infinity {}", self.blank, self.zero_infinity)
    }
}

impl Rule for CtcLoss {
    const NAME: &'static str = "ctc_loss";

    fn attributes(&self) -> String {
        self.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let sizes = self.sizes(count(inputs)?)?;
        Shape::check(&sizes.alpha().shape)?;
        let row = TensorType::f32([sizes.batch]);
        Ok(vec![row.clone(), sizes.alpha(), row])
    }

    /// Three exponentials, their sum and its logarithm a state.
    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        outputs.get(1).map_or(0, |alpha| 8 * alpha.shape.elements() as u64)
    }

    fn index_range(&self, inputs: &[&TensorType]) -> Option<String> {
        let inputs: [&TensorType; 4] = inputs.try_into().ok()?;
        let CtcSizes { steps, classes, labels, .. } = self.sizes(inputs).ok()?;
        Some(format!(
            "targets below {classes}, input_lengths up to {steps} and target_lengths up to {labels}"
        ))
    }
}

/// `grad_loss (N), log_probs, targets, input_lengths, target_lengths, alpha` to `grad_log_probs (T, N, C)`: the error times the
/// probability, given the labels, that the step is of this class, negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CtcLossBackward(pub CtcLoss);

impl Rule for CtcLossBackward {
    const NAME: &'static str = "ctc_loss_backward";

    fn attributes(&self) -> String {
        self.0.described()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [grad, log_probs, targets, input_lengths, target_lengths, alpha] = count(inputs)?;
        let sizes = self.0.sizes([log_probs, targets, input_lengths, target_lengths])?;
        same("grad_loss", &TensorType::f32([sizes.batch]), grad)?;
        same("alpha", &sizes.alpha(), alpha)?;
        Ok(vec![log_probs.clone()])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        10 * inputs.get(5).map_or(0, |alpha| elements(&[alpha]))
    }
}
