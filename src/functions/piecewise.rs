//! Functions of one tensor that are linear or constant in pieces: clamps, shrinkage, rounding, signs.

use super::{Accuracy, Code, Elementwise, Gradient, Parameter, Row, Saved, error, formula, functions, ulp};
use crate::error::Result;
use crate::graph::Tensor;

/// Nothing passes a jump, and all is flat between.
const FLAT: Row = Row { gradients: &[Gradient::Zero], ..Row::UNARY };

/// 1 for what is true.
pub(super) fn truth(of: bool) -> f64 {
    f64::from(u8::from(of))
}

/// What PyTorch multiplies hardsigmoid's error with, in all types.
const SIXTH: f64 = (1.0f32 / 6.0) as f64;

/// Half to even.
fn rounded(x: f64) -> f64 {
    x.round_ties_even()
}

/// The distance from the nearest integer, at which these jump.
fn from_integer(x: f64) -> f64 {
    x - rounded(x)
}

functions! { PIECEWISE:
    /// `min(max(x, 0), 6)`; derivative 0 at both ends.
    relu6(;) = Row {
        forward: Code {
            wgsl: "select(clamp(x, 0.0, 6.0), x, is_nan(x))",
            value: formula!(x => x.clamp(0.0, 6.0)),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Output.reads(), Code {
            wgsl: "select(0.0, g, (y > 0.0) & (y < 6.0))",
            value: formula!(y => truth(y > 0.0 && y < 6.0)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x => x.abs().min((x - 6.0).abs())),
        ..Row::UNARY
    };
    /// `min(max(x, min_val), max_val)` (PyTorch's defaults are -1 and 1); derivative 0 at both ends.
    hardtanh(; min_val, max_val) = Row {
        parameters: &[Parameter::new("min_val").or(-1.0), Parameter::new("max_val").or(1.0)],
        forward: Code {
            wgsl: "select(min(max(x, min_val), max_val), x, is_nan(x))",
            value: formula!(x; least, most => if x.is_nan() { x } else { x.max(least).min(most) }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, (x > min_val) & (x < max_val))",
            value: formula!(x; least, most => truth(x > least && x < most)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; least, most => (x - least).abs().min((x - most).abs())),
        cases: &[&[-1.0, 1.0], &[-0.5, 1.25]],
        ..Row::UNARY
    };
    /// `min(max(x, min), max)`; the derivative is 0 at both ends, as PyTorch 2.15 has it.
    clamp(; min, max) = Row {
        parameters: &[Parameter::new("min"), Parameter::new("max")],
        forward: Code {
            wgsl: "select(clamp_to(x, min, max), x, is_nan(x))",
            value: formula!(x; least, most => if x.is_nan() { x } else { x.max(least).min(most) }),
            accuracy: Accuracy::Exact,
        },
        // The parameters hide the builtins of their names.
        helpers: "fn clamp_to(x: f32, least: f32, most: f32) -> f32 { return min(max(x, least), most); }\n",
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, (x > min) & (x < max))",
            value: formula!(x; least, most => truth(x > least && x < most)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; least, most => (x - least).abs().min((x - most).abs())),
        cases: &[&[-0.75, 0.75]],
        ..Row::UNARY
    };
    /// `max(x, min)`; derivative 0 at `min`, as PyTorch 2.15 has it.
    clamp_min(; min) = Row {
        parameters: &[Parameter::new("min")],
        forward: Code {
            wgsl: "select(max(x, min), x, is_nan(x))",
            value: formula!(x; least => if x < least { least } else { x }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, x > min)",
            value: formula!(x; least => truth(x > least)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; least => x - least),
        cases: &[&[-0.75]],
        ..Row::UNARY
    };
    /// `min(x, max)`; derivative 0 at `max`, as PyTorch 2.15 has it.
    clamp_max(; max) = Row {
        parameters: &[Parameter::new("max")],
        forward: Code {
            wgsl: "select(min(x, max), x, is_nan(x))",
            value: formula!(x; most => if x > most { most } else { x }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, x < max)",
            value: formula!(x; most => truth(x < most)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; most => x - most),
        cases: &[&[0.75]],
        ..Row::UNARY
    };
    /// `min(max(x + 3, 0), 6) / 6`.
    hardsigmoid(;) = Row {
        forward: Code {
            wgsl: "select(clamp(x + 3.0, 0.0, 6.0) / 6.0, x, is_nan(x))",
            value: formula!(x => if x.is_nan() { x } else { (x + 3.0).clamp(0.0, 6.0) / 6.0 }),
            accuracy: error!(x; | v => 3.0 * ulp(v) + ulp(x.abs().min(4.0)) / 6.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g / 6.0, (x > -3.0) & (x < 3.0))",
            value: formula!(x => if x > -3.0 && x < 3.0 { SIXTH } else { 0.0 }),
            accuracy: Accuracy::Ulps(3.0),
        })],
        kink: formula!(x => x.abs() - 3.0),
        ..Row::UNARY
    };
    /// `x * min(max(x + 3, 0), 6) / 6`.
    hardswish(;) = Row {
        forward: Code {
            wgsl: "x * (clamp(x + 3.0, 0.0, 6.0) / 6.0)",
            value: formula!(x => x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
            accuracy: error!(x; | v => 4.0 * ulp(v) + ulp(x.abs().min(4.0)) * x.abs().min(4.0) / 6.0),
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "  let inside = g * (x / 3.0 + 0.5);
  return select(select(g, inside, x < 3.0), 0.0, x <= -3.0);",
            value: formula!(x => if x <= -3.0 { 0.0 } else if x < 3.0 { x / 3.0 + 0.5 } else { 1.0 }),
            accuracy: error!(g, x; | v => 2.0 * ulp(v) + g.abs() * 4.0 * ulp(x.abs().min(1.5) / 3.0 + 0.5)),
        })],
        kink: formula!(x => x.abs() - 3.0),
        ..Row::UNARY
    };
    /// `x` where `|x| > lambd`, else 0 (PyTorch's default is 0.5).
    hardshrink(; lambd) = Row {
        parameters: &[Parameter::new("lambd").or(0.5).within(0.0, f32::MAX)],
        forward: Code {
            wgsl: "select(x, 0.0, abs(x) <= lambd)",
            value: formula!(x; lambd => if x.abs() <= lambd { 0.0 } else { x }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, abs(x) > lambd)",
            value: formula!(x; lambd => truth(x.abs() > lambd)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; lambd => x.abs() - lambd),
        ..Row::UNARY
    };
    /// `x` moved towards 0 by `lambd`, 0 where it is no further away (PyTorch's default is 0.5).
    softshrink(; lambd) = Row {
        parameters: &[Parameter::new("lambd").or(0.5).within(0.0, f32::MAX)],
        forward: Code {
            wgsl: "select(select(x - lambd, x + lambd, x < 0.0), 0.0, abs(x) <= lambd)",
            value: formula!(x; lambd => if x.abs() <= lambd { 0.0 } else { x - lambd.copysign(x) }),
            accuracy: Accuracy::Rounded,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(0.0, g, abs(x) > lambd)",
            value: formula!(x; lambd => truth(x.abs() > lambd)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; lambd => x.abs() - lambd),
        ..Row::UNARY
    };
    /// `x` where `x > threshold`, else `value`; derivative 0 at the threshold.
    threshold(; threshold, value) = Row {
        parameters: &[Parameter::new("threshold"), Parameter::new("value")],
        forward: Code {
            wgsl: "select(x, value, x <= threshold)",
            value: formula!(x; threshold, value => if x <= threshold { value } else { x }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(g, 0.0, x <= threshold)",
            value: formula!(x; threshold, _value => truth(x > threshold || x.is_nan())),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x; threshold, _value => x - threshold),
        cases: &[&[0.5, 2.0]],
        ..Row::UNARY
    };
    /// `|x|`; derivative 0 at 0.
    abs(;) = Row {
        forward: Code { wgsl: "abs(x)", value: formula!(x => x.abs()), accuracy: Accuracy::Exact },
        gradients: &[Gradient::Kernel(Saved::Input.reads(), Code {
            wgsl: "select(select(0.0, g, x > 0.0), -g, x < 0.0)",
            value: formula!(x => truth(x > 0.0) - truth(x < 0.0)),
            accuracy: Accuracy::Exact,
        })],
        kink: formula!(x => x),
        ..Row::UNARY
    };
    /// -1, 0 or 1; 0 for NaN, as in PyTorch. Its derivative is 0.
    sign(;) = Row {
        forward: Code {
            wgsl: "select(select(0.0, 1.0, x > 0.0), -1.0, x < 0.0)",
            value: formula!(x => truth(x > 0.0) - truth(x < 0.0)),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => x),
        ..FLAT
    };
    /// The integer below. Its derivative is 0.
    floor(;) = Row {
        forward: Code {
            wgsl: "select(floor(x), x, is_not_finite(x))",
            value: formula!(x => x.floor()),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => from_integer(x)),
        ..FLAT
    };
    /// The integer above. Its derivative is 0.
    ceil(;) = Row {
        forward: Code {
            wgsl: "select(ceil(x), x, is_not_finite(x))",
            value: formula!(x => x.ceil()),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => from_integer(x)),
        ..FLAT
    };
    /// The nearest integer, the even one of two. Its derivative is 0.
    round(;) = Row {
        forward: Code {
            wgsl: "select(round(x), x, is_not_finite(x))",
            value: formula!(x => rounded(x)),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => from_integer(x + 0.5)),
        ..FLAT
    };
    /// The integer towards 0. Its derivative is 0.
    trunc(;) = Row {
        forward: Code {
            wgsl: "select(trunc(x), x, is_not_finite(x))",
            value: formula!(x => x.trunc()),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => from_integer(x)),
        ..FLAT
    };
    /// 1 where `x` is 0, else 0; NaN is not 0.
    logical_not(;) = Row {
        forward: Code {
            wgsl: "select(0.0, 1.0, x == 0.0)",
            value: formula!(x => truth(x == 0.0)),
            accuracy: Accuracy::Exact,
        },
        kink: formula!(x => x),
        ..FLAT
    };
    /// 1 where `x` is NaN, else 0.
    isnan(;) = Row {
        forward: Code {
            wgsl: "select(0.0, 1.0, is_nan(x))",
            value: formula!(x => truth(x.is_nan())),
            accuracy: Accuracy::Exact,
        },
        ..FLAT
    };
}
