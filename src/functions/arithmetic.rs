//! Arithmetic of one tensor: powers, exponentials, logarithms, trigonometry, and sums and products with a number.

use super::erf::erf as error_function;
use super::{
    Accuracy, CLAMPED, Code, Domain, Elementwise, Gradient, Parameter, Row, SATURATED, Saved, TINY, error,
    formula, functions, ulp,
};
use crate::error::Result;
use crate::graph::Tensor;

const TWO_OVER_SQRT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;

/// What a power of this size and logarithm may be off: its exponent's error is a fraction of it.
pub(super) fn power_error(a: f64, b: f64, v: f64) -> f64 {
    let exponent = (b * a.abs().ln()).abs();
    let growth = if exponent.is_finite() { exponent.min(110.0) } else { 0.0 };
    (10.0 + growth) * ulp(v) + if v.abs() < 4.0 * TINY { 2.0 * TINY } else { 0.0 }
}

/// `x^exponent`, by roots where PyTorch takes roots.
fn power(x: f64, exponent: f64) -> f64 {
    match exponent {
        0.5 => x.sqrt(),
        -0.5 => 1.0 / x.sqrt(),
        _ => x.powf(exponent),
    }
}

/// Its derivative; 0 for the exponent 0 as in PyTorch.
fn power_slope(x: f64, exponent: f64) -> f64 {
    if exponent == 0.0 { 0.0 } else { exponent * power(x, exponent - 1.0) }
}

functions! { ARITHMETIC:
    /// `factor * x`.
    scale(; factor) = Row {
        parameters: &[Parameter::new("factor")],
        forward: Code { wgsl: "factor * x", value: formula!(x; f => f * x), accuracy: Accuracy::Rounded },
        gradients: &[Gradient::Rule(|this, _, grad| grad.scale(this.parameters()[0]))],
        vector: true,
        cases: &[&[-0.5]],
        ..Row::UNARY
    };
    /// `x + number`.
    add_scalar(; number) = Row {
        parameters: &[Parameter::new("number")],
        forward: Code { wgsl: "x + number", value: formula!(x; n => x + n), accuracy: Accuracy::Rounded },
        gradients: &[Gradient::Rule(|_, _, grad| Ok(grad.clone()))],
        vector: true,
        cases: &[&[1.5]],
        ..Row::UNARY
    };
    /// `-x`.
    neg(;) = Row {
        forward: Code { wgsl: "-x", value: formula!(x => -x), accuracy: Accuracy::Exact },
        gradients: &[Gradient::Rule(|_, _, grad| grad.neg())],
        vector: true,
        ..Row::UNARY
    };
    /// `x^2`.
    square(;) = Row {
        forward: Code { wgsl: "x * x", value: formula!(x => x * x), accuracy: Accuracy::Rounded },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "2.0 * g * x",
            value: formula!(x => 2.0 * x),
            accuracy: Accuracy::Rounded,
        })],
        vector: true,
        ..Row::UNARY
    };
    /// The square root.
    sqrt(;) = Row {
        forward: Code {
            wgsl: "select(sqrt(x), nan_from(bitcast<u32>(x)), x < 0.0)",
            value: formula!(x => x.sqrt()),
            accuracy: Accuracy::Ulps(4.0),
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "g * 0.5 / y",
            value: formula!(y => 0.5 / y),
            accuracy: Accuracy::Ulps(4.0),
        })],
        domains: &[Domain::Above(0.1)],
        ..Row::UNARY
    };
    /// `1 / sqrt(x)`.
    rsqrt(;) = Row {
        forward: Code {
            wgsl: "select(1.0 / sqrt(x), nan_from(bitcast<u32>(x)), x < 0.0)",
            value: formula!(x => 1.0 / x.sqrt()),
            accuracy: Accuracy::Ulps(6.0),
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "-0.5 * g * (y * y * y)",
            value: formula!(y => -0.5 * y * y * y),
            accuracy: error!(g, _y; | v => 6.0 * ulp(v) + g.abs() * TINY),
        })],
        domains: &[Domain::Above(0.1)],
        ..Row::UNARY
    };
    /// `1 / x`.
    reciprocal(;) = Row {
        forward: Code { wgsl: "1.0 / x", value: formula!(x => 1.0 / x), accuracy: Accuracy::Ulps(3.0) },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "-g * (y * y)",
            value: formula!(y => -y * y),
            accuracy: error!(g, _y; | v => 4.0 * ulp(v) + g.abs() * TINY),
        })],
        domains: &[Domain::NonZero],
        ..Row::UNARY
    };
    /// `e^x`.
    exp(;) = Row {
        forward: Code { wgsl: "exp_exact(x)", value: formula!(x => x.exp()), accuracy: Accuracy::Ulps(4.0) },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "g * y",
            value: formula!(y => y),
            accuracy: Accuracy::Rounded,
        })],
        ..Row::UNARY
    };
    /// `e^x - 1`, as accurate near 0 as anywhere.
    expm1(;) = Row {
        forward: Code {
            wgsl: "expm1_exact(x)",
            value: formula!(x => x.exp_m1()),
            accuracy: Accuracy::Ulps(6.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            // In two halves: `e^x` alone may be too large for an f32 where its product with a small error is not.
            wgsl: "g * exp_exact(0.5 * x) * exp_exact(0.5 * x)",
            value: formula!(x => x.exp()),
            accuracy: error!(g, _x; | v => 10.0 * ulp(v) + g.abs() * 2.0 * TINY),
        })],
        ..Row::UNARY
    };
    /// The natural logarithm.
    log(;) = Row {
        forward: Code { wgsl: "log_exact(x)", value: formula!(x => x.ln()), accuracy: Accuracy::Ulps(4.0) },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "g / x",
            value: formula!(x => 1.0 / x),
            accuracy: Accuracy::Ulps(3.0),
        })],
        domains: &[Domain::Above(0.1)],
        ..Row::UNARY
    };
    /// `log(1 + x)`, as accurate near 0 as anywhere.
    log1p(;) = Row {
        forward: Code {
            wgsl: "log1p_exact(x)",
            value: formula!(x => x.ln_1p()),
            accuracy: Accuracy::Ulps(8.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "g / (1.0 + x)",
            value: formula!(x => 1.0 / (1.0 + x)),
            accuracy: Accuracy::Ulps(5.0),
        })],
        domains: &[Domain::Above(-0.9)],
        ..Row::UNARY
    };
    /// The sine of radians, of any size.
    sin(;) = Row {
        forward: Code {
            wgsl: "sin_exact(x)",
            value: formula!(x => x.sin()),
            accuracy: error!(_x; | v => 6.0 * ulp(v) + 1e-11),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "g * cos_exact(x)",
            value: formula!(x => x.cos()),
            accuracy: error!(g, _x; | v => 7.0 * ulp(v) + 1e-11 * g.abs()),
        })],
        ..Row::UNARY
    };
    /// The cosine of radians, of any size.
    cos(;) = Row {
        forward: Code {
            wgsl: "cos_exact(x)",
            value: formula!(x => x.cos()),
            accuracy: error!(_x; | v => 6.0 * ulp(v) + 1e-11),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "-g * sin_exact(x)",
            value: formula!(x => -x.sin()),
            accuracy: error!(g, _x; | v => 7.0 * ulp(v) + 1e-11 * g.abs()),
        })],
        ..Row::UNARY
    };
    /// The error function.
    erf(;) = Row {
        forward: Code {
            wgsl: "erf_exact(x)",
            value: formula!(x => if x.is_nan() { x } else { error_function(x) }),
            accuracy: Accuracy::Ulps(6.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let high = upper_half(clamp(x, -20.0, 20.0));
  let low = (clamp(x, -20.0, 20.0) - high) * (clamp(x, -20.0, 20.0) + high);
  return g * (1.1283792 * exp_exact(-high * high) * exp_exact(-low)) + select(0.0, x, is_nan(x));",
            value: formula!(x => TWO_OVER_SQRT_PI * (-x * x).exp()),
            accuracy: error!(g, x; | v =>
                (14.0 + x.abs().min(SATURATED)) * ulp(v) + g.abs() * CLAMPED),
        })],
        ..Row::UNARY
    };
    /// `x^exponent`, as C's `pow` has it at the edges: `x^0` is 1, a negative `x` needs a whole exponent; the exponents 1/2 and
    /// -1/2 as `sqrt` and `rsqrt`.
    pow_scalar(; exponent) = Row {
        parameters: &[Parameter::new("exponent")],
        forward: Code {
            wgsl: "pow_scalar_of(x, exponent)",
            value: formula!(x; exponent => power(x, exponent)),
            accuracy: error!(x; exponent | v => power_error(x, exponent, v)),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  if (exponent == 0.0) { return 0.0; }
  return g * (exponent * pow_scalar_of(x, exponent - 1.0));",
            value: formula!(x; exponent => power_slope(x, exponent)),
            accuracy: error!(g, x; exponent | v => {
                power_error(x, exponent.abs() + 1.0, v) + g.abs() * (1.0 + exponent.abs()) * 2.0 * TINY
            }),
        })],
        helpers: "fn pow_scalar_of(x: f32, e: f32) -> f32 {
  if (e == 1.0) { return x; }
  if (e == 2.0) { return x * x; }
  if (e == 3.0) { return x * x * x; }
  if (e == 0.5) { return select(sqrt(x), nan_from(bitcast<u32>(x)), x < 0.0); }
  if (e == -0.5) { return select(1.0 / sqrt(x), nan_from(bitcast<u32>(x)), x < 0.0); }
  return pow_exact(x, e);
}
",
        domains: &[Domain::Above(0.25)],
        cases: &[&[1.5], &[2.0], &[3.0], &[-0.5], &[-2.0], &[0.0]],
        ..Row::UNARY
    };
}
