//! Leaves: inputs, states and constants, and how states begin.

use super::{Init, Rule, count};
use crate::error::Mismatch;
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
        self.init.check(&self.ty.shape)?;
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
