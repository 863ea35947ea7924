//! Tasks: how a batch becomes a loss, and what is measured on the way.

use super::measures::LOSS;
use super::metric::Metric;
use crate::data::Field;
use crate::dtype::DType;
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::nn::{Loss, Module};
use crate::ops::{CrossEntropy, Reduction};
use crate::shape::Shape;
use crate::tensor::HostTensor;

/// The field of classes.
const LABEL: &str = "label";
/// The field of what is to be predicted.
const TARGET: &str = "target";

/// The tensors of a batch in a graph, by the names of their fields.
#[derive(Debug, Clone)]
pub struct Inputs {
    graph: Graph,
    rows: usize,
    classes: usize,
    tensors: Vec<(String, Tensor)>,
}

impl Inputs {
    /// Declares the inputs of a graph for batches of `rows` examples.
    pub(super) fn of(graph: &Graph, fields: &[Field], classes: usize, rows: usize) -> Result<Self> {
        let input = |field: &Field| {
            let dims = std::iter::once(rows).chain(field.ty.shape.iter().copied());
            let shape = Shape::from(dims.collect::<Vec<_>>());
            let tensor = match field.ty.dtype {
                DType::U32 => graph.input_u32(&field.name, shape)?,
                _ => graph.input(&field.name, shape)?,
            };
            Ok((field.name.clone(), tensor))
        };
        let tensors = fields.iter().map(input).collect::<Result<_>>()?;
        Ok(Self { graph: graph.clone(), rows, classes, tensors })
    }

    /// The graph that the batch is in.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The number of examples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of classes that the data names; 0 where it names none.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The field `name`: its examples one after the other.
    ///
    /// # Errors
    /// When there is no such field: those that there are.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let found = self.tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
        let known = || self.tensors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| Error::argument("field", format!("one of {}", known()), name))
    }

    /// The first field that is neither `label` nor `target`: what networks read.
    ///
    /// # Errors
    /// When there is none.
    pub fn input(&self) -> Result<&Tensor> {
        let mut read = self.tensors.iter().filter(|(name, _)| is_input(name));
        let none = || Error::argument("field", format!("one besides {LABEL} and {TARGET}"), "none");
        read.next().map(|(_, tensor)| tensor).ok_or_else(none)
    }

    /// All fields with their tensors, in the order of the data.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors.iter().map(|(_, tensor)| tensor)
    }
}

/// Whether networks read this field when they predict.
pub(super) fn is_input(name: &str) -> bool {
    name != LABEL && name != TARGET
}

/// The loss of a batch, and what is measured on it.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub(super) loss: Tensor,
    pub(super) metrics: Vec<Metric>,
}

impl Outcome {
    /// A loss: the mean over the examples of the batch, a scalar. It is the metric `loss`, too.
    ///
    /// # Errors
    /// When it is no scalar.
    pub fn new(batch: &Inputs, loss: Tensor) -> Result<Self> {
        let metric = Metric::of_batches(LOSS, &loss, batch.rows())?;
        Ok(Self { loss, metrics: vec![metric] })
    }

    /// Measures this, too.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }
}

/// What a network is to learn. Functions of a batch are tasks; for the usual ones there are [`Classification`],
/// [`SequenceClassification`], [`Regression`] and [`Reconstruction`].
///
/// ```
/// use wgrad::nn::{Linear, Module};
/// use wgrad::train::{Inputs, Metric, Outcome};
///
/// // Two heads, a loss of one's own.
/// let task = |batch: &Inputs| {
///     let x = batch.graph().scoped("body", || Linear::new(4, 8).forward(batch.get("x")?))?.relu()?;
///     let (mean, log_variance) = (
///         batch.graph().scoped("mean", || Linear::new(8, 1).forward(&x))?,
///         batch.graph().scoped("log_variance", || Linear::new(8, 1).forward(&x))?,
///     );
///     let error = mean.sub(batch.get("y")?)?.square()?;
///     let loss = error.mul(&log_variance.neg()?.exp()?)?.add(&log_variance)?.mean((), false)?;
///     Ok(Outcome::new(batch, loss)?.metric(Metric::rmse(&mean, batch.get("y")?)?))
/// };
/// # fn is_task(_: impl wgrad::train::Task) {}
/// # is_task(task);
/// ```
pub trait Task {
    /// Adds the loss of a batch and what is measured to its graph. Whether it is learned from or evaluated on,
    /// [`Graph::is_training`] tells.
    ///
    /// # Errors
    /// When the batch does not fit the network.
    fn learn(&self, batch: &Inputs) -> Result<Outcome>;

    /// Adds what the network says of a batch without `label` and `target`, `(N, ..)`.
    ///
    /// # Errors
    /// When the batch does not fit the network, or the task predicts nothing.
    fn predict(&self, _batch: &Inputs) -> Result<Tensor> {
        Err(Error::argument("task", "a task with a predict method (Task::predict)", "one that does not"))
    }
}

impl<F: Fn(&Inputs) -> Result<Outcome>> Task for F {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        self(batch)
    }
}

/// Classification: a network from the first field to logits `(N, C)`, and a field `label`, classes or, after
/// [`crate::data::Examples`] that mix them, probabilities. Sequences to one class, too.
///
/// Measures `accuracy`, `top<k>_accuracy` where asked for, and when it is evaluated the confusion of classes. Predicts
/// probabilities.
pub struct Classification {
    model: Box<dyn Module>,
    loss: CrossEntropy,
    weights: Vec<f32>,
    top_k: Option<usize>,
}

impl Classification {
    /// With cross entropy.
    pub fn new(model: impl Module + 'static) -> Self {
        Self { model: Box::new(model), loss: CrossEntropy::default(), weights: Vec::new(), top_k: None }
    }

    /// Sets the fraction of the target that is distributed over all classes; 0.
    #[must_use]
    pub fn label_smoothing(mut self, fraction: f32) -> Self {
        self.loss.label_smoothing = fraction;
        self
    }

    /// Sets how much each class counts in the loss: more for those that are rare; alike.
    #[must_use]
    pub fn class_weights(self, weights: Vec<f32>) -> Self {
        Self { weights, ..self }
    }

    /// Measures how often the class is among the `k` likeliest.
    #[must_use]
    pub fn top_k(self, k: usize) -> Self {
        Self { top_k: Some(k), ..self }
    }

    fn logits(&self, batch: &Inputs) -> Result<Tensor> {
        let logits = self.model.forward(batch.input()?)?;
        let shape = logits.shape();
        let fits = matches!(shape[..], [rows, classes] if rows == batch.rows() && classes >= batch.classes());
        let expected = match batch.classes() {
            0 => "logits (N, classes)".to_owned(),
            classes => format!("logits (N, classes) of {classes} classes"),
        };
        let checked = Mismatch::check(fits, expected, shape.to_string());
        checked.map_err(|mismatch| Error::op("classification", "", mismatch))?;
        Ok(logits)
    }
}

impl Task for Classification {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        let (logits, label) = (self.logits(batch)?, batch.get(LABEL)?);
        let loss = match self.weights.is_empty() {
            true => logits.cross_entropy(label, self.loss, Reduction::Mean)?,
            false => {
                let weights = HostTensor::from_f32([self.weights.len()], self.weights.clone())?;
                let weights = batch.graph().constant(weights)?;
                logits.cross_entropy_weighted(label, &weights, self.loss, Reduction::Mean)?
            }
        };
        let class = if label.ty().dtype == DType::F32 { label.argmax(1)? } else { label.clone() };
        let mut outcome = Outcome::new(batch, loss)?.metric(Metric::accuracy(&logits, &class)?);
        if let Some(k) = self.top_k {
            outcome = outcome.metric(Metric::top_k_accuracy(&logits, &class, k)?);
        }
        if !batch.graph().is_training() {
            outcome = outcome.metric(Metric::confusion(&logits, &class)?);
        }
        Ok(outcome)
    }

    fn predict(&self, batch: &Inputs) -> Result<Tensor> {
        self.logits(batch)?.softmax(1)
    }
}

/// A class for every step of a sequence: a network from the first field, `(N, T, ..)`, to logits `(N, T, C)`, and a field
/// `label (N, T)`. Measures `accuracy` and `perplexity` over the steps that count. Predicts probabilities.
pub struct SequenceClassification {
    model: Box<dyn Module>,
    padding: Option<u32>,
}

impl SequenceClassification {
    /// All steps count.
    pub fn new(model: impl Module + 'static) -> Self {
        Self { model: Box::new(model), padding: None }
    }

    /// Sets the label of steps that do not count.
    #[must_use]
    pub fn padding(self, label: u32) -> Self {
        Self { padding: Some(label), ..self }
    }

    fn logits(&self, batch: &Inputs) -> Result<Tensor> {
        let logits = self.model.forward(batch.input()?)?;
        let shape = logits.shape();
        let fits =
            matches!(shape[..], [rows, _, classes] if rows == batch.rows() && classes >= batch.classes());
        let checked = Mismatch::check(fits, "logits (N, T, classes)", shape.to_string());
        checked.map_err(|mismatch| Error::op("sequence classification", "", mismatch))?;
        Ok(logits)
    }
}

impl Task for SequenceClassification {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        let (logits, label) = (self.logits(batch)?, batch.get(LABEL)?);
        let shape = logits.shape();
        let steps = shape[0] * shape[1];
        let (logits, label) = (logits.reshape([steps, shape[2]])?, label.reshape([steps])?);
        let options = CrossEntropy { ignore_index: self.padding, ..CrossEntropy::default() };
        let losses = logits.cross_entropy(&label, options, Reduction::None)?;
        let hits = logits.argmax(1)?.equal(&label)?;
        let (accuracy, perplexity, loss) = match self.padding {
            None => {
                let by_example = |tensor: &Tensor| tensor.reshape([shape[0], shape[1]]);
                let (hits, losses) = (by_example(&hits)?, by_example(&losses)?);
                (
                    Metric::mean("accuracy", &hits)?,
                    Metric::perplexity(&losses, None)?,
                    losses.mean((), false)?,
                )
            }
            Some(padding) => {
                let padding =
                    batch.graph().scalar(padding as f32)?.broadcast_to([steps])?.cast(DType::U32)?;
                let counts = label.equal(&padding)?.neg()?.add_scalar(1.0)?;
                let accuracy = Metric::weighted_mean("accuracy", &hits, &counts)?;
                let mean = losses.sum((), false)?.div(&counts.sum((), false)?.clamp_min(1.0)?)?;
                (accuracy, Metric::perplexity(&losses, Some(&counts))?, mean)
            }
        };
        Ok(Outcome::new(batch, loss)?.metric(accuracy).metric(perplexity))
    }

    fn predict(&self, batch: &Inputs) -> Result<Tensor> {
        self.logits(batch)?.softmax(2)
    }
}

/// Regression: a network from the first field to `(N, ..)`, and a field `target` of as many numbers. Measures `mae`,
/// `rmse` and `r2`. Predicts the numbers.
pub struct Regression {
    model: Box<dyn Module>,
    loss: Box<dyn Loss>,
}

impl Regression {
    /// With a loss such as [`crate::nn::MSELoss`].
    pub fn new(model: impl Module + 'static, loss: impl Loss + 'static) -> Self {
        Self { model: Box::new(model), loss: Box::new(loss) }
    }
}

impl Task for Regression {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        let target = batch.get(TARGET)?;
        let prediction = self.model.forward(batch.input()?)?;
        let fits = prediction.shape().elements() == target.shape().elements();
        let expected = format!("as many numbers as targets {}", target.shape());
        let checked = Mismatch::check(fits, expected, prediction.shape().to_string());
        checked.map_err(|mismatch| Error::op("regression", "", mismatch))?;
        let prediction = prediction.reshape(target.shape())?;
        let outcome = Outcome::new(batch, self.loss.forward(&prediction, target)?)?;
        Ok(outcome
            .metric(Metric::mae(&prediction, target)?)
            .metric(Metric::rmse(&prediction, target)?)
            .metric(Metric::r2(&prediction, target)?))
    }

    fn predict(&self, batch: &Inputs) -> Result<Tensor> {
        self.model.forward(batch.input()?)
    }
}

/// Reconstruction of the input: a network from the first field to its own shape, as autoencoders do. Measures `rmse`. Predicts
/// what comes out.
pub struct Reconstruction {
    model: Box<dyn Module>,
    loss: Box<dyn Loss>,
}

impl Reconstruction {
    /// With a loss such as [`crate::nn::MSELoss`].
    pub fn new(model: impl Module + 'static, loss: impl Loss + 'static) -> Self {
        Self { model: Box::new(model), loss: Box::new(loss) }
    }
}

impl Task for Reconstruction {
    fn learn(&self, batch: &Inputs) -> Result<Outcome> {
        let input = batch.input()?;
        let prediction = self.model.forward(input)?;
        let outcome = Outcome::new(batch, self.loss.forward(&prediction, input)?)?;
        Ok(outcome.metric(Metric::rmse(&prediction, input)?))
    }

    fn predict(&self, batch: &Inputs) -> Result<Tensor> {
        self.model.forward(batch.input()?)
    }
}
