//! Batch, group, instance, layer and RMS norm.

use super::Differentiate;
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::{Norm, NormApply, NormBackward, NormOver, NormStatistics, NormSums, Running, SparseRows};

/// The states that a batch norm keeps for evaluation.
#[derive(Debug, Clone, Copy)]
pub struct RunningStatistics<'a> {
    /// `(C)`.
    pub mean: &'a Tensor,
    /// `(C)`, divided by the count less 1.
    pub var: &'a Tensor,
    /// Batches so far, `u32`, scalar.
    pub num_batches_tracked: &'a Tensor,
}

impl Tensor {
    /// Batch norm of `self (N, C, ..)` by the mean and variance of each channel, with `weight` and `bias (C)`.
    ///
    /// # Errors
    /// When the shapes do not fit, or a channel has only one value.
    pub fn batch_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f32) -> Result<Tensor> {
        self.normalised(Norm { over: NormOver::Batch, centered: true }, [weight, bias], eps)
    }

    /// As [`Tensor::batch_norm`]; at the end of each run `running` takes in the statistics of the batch:
    /// `(1 - momentum) running + momentum new`, or the average of all batches where `momentum` is `None`.
    ///
    /// # Errors
    /// As [`Tensor::batch_norm`], and when a state is assigned twice.
    pub fn batch_norm_tracked(
        &self,
        running: RunningStatistics<'_>,
        momentum: Option<f32>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        let norm = Norm { over: NormOver::Batch, centered: true };
        let op = NormStatistics { norm, eps, running: Some(Running { momentum }) };
        let states = [running.mean, running.var, running.num_batches_tracked];
        let found = self.graph.apply(op, &[self, states[0], states[1], states[2]])?;
        let [mean, rstd, _, new @ ..] = &found[..] else { return Err(self.outputs_missing("batch_norm")) };
        for (state, new) in states.iter().zip(new) {
            self.graph.assign(state, new)?;
        }
        self.apply(norm, None, &[mean, rstd], [weight, bias])
    }

    /// Batch norm by a given mean and variance `(C)`, as in evaluation.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn batch_norm_given(
        &self,
        mean: &Tensor,
        var: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        self.apply(Norm { over: NormOver::Batch, centered: true }, Some(eps), &[mean, var], [weight, bias])
    }

    /// Group norm of `self (N, C, ..)`: by mean and variance of each of `groups` runs of channels of each sample, with
    /// `weight` and `bias (C)`.
    ///
    /// # Errors
    /// When `groups` does not divide the channels, the shapes do not fit, or no more than 1 value is there a group of all
    /// samples.
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        let norm = Norm { over: NormOver::Groups(groups), centered: true };
        let [n, _, k, l] = norm.sizes(&self.shape()).map_err(self.refused("group_norm"))?;
        let got = || format!("shape {}, {groups} groups", self.shape());
        Mismatch::check(n * k * l > 1, "more than 1 value per group", got())
            .map_err(self.refused("group_norm"))?;
        self.normalised(norm, [weight, bias], eps)
    }

    /// Instance norm of `self (N, C, ..)`: by mean and variance of each channel of each sample, with `weight` and
    /// `bias (C)`.
    ///
    /// # Errors
    /// When the shapes do not fit, or a channel of a sample has only one value.
    pub fn instance_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f32) -> Result<Tensor> {
        let norm = self.instances()?;
        self.normalised(norm, [weight, bias], eps)
    }

    /// As [`Tensor::instance_norm`]; at the end of each run `running` takes in the means over the samples of their
    /// statistics, as [`Tensor::batch_norm_tracked`] has it.
    ///
    /// # Errors
    /// As [`Tensor::instance_norm`], and when a state is assigned twice.
    pub fn instance_norm_tracked(
        &self,
        [running_mean, running_var]: [&Tensor; 2],
        momentum: f32,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        let norm = self.instances()?;
        let found = self.graph.apply(NormStatistics { norm, eps, running: None }, &[self])?;
        let [mean, rstd, variance] = &found[..] else { return Err(self.outputs_missing("instance_norm")) };
        let count = norm.count(norm.sizes(&self.shape()).map_err(self.refused("instance_norm"))?) as f32;
        let share = |new: &Tensor, factor: f32| new.mean([0], false)?.scale(momentum * factor);
        let keep = |old: &Tensor| old.scale(1.0 - momentum);
        self.graph.assign(running_mean, &keep(running_mean)?.add(&share(mean, 1.0)?)?)?;
        self.graph.assign(running_var, &keep(running_var)?.add(&share(variance, count / (count - 1.0))?)?)?;
        self.apply(norm, None, &[mean, rstd], [weight, bias])
    }

    /// Layer norm by mean and variance over the last dimensions, which are `normalized_shape`, as are `weight` and `bias`.
    ///
    /// # Errors
    /// When the last dimensions are others, or the shapes do not fit.
    pub fn layer_norm(
        &self,
        normalized_shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        let over = self.last("layer_norm", normalized_shape)?;
        self.normalised(Norm { over, centered: true }, [weight, bias], eps)
    }

    /// RMS norm: divided by the root of the mean square over the last dimensions, which are `normalized_shape`, as is
    /// `weight`.
    ///
    /// # Errors
    /// When the last dimensions are others, or the shapes do not fit.
    pub fn rms_norm(&self, normalized_shape: &[usize], weight: Option<&Tensor>, eps: f32) -> Result<Tensor> {
        let over = self.last("rms_norm", normalized_shape)?;
        self.normalised(Norm { over, centered: false }, [weight, None], eps)
    }

    /// This tensor as directions of given lengths: `g v / ||v||`. `g` has the size of one dimension there and 1 elsewhere,
    /// `(size of the first, 1, ..)` or `(1, size of the second, 1, ..)`, and the norm is over all dimensions where it has 1; or
    /// it is a scalar and the norm is over all. Weight normalisation of `v`.
    ///
    /// # Errors
    /// When `g` has another shape, or this has fewer than 2 dimensions beside a `g` that is no scalar.
    pub fn weight_norm(&self, g: &Tensor) -> Result<Tensor> {
        let (shape, lengths) = (self.shape(), g.shape());
        let own = lengths.iter().zip(&shape[..]).filter(|(length, _)| **length != 1);
        let one = own.clone().count() <= 1 && own.clone().all(|(length, size)| length == size);
        let fits = lengths.is_empty() || shape.len() > 1 && lengths.len() == shape.len() && one;
        let expected =
            || format!("a scalar g, or one of {} dimensions with the size of one, else 1", shape.len());
        let got = || format!("shape {shape}, g of {lengths}");
        Mismatch::check(fits, expected(), got()).map_err(self.refused("weight_norm"))?;
        let square = self.mul(self)?;
        let over = |d: &usize| lengths.get(*d).is_none_or(|&length| length == 1);
        let rest: Vec<usize> = (0..shape.len()).filter(over).collect();
        let norm = square.sum(&rest, !lengths.is_empty())?.sqrt()?;
        self.mul(&g.div(&norm)?)
    }

    /// `(N, C, ..)` divided by `(k + alpha m)^beta`, where `m` is the mean square of `size` neighbouring channels, the first
    /// `size / 2` before the own; what lies beyond the channels counts as 0 (Krizhevsky and others, 2012).
    ///
    /// # Errors
    /// When there are fewer than three dimensions, `size` is 0 or a number is not finite.
    pub fn local_response_norm(&self, size: usize, alpha: f32, beta: f32, k: f32) -> Result<Tensor> {
        let shape = self.shape();
        let fits = Mismatch::check(
            shape.len() >= 3 && size > 0,
            "(N, C, ..) and a size above 0",
            format!("shape {shape}, size {size}"),
        );
        fits.map_err(self.refused("local_response_norm"))?;
        let means = |channels: usize| {
            let row = |c: usize| {
                let (first, end) =
                    (c.saturating_sub(size / 2), c.saturating_add(size - size / 2).min(channels));
                (first..end).map(|channel| (channel, 1.0 / size as f64))
            };
            SparseRows::new(channels, (0..channels).map(row))
        };
        let mean = self.square()?.mapped("local_response_norm", 1, 0.0, means)?;
        self.div(mean.scale(alpha)?.add_scalar(k)?.pow_scalar(beta)?)
    }

    /// The dimensions of a layer norm.
    fn last(&self, op: &str, normalized_shape: &[usize]) -> Result<NormOver> {
        let shape = self.shape();
        let fits = !normalized_shape.is_empty() && shape.ends_with(normalized_shape);
        let expected = || format!("a shape that ends in {normalized_shape:?}");
        Mismatch::check(fits, expected(), format!("shape {shape}")).map_err(self.refused(op))?;
        Ok(NormOver::Last(normalized_shape.len()))
    }

    /// Instance norm, for more than one position a channel.
    fn instances(&self) -> Result<Norm> {
        let shape = self.shape();
        let norm = Norm { over: NormOver::Groups(shape.get(1).copied().unwrap_or(0)), centered: true };
        let refused = || self.refused("instance_norm");
        let sizes = norm.sizes(&shape).map_err(refused())?;
        let expected = "more than 1 spatial element when training";
        Mismatch::check(norm.count(sizes) > 1, expected, format!("shape {shape}")).map_err(refused())?;
        Ok(norm)
    }

    fn outputs_missing(&self, op: &str) -> crate::Error {
        self.refused(op)(Mismatch::new("the outputs of norm_statistics", "fewer"))
    }

    fn normalised(&self, norm: Norm, parameters: [Option<&Tensor>; 2], eps: f32) -> Result<Tensor> {
        let found = self.graph.apply(NormStatistics { norm, eps, running: None }, &[self])?;
        let statistics: Vec<&Tensor> = found.iter().take(if norm.centered { 2 } else { 1 }).collect();
        self.apply(norm, None, &statistics, parameters)
    }

    fn apply(
        &self,
        norm: Norm,
        eps: Option<f32>,
        statistics: &[&Tensor],
        parameters: [Option<&Tensor>; 2],
    ) -> Result<Tensor> {
        let op = NormApply { norm, eps, weight: parameters[0].is_some(), bias: parameters[1].is_some() };
        // Statistics and parameters are f32, whatever is normalised.
        let others = statistics.iter().copied().chain(parameters.into_iter().flatten());
        let others = others.map(Tensor::float).collect::<Result<Vec<_>>>()?;
        self.one(op, &std::iter::once(self).chain(&others).collect::<Vec<_>>())
    }
}

/// What the gradients of a normalisation are made of.
struct Parts<'a> {
    op: &'a NormApply,
    grad: &'a Tensor,
    input: &'a Tensor,
    /// The mean of a centered norm, and `rstd` or a given variance.
    statistics: &'a [Tensor],
    weight: Option<&'a Tensor>,
}

impl Parts<'_> {
    /// The sums of the error, of a centered norm, and of the error times the normalised input.
    fn sums(&self, parameters: bool, weight: Option<&Tensor>) -> Result<Vec<Tensor>> {
        let NormApply { norm, eps, .. } = *self.op;
        let op = NormSums { norm, eps, parameters, weight: weight.is_some() };
        let mut inputs = vec![self.grad, self.input];
        inputs.extend(self.statistics);
        inputs.extend(weight);
        self.grad.graph.apply(op, &inputs)
    }

    /// The gradient of the input, of whose statistics these are, from the sums over what shares them.
    fn input(&self, sums: &[Tensor]) -> Result<Tensor> {
        let op = NormBackward { norm: self.op.norm, weight: self.weight.is_some() };
        let mut inputs = vec![self.grad, self.input];
        inputs.extend(self.statistics);
        inputs.extend(sums);
        inputs.extend(self.weight);
        self.grad.one(op, &inputs)
    }

    /// The sums of channels, with their weights, as those of their groups.
    fn of_groups(&self, sums: &[Tensor]) -> Result<Vec<Tensor>> {
        let [n, g, k, _] =
            self.op.norm.sizes(&self.input.shape()).map_err(self.input.refused("group_norm"))?;
        let of_group = |sum: &Tensor| {
            let weighted = self.weight.map_or_else(|| Ok(sum.clone()), |weight| sum.mul(weight))?;
            if k == 1 { Ok(weighted) } else { weighted.reshape([n, g, k])?.sum([2], false) }
        };
        sums.iter().map(of_group).collect()
    }

    /// The gradients of mean and variance that are given: `-w sum(g) / sqrt(variance + eps)` and
    /// `-w sum(g x_hat) / (2 (variance + eps))`.
    fn given(&self, eps: f32, sums: &[Tensor]) -> Result<Vec<Tensor>> {
        let weighted = |sum: &Tensor| self.weight.map_or_else(|| Ok(sum.clone()), |weight| sum.mul(weight));
        let Some(variance) = self.statistics.last() else { return Ok(vec![]) };
        let variance = variance.add(&self.grad.graph.scalar(eps)?)?;
        let mut grads = vec![];
        if let [errors, _] = sums {
            grads.push(weighted(errors)?.div(&variance.sqrt()?)?.scale(-1.0)?);
        }
        if let Some(products) = sums.last() {
            grads.push(weighted(products)?.div(&variance)?.scale(-0.5)?);
        }
        Ok(grads)
    }
}

impl Differentiate for NormApply {
    /// Of the input's own statistics the gradient of the input is the whole one, through mean and variance too:
    /// `rstd (w g - (sum(w g) + x_hat sum(w g x_hat)) / count)`. Else `w g / sqrt(variance + eps)`.
    fn gradient(&self, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
        let (grad, input) = (flow.grad("norm_apply")?, &flow.inputs[0]);
        let statistics = 1 + usize::from(self.norm.centered);
        let (statistics, parameters) = flow.inputs[1..].split_at(statistics);
        let weight = parameters.first().filter(|_| self.weight);
        let parts = Parts { op: self, grad, input, statistics, weight };
        let wanted = |i: usize| flow.wanted.get(i).copied().unwrap_or(false);
        let first = 1 + statistics.len();
        let of_parameters = (first..flow.inputs.len()).any(wanted);
        let given = self.eps.is_some() && (1..first).any(wanted);
        let grouped = matches!(self.norm.over, NormOver::Groups(_));
        let of_batch = self.norm.over == NormOver::Batch;
        let own_input = wanted(0) && self.eps.is_none();
        // Those of batch norm serve the input and the parameters.
        let sums = match of_parameters || given || own_input && of_batch || own_input && grouped {
            true => parts.sums(!grouped, None)?,
            false => vec![],
        };
        let mut grads = vec![None; flow.inputs.len()];
        if wanted(0) {
            grads[0] = Some(match self.eps {
                None if of_batch => parts.input(&sums)?,
                None if grouped => parts.input(&parts.of_groups(&sums)?)?,
                None => parts.input(&parts.sums(false, weight)?)?,
                Some(_) => {
                    let variance: Vec<&Tensor> = statistics.iter().rev().take(1).collect();
                    grad.apply(Norm { centered: false, ..self.norm }, self.eps, &variance, [weight, None])?
                }
            });
        }
        if let (true, Some(eps)) = (given, self.eps) {
            for (i, grad) in parts.given(eps, &sums)?.into_iter().enumerate() {
                grads[1 + i] = Some(grad);
            }
        }
        // Over the samples too, where the sums are those of each.
        let all = |sum: &Tensor| if grouped { sum.sum([0], false) } else { Ok(sum.clone()) };
        let of_weight = sums.last().filter(|_| self.weight);
        let of_bias = sums.first().filter(|_| self.bias && self.norm.centered);
        for (i, sum) in (first..).zip(of_weight.into_iter().chain(of_bias)) {
            if wanted(i) {
                grads[i] = Some(all(sum)?);
            }
        }
        Ok(grads)
    }
}
