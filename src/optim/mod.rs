//! Optimizers: they add the backward pass and the update of every parameter to a graph. State and learning
//! rate stay on the device.

use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{AdamStep, Increment, Init, Op, Role, SgdStep};
use crate::tensor::TensorType;

/// The name of the state that holds the learning rate, an `f32` scalar: set it with [`crate::Parameters::set`] for a
/// schedule. That refuses what is not finite or below 0.
pub const LEARNING_RATE: &str = crate::ops::LEARNING_RATE;
/// The name of the state that counts steps, a `u32` scalar.
pub const STEP: &str = "optimizer.step";

/// Something that can update parameters.
pub trait Optimizer {
    /// Adds to the graph of `loss`: the gradients of all its parameters and their update.
    ///
    /// # Errors
    /// When the loss is no scalar, an op has no gradient, or an option is out of range.
    fn minimize(&self, loss: &Tensor) -> Result<()> {
        self.update(&gradients(loss)?)
    }

    /// Adds the update of parameters by gradients that were changed on the way, such as clipped ones.
    ///
    /// # Errors
    /// When a gradient does not fit its parameter, or an option is out of range.
    fn update(&self, gradients: &[(Tensor, Tensor)]) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn update(&self, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        (**self).update(gradients)
    }
}

fn learning_rate(graph: &Graph, lr: f32) -> Result<Tensor> {
    if !(lr.is_finite() && lr >= 0.0) {
        return Err(Error::argument("lr", "a finite number of at least 0", lr.to_string()));
    }
    graph.state(LEARNING_RATE, TensorType::f32([]), Init::Constant(lr), Role::Optimizer)
}

/// A state of a parameter, of its type, zero at first.
fn memory(parameter: &Tensor, name: &str) -> Result<Tensor> {
    let key = format!("{}.{name}", parameter.name().unwrap_or_default());
    parameter.graph().state(&key, parameter.ty(), Init::Zeros, Role::Optimizer)
}

/// Stochastic gradient descent, PyTorch's `SGD`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// Momentum, Nesterov and weight decay.
    pub step: SgdStep,
}

impl Sgd {
    /// Without momentum or weight decay.
    pub fn new(lr: f32) -> Self {
        Self { lr, step: SgdStep::default() }
    }

    /// Sets the momentum.
    #[must_use]
    pub fn momentum(mut self, momentum: f32) -> Self {
        self.step.momentum = momentum;
        self
    }

    /// Sets whether the momentum is Nesterov's.
    #[must_use]
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.step.nesterov = nesterov;
        self
    }

    /// Sets the L2 penalty.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        self.step.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Sgd {
    fn update(&self, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        let Some((first, _)) = gradients.first() else { return Ok(()) };
        let graph = first.graph();
        let lr = learning_rate(graph, self.lr)?;
        for (parameter, grad) in gradients {
            let mut inputs = vec![parameter, grad, &lr];
            let velocity = memory(parameter, "momentum_buffer");
            let velocity = if self.step.momentum == 0.0 { None } else { Some(velocity?) };
            inputs.extend(&velocity);
            let new = graph.apply(Op::SgdStep(self.step), &inputs)?;
            for (state, new) in [Some(parameter.clone()), velocity.clone()].iter().flatten().zip(&new) {
                graph.assign(state, new)?;
            }
        }
        Ok(())
    }
}

/// Adam and AdamW, as PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f32,
    /// Betas, epsilon and weight decay.
    pub step: AdamStep,
}

impl Adam {
    /// PyTorch's defaults: betas 0.9 and 0.999, epsilon 1e-8, no weight decay.
    pub fn new(lr: f32) -> Self {
        Self { lr, step: AdamStep::default() }
    }

    /// AdamW with PyTorch's defaults: the same and decoupled weight decay 0.01.
    #[doc(alias = "AdamW")]
    pub fn decoupled(lr: f32) -> Self {
        Self { lr, step: AdamStep { weight_decay: 0.01, decoupled: true, ..AdamStep::default() } }
    }

    /// Sets the decay of the two averages.
    #[must_use]
    pub fn betas(mut self, first: f64, second: f64) -> Self {
        self.step.betas = (first, second);
        self
    }

    /// Sets what is added to the root.
    #[must_use]
    pub fn eps(mut self, eps: f32) -> Self {
        self.step.eps = eps;
        self
    }

    /// Sets the weight decay.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        self.step.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Adam {
    fn update(&self, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        let Some((first, _)) = gradients.first() else { return Ok(()) };
        let graph = first.graph();
        let lr = learning_rate(graph, self.lr)?;
        let count = graph.state(STEP, TensorType::u32([]), Init::Zeros, Role::Optimizer)?;
        let step = graph.apply(Op::Increment(Increment), &[&count])?.remove(0);
        graph.assign(&count, &step)?;
        for (parameter, grad) in gradients {
            let (m, v) = (memory(parameter, "exp_avg")?, memory(parameter, "exp_avg_sq")?);
            let new = graph.apply(Op::AdamStep(self.step), &[parameter, grad, &lr, &step, &m, &v])?;
            for (state, new) in [parameter, &m, &v].into_iter().zip(&new) {
                graph.assign(state, new)?;
            }
        }
        Ok(())
    }
}

/// Every parameter of the graph with the gradient of the loss.
///
/// # Errors
/// When the loss is no scalar or an op has no gradient.
pub fn gradients(loss: &Tensor) -> Result<Vec<(Tensor, Tensor)>> {
    let parameters = loss.graph().parameters();
    let gradients = loss.gradients(&parameters.iter().collect::<Vec<_>>())?;
    Ok(parameters.into_iter().zip(gradients).collect())
}

/// Scales all gradients by one factor so that the norm of them together is at most `max_norm`, PyTorch's
/// `clip_grad_norm_`: `min(1, max_norm / (norm + 1e-6))`. Gives them and the norm before, a scalar.
///
/// Recurrent nets want it: the product of many steps' derivatives can grow without bound.
///
/// # Errors
/// When `max_norm` is not above 0 or there are no gradients.
pub fn clip_grad_norm(
    gradients: &[(Tensor, Tensor)],
    max_norm: f32,
) -> Result<(Vec<(Tensor, Tensor)>, Tensor)> {
    if !(max_norm.is_finite() && max_norm > 0.0) {
        return Err(Error::argument("max_norm", "a finite number above 0", max_norm.to_string()));
    }
    let squares = gradients.iter().map(|(_, grad)| {
        let dims: Vec<usize> = (0..grad.shape().len()).collect();
        grad.mul(grad)?.sum(&dims, false)
    });
    let sum = squares.reduce(|sum, square| sum?.add(&square?));
    let norm = sum.unwrap_or_else(|| Err(Error::argument("gradients", "at least one", "none")))?.sqrt()?;
    let graph = norm.graph();
    let factor = graph.scalar(max_norm)?.div(&norm.add(&graph.scalar(1e-6)?)?)?.clamp_max(1.0)?;
    let clipped = gradients.iter().map(|(parameter, grad)| Ok((parameter.clone(), grad.mul(&factor)?)));
    Ok((clipped.collect::<Result<_>>()?, norm))
}
