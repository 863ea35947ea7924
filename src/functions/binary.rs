//! Functions of two tensors.

use super::arithmetic::power_error;
use super::piecewise::truth;
use super::{Accuracy, Code, Domain, Elementwise, Gradient, Read, Row, TINY, error, formula, functions, ulp};
use crate::error::Result;
use crate::graph::Tensor;

const A: &[Read] = &[Read::Operand(0)];
const BOTH: &[Read] = &[Read::Operand(0), Read::Operand(1)];
const ALL: &[Read] = &[Read::Operand(0), Read::Operand(1), Read::Output];

/// The error to both operands, to the second with the other sign, and half of it to each where they are alike.
const fn selection(a: &'static str, b: &'static str, by: [super::Formula; 2]) -> [Gradient; 2] {
    [
        Gradient::Kernel(BOTH, Code { wgsl: a, value: by[0], accuracy: Accuracy::Exact }),
        Gradient::Kernel(BOTH, Code { wgsl: b, value: by[1], accuracy: Accuracy::Exact }),
    ]
}

/// What is 1 or 0 for two operands.
macro_rules! comparison {
    ($wgsl:literal, $a:ident, $b:ident => $value:expr) => {
        Row {
            forward: Code {
                wgsl: concat!("select(0.0, 1.0, ", $wgsl, ")"),
                value: formula!($a, $b => truth($value)),
                accuracy: Accuracy::Exact,
            },
            kink: formula!(a, b => a - b),
            ..Row::BINARY
        }
    };
}

/// What is 1 or 0 for the truth of two operands.
macro_rules! logic {
    ($wgsl:literal, $a:ident, $b:ident => $value:expr) => {
        Row {
            forward: Code {
                wgsl: concat!("select(0.0, 1.0, ", $wgsl, ")"),
                value: |operands, _| {
                    let ($a, $b) = (operands[0] != 0.0, operands[1] != 0.0);
                    truth($value)
                },
                accuracy: Accuracy::Exact,
            },
            kink: formula!(a, b => a.abs().min(b.abs())),
            domains: &[Domain::Truth, Domain::Truth],
            ..Row::BINARY
        }
    };
}

fn python_remainder(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// PyTorch's division with `rounding_mode="floor"`.
fn floor_quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let r = a % b;
    let whole = ((a - r) / b).round_ties_even();
    if r != 0.0 && (r < 0.0) != (b < 0.0) { whole - 1.0 } else { whole }
}

/// A rounded quotient: a rounding of the quotient itself may take it past an integer.
fn quotient_error(a: f64, b: f64, v: f64) -> f64 {
    let q = a / b;
    let jump = if (q - q.round()).abs() <= 4.0 * ulp(q) { 1.0 } else { 0.0 };
    jump + 3.0 * ulp(v)
}

/// How far a quotient is from jumping, in steps of either operand.
fn from_integer(a: f64, b: f64) -> f64 {
    let q = a / b;
    (q - q.round()) * b.abs().min(1.0) / (1.0 + q.abs())
}

functions! { BINARY:
    /// `self + other`.
    add(other;) = Row {
        forward: Code { wgsl: "a + b", value: formula!(a, b => a + b), accuracy: Accuracy::Rounded },
        gradients: &[Gradient::Rule(|_, _, g| Ok(g.clone())), Gradient::Rule(|_, _, g| Ok(g.clone()))],
        vector: true,
        folded: true,
        ..Row::BINARY
    };
    /// `self - other`.
    sub(other;) = Row {
        forward: Code { wgsl: "a - b", value: formula!(a, b => a - b), accuracy: Accuracy::Rounded },
        gradients: &[Gradient::Rule(|_, _, g| Ok(g.clone())), Gradient::Rule(|_, _, g| g.scale(-1.0))],
        vector: true,
        folded: true,
        ..Row::BINARY
    };
    /// `self * other`.
    mul(other;) = Row {
        forward: Code { wgsl: "a * b", value: formula!(a, b => a * b), accuracy: Accuracy::Rounded },
        gradients: &[
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[1])),
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[0])),
        ],
        vector: true,
        folded: true,
        ..Row::BINARY
    };
    /// `self / other`.
    div(other;) = Row {
        forward: Code { wgsl: "a / b", value: formula!(a, b => a / b), accuracy: Accuracy::Ulps(3.0) },
        gradients: &[
            Gradient::Rule(|_, flow, g| g.div(&flow.inputs[1])),
            Gradient::Rule(|_, flow, g| g.mul(&flow.outputs[0])?.div(&flow.inputs[1])?.scale(-1.0)),
        ],
        vector: true,
        folded: true,
        domains: &[Domain::All, Domain::NonZero],
        ..Row::BINARY
    };
    /// `floor(self / other)`: PyTorch's `div` with `rounding_mode="floor"`. Its derivatives are 0.
    div_floor(other;) = Row {
        forward: Code {
            wgsl: "floor_quotient(a, b)",
            value: formula!(a, b => floor_quotient(a, b)),
            accuracy: error!(_a, _b; | v => if v.abs() < 1048576.0 { 0.0 } else { 4.0 * ulp(v) }),
        },
        kink: formula!(a, b => from_integer(a, b)),
        domains: &[Domain::All, Domain::NonZero],
        ..Row::BINARY
    };
    /// `trunc(self / other)`: PyTorch's `div` with `rounding_mode="trunc"`. Its derivatives are 0.
    div_trunc(other;) = Row {
        forward: Code {
            wgsl: "  let q = a / b;
  return select(trunc(q), q, is_not_finite(q));",
            value: formula!(a, b => (a / b).trunc()),
            accuracy: error!(a, b; | v => quotient_error(a, b, v)),
        },
        kink: formula!(a, b => from_integer(a, b)),
        domains: &[Domain::All, Domain::NonZero],
        ..Row::BINARY
    };
    /// Python's remainder `self - floor(self / other) * other`, of the sign of `other`.
    remainder(other;) = Row {
        forward: Code {
            wgsl: "remainder_exact(a, b)",
            value: formula!(a, b => python_remainder(a, b)),
            accuracy: Accuracy::Rounded,
        },
        gradients: &[
            Gradient::Rule(|_, _, g| Ok(g.clone())),
            Gradient::Kernel(BOTH, Code {
                wgsl: "-g * floor_quotient(a, b)",
                value: formula!(a, b => -floor_quotient(a, b)),
                accuracy: Accuracy::Ulps(4.0),
            }),
        ],
        kink: formula!(a, b => from_integer(a, b)),
        domains: &[Domain::All, Domain::NonZero],
        ..Row::BINARY
    };
    /// C's remainder `self - trunc(self / other) * other`, of the sign of `self`.
    fmod(other;) = Row {
        forward: Code {
            wgsl: "fmod_exact(a, b)",
            value: formula!(a, b => a % b),
            accuracy: Accuracy::Exact,
        },
        gradients: &[
            Gradient::Rule(|_, _, g| Ok(g.clone())),
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let q = a / b;
  return -g * select(trunc(q), q, is_not_finite(q));",
                value: formula!(a, b => -(a / b).trunc()),
                accuracy: error!(g, a, b; | v => g.abs() * quotient_error(a, b, v / g) + ulp(v)),
            }),
        ],
        kink: formula!(a, b => from_integer(a, b)),
        domains: &[Domain::All, Domain::NonZero],
        ..Row::BINARY
    };
    /// `self^other`, as C's `pow` has it at the edges: `x^0` is 1, a negative base needs a whole exponent.
    pow(exponent;) = Row {
        forward: Code {
            wgsl: "pow_exact(a, b)",
            value: formula!(a, b => a.powf(b)),
            accuracy: error!(a, b; | v => power_error(a, b, v)),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "select(g * (b * pow_exact(a, b - 1.0)), 0.0, b == 0.0)",
                value: formula!(a, b => if b == 0.0 { 0.0 } else { b * a.powf(b - 1.0) }),
                accuracy: error!(g, a, b; | v => {
                    power_error(a, b.abs() + 1.0, v) + g.abs() * (1.0 + b.abs()) * 2.0 * TINY
                }),
            }),
            Gradient::Kernel(ALL, Code {
                wgsl: "select(g * (y * log_exact(a)), 0.0, (a == 0.0) & (b >= 0.0))",
                value: formula!(a, b, y => if a == 0.0 && b >= 0.0 { 0.0 } else { y * a.ln() }),
                accuracy: error!(g, _a, _b, _y; | v => 6.0 * ulp(v) + g.abs() * TINY),
            }),
        ],
        domains: &[Domain::Above(0.25), Domain::All],
        ..Row::BINARY
    };
    /// The larger of the two; NaN where either is. The gradient of equal ones is halved.
    maximum(other;) = Row {
        forward: Code {
            wgsl: "select(select(b, a, (a > b) | is_nan(a)), b, is_nan(b))",
            value: formula!(a, b => if a > b || a.is_nan() { a } else { b }),
            accuracy: Accuracy::Exact,
        },
        gradients: &selection(
            "select(select(g, 0.5 * g, a == b), 0.0, a < b)",
            "select(select(g, 0.5 * g, a == b), 0.0, b < a)",
            [
                formula!(a, b => if a < b { 0.0 } else if a == b { 0.5 } else { 1.0 }),
                formula!(a, b => if b < a { 0.0 } else if a == b { 0.5 } else { 1.0 }),
            ],
        ),
        kink: formula!(a, b => a - b),
        ..Row::BINARY
    };
    /// The smaller of the two; NaN where either is. The gradient of equal ones is halved.
    minimum(other;) = Row {
        forward: Code {
            wgsl: "select(select(b, a, (a < b) | is_nan(a)), b, is_nan(b))",
            value: formula!(a, b => if a < b || a.is_nan() { a } else { b }),
            accuracy: Accuracy::Exact,
        },
        gradients: &selection(
            "select(select(g, 0.5 * g, a == b), 0.0, a > b)",
            "select(select(g, 0.5 * g, a == b), 0.0, b > a)",
            [
                formula!(a, b => if a > b { 0.0 } else if a == b { 0.5 } else { 1.0 }),
                formula!(a, b => if b > a { 0.0 } else if a == b { 0.5 } else { 1.0 }),
            ],
        ),
        kink: formula!(a, b => a - b),
        ..Row::BINARY
    };
    /// The angle of the point `(other, self)` in radians, as C's `atan2` has it.
    atan2(other;) = Row {
        forward: Code {
            wgsl: "atan2_exact(a, b)",
            value: formula!(a, b => a.atan2(b)),
            accuracy: error!(_a, _b; | v => 10.0 * ulp(v) + 2.0 * TINY),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "  if (is_not_finite(a) | is_not_finite(b)) {
    return select(0.0, nan_from(bitcast<u32>(g)), is_not_finite(b) | is_nan(a));
  }
  let m = max(abs(a), abs(b));
  let s = a / m;
  let t = b / m;
  return select(g * (t / fma(s, s, t * t)) / m, 0.0, m == 0.0);",
                value: formula!(a, b => if a == 0.0 && b == 0.0 { 0.0 } else { b * (a * a + b * b).recip() }),
                accuracy: error!(g, _a, _b; | v => 14.0 * ulp(v) + g.abs() * 4.0 * TINY),
            }),
            Gradient::Kernel(BOTH, Code {
                wgsl: "  if (is_not_finite(a) | is_not_finite(b)) {
    return select(0.0, nan_from(bitcast<u32>(g)), is_not_finite(a) | is_nan(b));
  }
  let m = max(abs(a), abs(b));
  let s = a / m;
  let t = b / m;
  return select(-g * (s / fma(s, s, t * t)) / m, 0.0, m == 0.0);",
                value: formula!(a, b => if a == 0.0 && b == 0.0 { 0.0 } else { -a * (a * a + b * b).recip() }),
                accuracy: error!(g, _a, _b; | v => 14.0 * ulp(v) + g.abs() * 4.0 * TINY),
            }),
        ],
        kink: formula!(a, b => if b < 0.0 { a } else { a.hypot(b) }),
        domains: &[Domain::NonZero, Domain::NonZero],
        ..Row::BINARY
    };
    /// `self` where it is above 0, else `weight * self`; derivative `weight` at 0. PyTorch's `prelu`, whose weights of the
    /// channels broadcast: shape them `(C, 1, 1)` for `self (N, C, H, W)`.
    prelu(weight;) = Row {
        forward: Code {
            wgsl: "select(b * a, a, a > 0.0)",
            value: formula!(a, b => if a > 0.0 { a } else { b * a }),
            accuracy: Accuracy::Rounded,
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "select(b * g, g, a > 0.0)",
                value: formula!(a, b => if a > 0.0 { 1.0 } else { b }),
                accuracy: Accuracy::Rounded,
            }),
            Gradient::Kernel(A, Code {
                wgsl: "select(a * g, 0.0, a > 0.0)",
                value: formula!(a => if a > 0.0 { 0.0 } else { a }),
                accuracy: Accuracy::Rounded,
            }),
        ],
        kink: formula!(a, _b => a),
        ..Row::BINARY
    };
    /// 1 where they are equal, else 0.
    eq(other;) = comparison!("a == b", a, b => a == b);
    /// 1 where they differ, NaN among them, else 0.
    ne(other;) = comparison!("(a != b) | is_nan(a) | is_nan(b)", a, b => a != b);
    /// 1 where `self < other`, else 0.
    lt(other;) = comparison!("a < b", a, b => a < b);
    /// 1 where `self <= other`, else 0.
    le(other;) = comparison!("a <= b", a, b => a <= b);
    /// 1 where `self > other`, else 0.
    gt(other;) = comparison!("a > b", a, b => a > b);
    /// 1 where `self >= other`, else 0.
    ge(other;) = comparison!("a >= b", a, b => a >= b);
    /// 1 where neither is 0, else 0; NaN is not 0.
    logical_and(other;) = logic!("((a != 0.0) | is_nan(a)) & ((b != 0.0) | is_nan(b))", a, b => a && b);
    /// 1 where either is not 0, else 0; NaN is not 0.
    logical_or(other;) = logic!("(a != 0.0) | is_nan(a) | (b != 0.0) | is_nan(b)", a, b => a || b);
    /// 1 where one of the two is 0, else 0; NaN is not 0.
    logical_xor(other;) = logic!("((a != 0.0) | is_nan(a)) != ((b != 0.0) | is_nan(b))", a, b => a != b);
}
