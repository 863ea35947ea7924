//! Element-wise functions of one tensor and their derivatives.

use super::erf::erfc;
use super::{Array, Define};
use crate::error::Mismatch;
use crate::ops::{Unary, UnaryBackward};
use crate::tensor::TensorType;

impl Define for Unary {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![forward(self, inputs)])
    }
}

impl Define for UnaryBackward {
    fn eval(&self, inputs: &[&Array], _outputs: &[TensorType]) -> Result<Vec<Vec<f64>>, Mismatch> {
        Ok(vec![backward(&self.0, inputs)])
    }
}

const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const INV_SQRT_2_PI: f64 = 0.398_942_280_401_432_7;

fn logistic(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// The normal distribution's cumulative function.
fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

fn gelu_tanh_argument(x: f64) -> f64 {
    SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)
}

fn value(function: &Unary, x: f64) -> f64 {
    match *function {
        // `max` and `min` would drop a NaN.
        Unary::Relu => {
            if x <= 0.0 {
                0.0
            } else {
                x
            }
        }
        Unary::LeakyRelu { negative_slope } => {
            if x > 0.0 {
                x
            } else {
                f64::from(negative_slope) * x
            }
        }
        Unary::Elu { alpha } => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x.exp_m1()
            }
        }
        Unary::Gelu => x * cdf(x),
        Unary::GeluTanh => x * logistic(2.0 * gelu_tanh_argument(x)),
        Unary::Sigmoid => logistic(x),
        Unary::Tanh => x.tanh(),
        Unary::Scale { factor } => f64::from(factor) * x,
        Unary::Sqrt => x.sqrt(),
        Unary::ClampMax { max } => {
            if x > f64::from(max) {
                f64::from(max)
            } else {
                x
            }
        }
    }
}

/// The derivative at what is saved: the output `s` of relu, sigmoid and tanh, the input `s` of the others. At NaN it is
/// PyTorch's: that of the side that its comparison leaves.
fn derivative(function: &Unary, s: f64) -> f64 {
    match *function {
        Unary::Relu => {
            if s <= 0.0 {
                0.0
            } else {
                1.0
            }
        }
        Unary::LeakyRelu { negative_slope } => {
            if s > 0.0 {
                1.0
            } else {
                f64::from(negative_slope)
            }
        }
        Unary::Elu { alpha } => {
            if s <= 0.0 {
                f64::from(alpha) * s.exp()
            } else {
                1.0
            }
        }
        Unary::Gelu => cdf(s) + s * INV_SQRT_2_PI * (-0.5 * s * s).exp(),
        Unary::GeluTanh => {
            let t = logistic(2.0 * gelu_tanh_argument(s));
            let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * s * s);
            t + s * slope * t * logistic(-2.0 * gelu_tanh_argument(s))
        }
        Unary::Sigmoid => s * (1.0 - s),
        Unary::Tanh => 1.0 - s * s,
        Unary::Scale { factor } => f64::from(factor),
        Unary::Sqrt => 0.5 / s,
        Unary::ClampMax { max } => {
            if s < f64::from(max) {
                1.0
            } else {
                0.0
            }
        }
    }
}

fn forward(function: &Unary, inputs: &[&Array]) -> Vec<f64> {
    inputs[0].data.iter().map(|&x| value(function, x)).collect()
}

fn backward(function: &Unary, inputs: &[&Array]) -> Vec<f64> {
    inputs[0].data.iter().zip(&inputs[1].data).map(|(g, &s)| g * derivative(function, s)).collect()
}
