//! Metrics: what a task measures besides its loss, added up on the device.

use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::exec::Parameters;
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, Role};
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};

/// The metric that counts what is left out.
pub(super) const SKIPPED: &str = "skipped";

/// A metric that is measured over a pass: sums on the device, from which the host makes a value when it looks.
///
/// Sums are f32: counts are exact up to 16,777,216.
#[derive(Debug, Clone)]
pub struct Metric {
    name: String,
    kind: Kind,
    parts: Vec<Part>,
}

/// What a batch brings to a state.
#[derive(Debug, Clone)]
enum Part {
    /// Added to it.
    Sum(Tensor),
    /// The number of rows, their mean and the sum of their squared deviations, `(N, K)`: joined to what there is as Chan, Golub
    /// and LeVeque do (Updating formulae and a pairwise algorithm for computing sample variances, 1979), which loses nothing
    /// where the mean is large.
    Moments(Tensor),
}

/// How sums become a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The sum over so many elements an example.
    Mean { per_example: f64 },
    /// One sum over another.
    Ratio,
    /// The root of a mean.
    RootMean { per_example: f64 },
    /// The exponential of a mean.
    ExpMean { per_example: f64 },
    /// The exponential of one sum over another.
    ExpRatio,
    /// One less the squared errors over the squared deviations, the mean over the columns.
    R2,
    /// Counts by label and prediction.
    Confusion { classes: usize },
    /// How many examples count nowhere.
    Skipped,
}

/// The states of a metric, by name, and what becomes of them.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) states: Vec<(String, Shape)>,
    pub(super) kind: Kind,
}

impl Spec {
    /// Whether the sums of two parts of a pass are those of the whole.
    pub(super) fn adds_up(&self) -> bool {
        !matches!(self.kind, Kind::R2 | Kind::Confusion { .. })
    }

    /// The value of its sums over so many examples.
    pub(super) fn value(&self, examples: usize, sums: &[&[f64]]) -> f64 {
        let first = |part: usize| sums.get(part).and_then(|sum| sum.first()).copied().unwrap_or(0.0);
        let mean = |per_example: f64| first(0) / (examples as f64 * per_example).max(1.0);
        let ratio = || if first(1) == 0.0 { 0.0 } else { first(0) / first(1) };
        match self.kind {
            Kind::Mean { per_example } => mean(per_example),
            Kind::RootMean { per_example } => mean(per_example).sqrt(),
            Kind::ExpMean { per_example } => mean(per_example).exp(),
            Kind::Skipped => first(0),
            Kind::Ratio => ratio(),
            Kind::ExpRatio => ratio().exp(),
            Kind::R2 => {
                // Errors, then rows, means and squared deviations.
                let columns =
                    sums[0].iter().zip(sums[3]).map(|(errors, deviations)| 1.0 - errors / deviations);
                columns.sum::<f64>() / sums[0].len().max(1) as f64
            }
            Kind::Confusion { .. } => f64::NAN,
        }
    }
}

/// Elements an example of a tensor whose first dimension is that of the examples.
fn per_example(tensor: &Tensor) -> f64 {
    let shape = tensor.shape();
    shape.elements() as f64 / shape.first().copied().unwrap_or(1).max(1) as f64
}

impl Metric {
    fn new(name: &str, kind: Kind, parts: Vec<Part>) -> Self {
        Self { name: name.to_owned(), kind, parts }
    }

    /// The mean of all elements of `values`, `(N, ..)`, the first dimension being that of the examples.
    ///
    /// # Errors
    /// When they are no numbers.
    pub fn mean(name: &str, values: &Tensor) -> Result<Self> {
        let kind = Kind::Mean { per_example: per_example(values) };
        Ok(Self::new(name, kind, vec![Part::Sum(values.sum((), false)?)]))
    }

    /// The mean of `values` where each counts by its weight, of the same shape: 0 for what is padding.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn weighted_mean(name: &str, values: &Tensor, weights: &Tensor) -> Result<Self> {
        let sums = [values.mul(weights)?.sum((), false)?, weights.sum((), false)?];
        Ok(Self::new(name, Kind::Ratio, sums.map(Part::Sum).into()))
    }

    /// `value`, a mean over the examples of each batch.
    ///
    /// # Errors
    /// When it is no scalar.
    pub fn of_batches(name: &str, value: &Tensor, examples: usize) -> Result<Self> {
        scalar(name, value)?;
        let parts = vec![Part::Sum(value.scale(examples as f32)?)];
        Ok(Self::new(name, Kind::Mean { per_example: 1.0 }, parts))
    }

    /// `accuracy`: how often the largest of `scores (N, C)` is the class `labels (N)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn accuracy(scores: &Tensor, labels: &Tensor) -> Result<Self> {
        let hits = scores.argmax(1)?.equal(labels)?;
        Self::mean("accuracy", &hits)
    }

    /// `top<k>_accuracy`: how often the class `labels (N)` is among the `k` largest of `scores (N, C)`; of equal scores the
    /// class of the lower number comes first. Scores that are NaN are no hits.
    ///
    /// # Errors
    /// When the shapes do not fit, or `k` is not 1 to C.
    pub fn top_k_accuracy(scores: &Tensor, labels: &Tensor, k: usize) -> Result<Self> {
        let shape = scores.shape();
        let [_, classes] = shape[..] else {
            let mismatch = Mismatch::new("scores (N, C)", shape.to_string());
            return Err(Error::op("top_k_accuracy", "", mismatch));
        };
        if !(1..=classes).contains(&k) {
            return Err(Error::argument("top_k", format!("1 to {classes}"), k.to_string()));
        }
        let graph = scores.graph();
        let own = scores.gather(1, &labels.unsqueeze(1)?)?;
        let number = graph.arange(0.0, classes as f64, 1.0)?;
        let before = number.lt(&labels.cast(DType::F32)?.unsqueeze(1)?)?;
        let ahead = scores.gt(&own)?.add(&scores.eq(&own)?.mul(&before)?)?.sum(1, false)?;
        let known = scores.isnan()?.sum(1, false)?.eq(&graph.scalar(0.0)?)?;
        let hits = ahead.lt(&graph.scalar(k as f32)?)?.mul(&known)?;
        Self::mean(&format!("top{k}_accuracy"), &hits)
    }

    /// A confusion matrix: counts by `labels (N)` and the largest of `scores (N, C)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn confusion(scores: &Tensor, labels: &Tensor) -> Result<Self> {
        let classes = scores.shape().get(1).copied().unwrap_or(0);
        let (wanted, found) = (labels.one_hot(classes)?, scores.argmax(1)?.one_hot(classes)?);
        let counts = wanted.transpose(0, 1)?.matmul(&found)?;
        Ok(Self::new("confusion", Kind::Confusion { classes }, vec![Part::Sum(counts)]))
    }

    /// `mae`: the mean absolute error.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn mae(prediction: &Tensor, target: &Tensor) -> Result<Self> {
        Self::mean("mae", &prediction.sub(target)?.abs()?)
    }

    /// `rmse`: the root of the mean squared error.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn rmse(prediction: &Tensor, target: &Tensor) -> Result<Self> {
        let metric = Self::mean("rmse", &prediction.sub(target)?.square()?)?;
        Ok(Self { kind: Kind::RootMean { per_example: per_example(prediction) }, ..metric })
    }

    /// `r2`: the coefficient of determination, 1 less the squared errors over the squared deviations of the targets from their
    /// mean; of several targets an example, `(N, ..)`, the mean of theirs. Not finite where targets do not differ.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn r2(prediction: &Tensor, target: &Tensor) -> Result<Self> {
        let rows = target.shape().first().copied().unwrap_or(1);
        let columns = per_example(target) as usize;
        let by_column = |tensor: &Tensor| tensor.reshape([rows, columns]);
        let errors = by_column(&prediction.sub(target)?)?.square()?.sum(0, false)?;
        Ok(Self::new("r2", Kind::R2, vec![Part::Sum(errors), Part::Moments(by_column(target)?)]))
    }

    /// `perplexity`: the exponential of the mean of `losses (N, ..)`; with weights of their shape, of those that count.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn perplexity(losses: &Tensor, weights: Option<&Tensor>) -> Result<Self> {
        Ok(match weights {
            None => {
                let kind = Kind::ExpMean { per_example: per_example(losses) };
                Self { kind, ..Self::mean("perplexity", losses)? }
            }
            Some(weights) => {
                Self { kind: Kind::ExpRatio, ..Self::weighted_mean("perplexity", losses, weights)? }
            }
        })
    }

    /// `skipped`: how many examples count in no other metric.
    pub(super) fn skipped(examples: &Tensor) -> Self {
        Self::new(SKIPPED, Kind::Skipped, vec![Part::Sum(examples.clone())])
    }

    /// Its states under `metric.<pass>.<name>`, and the updates that a batch brings.
    pub(super) fn accumulate(&self, graph: &Graph, pass: &str) -> Result<Spec> {
        let mut states = Vec::new();
        let mut state = |part: &str, shape: &Shape| {
            let name = format!("metric.{pass}.{}{part}", self.name);
            states.push((name.clone(), shape.clone()));
            graph.state(&name, TensorType::f32(shape.clone()), Init::Zeros, Role::Metric)
        };
        for (number, part) in self.parts.iter().enumerate() {
            match part {
                Part::Sum(value) => {
                    let name = if number == 0 { String::new() } else { format!(".{number}") };
                    let total = state(&name, &value.shape())?;
                    graph.assign(&total, &total.add(value)?)?;
                }
                Part::Moments(values) => {
                    let columns = Shape::from(&values.shape()[1..]);
                    let (rows, one) = (values.shape()[0] as f32, Shape::from([]));
                    let [count, mean, deviations] =
                        [state(".rows", &one)?, state(".mean", &columns)?, state(".deviations", &columns)?];
                    let own = values.mean(0, false)?;
                    let around = values.sub(&own.unsqueeze(0)?)?.square()?.sum(0, false)?;
                    let (apart, all) = (own.sub(&mean)?, count.add_scalar(rows)?);
                    let share = graph.scalar(rows)?.div(&all)?;
                    let between = apart.square()?.mul(&count.mul(&share)?)?;
                    graph.assign(&mean, &mean.add(&apart.mul(&share)?)?)?;
                    graph.assign(&deviations, &deviations.add(&around)?.add(&between)?)?;
                    graph.assign(&count, &all)?;
                }
            }
        }
        Ok(Spec { name: self.name.clone(), states, kind: self.kind })
    }
}

fn scalar(name: &str, value: &Tensor) -> Result<()> {
    match value.shape().is_empty() {
        true => Ok(()),
        false => Err(Error::argument(name, "a scalar", value.shape().to_string())),
    }
}

/// Adds all metrics of a pass to a graph, the loss before them.
pub(super) fn accumulate(graph: &Graph, pass: &str, metrics: &[Metric]) -> Result<Vec<Spec>> {
    for (number, metric) in metrics.iter().enumerate() {
        if metrics[..number].iter().any(|other| other.name == metric.name) {
            return Err(Error::argument("metric", "a name for each", format!("two called {}", metric.name)));
        }
    }
    metrics.iter().map(|metric| metric.accumulate(graph, pass)).collect()
}

/// The names of those that have a value.
pub(super) fn names(specs: &[Spec]) -> Vec<String> {
    let valued = specs.iter().filter(|spec| !matches!(spec.kind, Kind::Confusion { .. }));
    valued.map(|spec| spec.name.clone()).collect()
}

/// Sets the sums on the device to zero.
pub(super) fn reset(parameters: &Parameters, specs: &[Spec]) -> Result<()> {
    let mut states = specs.iter().flat_map(|spec| &spec.states);
    states.try_for_each(|(name, shape)| {
        parameters.set(name, &HostTensor::zeros(&TensorType::f32(shape.clone())))
    })
}
