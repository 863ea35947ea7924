//! One step of an optimizer for one parameter, on the device. Updated in place by the planner.

use super::{Rule, count, elements, f32s, same};
use crate::dtype::DType;
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// The name of the state that holds the learning rate.
pub(crate) const LEARNING_RATE: &str = "optimizer.lr";

/// PyTorch's SGD: `g += weight_decay * p; v = momentum * v + g; p -= lr * v`, with Nesterov
/// `p -= lr * (g + momentum * v)`. Without momentum there is no `v`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SgdStep {
    /// Share of the last velocity that is kept; 0.
    pub momentum: f32,
    /// Look ahead along the velocity; false.
    pub nesterov: bool,
    /// L2 penalty; 0.
    pub weight_decay: f32,
}

/// PyTorch's Adam: `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
/// p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Decay of the two averages; 0.9 and 0.999.
    pub betas: (f64, f64),
    /// Added to the root; 1e-8.
    pub eps: f32,
    /// L2 penalty, or with `decoupled` the share of the parameter lost per unit of learning rate.
    pub weight_decay: f32,
    /// AdamW: `p -= lr * weight_decay * p` instead of a penalty in the gradient.
    pub decoupled: bool,
}

impl Default for AdamStep {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

fn at_least_0(name: &str, value: f32) -> Result<(), Mismatch> {
    Mismatch::check(value >= 0.0 && value.is_finite(), format!("{name} of at least 0"), value.to_string())
}

impl Rule for SgdStep {
    const NAME: &'static str = "sgd";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        at_least_0("momentum", self.momentum)?;
        at_least_0("weight_decay", self.weight_decay)?;
        let with_momentum = self.momentum != 0.0;
        Mismatch::check(with_momentum || !self.nesterov, "a momentum above 0 for nesterov", "0")?;
        let tensors = if with_momentum { 4 } else { 3 };
        Mismatch::check(inputs.len() == tensors, format!("{tensors} inputs"), inputs.len().to_string())?;
        let [param, grad, lr] = f32s(&inputs[..3])?;
        same("grad", param, grad)?;
        same("lr", &TensorType::f32([]), lr)?;
        if let Some(&buffer) = inputs.get(3) {
            same("momentum_buffer", param, buffer)?;
        }
        Ok(vec![param.clone(); tensors - 2])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        4 * elements(outputs)
    }

    fn updates_inputs(&self) -> bool {
        true
    }
}

impl Rule for AdamStep {
    const NAME: &'static str = "adam";

    fn attributes(&self) -> String {
        format!("{self:?}")
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        for beta in [self.betas.0, self.betas.1] {
            Mismatch::check((0.0..1.0).contains(&beta), "betas from 0 to below 1", beta.to_string())?;
        }
        at_least_0("eps", self.eps)?;
        at_least_0("weight_decay", self.weight_decay)?;
        let [param, grad, lr, step, m, v] = count(inputs)?;
        f32s::<1>(&[param])?;
        same("grad", param, grad)?;
        same("exp_avg", param, m)?;
        same("exp_avg_sq", param, v)?;
        same("lr", &TensorType::f32([]), lr)?;
        same("step", &TensorType::u32([]), step)?;
        Ok(vec![param.clone(), param.clone(), param.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        12 * elements(outputs)
    }

    fn updates_inputs(&self) -> bool {
        true
    }
}

/// `u32` to one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Increment;

impl Rule for Increment {
    const NAME: &'static str = "increment";

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let [counter] = count(inputs)?;
        Mismatch::check(counter.dtype == DType::U32, "a u32 counter", counter.to_string())?;
        Ok(vec![counter.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn updates_inputs(&self) -> bool {
        true
    }
}
