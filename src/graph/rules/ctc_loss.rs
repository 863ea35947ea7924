//! The CTC loss of sequences whose alignment is not known.

use super::Differentiate;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{CtcLoss, CtcLossBackward, Reduction};

impl Tensor {
    /// The negative logarithm of the probability of label sequences under log-probabilities `self (T, N, C)`, over all
    /// alignments (Graves and others, 2006), left `(N)` or reduced; the mean is that of losses divided by their target lengths.
    ///
    /// `targets (N, S)`, `input_lengths (N)` and `target_lengths (N)` are `u32`; what lies in `targets` behind a length is not
    /// looked at, and a length may be 0. Without N, as `(T, C)`, `(S)` and two scalars, they are one sample. PyTorch's form of
    /// targets in one row is not taken.
    ///
    /// Labels that do not fit into their steps have loss infinity and gradient NaN; with `zero_infinity` both are 0. After a
    /// label beyond the classes or a length that is too large the next run or read fails, naming the sample. Gradients are
    /// those by the log-probabilities; PyTorch's are already those by the logits before its `log_softmax`, where both agree.
    ///
    /// # Errors
    /// When shapes or types do not fit, or the blank is no class.
    pub fn ctc_loss(
        &self,
        targets: &Tensor,
        input_lengths: &Tensor,
        target_lengths: &Tensor,
        options: CtcLoss,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let ranks = [self, targets, input_lengths, target_lengths].map(|tensor| tensor.shape().len());
        if ranks == [2, 1, 0, 0] {
            let (input, targets) = (self.unsqueeze(1)?, targets.unsqueeze(0)?);
            let lengths = (input_lengths.reshape([1])?, target_lengths.reshape([1])?);
            let one = input.ctc_loss(&targets, &lengths.0, &lengths.1, options, reduction)?;
            return if reduction == Reduction::None { one.reshape([]) } else { Ok(one) };
        }
        let outputs = self.graph.apply(options, &[self, targets, input_lengths, target_lengths])?;
        let [losses, _, lengths] = &outputs[..] else {
            let got = format!("{} outputs", outputs.len());
            return Err(Error::op("ctc_loss", "", Mismatch::new("3 outputs", got)));
        };
        match reduction {
            Reduction::Mean => losses.div(lengths)?.mean((), false),
            Reduction::Sum | Reduction::None => losses.reduced_by(reduction),
        }
    }
}

impl Differentiate for CtcLoss {
    /// The probability of each class at each step, given the labels, times the error, negative.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let grad = flow.grad("ctc_loss")?;
        let rule = || {
            let mut inputs = vec![grad];
            inputs.extend(flow.inputs);
            inputs.push(&flow.outputs[1]);
            grad.one(CtcLossBackward(*self), &inputs)
        };
        let mut gradients = vec![None; flow.inputs.len()];
        gradients[0] = flow.wants(0, rule)?;
        Ok(gradients)
    }
}
