//! Normalisation by mean and variance, or by the mean square alone, in the four forms that layers have.
//!
//! `x_hat = (x - mean) / sqrt(variance + eps)`, then `weight * x_hat + bias`. Which elements share a mean, and which a
//! weight, is what tells batch, group, instance, layer and RMS norm apart: [`NormOver`]. The variance is the mean of
//! squared deviations, divided by the count (biased). What the backward pass reads is the mean and
//! `rstd = 1 / sqrt(variance + eps)` of the forward pass, as in PyTorch.

use super::{Halves, Rule, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;

/// Which elements share statistics, and which a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NormOver {
    /// Of `(N, C, ..)`: statistics and weights of each channel. Batch norm.
    Batch,
    /// Of `(N, C, ..)`: statistics of each run of `C / groups` channels of each sample, weights of each channel. Group norm;
    /// with as many groups as channels, instance norm.
    Groups(usize),
    /// Statistics over the last so many dimensions, weights of each position in them. Layer and RMS norm.
    Last(usize),
}

/// What is normalised, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Norm {
    /// Which elements share statistics.
    pub over: NormOver,
    /// Subtract the mean. Without, the mean square stands for the variance: RMS norm.
    pub centered: bool,
}

impl Norm {
    /// The sizes `(N, G, K, L)` of a tensor: of batch norm samples, channels, 1, positions of a channel; of group norm samples,
    /// groups, channels of a group, positions of a channel; of layer norm rows, 1, 1, positions of a row.
    pub(crate) fn sizes(&self, shape: &Shape) -> Result<[usize; 4], Mismatch> {
        let rank = shape.len();
        let channels = || {
            Mismatch::check(rank >= 2, "an input (N, C, ..)", format!("shape {shape}"))?;
            Ok((shape[0], shape[1], shape[2..].iter().product()))
        };
        match self.over {
            NormOver::Batch => channels().map(|(n, c, l)| [n, c, 1, l]),
            NormOver::Groups(groups) => {
                let (n, c, l) = channels()?;
                let expected = || format!("a number of groups that divides {c} channels");
                let divides = groups > 0 && c.is_multiple_of(groups);
                Mismatch::check(divides, expected(), groups.to_string())?;
                Ok([n, groups, c / groups, l])
            }
            NormOver::Last(last) => {
                let expected = || format!("1 to {rank} dimensions to normalise over");
                Mismatch::check((1..=rank).contains(&last), expected(), last.to_string())?;
                let (rows, positions) = shape.split_at(rank - last);
                Ok([rows.iter().product(), 1, 1, positions.iter().product()])
            }
        }
    }

    /// How many elements share statistics.
    pub(crate) fn count(&self, [n, _, k, l]: [usize; 4]) -> usize {
        match self.over {
            NormOver::Batch => n * l,
            NormOver::Groups(_) | NormOver::Last(_) => k * l,
        }
    }

    /// The shape of the statistics.
    fn statistics(&self, shape: &Shape) -> Result<TensorType, Mismatch> {
        let [n, g, ..] = self.sizes(shape)?;
        Ok(match self.over {
            NormOver::Batch => TensorType::f32([g]),
            NormOver::Groups(_) => TensorType::f32([n, g]),
            NormOver::Last(last) => TensorType::f32(&shape[..shape.len() - last]),
        })
    }

    /// The shape of weight and bias.
    pub(crate) fn parameters(&self, shape: &Shape) -> Result<TensorType, Mismatch> {
        let [_, g, k, _] = self.sizes(shape)?;
        Ok(match self.over {
            NormOver::Batch | NormOver::Groups(_) => TensorType::f32([g * k]),
            NormOver::Last(last) => TensorType::f32(&shape[shape.len() - last..]),
        })
    }
}

/// How running statistics follow those of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// The fraction of the new value: `running = (1 - momentum) running + momentum new`. `None`: the average of all batches.
    pub momentum: Option<f32>,
}

/// `input` to `mean`, `rstd` and `variance`; without a mean, to `rstd` alone. With `running`, of batch norm, the inputs
/// `running_mean (C)`, `running_var (C)` and `num_batches_tracked` (`u32`, scalar) follow, and their new values come out, too.
/// As in PyTorch the running variance is that divided by the count less 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormStatistics {
    /// What is normalised.
    pub norm: Norm,
    /// Added to the variance.
    pub eps: f32,
    /// Whether running statistics follow, and how.
    pub running: Option<Running>,
}

fn at_least_0(eps: f32) -> Result<(), Mismatch> {
    Mismatch::check(eps >= 0.0 && eps.is_finite(), "eps of at least 0", eps.to_string())
}

impl Rule for NormStatistics {
    const NAME: &'static str = "norm_statistics";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn halves(&self) -> Halves {
        Halves::First(1, 0)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        at_least_0(self.eps)?;
        let expected = if self.running.is_some() { 4 } else { 1 };
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        let [input] = f32s(&inputs[..1])?;
        let ty = self.norm.statistics(&input.shape)?;
        let mut outputs = vec![ty.clone(); if self.norm.centered { 3 } else { 1 }];
        if self.norm.over == NormOver::Batch {
            let values = self.norm.count(self.norm.sizes(&input.shape)?);
            let got = || format!("shape {}", input.shape);
            Mismatch::check(values > 1, "more than 1 value per channel when training", got())?;
        }
        if let Some(Running { momentum }) = self.running {
            let batch = self.norm.over == NormOver::Batch && self.norm.centered;
            Mismatch::check(batch, "running statistics of a batch norm", self.attributes())?;
            let finite = momentum.is_none_or(f32::is_finite);
            Mismatch::check(finite, "a finite momentum", format!("{momentum:?}"))?;
            let tracked = TensorType { shape: Shape::from([]), dtype: DType::U32 };
            for (what, expected, got) in [
                ("running_mean", &ty, inputs[1]),
                ("running_var", &ty, inputs[2]),
                ("num_batches_tracked", &tracked, inputs[3]),
            ] {
                same(what, expected, got)?;
            }
            outputs.extend([ty.clone(), ty, tracked]);
        }
        Ok(outputs)
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }

    fn updates_inputs(&self) -> bool {
        self.running.is_some()
    }
}

/// `input`, `mean` (of a centered norm), `rstd`, `weight` and `bias` (each where there is one) to the normalised input.
///
/// With `eps`, of batch norm alone, the statistics are given and not the input's own: the third input is a variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormApply {
    /// What is normalised.
    pub norm: Norm,
    /// Added to a variance that is given; `None`: statistics are the input's own.
    pub eps: Option<f32>,
    /// Whether there is a weight.
    pub weight: bool,
    /// Whether there is a bias.
    pub bias: bool,
}

/// Checks what normalisation and its gradients read of a tensor of this type: statistics, then parameters.
fn check_operands(
    norm: &Norm,
    eps: Option<f32>,
    input: &TensorType,
    statistics: &[&TensorType],
    parameters: &[&TensorType],
) -> Result<(), Mismatch> {
    if let Some(eps) = eps {
        at_least_0(eps)?;
        let batch = norm.over == NormOver::Batch;
        Mismatch::check(batch, "given statistics of a batch norm", format!("{norm:?}"))?;
    }
    let expected = norm.statistics(&input.shape)?;
    statistics.iter().try_for_each(|got| same("statistics", &expected, got))?;
    let expected = norm.parameters(&input.shape)?;
    parameters.iter().try_for_each(|got| same("weight and bias", &expected, got))
}

impl Rule for NormApply {
    const NAME: &'static str = "norm_apply";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn halves(&self) -> Halves {
        Halves::First(1, 1)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let statistics = 1 + usize::from(self.norm.centered);
        let expected = 1 + statistics + usize::from(self.weight) + usize::from(self.bias);
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        let [input] = f32s(&inputs[..1])?;
        let (statistics, parameters) = inputs[1..].split_at(statistics);
        check_operands(&self.norm, self.eps, input, statistics, parameters)?;
        Ok(vec![input.clone()])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }
}

/// `grad_output`, `input`, `mean` (of a centered norm), `rstd` and `weight` (where there is one) to the sums of the error
/// (of a centered norm) and of the error times the normalised input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormSums {
    /// What is normalised.
    pub norm: Norm,
    /// As [`NormApply::eps`].
    pub eps: Option<f32>,
    /// Sums for each weight, of batch and layer norm: the gradients of bias and weight. Else for each channel of each sample,
    /// of group norm, or for each row, of layer norm.
    pub parameters: bool,
    /// Whether the error is multiplied by a weight first; of rows alone.
    pub weight: bool,
}

impl NormSums {
    /// The shape of each sum.
    fn sums(&self, shape: &Shape) -> Result<TensorType, Mismatch> {
        let [n, g, k, _] = self.norm.sizes(shape)?;
        match (self.norm.over, self.parameters) {
            (NormOver::Batch | NormOver::Last(_), true) => self.norm.parameters(shape),
            (NormOver::Last(_), false) => self.norm.statistics(shape),
            (NormOver::Groups(_), false) => Ok(TensorType::f32([n, g * k])),
            _ => Err(Mismatch::new("sums of one pass", self.attributes())),
        }
    }
}

impl Rule for NormSums {
    const NAME: &'static str = "norm_sums";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn halves(&self) -> Halves {
        Halves::First(2, 0)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let statistics = 1 + usize::from(self.norm.centered);
        let expected = 2 + statistics + usize::from(self.weight);
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        let [grad, input] = f32s(&inputs[..2])?;
        same("input", grad, input)?;
        let rows = matches!(self.norm.over, NormOver::Last(_)) && !self.parameters;
        Mismatch::check(rows || !self.weight, "a weight for sums of rows alone", self.attributes())?;
        let (statistics, parameters) = inputs[2..].split_at(statistics);
        check_operands(&self.norm, self.eps, input, statistics, parameters)?;
        Ok(vec![self.sums(&input.shape)?; 1 + usize::from(self.norm.centered)])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        4 * elements(inputs)
    }
}

/// `grad_output`, `input`, `mean` (of a centered norm), `rstd`, the sums of the error (of a centered norm) and of the error
/// times the normalised input over what shares statistics, and `weight` (where there is one) to `grad_input`:
/// `rstd (w g - (sum(w g) + x_hat sum(w g x_hat)) / count)`. The sums of batch norm are without the weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormBackward {
    /// What is normalised.
    pub norm: Norm,
    /// Whether there is a weight.
    pub weight: bool,
}

impl Rule for NormBackward {
    const NAME: &'static str = "norm_backward";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn halves(&self) -> Halves {
        Halves::First(2, 1)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let statistics = 2 * (1 + usize::from(self.norm.centered));
        let expected = 2 + statistics + usize::from(self.weight);
        Mismatch::check(inputs.len() == expected, format!("{expected} inputs"), inputs.len().to_string())?;
        let [grad, input] = f32s(&inputs[..2])?;
        same("input", grad, input)?;
        let (statistics, parameters) = inputs[2..].split_at(statistics);
        check_operands(&self.norm, None, input, statistics, parameters)?;
        Ok(vec![grad.clone()])
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        8 * elements(inputs)
    }
}
