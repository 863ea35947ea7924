//! Batch, group, instance, layer and RMS norm, and their gradients.

use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Norm, NormApply, NormBackward, NormOver, NormStatistics, NormSums, Running};
use crate::shape::Shape;
use crate::tensor::TensorType;

/// Of each element, in order: the position of its statistics, of its weight, and of its channel of its sample.
pub(crate) struct Positions {
    pub(crate) statistic: Vec<usize>,
    pub(crate) weight: Vec<usize>,
    pub(crate) plane: Vec<usize>,
}

impl Positions {
    pub(crate) fn of(norm: &Norm, shape: &Shape) -> Result<Self, Mismatch> {
        let [n, g, k, l] = norm.sizes(shape)?;
        let (mut statistic, mut weight, mut plane) = (Vec::new(), Vec::new(), Vec::new());
        for sample in 0..n {
            for group in 0..g {
                for channel in 0..k {
                    for position in 0..l {
                        let of_group = group * k + channel;
                        let (own, its_weight) = match norm.over {
                            NormOver::Batch => (group, of_group),
                            NormOver::Groups(_) => (sample * g + group, of_group),
                            NormOver::Last(_) => (sample, position),
                        };
                        statistic.push(own);
                        weight.push(its_weight);
                        plane.push(sample * g * k + of_group);
                    }
                }
            }
        }
        Ok(Self { statistic, weight, plane })
    }
}

/// The sum of `term` over the elements of each of `count` positions.
fn sums(positions: &[usize], count: usize, term: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; count];
    positions.iter().enumerate().for_each(|(i, &position)| sums[position] += term(i));
    sums
}

impl Define for NormStatistics {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let (shape, x) = (&inputs[0].ty.shape, &inputs[0].data);
        let positions = Positions::of(&self.norm, shape)?.statistic;
        let groups = outputs[0].shape.elements();
        let count = self.norm.count(self.norm.sizes(shape)?) as f64;
        let rstd = |v: &f64| 1.0 / (v + f64::from(self.eps)).sqrt();
        let over_count = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / count).collect::<Vec<f64>>();
        if !self.norm.centered {
            let squares = over_count(sums(&positions, groups, |i| x[i] * x[i]));
            return Ok(vec![squares.iter().map(rstd).collect()]);
        }
        let mean = over_count(sums(&positions, groups, |i| x[i]));
        let variance = over_count(sums(&positions, groups, |i| (x[i] - mean[positions[i]]).powi(2)));
        let mut results = vec![mean.clone(), variance.iter().map(rstd).collect(), variance.clone()];
        if let Some(Running { momentum }) = self.running {
            let batches = inputs[3].data[0] + 1.0;
            let share = momentum.map_or(1.0 / batches, f64::from);
            let follow = |old: &[f64], new: &[f64], factor: f64| {
                let pairs = old.iter().zip(new);
                pairs.map(|(old, new)| (1.0 - share) * old + share * factor * new).collect()
            };
            results.push(follow(&inputs[1].data, &mean, 1.0));
            results.push(follow(&inputs[2].data, &variance, count / (count - 1.0)));
            results.push(vec![batches]);
        }
        Ok(results)
    }
}

/// `x_hat` of each element, and its reciprocal standard deviation. `statistics` is the mean of a centered norm and `rstd`,
/// or with `eps` the variance.
fn normalised(
    norm: &Norm,
    eps: Option<f32>,
    input: &Array,
    statistics: &[&Array],
    positions: &Positions,
) -> (Vec<f64>, Vec<f64>) {
    let (mean, scale) = match statistics {
        [mean, scale] if norm.centered => (Some(mean), scale),
        _ => (None, &statistics[0]),
    };
    let rstd = |i: usize| {
        let value = scale.data[positions.statistic[i]];
        eps.map_or(value, |eps| 1.0 / (value + f64::from(eps)).sqrt())
    };
    let centered = |i: usize| input.data[i] - mean.map_or(0.0, |mean| mean.data[positions.statistic[i]]);
    let all = 0..input.data.len();
    (all.clone().map(|i| centered(i) * rstd(i)).collect(), all.map(rstd).collect())
}

impl Define for NormApply {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let positions = Positions::of(&self.norm, &inputs[0].ty.shape)?;
        let (statistics, parameters) = inputs[1..].split_at(1 + usize::from(self.norm.centered));
        let (x_hat, _) = normalised(&self.norm, self.eps, inputs[0], statistics, &positions);
        let weight = parameters.first().filter(|_| self.weight);
        let bias = parameters.last().filter(|_| self.bias);
        let at = |tensor: Option<&&Array>, i: usize| tensor.map(|t| t.data[positions.weight[i]]);
        let value = |(i, x): (usize, f64)| at(weight, i).unwrap_or(1.0) * x + at(bias, i).unwrap_or(0.0);
        Ok(vec![x_hat.into_iter().enumerate().map(value).collect()])
    }
}

impl Define for NormSums {
    fn eval(&self, inputs: &[&Array], outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let positions = Positions::of(&self.norm, &inputs[1].ty.shape)?;
        let (statistics, parameters) = inputs[2..].split_at(1 + usize::from(self.norm.centered));
        let (x_hat, _) = normalised(&self.norm, self.eps, inputs[1], statistics, &positions);
        let to = match (self.parameters, self.norm.over) {
            (true, _) => &positions.weight,
            (false, NormOver::Last(_)) => &positions.statistic,
            (false, NormOver::Batch | NormOver::Groups(_)) => &positions.plane,
        };
        let weight = |i: usize| parameters.first().map_or(1.0, |w| w.data[positions.weight[i]]);
        let error = |i: usize| inputs[0].data[i] * weight(i);
        let count = outputs[0].shape.elements();
        let products = sums(to, count, |i| error(i) * x_hat[i]);
        Ok(if self.norm.centered { vec![sums(to, count, error), products] } else { vec![products] })
    }
}

impl Define for NormBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        let shape = &inputs[1].ty.shape;
        let positions = Positions::of(&self.norm, shape)?;
        let count = self.norm.count(self.norm.sizes(shape)?) as f64;
        let kinds = 1 + usize::from(self.norm.centered);
        let (statistics, rest) = inputs[2..].split_at(kinds);
        let (sums, parameters) = rest.split_at(kinds);
        let (x_hat, rstd) = normalised(&self.norm, None, inputs[1], statistics, &positions);
        let value = |i: usize| {
            let weight = parameters.first().map_or(1.0, |w| w.data[positions.weight[i]]);
            // Those of batch norm are without the weight.
            let factor = if self.norm.over == NormOver::Batch { weight } else { 1.0 };
            let of = |sum: &Array| factor * sum.data[positions.statistic[i]];
            let mean = if self.norm.centered { of(sums[0]) } else { 0.0 };
            let slope = of(sums[kinds - 1]);
            rstd[i] * (weight * inputs[0].data[i] - (mean + x_hat[i] * slope) / count)
        };
        Ok(vec![(0..x_hat.len()).map(value).collect()])
    }
}
