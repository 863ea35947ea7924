//! Optimizers: they add the backward pass and the update of every parameter to a graph. State and learning
//! rate stay on the device.

mod clip;
mod groups;
mod optimizers;
mod plateau;
mod schedule_text;
mod schedules;

pub use clip::{clip_grad_norm, clip_grad_norm_of, clip_grad_value};
pub use groups::Groups;
pub use optimizers::{Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, RAdam, RmsProp, Rprop, Sgd};
pub use plateau::{Plateau, ReduceOnPlateau};
pub use schedules::{Cycles, Cyclic, OneCycle, Schedule};

use crate::error::{Error, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, Role};
use crate::tensor::TensorType;

/// The name of the state that holds the learning rate, an `f32` scalar: set it with [`crate::Parameters::set`] for a
/// schedule. That refuses what is not finite or below 0. A group's has its name behind it: `optimizer.lr.head`.
pub const LEARNING_RATE: &str = crate::ops::LEARNING_RATE;
/// The name of the state that counts steps, a `u32` scalar.
pub const STEP: &str = "optimizer.step";

/// An optimizer: updates parameters by their gradients.
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
    /// When a gradient does not fit its parameter, an option is out of range, or another optimizer of this graph has another
    /// learning rate: that wants a group of its own.
    fn update(&self, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        self.update_group("", gradients)
    }

    /// As [`Optimizer::update`], for a group of parameters whose learning rate is a state of its own:
    /// [`LEARNING_RATE`] with `.group` behind it, or without where the group has no name.
    ///
    /// # Errors
    /// As [`Optimizer::update`].
    fn update_group(&self, group: &str, gradients: &[(Tensor, Tensor)]) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    fn update_group(&self, group: &str, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        (**self).update_group(group, gradients)
    }
}

/// The name of a state of a group.
fn of_group(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

fn learning_rate(graph: &Graph, group: &str, lr: f32) -> Result<Tensor> {
    if !(lr.is_finite() && lr >= 0.0) {
        return Err(Error::argument("lr", "a finite number of at least 0", lr.to_string()));
    }
    let name = of_group(LEARNING_RATE, group);
    let held = graph.named(&name).and_then(|node| graph.with(|data| data.nodes[node].op.first_value()));
    if let Some(Init::Constant(held)) = held.filter(|held| *held != Init::Constant(lr)) {
        let expected =
            format!("the rate {held} that it has, or another group: see Optimizer::update_group and Groups");
        return Err(Error::argument(&name, expected, lr.to_string()));
    }
    graph.state(&name, TensorType::f32([]), Init::Constant(lr), Role::Optimizer)
}

/// Every trainable parameter that the loss depends on, with its gradient.
///
/// # Errors
/// When the loss is no scalar or an op has no gradient.
pub fn gradients(loss: &Tensor) -> Result<Vec<(Tensor, Tensor)>> {
    let needed = loss.graph().with(|data| data.needed(&[loss.id()]));
    let node = |parameter: &Tensor| loss.graph().with(|data| data.values[parameter.id()].node);
    let parameters: Vec<Tensor> = loss.graph().parameters().into_iter().filter(|p| needed[node(p)]).collect();
    let gradients = loss.gradients(&parameters.iter().collect::<Vec<_>>())?;
    Ok(parameters.into_iter().zip(gradients).collect())
}
