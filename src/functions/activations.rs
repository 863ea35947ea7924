//! Activations: `torch.nn.functional`'s functions of one tensor that are smooth, or smooth on both sides of 0.

use super::erf::erfc;
use super::{
    Accuracy, CLAMPED, Code, Elementwise, Gradient, Parameter, Row, SATURATED, Saved, TINY, error, formula,
    functions, logistic, ulp,
};
use crate::error::Result;
use crate::graph::Tensor;

const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const INV_SQRT_2_PI: f64 = 0.398_942_280_401_432_7;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// The normal distribution's cumulative function.
fn cdf(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

fn gelu_tanh_argument(x: f64) -> f64 {
    2.0 * SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)
}

/// `tanh(softplus(x))` by `e = exp(-|x|)`, in which nothing cancels.
fn mish_gate(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    let n = if x < 0.0 { e * (e + 2.0) } else { 1.0 + 2.0 * e };
    n / (n + if x < 0.0 { 2.0 } else { 2.0 * e * e })
}

/// The kink of what differs on both sides of 0.
const AT_ZERO: Row = Row { kink: |x, _| x[0], ..Row::UNARY };

functions! { ACTIVATIONS:
    /// `max(x, 0)`; derivative 0 at 0.
    relu(;) = Row {
        forward: Code {
            wgsl: "select(0.0, x, (x > 0.0) | is_nan(x))",
            // `max` and `min` would drop a NaN.
            value: formula!(x => if x <= 0.0 { 0.0 } else { x }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "select(0.0, g, (y > 0.0) | is_nan(y))",
            value: formula!(y => if y <= 0.0 { 0.0 } else { 1.0 }),
            accuracy: Accuracy::Exact,
        })],
        ..AT_ZERO
    };
    /// `x` where `x > 0`, else `negative_slope * x` (PyTorch's default slope is 0.01); derivative `negative_slope` at 0.
    leaky_relu(; negative_slope) = Row {
        parameters: &[Parameter::new("negative_slope").or(0.01)],
        forward: Code {
            wgsl: "select(x, negative_slope * x, x <= 0.0)",
            value: formula!(x; slope => if x > 0.0 { x } else { slope * x }),
            accuracy: Accuracy::Rounded,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(negative_slope * g, g, x > 0.0)",
            value: formula!(x; slope => if x > 0.0 { 1.0 } else { slope }),
            accuracy: Accuracy::Rounded,
        })],
        cases: &[&[0.25]],
        ..AT_ZERO
    };
    /// What `rrelu` is in evaluation: `x` where `x > 0`, else `(lower + upper) / 2 * x` (PyTorch's defaults are 1/8 and 1/3).
    rrelu(; lower, upper) = Row {
        parameters: &[Parameter::new("lower").or(0.125), Parameter::new("upper").or(1.0 / 3.0)],
        forward: Code {
            wgsl: "select(x, 0.5 * (lower + upper) * x, x <= 0.0)",
            value: formula!(x; lower, upper => if x > 0.0 { x } else { 0.5 * (lower + upper) * x }),
            accuracy: Accuracy::Ulps(3.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.5 * (lower + upper) * g, g, x > 0.0)",
            value: formula!(x; lower, upper => if x > 0.0 { 1.0 } else { 0.5 * (lower + upper) }),
            accuracy: Accuracy::Ulps(3.0),
        })],
        cases: &[&[0.125, 0.3125]],
        ..AT_ZERO
    };
    /// `x` where `x > 0`, else `alpha * (exp(x) - 1)` (PyTorch's default alpha is 1); derivative `alpha` at 0.
    elu(; alpha) = Row {
        parameters: &[Parameter::new("alpha").or(1.0)],
        forward: Code {
            wgsl: "select(x, alpha * expm1(min(x, 0.0)), x <= 0.0)",
            value: formula!(x; alpha => if x > 0.0 { x } else { alpha * x.exp_m1() }),
            accuracy: error!(x; _alpha | v => if x > 0.0 { 0.0 } else { 8.0 * ulp(v) }),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(g, g * alpha * exp_clamped(min(x, 0.0)), x <= 0.0)",
            value: formula!(x; alpha => if x <= 0.0 { alpha * x.exp() } else { 1.0 }),
            accuracy: error!(g, x; _alpha | v => if x > 0.0 {
                0.0
            } else {
                (6.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED
            }),
        })],
        cases: &[&[1.5]],
        ..AT_ZERO
    };
    /// `1.0507 x` where `x > 0`, else `1.0507 * 1.6733 * (exp(x) - 1)` (Klambauer and others, 2017).
    selu(;) = Row {
        forward: Code {
            wgsl: "select(1.050701 * x, 1.7580993 * expm1(min(x, 0.0)), x <= 0.0)",
            value: formula!(x => SELU_SCALE * if x > 0.0 { x } else { SELU_ALPHA * x.exp_m1() }),
            accuracy: Accuracy::Ulps(9.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(1.050701 * g, g * 1.7580993 * exp_clamped(min(x, 0.0)), x <= 0.0)",
            value: formula!(x => if x <= 0.0 { SELU_SCALE * SELU_ALPHA * x.exp() } else { SELU_SCALE }),
            accuracy: error!(g, x; | v =>
                (8.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED),
        })],
        ..AT_ZERO
    };
    /// `x` where `x > 0`, else `alpha * (exp(x / alpha) - 1)` (PyTorch's default alpha is 1).
    celu(; alpha) = Row {
        parameters: &[Parameter::new("alpha").or(1.0).positive()],
        forward: Code {
            wgsl: "select(x, alpha * expm1(min(x, 0.0) / alpha), x <= 0.0)",
            value: formula!(x; alpha => if x > 0.0 { x } else { alpha * (x / alpha).exp_m1() }),
            accuracy: Accuracy::Ulps(12.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(g, g * exp_clamped(min(x, 0.0) / alpha), x <= 0.0)",
            value: formula!(x; alpha => if x <= 0.0 { (x / alpha).exp() } else { 1.0 }),
            accuracy: error!(g, x; alpha | v =>
                (6.0 + 6.0 * (x / alpha).abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED),
        })],
        // The second derivative jumps at 0.
        cases: &[&[1.5]],
        ..AT_ZERO
    };
    /// `x * Phi(x)` with the normal distribution's cumulative function, through `erf`.
    gelu(;) = Row {
        forward: Code {
            wgsl: "x * normal_cdf(x)",
            value: formula!(x => x * cdf(x)),
            accuracy: error!(x; | v => 1e-6 * (1.0 + x * x) * v.abs() + CLAMPED * (1.0 + x.abs())),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "g * fma(x * 0.39894228, exp_clamped(-0.5 * min(x * x, 1e4)), normal_cdf(x))",
            value: formula!(x => cdf(x) + x * INV_SQRT_2_PI * (-0.5 * x * x).exp()),
            accuracy: error!(g, x; | v => {
                let terms = cdf(x) + (x * INV_SQRT_2_PI * (-0.5 * x * x).exp()).abs();
                let clamped = CLAMPED * (1.0 + x.abs() + x * x);
                g.abs() * (1e-6 * (1.0 + x * x) * terms + clamped) + ulp(v)
            }),
        })],
        ..Row::UNARY
    };
    /// The tanh approximation of GELU: `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    gelu_tanh(;) = Row {
        // 0.5 (1 + tanh(u)) = logistic(2 u), which keeps the left tail.
        helpers: "fn gelu_tanh_argument(x: f32) -> f32 {
  let c = clamp(x, -100.0, 100.0);
  return 1.5957691 * c * fma(0.044715 * c, c, 1.0);
}
",
        forward: Code {
            wgsl: "x * logistic(gelu_tanh_argument(x))",
            value: formula!(x => x * logistic(gelu_tanh_argument(x))),
            accuracy: error!(x; | v =>
                (10.0 + 4.0 * gelu_tanh_argument(x).abs()) * ulp(v) + CLAMPED * (1.0 + x.abs())),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let c = clamp(x, -100.0, 100.0);
  let s = logistic(gelu_tanh_argument(x));
  let slope = 1.5957691 * fma(0.134145 * c, c, 1.0);
  // x, not c, and last: the derivative at infinity is NaN, as PyTorch's, but nowhere else.
  return g * fma(x, slope * (s * logistic(-gelu_tanh_argument(x))), s);",
            value: formula!(x => {
                let (z, slope) = (gelu_tanh_argument(x), 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * x * x));
                logistic(z) + x * slope * logistic(z) * logistic(-z)
            }),
            accuracy: error!(g, x; | v => {
                let (z, p) = (gelu_tanh_argument(x), 1.0 / (1.0 + (-gelu_tanh_argument(x)).exp()));
                let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044715 * x * x);
                let terms = p + (x * slope).abs() * p * (1.0 - p).max((-z.abs()).exp() * 0.5);
                let clamped = CLAMPED * (1.0 + x.abs() + x * x);
                g.abs() * ((14.0 + 4.0 * z.abs()) * f64::from(f32::EPSILON) * terms + clamped) + ulp(v)
            }),
        })],
        ..Row::UNARY
    };
    /// `1 / (1 + exp(-x))`.
    sigmoid(;) = Row {
        forward: Code {
            wgsl: "logistic(x)",
            value: formula!(x => logistic(x)),
            accuracy: error!(x; | v => (8.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + CLAMPED),
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "g * y * (1.0 - y)",
            value: formula!(y => y * (1.0 - y)),
            accuracy: error!(g, _y; | v => g.abs() * CLAMPED + 4.0 * ulp(v)),
        })],
        ..Row::UNARY
    };
    /// `log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))`.
    log_sigmoid(;) = Row {
        forward: Code {
            wgsl: "select(min(x, 0.0) - log1p_exact(exp_clamped(-abs(x))), x, is_nan(x))",
            value: formula!(x => x.min(0.0) - (-x.abs()).exp().ln_1p() + if x.is_nan() { x } else { 0.0 }),
            accuracy: error!(x; | v => (8.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + CLAMPED),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "g * logistic(-x)",
            value: formula!(x => logistic(-x)),
            accuracy: error!(g, x; | v =>
                (9.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED),
        })],
        ..Row::UNARY
    };
    /// `x * sigmoid(x)`, also called swish.
    silu(;) = Row {
        forward: Code {
            wgsl: "x * logistic(x)",
            value: formula!(x => x * logistic(x)),
            accuracy: error!(x; | v =>
                (9.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + CLAMPED * (1.0 + x.abs())),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let s = logistic(x);
  return g * s * (1.0 + x * logistic(-x));",
            value: formula!(x => logistic(x) * (1.0 + x * logistic(-x))),
            accuracy: error!(g, x; | v => {
                let terms = logistic(x) * (1.0 + x.abs() * logistic(-x));
                g.abs() * (f64::from(f32::EPSILON) * (16.0 + 4.0 * x.abs().min(SATURATED)) * terms
                    + CLAMPED * (1.0 + x.abs())) + ulp(v)
            }),
        })],
        ..Row::UNARY
    };
    /// `x * tanh(softplus(x))` (Misra, 2019).
    mish(;) = Row {
        // tanh(softplus(x)) = ((1 + e^x)^2 - 1) / ((1 + e^x)^2 + 1), by exp(-|x|): nothing cancels.
        helpers: "fn mish_gate(x: f32, e: f32) -> f32 {
  let n = select(1.0 + 2.0 * e, e * (e + 2.0), x < 0.0);
  return n / (n + select(2.0 * e * e, 2.0, x < 0.0));
}
",
        forward: Code {
            wgsl: "x * mish_gate(x, exp_clamped(-abs(x)))",
            value: formula!(x => x * mish_gate(x)),
            accuracy: error!(x; | v =>
                (14.0 + 2.0 * x.abs().min(SATURATED)) * ulp(v) + CLAMPED * (1.0 + x.abs())),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let e = exp_clamped(-abs(x));
  let d = select(1.0 + 2.0 * e * (1.0 + e), e * (e + 2.0) + 2.0, x < 0.0);
  let r = (1.0 + e) / d;
  let rest = 4.0 * r * r * select(e * e, 1.0, x < 0.0); // 1 - tanh^2
  return g * fma(x, select(1.0, e, x < 0.0) / (1.0 + e) * rest, mish_gate(x, e));",
            value: formula!(x => {
                let (e, t) = ((-x.abs()).exp(), mish_gate(x));
                let d = if x < 0.0 { e * (e + 2.0) + 2.0 } else { 1.0 + 2.0 * e * (1.0 + e) };
                let r = (1.0 + e) / d;
                t + x * (logistic(x) * 4.0 * r * r * if x < 0.0 { 1.0 } else { e * e })
            }),
            accuracy: error!(g, x; | v => {
                let terms = mish_gate(x) + x.abs() * logistic(x) * (1.0 - mish_gate(x).powi(2));
                g.abs() * (f64::from(f32::EPSILON) * (24.0 + 6.0 * x.abs().min(SATURATED)) * terms
                    + CLAMPED * (1.0 + x.abs())) + ulp(v)
            }),
        })],
        ..Row::UNARY
    };
    /// `log(1 + exp(beta x)) / beta`, and `x` itself where `beta x > threshold` (PyTorch's defaults are 1 and 20).
    softplus(; beta, threshold) = Row {
        parameters: &[Parameter::new("beta").or(1.0).positive(), Parameter::new("threshold").or(20.0)],
        forward: Code {
            wgsl: "  let z = beta * x;
  let soft = (max(z, 0.0) + log1p_exact(exp_clamped(-abs(z)))) / beta;
  return select(soft, x, (z > threshold) | is_nan(x));",
            value: formula!(x; beta, threshold => if beta * x > threshold {
                x
            } else {
                let z = beta * x;
                (if z > 0.0 { z } else { 0.0 } + (-z.abs()).exp().ln_1p()) / beta
            }),
            accuracy: error!(x; beta, _threshold | v =>
                (10.0 + 3.0 * (beta * x).abs().min(SATURATED)) * ulp(v) + CLAMPED * (1.0 + 1.0 / beta)),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(g * logistic(beta * x), g, beta * x > threshold)",
            value: formula!(x; beta, threshold => if beta * x > threshold { 1.0 } else { logistic(beta * x) }),
            accuracy: error!(g, x; beta, _threshold | v =>
                (9.0 + 3.0 * (beta * x).abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED),
        })],
        kink: formula!(x; beta, threshold => beta * x - threshold),
        cases: &[&[1.0, 20.0], &[2.0, 3.0]],
        ..Row::UNARY
    };
    /// `x / (1 + |x|)`.
    softsign(;) = Row {
        forward: Code {
            wgsl: "x / (1.0 + abs(x))",
            value: formula!(x => x / (1.0 + x.abs())),
            accuracy: Accuracy::Ulps(4.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let d = 1.0 / (1.0 + abs(x));
  return select(g * d * d, nan_from(bitcast<u32>(x)), bitcast<u32>(abs(x)) >= 0x7f800000u);",
            value: formula!(x => if x.is_infinite() { f64::NAN } else { (1.0 + x.abs()).powi(-2) }),
            accuracy: error!(g, _x; | v => 8.0 * ulp(v) + g.abs() * TINY),
        })],
        // The second derivative jumps at 0.
        ..AT_ZERO
    };
    /// The hyperbolic tangent.
    tanh(;) = Row {
        forward: Code {
            wgsl: "tanh_exact(x)",
            value: formula!(x => x.tanh()),
            accuracy: Accuracy::Ulps(4.0),
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "g * (1.0 - y) * (1.0 + y)",
            value: formula!(y => 1.0 - y * y),
            accuracy: Accuracy::Ulps(4.0),
        })],
        ..Row::UNARY
    };
    /// `x - tanh(x)`.
    tanhshrink(;) = Row {
        // Taylor's series up to 0.5, where the difference would cancel.
        forward: Code {
            wgsl: "  let z = min(x * x, 1.0);
  var p = fma(z, 0.0014558344, -0.0035921281);
  p = fma(z, p, 0.008863236);
  p = fma(z, p, -0.021869488);
  p = fma(z, p, 0.053968254);
  p = fma(z, p, -0.13333334);
  p = fma(z, p, 0.33333334);
  return select(x - tanh_exact(x), x * z * p, abs(x) < 0.5);",
            value: formula!(x => if x.abs() < 0.03 {
                let z = x * x;
                x * z * (1.0 / 3.0 - z * (2.0 / 15.0 - z * (17.0 / 315.0 - z * (62.0 / 2835.0))))
            } else {
                x - x.tanh()
            }),
            accuracy: error!(x; | v => 3.0 * ulp(v) + 6.0 * ulp(x.tanh()) * x.abs().min(1.0).powi(2) + TINY),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let t = tanh_exact(x);
  return g * (t * t);",
            value: formula!(x => x.tanh() * x.tanh()),
            accuracy: error!(g, _x; | v => 12.0 * ulp(v) + g.abs() * TINY),
        })],
        ..Row::UNARY
    };
}
