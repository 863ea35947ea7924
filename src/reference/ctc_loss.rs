//! The CTC loss, sample by sample, in log space.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{CtcLoss, CtcLossBackward, CtcSizes};
use crate::tensor::TensorType;

/// `log(sum(exp(x)))`; of nothing but -inf it is that.
fn log_sum(x: &[f64]) -> f64 {
    let most =
        x.iter().copied().fold(f64::NEG_INFINITY, |most, v| if v > most || v.is_nan() { v } else { most });
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + x.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}

/// One sample.
struct Sample<'a> {
    log_probs: &'a Array,
    labels: &'a [f64],
    blank: usize,
    n: usize,
    sizes: CtcSizes,
    /// Steps, and labels.
    length: usize,
    count: usize,
}

impl<'a> Sample<'a> {
    /// The samples of `log_probs, targets, input_lengths, target_lengths`; lengths that are too large are cut.
    fn all(op: &CtcLoss, inputs: [&'a Array; 4]) -> Result<Vec<Self>, Mismatch> {
        let sizes = op.sizes(inputs.map(|array| &array.ty))?;
        let [log_probs, targets, input_lengths, target_lengths] = inputs;
        let sample = |n: usize| Sample {
            log_probs,
            labels: &targets.data[n * sizes.labels..(n + 1) * sizes.labels],
            blank: op.blank as usize,
            n,
            sizes,
            length: (input_lengths.data[n] as usize).min(sizes.steps),
            count: (target_lengths.data[n] as usize).min(sizes.labels),
        };
        Ok((0..sizes.batch).map(sample).collect())
    }

    fn states(&self) -> usize {
        2 * self.count + 1
    }

    fn class(&self, state: usize) -> usize {
        if state.is_multiple_of(2) { self.blank } else { self.labels[state / 2] as usize }
    }

    /// The logarithm of the probability of a state's label; none of a class that there is not.
    fn log_prob(&self, t: usize, state: usize) -> f64 {
        let CtcSizes { batch, classes, .. } = self.sizes;
        let class = self.class(state);
        if class >= classes {
            return f64::NEG_INFINITY;
        }
        self.log_probs.data[(t * batch + self.n) * classes + class]
    }

    /// Whether a state follows from that two before.
    fn skips(&self, state: usize) -> bool {
        state >= 2 && self.class(state) != self.class(state - 2)
    }

    /// `(T, 2 S + 1)`.
    fn alpha(&self) -> Vec<Vec<f64>> {
        let mut alpha = vec![vec![f64::NEG_INFINITY; self.sizes.states()]; self.sizes.steps];
        for t in 0..self.length {
            for s in 0..self.states() {
                let before = |back: usize| alpha[t - 1][s - back];
                let come = if t == 0 {
                    if s < 2 { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let mut ways = vec![before(0)];
                    ways.extend((s >= 1).then(|| before(1)));
                    ways.extend(self.skips(s).then(|| before(2)));
                    log_sum(&ways)
                };
                alpha[t][s] = come + self.log_prob(t, s);
            }
        }
        alpha
    }

    /// The logarithm of the probability of what follows a state after a step.
    fn beta(&self) -> Vec<Vec<f64>> {
        let mut beta = vec![vec![f64::NEG_INFINITY; self.sizes.states()]; self.sizes.steps];
        for t in (0..self.length).rev() {
            for s in 0..self.states() {
                beta[t][s] = if t + 1 == self.length {
                    if s + 2 >= self.states() { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let after = |on: usize| beta[t + 1][s + on] + self.log_prob(t + 1, s + on);
                    let mut ways = vec![after(0)];
                    ways.extend((s + 1 < self.states()).then(|| after(1)));
                    ways.extend((s + 2 < self.states() && self.skips(s + 2)).then(|| after(2)));
                    log_sum(&ways)
                };
            }
        }
        beta
    }

    /// The negative logarithm of the probability of the labels, from alpha `(T, 2 S + 1)`.
    fn loss(&self, alpha: impl Fn(usize, usize) -> f64) -> f64 {
        if self.length == 0 {
            return if self.count == 0 { 0.0 } else { f64::INFINITY };
        }
        let last = |s: usize| alpha(self.length - 1, s);
        let end = self.states() - 1;
        if end == 0 { -last(0) } else { -log_sum(&[last(end), last(end - 1)]) }
    }
}

impl Define for CtcLoss {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (mut losses, mut alphas, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for sample in Sample::all(self, [inputs[0], inputs[1], inputs[2], inputs[3]])? {
            let alpha = sample.alpha();
            let loss = sample.loss(|t, s| alpha[t][s]);
            losses.push(if self.zero_infinity && loss == f64::INFINITY { 0.0 } else { loss });
            alphas.extend(alpha.into_iter().flatten());
            lengths.push(sample.count.max(1) as f64);
        }
        Ok(vec![losses, alphas, lengths])
    }

    /// The first sample with a length that is too large or a label that is no class.
    fn out_of_range(&self, inputs: &[&Array]) -> Option<usize> {
        let sizes = self.sizes([&inputs[0].ty, &inputs[1].ty, &inputs[2].ty, &inputs[3].ty]).ok()?;
        let wrong = |n: &usize| {
            let (length, count) = (inputs[2].data[*n], inputs[3].data[*n]);
            let labels = &inputs[1].data[n * sizes.labels..(n + 1) * sizes.labels];
            let known = labels.iter().take(count as usize).all(|&label| label < sizes.classes as f64);
            length > sizes.steps as f64 || count > sizes.labels as f64 || !known
        };
        (0..sizes.batch).find(wrong)
    }
}

impl Define for CtcLossBackward {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (grad, saved) = (inputs[0], inputs[5]);
        let mut output = vec![0.0; outputs[0].shape.elements()];
        for sample in Sample::all(&self.0, [inputs[1], inputs[2], inputs[3], inputs[4]])? {
            let CtcSizes { steps, batch, classes, .. } = sample.sizes;
            let states = sample.sizes.states();
            let alpha = |t: usize, s: usize| saved.data[(sample.n * steps + t) * states + s];
            let loss = sample.loss(alpha);
            if self.0.zero_infinity && loss == f64::INFINITY {
                continue;
            }
            let beta = sample.beta();
            for (t, onward) in beta.iter().enumerate().take(sample.length) {
                for (s, &onward) in onward.iter().enumerate().take(sample.states()) {
                    let class = sample.class(s);
                    if class < classes {
                        let share = (alpha(t, s) + onward + loss).exp();
                        output[(t * batch + sample.n) * classes + class] -= grad.data[sample.n] * share;
                    }
                }
            }
        }
        Ok(vec![output])
    }
}
