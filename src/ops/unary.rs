//! Element-wise functions of one tensor: activations and scaling.

use super::{Rule, elements, f32s, only_f32, same};
use crate::error::Mismatch;
use crate::tensor::TensorType;

/// An element-wise function. At kinks the derivative is PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// `max(x, 0)`; derivative 0 at 0.
    Relu,
    /// `x` for `x > 0`, else `negative_slope * x`; derivative `negative_slope` at 0.
    LeakyRelu {
        /// Slope for negative inputs.
        negative_slope: f32,
    },
    /// `x` for `x > 0`, else `alpha * expm1(x)`; derivative `alpha` at 0.
    Elu {
        /// Minus the limit at minus infinity.
        alpha: f32,
    },
    /// `x * Phi(x)`, exact.
    Gelu,
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `factor * x`.
    Scale {
        /// The factor.
        factor: f32,
    },
    /// The square root.
    Sqrt,
    /// `min(x, max)`; derivative 0 at `max`, as PyTorch 2.15 has it.
    ClampMax {
        /// The largest value.
        max: f32,
    },
}

/// What the backward pass of a [`Unary`] reads besides the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// The function's input.
    Input,
    /// The function's output, so that the input's memory can be used again.
    Output,
}

impl Unary {
    /// The one number the function takes, 0 where it takes none.
    pub fn parameter(&self) -> f32 {
        match *self {
            Unary::LeakyRelu { negative_slope } => negative_slope,
            Unary::Elu { alpha } => alpha,
            Unary::Scale { factor } => factor,
            Unary::ClampMax { max } => max,
            Unary::Sqrt | Unary::Relu | Unary::Gelu | Unary::GeluTanh | Unary::Sigmoid | Unary::Tanh => 0.0,
        }
    }

    /// What the backward pass reads.
    pub fn saved(&self) -> Saved {
        match self {
            Unary::Relu | Unary::Sigmoid | Unary::Tanh | Unary::Sqrt => Saved::Output,
            Unary::LeakyRelu { .. } | Unary::Elu { .. } | Unary::Gelu | Unary::GeluTanh => Saved::Input,
            Unary::Scale { .. } | Unary::ClampMax { .. } => Saved::Input,
        }
    }
}

impl Rule for Unary {
    const NAME: &'static str = "unary";

    fn name(&self) -> &'static str {
        Unary::name(self)
    }

    fn names() -> Vec<&'static str> {
        Unary::all().iter().map(Unary::name).collect()
    }

    fn attributes(&self) -> String {
        match self {
            Unary::LeakyRelu { negative_slope } => format!("negative_slope {negative_slope}"),
            Unary::Elu { alpha } => format!("alpha {alpha}"),
            Unary::Scale { factor } => format!("factor {factor}"),
            Unary::ClampMax { max } => format!("max {max}"),
            Unary::Sqrt => String::new(),
            Unary::Relu | Unary::Gelu | Unary::GeluTanh | Unary::Sigmoid | Unary::Tanh => String::new(),
        }
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        let p = self.parameter();
        Mismatch::check(p.is_finite(), format!("a finite parameter of {}", self.name()), p.to_string())?;
        Ok(vec![only_f32(inputs)?.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}

/// `grad_output, saved` to `grad_input`; [`Unary::saved`] says what is saved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnaryBackward(pub Unary);

impl Rule for UnaryBackward {
    const NAME: &'static str = "unary_backward";

    fn name(&self) -> &'static str {
        self.0.backward_name()
    }

    fn names() -> Vec<&'static str> {
        Unary::all().iter().map(Unary::backward_name).collect()
    }

    fn attributes(&self) -> String {
        self.0.attributes()
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
        self.0.infer(&inputs[..inputs.len().min(1)])?;
        let [grad, saved] = f32s(inputs)?;
        same("saved tensor", grad, saved)?;
        Ok(vec![grad.clone()])
    }

    fn flops(&self, _inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        elements(outputs)
    }

    fn rowwise(&self, _inputs: &[TensorType]) -> bool {
        true
    }
}
