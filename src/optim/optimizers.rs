//! The optimizers: PyTorch's names and defaults over the rows of [`crate::updates`].

use super::{Optimizer, STEP, learning_rate, of_group};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{Graph, Tensor};
use crate::ops::{Init, OptimizerStep, Role};
use crate::tensor::TensorType;
use crate::updates::{Memory, Start, Update};

/// A row with its options.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    name: &'static str,
    lr: f32,
    /// Those that were set.
    set: Vec<(&'static str, f64)>,
}

impl Options {
    fn step(&self) -> Result<OptimizerStep> {
        let unknown = |what: &str| Error::argument(what, "a known optimizer and its options", self.name);
        let update = Update::named(self.name).ok_or_else(|| unknown("optimizer"))?;
        let mut options = update.defaults();
        for (name, value) in &self.set {
            options[update.option(name).ok_or_else(|| unknown(name))?] = *value;
        }
        update.check(&options).map_err(|m| Error::op(self.name, "", m))?;
        Ok(OptimizerStep { update, options })
    }

    fn update_group(&self, group: &str, gradients: &[(Tensor, Tensor)]) -> Result<()> {
        let Some((first, _)) = gradients.first() else { return Ok(()) };
        let (graph, step) = (first.graph(), self.step()?);
        let lr = learning_rate(graph, group, self.lr)?;
        let mut shared = vec![lr.clone()];
        if step.update.counts(&step.options) {
            shared.push(graph.counter(STEP)?.1);
        }
        if step.update.product() {
            shared.push(product(graph, group, &step, &shared)?);
        }
        for (parameter, grad) in gradients {
            let memories = step.kept().into_iter().map(|(_, m)| self.memory(parameter, m, &step));
            let memories = memories.collect::<Result<Vec<_>>>()?;
            let inputs = [parameter, grad].into_iter().chain(&shared).chain(&memories);
            let mut new = graph.apply(step.clone(), &inputs.collect::<Vec<_>>())?;
            if step.update.directs {
                new[0] = trusted(parameter, &new[0], &lr)?;
            }
            for (state, new) in [parameter].into_iter().chain(&memories).zip(&new) {
                graph.assign(state, new)?;
            }
        }
        Ok(())
    }

    /// A state of a parameter, of its type.
    fn memory(&self, parameter: &Tensor, memory: &Memory, step: &OptimizerStep) -> Result<Tensor> {
        let key = format!("{}.{}", parameter.name().unwrap_or_default(), memory.name);
        let init = match memory.starts {
            Start::Zero => Init::Zeros,
            Start::LearningRate => Init::Constant(self.lr),
            Start::Option(name) => {
                Init::Constant(step.update.option(name).map_or(0.0, |position| step.options[position]) as f32)
            }
        };
        parameter.graph().state(&key, parameter.ty(), init, Role::Optimizer)
    }
}

/// NAdam's product of all momenta, this step's among them.
fn product(graph: &Graph, group: &str, step: &OptimizerStep, shared: &[Tensor]) -> Result<Tensor> {
    let name = of_group("optimizer.momentum_product", group);
    let product = graph.state(&name, TensorType::f32([]), Init::Constant(1.0), Role::Optimizer)?;
    let missing = || Error::op("nadam", &name, Mismatch::new("the row of its product", "none"));
    let update = Update::named("nadam_product").ok_or_else(missing)?;
    let position = |name: &str| step.update.option(name).map_or(0.0, |position| step.options[position]);
    let options = update.options.iter().map(|hyper| position(hyper.name)).collect();
    // Of one number and without a gradient: the rate stands in for it.
    let inputs = [&[&product, &shared[0]][..], &shared.iter().collect::<Vec<_>>()].concat();
    let new = graph.apply(OptimizerStep { update, options }, &inputs)?.remove(0);
    graph.assign(&product, &new)?;
    Ok(new)
}

/// LAMB's step along a direction: as long as the parameter is, times the learning rate; without a factor where either is 0.
fn trusted(parameter: &Tensor, direction: &Tensor, lr: &Tensor) -> Result<Tensor> {
    let graph = parameter.graph();
    let norm = |x: &Tensor| x.mul(x)?.sum((), false)?.sqrt();
    let (long, wide) = (norm(parameter)?, norm(direction)?);
    let one = graph.scalar(1.0)?;
    let ratio = wide.select(&long.select(&long.div(&wide)?, &one)?, &one)?;
    parameter.sub(&direction.mul(&ratio.mul(lr)?)?)
}

macro_rules! optimizer {
    (
        $(#[$doc:meta])*
        $optimizer:ident = $row:literal, $default:literal, [$($first:ident: $first_value:expr),*];
        $($(#[$option_doc:meta])* $kind:ident $option:ident;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $optimizer(Options);

        impl $optimizer {
            /// With PyTorch's defaults but for the learning rate.
            pub fn new(lr: f32) -> Self {
                let set = vec![$((stringify!($first), $first_value)),*];
                Self(Options { name: $row, lr, set })
            }

            fn set(mut self, name: &'static str, value: f64) -> Self {
                self.0.set.push((name, value));
                self
            }

            $(optimizer! { @$kind $(#[$option_doc])* $option })*
        }

        impl Default for $optimizer {
            /// With the usual learning rate too.
            fn default() -> Self {
                Self::new($default)
            }
        }

        impl Optimizer for $optimizer {
            fn update_group(&self, group: &str, gradients: &[(Tensor, Tensor)]) -> Result<()> {
                self.0.update_group(group, gradients)
            }
        }
    };
    (@number $(#[$doc:meta])* $option:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $option(self, value: impl Into<f64>) -> Self {
            self.set(stringify!($option), decimal(value.into()))
        }
    };
    (@flag $(#[$doc:meta])* $option:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $option(self, on: bool) -> Self {
            self.set(stringify!($option), f64::from(u8::from(on)))
        }
    };
    (@pair $(#[$doc:meta])* betas) => {
        $(#[$doc])*
        #[must_use]
        pub fn betas(self, first: f64, second: f64) -> Self {
            self.set("beta1", first).set("beta2", second)
        }
    };
    (@pair $(#[$doc:meta])* etas) => {
        $(#[$doc])*
        #[must_use]
        pub fn etas(self, minus: f64, plus: f64) -> Self {
            self.set("etaminus", minus).set("etaplus", plus)
        }
    };
    (@pair $(#[$doc:meta])* step_sizes) => {
        $(#[$doc])*
        #[must_use]
        pub fn step_sizes(self, least: f64, most: f64) -> Self {
            self.set("step_size_min", least).set("step_size_max", most)
        }
    };
}

/// The decimal number that was meant, where an `f32` was given: 0.9 and not 0.8999999761581421.
fn decimal(value: f64) -> f64 {
    let single = value as f32;
    if f64::from(single) == value { single.to_string().parse().unwrap_or(value) } else { value }
}

optimizer! {
    /// Stochastic gradient descent, PyTorch's `SGD`.
    Sgd = "sgd", 1e-3, [];
    /// Sets the momentum; 0.
    number momentum;
    /// Sets the fraction of each gradient that the momentum leaves out; 0.
    number dampening;
    /// Sets whether the momentum is Nesterov's; false.
    flag nesterov;
    /// Sets the L2 penalty; 0.
    number weight_decay;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Adam, as PyTorch's.
    Adam = "adam", 1e-3, [];
    /// Sets the decay of the two averages; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the root; 1e-8.
    number eps;
    /// Sets the L2 penalty, or with `decoupled` the fraction of the parameter lost per unit of learning rate; 0.
    number weight_decay;
    /// Sets whether the decay is AdamW's; false.
    flag decoupled;
    /// Sets whether the root is of the largest second moment so far; false.
    flag amsgrad;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Adam with decoupled weight decay, as PyTorch's `AdamW`.
    AdamW = "adam", 1e-3, [decoupled: 1.0, weight_decay: 0.01];
    /// Sets the decay of the two averages; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the root; 1e-8.
    number eps;
    /// Sets the fraction of the parameter lost per unit of learning rate; 0.01.
    number weight_decay;
    /// Sets whether the root is of the largest second moment so far; false.
    flag amsgrad;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Adam with the largest gradient instead of a root, as PyTorch's `Adamax`.
    Adamax = "adamax", 2e-3, [];
    /// Sets the decay of average and maximum; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the size of the gradient; 1e-8.
    number eps;
    /// Sets the L2 penalty; 0.
    number weight_decay;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// PyTorch's `RMSprop`. Where rounding makes a centered square negative, it is 0.
    RmsProp = "rmsprop", 1e-2, [];
    /// Sets the decay of the average of squares; 0.99.
    number alpha;
    /// Sets what is added to the root; 1e-8.
    number eps;
    /// Sets the L2 penalty; 0.
    number weight_decay;
    /// Sets the momentum; 0.
    number momentum;
    /// Sets whether the root is of the variance; false.
    flag centered;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// PyTorch's `Adagrad`.
    Adagrad = "adagrad", 1e-2, [];
    /// Sets by how much the learning rate falls with the steps; 0.
    number lr_decay;
    /// Sets what is added to the root; 1e-10.
    number eps;
    /// Sets the L2 penalty; 0.
    number weight_decay;
    /// Sets what the sums of squares begin with; 0.
    number initial_accumulator_value;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// PyTorch's `Adadelta`.
    Adadelta = "adadelta", 1.0, [];
    /// Sets the decay of both averages of squares; 0.9.
    number rho;
    /// Sets what is added under the roots; 1e-6.
    number eps;
    /// Sets the L2 penalty; 0.
    number weight_decay;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Adam with Nesterov's momentum, as PyTorch's `NAdam`.
    NAdam = "nadam", 2e-3, [];
    /// Sets the decay of the two averages; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the root; 1e-8.
    number eps;
    /// Sets the L2 penalty, or with `decoupled` the fraction of the parameter lost per unit of learning rate; 0.
    number weight_decay;
    /// Sets how fast the momentum grows to its final value; 0.004.
    number momentum_decay;
    /// Sets whether the decay is AdamW's; false.
    flag decoupled;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Rectified Adam, as PyTorch's `RAdam`.
    RAdam = "radam", 1e-3, [];
    /// Sets the decay of the two averages; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the root; 1e-8.
    number eps;
    /// Sets the L2 penalty, or with `decoupled` the fraction of the parameter lost per unit of learning rate; 0.
    number weight_decay;
    /// Sets whether the decay is AdamW's; false.
    flag decoupled;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Lion: the sign of a momentum (Chen et al., 2023).
    Lion = "lion", 1e-4, [];
    /// Sets the weights of the momentum in the step and in itself; 0.9 and 0.99.
    pair betas;
    /// Sets the fraction of the parameter lost per unit of learning rate; 0.
    number weight_decay;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// LAMB: Adam's direction, as long as the parameter is (You et al., 2020).
    Lamb = "lamb", 1e-3, [];
    /// Sets the decay of the two averages; 0.9 and 0.999.
    pair betas;
    /// Sets what is added to the root; 1e-6.
    number eps;
    /// Sets the fraction of the parameter that its direction goes back; 0.
    number weight_decay;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}

optimizer! {
    /// Resilient backpropagation, PyTorch's `Rprop`, for gradients of all data at once. The learning rate is what step sizes
    /// begin with.
    Rprop = "rprop", 1e-2, [];
    /// Sets the factors of a step size where the gradient changes its sign and where it does not; 0.5 and 1.2.
    pair etas;
    /// Sets the least and the largest step; 1e-6 and 50.
    pair step_sizes;
    /// Sets whether the loss is to grow; false.
    flag maximize;
}
