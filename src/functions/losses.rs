//! Losses of one element of a prediction and its target.

use super::{
    Accuracy, CLAMPED, Code, Domain, Elementwise, Gradient, Parameter, Read, Row, SATURATED, error, formula,
    functions, logistic, ulp,
};
use crate::error::Result;
use crate::graph::Tensor;

const A: &[Read] = &[Read::Operand(0)];
const BOTH: &[Read] = &[Read::Operand(0), Read::Operand(1)];

/// PyTorch's floor of logarithms of probabilities.
const LEAST_LOG: f64 = -100.0;
/// Its floor of the variance that the derivative divides by, an f32.
const LEAST_VARIANCE: f64 = 1e-12f32 as f64;

fn is_probability(a: f64) -> bool {
    (0.0..=1.0).contains(&a)
}

/// The part of the cross entropy of a logit that grows with it.
fn linear_part(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        (1.0 - b) * a
    } else if a == f64::NEG_INFINITY {
        (1.0 - b) * a - a
    } else {
        -a * b
    }
}

/// `log(1 + exp(-|a|))`.
fn bent_part(a: f64) -> f64 {
    (-a.abs()).exp().ln_1p()
}

functions! { LOSSES:
    /// `(self - target)^2`.
    squared_error(target;) = Row {
        forward: Code {
            wgsl: "(a - b) * (a - b)",
            value: formula!(a, b => (a - b) * (a - b)),
            accuracy: Accuracy::Ulps(4.0),
        },
        // Of large numbers, whose difference would overflow, a quarter.
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.25, large);
  return (2.0 * g) * (a * part - b * part) * select(1.0, 4.0, large);",
                value: formula!(a, b => 2.0 * (a - b)),
                accuracy: Accuracy::Ulps(4.0),
            }),
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.25, large);
  return (2.0 * g) * (b * part - a * part) * select(1.0, 4.0, large);",
                value: formula!(a, b => 2.0 * (b - a)),
                accuracy: Accuracy::Ulps(4.0),
            }),
        ],
        ..Row::BINARY
    };
    /// `|self - target|`; derivative 0 where they are equal.
    absolute_error(target;) = Row {
        forward: Code {
            wgsl: "abs(a - b)",
            value: formula!(a, b => (a - b).abs()),
            accuracy: Accuracy::Rounded,
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "select(select(0.0, -g, a < b), g, a > b)",
                value: formula!(a, b => f64::from(i8::from(a > b) - i8::from(a < b))),
                accuracy: Accuracy::Exact,
            }),
            Gradient::Kernel(BOTH, Code {
                wgsl: "select(select(0.0, g, a < b), -g, a > b)",
                value: formula!(a, b => f64::from(i8::from(a < b) - i8::from(a > b))),
                accuracy: Accuracy::Exact,
            }),
        ],
        kink: formula!(a, b => a - b),
        ..Row::BINARY
    };
    /// With `d = |self - target|`: `d^2 / (2 beta)` where `d < beta`, else `d - beta / 2` (PyTorch's default beta is 1).
    smooth_l1(target; beta) = Row {
        parameters: &[Parameter::new("beta").or(1.0).positive()],
        forward: Code {
            wgsl: "  let d = abs(a - b);
  return select(d - 0.5 * beta, 0.5 * d * (d / beta), d < beta);",
            value: formula!(a, b; beta => {
                let d = (a - b).abs();
                if d < beta { 0.5 * d * d / beta } else { d - 0.5 * beta }
            }),
            accuracy: Accuracy::Ulps(8.0),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let d = a - b;
  let bent = select(select(g * (d / beta), g, d >= beta), -g, d <= -beta);
  return select(bent, d, is_nan(d));",
                value: formula!(a, b; beta => {
                    let d = a - b;
                    if d <= -beta { -1.0 } else if d >= beta { 1.0 } else { d / beta }
                }),
                accuracy: Accuracy::Ulps(8.0),
            }),
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let d = b - a;
  let bent = select(select(g * (d / beta), g, d >= beta), -g, d <= -beta);
  return select(bent, d, is_nan(d));",
                value: formula!(a, b; beta => {
                    let d = b - a;
                    if d <= -beta { -1.0 } else if d >= beta { 1.0 } else { d / beta }
                }),
                accuracy: Accuracy::Ulps(8.0),
            }),
        ],
        // The second derivative jumps.
        kink: formula!(a, b; beta => (a - b).abs() - beta),
        cases: &[&[1.0], &[0.5]],
        ..Row::BINARY
    };
    /// With `d = |self - target|`: `d^2 / 2` where `d <= delta`, else `delta (d - delta / 2)` (PyTorch's default delta is 1).
    huber(target; delta) = Row {
        parameters: &[Parameter::new("delta").or(1.0).positive()],
        forward: Code {
            // Of large numbers, whose difference would overflow, a quarter.
            wgsl: "  let d = abs(a - b);
  let large = max(abs(a), abs(b)) > 1e37;
  let quarter = delta * abs(0.25 * a - 0.25 * b);
  return select(select(delta * (d - 0.5 * delta), 4.0 * quarter, large), 0.5 * d * d, d <= delta);",
            value: formula!(a, b; delta => {
                let d = (a - b).abs();
                if d <= delta { 0.5 * d * d } else { delta * (d - 0.5 * delta) }
            }),
            accuracy: Accuracy::Ulps(8.0),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let d = a - b;
  let bent = select(select(g * d, g * delta, d >= delta), -g * delta, d <= -delta);
  return select(bent, d, is_nan(d));",
                value: formula!(a, b; delta => {
                    let d = a - b;
                    if d <= -delta { -delta } else if d >= delta { delta } else { d }
                }),
                accuracy: Accuracy::Ulps(4.0),
            }),
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let d = b - a;
  let bent = select(select(g * d, g * delta, d >= delta), -g * delta, d <= -delta);
  return select(bent, d, is_nan(d));",
                value: formula!(a, b; delta => {
                    let d = b - a;
                    if d <= -delta { -delta } else if d >= delta { delta } else { d }
                }),
                accuracy: Accuracy::Ulps(4.0),
            }),
        ],
        kink: formula!(a, b; delta => (a - b).abs() - delta),
        cases: &[&[1.0], &[0.5]],
        ..Row::BINARY
    };
    /// The cross entropy of a probability with a target: `-(target log(self) + (1 - target) log(1 - self))`, of logarithms that
    /// are at least -100, as PyTorch's `binary_cross_entropy`. What is no probability has NaN.
    bce(target;) = Row {
        forward: Code {
            wgsl: "  let value = (b - 1.0) * max(log1p_exact(-a), -100.0) - b * max(log_exact(a), -100.0);
  return select(value, nan_from(bitcast<u32>(a)), (a < 0.0) | (a > 1.0) | is_nan(a));",
            value: formula!(a, b => if is_probability(a) {
                (b - 1.0) * (-a).ln_1p().max(LEAST_LOG) - b * a.ln().max(LEAST_LOG)
            } else {
                f64::NAN
            }),
            accuracy: error!(a, b; | v => {
                let terms = ((b - 1.0) * (-a).ln_1p().max(LEAST_LOG)).abs() + (b * a.ln().max(LEAST_LOG)).abs();
                12.0 * ulp(terms) + ulp(v)
            }),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "  let value = g * (a - b) / max((1.0 - a) * a, 1e-12);
  return select(value, nan_from(bitcast<u32>(a)), (a < 0.0) | (a > 1.0) | is_nan(a));",
                value: formula!(a, b => if is_probability(a) {
                    (a - b) / ((1.0 - a) * a).max(LEAST_VARIANCE)
                } else {
                    f64::NAN
                }),
                accuracy: Accuracy::Ulps(8.0),
            }),
            Gradient::Kernel(A, Code {
                wgsl: "  let value = g * (log1p_exact(-a) - log_exact(a));
  return select(value, nan_from(bitcast<u32>(a)), (a < 0.0) | (a > 1.0) | is_nan(a));",
                value: formula!(a => if is_probability(a) { (-a).ln_1p() - a.ln() } else { f64::NAN }),
                accuracy: error!(g, a; | v =>
                    g.abs() * (8.0 * ulp((-a).ln_1p()) + 4.0 * ulp(a.ln())) + 2.0 * ulp(v)),
            }),
        ],
        domains: &[Domain::Unit, Domain::All],
        ..Row::BINARY
    };
    /// The cross entropy of a logit with a target: that of `sigmoid(self)`, exact for logits of any size, as PyTorch's
    /// `binary_cross_entropy_with_logits`.
    bce_with_logits(target;) = Row {
        forward: Code {
            // By the side of 0, so that nothing cancels.
            wgsl: "  let below = select(-a * b, (1.0 - b) * a - a, is_not_finite(a));
  return select(below, (1.0 - b) * a, a > 0.0) + log1p_exact(exp_bounded(-abs(a)));",
            value: formula!(a, b => linear_part(a, b) + bent_part(a)),
            accuracy: error!(a, b; | v => {
                let bent = (8.0 + 2.0 * a.abs().min(SATURATED)) * ulp(bent_part(a)) + CLAMPED;
                3.0 * ulp(linear_part(a, b)) + bent + ulp(v)
            }),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "g * (logistic(a) - b)",
                value: formula!(a, b => logistic(a) - b),
                accuracy: error!(g, a, b; | v => {
                    let probability = (8.0 + 2.0 * a.abs().min(SATURATED)) * ulp(logistic(a)) + CLAMPED;
                    g.abs() * (probability + ulp(logistic(a) - b)) + 2.0 * ulp(v)
                }),
            }),
            Gradient::Kernel(A, Code {
                wgsl: "-g * a",
                value: formula!(a => -a),
                accuracy: Accuracy::Rounded,
            }),
        ],
        ..Row::BINARY
    };
    /// `self * log(other)`, 0 where `self` is 0 and `other` no NaN.
    xlogy(other;) = Row {
        forward: Code {
            wgsl: "select(a * log_exact(b), select(0.0, b, is_nan(b)), a == 0.0)",
            value: formula!(a, b => if a == 0.0 && !b.is_nan() { 0.0 } else { a * b.ln() }),
            accuracy: Accuracy::Ulps(6.0),
        },
        gradients: &[
            Gradient::Kernel(BOTH, Code {
                wgsl: "select(g * log_exact(b), 0.0, (a == 0.0) & (b <= 0.0))",
                value: formula!(a, b => if a == 0.0 && b <= 0.0 { 0.0 } else { b.ln() }),
                accuracy: Accuracy::Ulps(6.0),
            }),
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[0])?.div(&flow.inputs[1])),
        ],
        domains: &[Domain::All, Domain::Above(0.25)],
        ..Row::BINARY
    };
}
