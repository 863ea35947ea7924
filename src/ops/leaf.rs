//! Leaves: inputs, states and constants, and how states begin.

use super::{Rule, count};
use crate::error::Mismatch;
use crate::random::Rng;
use crate::shape::Shape;
use crate::tensor::{HostTensor, TensorType};
use std::fmt;
use std::sync::Arc;

/// What a state is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Trained and saved with the model.
    Parameter,
    /// Saved with the model, not trained: running statistics.
    Buffer,
    /// The optimizer's memory and settings.
    Optimizer,
    /// Counters of a training run.
    Metric,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Parameter => "parameter",
            Role::Buffer => "buffer",
            Role::Optimizer => "optimizer",
            Role::Metric => "metric",
        })
    }
}

/// The distribution of a state's first value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All the same.
    Constant(f32),
    /// Uniform in `[low, high)`.
    Uniform {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f32,
        /// Standard deviation.
        std: f32,
    },
}

/// `(fan_in, fan_out)` of a weight `(out, in, ..)`, as PyTorch counts them.
fn fans(weight: &Shape) -> (f64, f64) {
    let receptive: usize = weight.iter().skip(2).product();
    let of = |i: usize| weight.get(i).copied().unwrap_or(1) as f64 * receptive as f64;
    (of(1), of(0))
}

impl Init {
    /// He's uniform initialisation for a layer followed by a leaky ReLU of negative slope `a` (0: ReLU):
    /// bound `sqrt(6 / ((1 + a^2) fan_in))`.
    pub fn kaiming_uniform(weight: &Shape, a: f64) -> Self {
        let bound = (6.0 / ((1.0 + a * a) * fans(weight).0)).sqrt();
        Self::symmetric(bound)
    }

    /// He's normal initialisation: standard deviation `sqrt(2 / ((1 + a^2) fan_in))`.
    pub fn kaiming_normal(weight: &Shape, a: f64) -> Self {
        Self::Normal { mean: 0.0, std: (2.0 / ((1.0 + a * a) * fans(weight).0)).sqrt() as f32 }
    }

    /// The same with the fan of the outputs: standard deviation `sqrt(2 / ((1 + a^2) fan_out))`.
    pub fn kaiming_normal_fan_out(weight: &Shape, a: f64) -> Self {
        Self::Normal { mean: 0.0, std: (2.0 / ((1.0 + a * a) * fans(weight).1)).sqrt() as f32 }
    }

    /// Glorot's uniform initialisation: bound `gain sqrt(6 / (fan_in + fan_out))`.
    pub fn xavier_uniform(weight: &Shape, gain: f64) -> Self {
        let (fan_in, fan_out) = fans(weight);
        Self::symmetric(gain * (6.0 / (fan_in + fan_out)).sqrt())
    }

    /// Glorot's normal initialisation: standard deviation `gain sqrt(2 / (fan_in + fan_out))`.
    pub fn xavier_normal(weight: &Shape, gain: f64) -> Self {
        let (fan_in, fan_out) = fans(weight);
        Self::Normal { mean: 0.0, std: (gain * (2.0 / (fan_in + fan_out)).sqrt()) as f32 }
    }

    /// PyTorch's default for the weight of a convolution or linear layer: `kaiming_uniform(a = sqrt 5)`.
    pub fn torch_weight(weight: &Shape) -> Self {
        Self::kaiming_uniform(weight, 5f64.sqrt())
    }

    /// PyTorch's default for the bias of a layer with this weight: bound `1 / sqrt(fan_in)`.
    pub fn torch_bias(weight: &Shape) -> Self {
        Self::symmetric(1.0 / fans(weight).0.sqrt())
    }

    fn symmetric(bound: f64) -> Self {
        Self::Uniform { low: -bound as f32, high: bound as f32 }
    }

    /// The first values of the state `name`: the same for a seed on every device, whatever the order in
    /// which states are made.
    pub fn values(&self, name: &str, seed: u64, count: usize) -> Vec<f32> {
        let mut rng = Rng::named(seed, name);
        (0..count)
            .map(|_| match *self {
                Init::Zeros => 0.0,
                Init::Constant(value) => value,
                Init::Uniform { low, high } => rng.range(low.into(), high.into()) as f32,
                Init::Normal { mean, std } => (f64::from(mean) + f64::from(std) * rng.normal()) as f32,
            })
            .collect()
    }
}

/// A value given before each run.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
}

impl Rule for Input {
    const NAME: &'static str = "input";

    fn attributes(&self) -> String {
        format!("'{}'", self.name)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        count::<0>(inputs)?;
        Ok(vec![self.ty.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// A value kept from run to run: parameters, optimizer state, counters.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Its state-dict key.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// Its first value.
    pub init: Init,
    /// What it is for.
    pub role: Role,
}

impl Rule for State {
    const NAME: &'static str = "state";

    fn attributes(&self) -> String {
        format!("'{}' {}", self.name, self.role)
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        count::<0>(inputs)?;
        Ok(vec![self.ty.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// A scalar known when the graph is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Constant {
    /// Its value.
    pub value: f32,
}

impl Rule for Constant {
    const NAME: &'static str = "constant";

    fn attributes(&self) -> String {
        self.value.to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        count::<0>(inputs)?;
        Ok(vec![TensorType::f32([])])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

/// A tensor known when the graph is built: it lies on the device from the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its values.
    pub values: Arc<HostTensor>,
}

impl Rule for Table {
    const NAME: &'static str = "table";

    fn attributes(&self) -> String {
        self.values.ty().to_string()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        count::<0>(inputs)?;
        Ok(vec![self.values.ty()])
    }

    fn flops(&self, _inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialisers_have_the_published_moments() {
        let weight = Shape::from([64, 32, 3, 3]);
        let deviation = |init: Init| {
            let v = init.values("w", 0, weight.elements());
            (v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / v.len() as f64).sqrt()
        };
        let near = |init, want: f64| assert!((deviation(init) / want - 1.0).abs() < 0.02);
        let (fan_in, fan_out) = (32.0 * 9.0, 64.0 * 9.0);
        near(Init::kaiming_uniform(&weight, 0.0), (2.0f64 / fan_in).sqrt());
        near(Init::kaiming_normal(&weight, 0.0), (2.0f64 / fan_in).sqrt());
        near(Init::xavier_uniform(&weight, 1.0), (2.0f64 / (fan_in + fan_out)).sqrt());
        near(Init::xavier_normal(&weight, 1.0), (2.0f64 / (fan_in + fan_out)).sqrt());
        near(Init::torch_weight(&weight), (1.0f64 / (3.0 * fan_in)).sqrt());
        near(Init::torch_bias(&weight), (1.0f64 / (3.0 * fan_in)).sqrt());
        assert_eq!(
            Init::torch_weight(&weight).values("w", 7, 9)[..4],
            Init::torch_weight(&weight).values("w", 7, 4)
        );
    }
}
