//! Losses of a prediction and a target: class indices, probabilities, numbers and counts.

use super::Differentiate;
use crate::DType;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{CrossEntropy, GaussianNllLoss, KlDiv, NllLoss, NllLossBackward, PoissonNllLoss, Reduction};

/// `log(2 pi) / 2`.
const HALF_LOG_2_PI: f32 = 0.918_938_5;

impl Tensor {
    /// Losses of elements or rows as one, or as they are.
    pub(super) fn reduced_by(&self, reduction: Reduction) -> Result<Tensor> {
        match reduction {
            Reduction::None => Ok(self.clone()),
            Reduction::Sum => self.sum((), false),
            Reduction::Mean => self.mean((), false),
        }
    }

    /// Refuses a tensor of another shape than this.
    pub(super) fn alike(&self, op: &str, name: &str, other: &Tensor) -> Result<()> {
        let fits = self.shape() == other.shape();
        let checked = Mismatch::check(fits, format!("{name} {}", self.shape()), other.shape().to_string());
        checked.map_err(self.refused(op))
    }

    /// Losses of elements times weights, which broadcast to them.
    pub(super) fn weighted_by(&self, op: &str, weight: Option<&Tensor>) -> Result<Tensor> {
        let Some(weight) = weight else { return Ok(self.clone()) };
        let weighted = self.mul(weight)?;
        let fits = weighted.shape() == self.shape();
        let expected = || format!("a weight that broadcasts to {}", self.shape());
        let checked = Mismatch::check(fits, expected(), weight.shape().to_string());
        checked.map_err(self.refused(op))?;
        Ok(weighted)
    }

    /// `(self - target)^2`, operands broadcast, reduced.
    ///
    /// # Errors
    /// When shapes do not broadcast.
    pub fn mse_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.squared_error(target)?.reduced_by(reduction)
    }

    /// `|self - target|`, operands broadcast, reduced.
    ///
    /// # Errors
    /// When shapes do not broadcast.
    pub fn l1_loss(&self, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
        self.absolute_error(target)?.reduced_by(reduction)
    }

    /// [`Tensor::smooth_l1`], operands broadcast, reduced; with `beta` 0 it is [`Tensor::l1_loss`]. PyTorch's default beta is
    /// 1.
    ///
    /// # Errors
    /// When shapes do not broadcast, or `beta` is negative.
    pub fn smooth_l1_loss(&self, target: &Tensor, beta: f32, reduction: Reduction) -> Result<Tensor> {
        if beta == 0.0 {
            return self.l1_loss(target, reduction);
        }
        self.smooth_l1(target, beta)?.reduced_by(reduction)
    }

    /// [`Tensor::huber`], operands broadcast, reduced. PyTorch's default delta is 1.
    ///
    /// # Errors
    /// When shapes do not broadcast, or `delta` is not above 0.
    pub fn huber_loss(&self, target: &Tensor, delta: f32, reduction: Reduction) -> Result<Tensor> {
        self.huber(target, delta)?.reduced_by(reduction)
    }

    /// The cross entropy of probabilities, [`Tensor::bce`], with a target of their shape, times a weight that broadcasts,
    /// reduced. What is no probability has loss NaN, where PyTorch raises an error.
    ///
    /// # Errors
    /// When the target's shape is another, or the weight does not broadcast to it.
    pub fn binary_cross_entropy(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "binary_cross_entropy";
        self.alike(op, "a target", target)?;
        self.bce(target)?.weighted_by(op, weight)?.reduced_by(reduction)
    }

    /// The cross entropy of logits, [`Tensor::bce_with_logits`], with a target of their shape, times a weight that broadcasts,
    /// reduced: `-weight (pos_weight target log(sigmoid(x)) + (1 - target) log(1 - sigmoid(x)))`.
    ///
    /// # Errors
    /// When the target's shape is another, or a weight does not broadcast to it.
    pub fn binary_cross_entropy_with_logits(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        pos_weight: Option<&Tensor>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "binary_cross_entropy_with_logits";
        self.alike(op, "a target", target)?;
        let mut losses = self.bce_with_logits(target)?;
        if let Some(pos_weight) = pos_weight {
            let more = target.weighted_by(op, Some(&pos_weight.add_scalar(-1.0)?))?;
            losses = losses.sub(&more.mul(&self.log_sigmoid()?)?)?;
        }
        losses.weighted_by(op, weight)?.reduced_by(reduction)
    }

    /// The Kullback-Leibler divergence of log-probabilities `self` from probabilities `target`, operands broadcast:
    /// `target (log(target) - self)`, reduced over elements. See [`KlDiv`] for its reduction over the batch and for targets
    /// that are logarithms.
    ///
    /// # Errors
    /// When shapes do not broadcast.
    pub fn kl_div(&self, target: &Tensor, options: KlDiv, reduction: Reduction) -> Result<Tensor> {
        let losses = match options.log_target {
            true => target.exp()?.mul(&target.sub(self)?)?,
            false => target.xlogy(target)?.sub(&target.mul(self)?)?,
        };
        if !options.batchmean {
            return losses.reduced_by(reduction);
        }
        let rows = self.shape().first().copied().unwrap_or(1);
        losses.sum((), false)?.div(&self.graph.scalar(rows as f32)?)
    }

    /// The negative logarithm of the probability of counts `target` under a Poisson distribution whose rate, or its logarithm,
    /// is `self`, less `log(target!)`, operands broadcast, reduced: `exp(self) - target self`, or `self - target log(self +
    /// eps)`.
    ///
    /// # Errors
    /// When shapes do not broadcast.
    pub fn poisson_nll_loss(
        &self,
        target: &Tensor,
        options: PoissonNllLoss,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let mut losses = match options.log_input {
            true => self.exp()?.sub(&target.mul(self)?)?,
            false => self.sub(&target.mul(&self.add_scalar(options.eps)?.log()?)?)?,
        };
        if options.full {
            // At 1 it is a constant, from which no derivative comes.
            let one = self.graph.scalar(1.0)?;
            let count = target.clamp_min(1.0)?;
            let root = count.scale(std::f32::consts::TAU)?.log()?.scale(0.5)?;
            let stirling = count.xlogy(&count)?.sub(&count)?.add(&root)?;
            losses = losses.add(&target.gt(&one)?.select(&stirling, &self.graph.scalar(0.0)?)?)?;
        }
        losses.reduced_by(reduction)
    }

    /// [`Tensor::gaussian_nll`] of means `self`, of a target of their shape, and of variances of their shape, with 1 for the
    /// last size or without the last dimension, reduced. Variances are no less than `eps`, negative ones, which PyTorch
    /// refuses, among them.
    ///
    /// # Errors
    /// When shapes differ, or `eps` is not above 0.
    pub fn gaussian_nll_loss(
        &self,
        target: &Tensor,
        var: &Tensor,
        options: GaussianNllLoss,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "gaussian_nll_loss";
        self.alike(op, "a target", target)?;
        let (shape, given) = (self.shape(), var.shape());
        let rows = shape.split_last().map_or(&shape[..], |(_, rows)| rows);
        let var =
            match given == shape || given.split_last().is_some_and(|(last, own)| *last == 1 && own == rows) {
                true => var.clone(),
                false => {
                    let expected = format!("variances {shape}, with 1 for the last size, or without it");
                    let fits =
                        Mismatch::check(!shape.is_empty() && given[..] == *rows, expected, given.to_string());
                    fits.map_err(self.refused(op))?;
                    var.unsqueeze(-1)?
                }
            };
        let mut losses = self.gaussian_nll(target, &var, options.eps)?;
        if options.full {
            losses = losses.add_scalar(HALF_LOG_2_PI)?;
        }
        losses.reduced_by(reduction)
    }

    /// `-weight[target] self[target]` of log-probabilities `self (N, C, ..)` or `(C)` with class indices `target (N, ..)` or a
    /// scalar, `u32`, left so or reduced; the mean is over the weights of the rows that count. `weight` is `(C)`, or all are 1.
    ///
    /// A target beyond the classes that is not `ignore_index` has loss 0, and the next run or read fails, naming it.
    ///
    /// # Errors
    /// When shapes or types do not fit.
    pub fn nll_loss(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        ignore_index: Option<u32>,
        reduction: Reduction,
    ) -> Result<Tensor> {
        batched(self, target, reduction, |input, target| {
            let [rows, counted] = input.nll(target, weight, ignore_index)?;
            weighted_mean(&rows, &counted, reduction)
        })
    }

    /// Of each row the loss and the weight with which it counts.
    fn nll(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        ignore_index: Option<u32>,
    ) -> Result<[Tensor; 2]> {
        let op = NllLoss { ignore_index, weight: weight.is_some() };
        let inputs: Vec<&Tensor> = [self, target].into_iter().chain(weight).collect();
        let outputs = self.graph.apply(op, &inputs)?;
        <[Tensor; 2]>::try_from(outputs).map_err(|outputs| {
            let got = format!("{} outputs", outputs.len());
            Error::op("nll_loss", "", Mismatch::new("2 outputs", got))
        })
    }

    /// The cross entropy of logits `self (N, C, ..)` or `(C)`, reduced to a scalar or left as `(N, ..)`, with class indices
    /// `target (N, ..)`, `u32`, or with probabilities of the classes, `f32` of the logits' shape.
    ///
    /// # Errors
    /// When the shapes do not fit, an option is out of range, or an index is to be ignored among probabilities.
    pub fn cross_entropy(
        &self,
        target: &Tensor,
        options: CrossEntropy,
        reduction: Reduction,
    ) -> Result<Tensor> {
        if target.ty().dtype == DType::F32 && !self.shape().is_empty() {
            return self.soft_cross_entropy(target, None, options, reduction);
        }
        batched(self, target, reduction, |logits, target| of_indices(logits, target, options, reduction))
    }

    /// The same with a weight `(C)` of each class: of indices, the mean is over the weights of the rows that count.
    ///
    /// # Errors
    /// As [`Tensor::cross_entropy`], and when there is not a weight for each class.
    pub fn cross_entropy_weighted(
        &self,
        target: &Tensor,
        weight: &Tensor,
        options: CrossEntropy,
        reduction: Reduction,
    ) -> Result<Tensor> {
        if target.ty().dtype == DType::F32 && !self.shape().is_empty() {
            return self.soft_cross_entropy(target, Some(weight), options, reduction);
        }
        batched(self, target, reduction, |logits, target| {
            of_weighted_indices(logits, target, weight, options, reduction)
        })
    }

    /// `-sum(weight target log_softmax(self))` over the classes, with probabilities as targets.
    fn soft_cross_entropy(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        options: CrossEntropy,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let op = "cross_entropy";
        self.alike(op, "probabilities", target)?;
        let ignored = options.ignore_index.map_or(String::new(), |index| format!("ignore_index {index}"));
        let none = Mismatch::check(ignored.is_empty(), "no ignore_index beside probabilities", ignored);
        none.map_err(self.refused(op))?;
        let smoothing = checked_smoothing(self, options)?;
        let shape = self.shape();
        let dim = usize::from(shape.len() > 1);
        let classes = shape.get(dim).copied().unwrap_or(1);
        let mut wanted = target.clone();
        if smoothing > 0.0 {
            // t + e (1 - C t) / C: what is rounded is e alone.
            let apart = wanted.scale(-(classes as f32))?.add_scalar(1.0)?.scale(smoothing)?;
            wanted = wanted.add(&apart.div(&self.graph.scalar(classes as f32)?)?)?;
        }
        let logarithms = self.log_softmax(dim)?;
        let terms = match weight {
            Some(weight) => logarithms.mul(&wanted.mul(&of_classes(self, weight, dim)?)?)?,
            None => logarithms.mul(&wanted)?,
        };
        terms.sum(dim, false)?.neg()?.reduced_by(reduction)
    }
}

/// Weights `(C)` as they broadcast to `(N, C, ..)`.
fn of_classes(logits: &Tensor, weight: &Tensor, dim: usize) -> Result<Tensor> {
    let shape = logits.shape();
    let classes = shape.get(dim).copied().unwrap_or(1);
    let fits = weight.shape()[..] == [classes];
    let checked = Mismatch::check(fits, format!("weights ({classes})"), weight.shape().to_string());
    checked.map_err(logits.refused("cross_entropy"))?;
    let mut wide = vec![1; shape.len() - dim];
    wide[0] = classes;
    weight.reshape(wide)
}

fn checked_smoothing(logits: &Tensor, options: CrossEntropy) -> Result<f32> {
    let e = options.label_smoothing;
    let checked = Mismatch::check((0.0..=1.0).contains(&e), "label_smoothing of 0 to 1", e.to_string());
    checked.map_err(logits.refused("cross_entropy"))?;
    Ok(e)
}

/// A loss of `(N, C, ..)` with `(N, ..)`, to which `(C)` with a scalar is a batch of one.
fn batched(
    input: &Tensor,
    target: &Tensor,
    reduction: Reduction,
    loss: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if input.shape().len() != 1 || !target.shape().is_empty() {
        return loss(input, target);
    }
    let one = loss(&input.unsqueeze(0)?, &target.reshape([1])?)?;
    if reduction == Reduction::None { one.reshape([]) } else { Ok(one) }
}

/// Losses of rows that count with these weights.
fn weighted_mean(rows: &Tensor, counted: &Tensor, reduction: Reduction) -> Result<Tensor> {
    match reduction {
        Reduction::Mean => rows.sum((), false)?.div(&counted.sum((), false)?),
        Reduction::Sum | Reduction::None => rows.reduced_by(reduction),
    }
}

fn of_indices(
    logits: &Tensor,
    target: &Tensor,
    options: CrossEntropy,
    reduction: Reduction,
) -> Result<Tensor> {
    let outputs = logits.graph().apply(options, &[logits, target])?;
    let [rows, _, counted] = &outputs[..] else {
        let got = format!("{} outputs", outputs.len());
        return Err(Error::op("cross_entropy", "", Mismatch::new("3 outputs", got)));
    };
    // All rows count.
    if options.ignore_index.is_none() {
        return rows.reduced_by(reduction);
    }
    weighted_mean(rows, counted, reduction)
}

/// `(1 - e) w[t] (-log p[t]) + e / C sum(w (-log p))`, as PyTorch has it: both parts are divided by the sum of `w[t]`.
fn of_weighted_indices(
    logits: &Tensor,
    target: &Tensor,
    weight: &Tensor,
    options: CrossEntropy,
    reduction: Reduction,
) -> Result<Tensor> {
    let smoothing = checked_smoothing(logits, options)?;
    let logarithms = logits.log_softmax(1)?;
    let [mut rows, counted] = logarithms.nll(target, Some(weight), options.ignore_index)?;
    if smoothing > 0.0 {
        let classes = logits.shape().get(1).copied().unwrap_or(1);
        let mut spread = logarithms.mul(&of_classes(logits, weight, 1)?)?.sum(1, false)?;
        if options.ignore_index.is_some() {
            let [_, kept] = logarithms.nll(target, None, options.ignore_index)?;
            spread = kept.select(&spread, &logits.graph.scalar(0.0)?)?;
        }
        let even = spread.div(&logits.graph.scalar(classes as f32)?)?;
        rows = rows.sub(&rows.add(&even)?.scale(smoothing)?)?;
    }
    weighted_mean(&rows, &counted, reduction)
}

impl Differentiate for NllLoss {
    /// `-weight[target] grad` at the target. Weights are constants, as in PyTorch.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        if flow.wanted.get(2) == Some(&true) {
            return super::no_gradient("nll_loss by its weight", flow);
        }
        let grad = flow.grad("nll_loss")?;
        let rule = || {
            let classes = flow.inputs[0].shape().get(1).copied().unwrap_or(1);
            let inputs: Vec<&Tensor> = std::iter::once(grad).chain(&flow.inputs[1..]).collect();
            grad.one(NllLossBackward { forward: *self, classes }, &inputs)
        };
        let mut gradients = vec![None; flow.inputs.len()];
        gradients[0] = flow.wants(0, rule)?;
        Ok(gradients)
    }
}
