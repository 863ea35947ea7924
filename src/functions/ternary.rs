//! Functions of three tensors.

use super::{
    Accuracy, Code, Domain, Elementwise, Gradient, Parameter, Read, Row, TINY, error, formula, functions, ulp,
};
use crate::error::Result;
use crate::graph::Tensor;

const ALL: &[Read] = &[Read::Operand(0), Read::Operand(1), Read::Operand(2)];

/// PyTorch's form, whose ends are exact on both sides.
fn between(a: f64, b: f64, w: f64) -> f64 {
    if w.abs() < 0.5 { a + w * (b - a) } else { b - (b - a) * (1.0 - w) }
}

functions! { TERNARY:
    /// `self + weight * (end - self)`, computed from the nearer end.
    lerp(end, weight;) = Row {
        forward: Code {
            // Of large numbers, whose difference would overflow, a sixteenth.
            wgsl: "  let part = select(1.0, 0.0625, max(abs(a), abs(b)) > 1e37);
  let start = a * part;
  let way = b * part - start;
  return select(b * part - way * (1.0 - c), start + c * way, abs(c) < 0.5) / part;",
            value: formula!(a, b, w => between(a, b, w)),
            accuracy: error!(a, b, w; | v =>
                2.0 * ulp(v) + 2.0 * ulp(a.abs() + b.abs()) * (1.0 + w.abs()) * 2.0 + flushed(1.0 + w.abs())),
        },
        gradients: &[
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[2].neg()?.add_scalar(1.0)?)),
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[2])),
            Gradient::Rule(|_, flow, g| g.mul(&flow.inputs[1].sub(&flow.inputs[0])?)),
        ],
        ..Row::TERNARY
    };
    /// `min(max(self, min), max)` with tensors: PyTorch's `clamp(input, min, max)`; `max` where `min > max`. At ties the error
    /// is halved, as in PyTorch 2.15.
    clamp_tensor(min, max;) = Row {
        forward: Code {
            wgsl: "select(min(max(a, b), c), nan_from(bitcast<u32>(a)), is_nan(a) | is_nan(b) | is_nan(c))",
            value: formula!(a, b, c => if (a + b + c).is_nan() && (a.is_nan() || b.is_nan() || c.is_nan()) {
                f64::NAN
            } else {
                a.max(b).min(c)
            }),
            accuracy: Accuracy::Exact,
        },
        gradients: &[
            Gradient::Kernel(ALL, Code {
                wgsl: "  let half = select(g, 0.5 * g, ((a == b) != (a == c)) & (b <= c));
  return select(half, 0.0, (a < b) | (a > c));",
                value: formula!(a, b, c => if a < b || a > c {
                    0.0
                } else if (a == b) != (a == c) && b <= c {
                    0.5
                } else {
                    1.0
                }),
                accuracy: Accuracy::Exact,
            }),
            Gradient::Kernel(ALL, Code {
                wgsl: "  let half = select(0.0, 0.5 * g, (a == b) & !(a == c));
  return select(0.0, select(half, g, a < b), b <= c);",
                value: formula!(a, b, c => if b <= c && a < b {
                    1.0
                } else {
                    0.5 * f64::from(u8::from(b <= c && a == b && a != c))
                }),
                accuracy: Accuracy::Exact,
            }),
            Gradient::Kernel(ALL, Code {
                wgsl: "  let half = select(0.0, 0.5 * g, (a == c) & !(a == b));
  return select(select(0.0, select(half, g, a > c), b <= c), g, b > c);",
                value: formula!(a, b, c => if b > c || b <= c && a > c {
                    1.0
                } else {
                    0.5 * f64::from(u8::from(b <= c && a == c && a != b))
                }),
                accuracy: Accuracy::Exact,
            }),
        ],
        domains: &[Domain::All, Domain::All, Domain::Above(0.25)],
        kink: formula!(a, b, c => (a - b).abs().min((a - c).abs()).min((b - c).abs())),
        ..Row::TERNARY
    };
    /// `self + value * tensor1 * tensor2` (PyTorch's default value is 1).
    addcmul(tensor1, tensor2; value) = Row {
        parameters: &[Parameter::new("value").or(1.0)],
        forward: Code {
            // What is infinite stays so, whatever overflows.
            wgsl: "select(a + (value * b) * c, a, is_not_finite(a) & !is_not_finite(b) & !is_not_finite(c))",
            value: formula!(a, b, c; value => a + value * b * c),
            accuracy: error!(_a, b, c; value | v =>
                ulp(v) + 2.0 * ulp(value * b * c) + flushed(1.0 + value.abs() + b.abs().max(c.abs()))),
        },
        gradients: &[
            Gradient::Rule(|_, _, g| Ok(g.clone())),
            Gradient::Rule(|this, flow, g| g.mul(&flow.inputs[2])?.scale(this.parameters()[0])),
            Gradient::Rule(|this, flow, g| g.mul(&flow.inputs[1])?.scale(this.parameters()[0])),
        ],
        cases: &[&[-0.5]],
        ..Row::TERNARY
    };
    /// The negative logarithm of the density of `target` under a normal distribution of this mean and of variance `var`, which
    /// is
    /// `eps` at least, less a constant: `(log(var) + (self - target)^2 / var) / 2` (PyTorch's default eps is 1e-6). Derivatives
    /// are those at the variance that is used, as PyTorch's.
    gaussian_nll(target, var; eps) = Row {
        parameters: &[Parameter::new("eps").or(1e-6).positive()],
        forward: Code {
            // Of large numbers, whose difference would overflow, a sixteenth.
            wgsl: "  let v = select(max(c, eps), c, is_nan(c));
  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.0625, large);
  let whole = select(1.0, 16.0, large);
  let d = a * part - b * part;
  return 0.5 * log_exact(v) + 0.5 * (d / v * d) * whole * whole;",
            value: formula!(a, b, c; eps => {
                let v = if c < eps { eps } else { c };
                0.5 * v.ln() + 0.5 * ((a - b) / v * (a - b))
            }),
            accuracy: error!(a, b, c; eps | v => {
                let (variance, d) = (if c < eps { eps } else { c }, a - b);
                4.0 * ulp(0.5 * variance.ln()) + 8.0 * ulp(0.5 * (d / variance * d)) + ulp(v) + flushed(d.abs())
            }),
        },
        gradients: &[
            Gradient::Kernel(ALL, Code {
                wgsl: "  let v = select(max(c, eps), c, is_nan(c));
  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.0625, large);
  return g * (a * part - b * part) / v * select(1.0, 16.0, large);",
                value: formula!(a, b, c; eps => (a - b) / if c < eps { eps } else { c }),
                accuracy: Accuracy::Ulps(8.0),
            }),
            Gradient::Kernel(ALL, Code {
                wgsl: "  let v = select(max(c, eps), c, is_nan(c));
  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.0625, large);
  return g * (b * part - a * part) / v * select(1.0, 16.0, large);",
                value: formula!(a, b, c; eps => (b - a) / if c < eps { eps } else { c }),
                accuracy: Accuracy::Ulps(8.0),
            }),
            Gradient::Kernel(ALL, Code {
                wgsl: "  let v = select(max(c, eps), c, is_nan(c));
  let large = max(abs(a), abs(b)) > 1e37;
  let part = select(1.0, 0.0625, large);
  let whole = select(1.0, 16.0, large);
  let r = (a * part - b * part) / v;
  let finite = !(is_not_finite(a) | is_not_finite(b) | is_not_finite(c));
  return select(0.5 * g * (1.0 / v - r * r * whole * whole), 0.0, finite & (g == 0.0));",
                value: formula!(a, b, c; eps => {
                    let v = if c < eps { eps } else { c };
                    let r = (a - b) / v;
                    0.5 * (1.0 / v - r * r)
                }),
                accuracy: error!(g, a, b, c; eps | v => {
                    let variance = if c < eps { eps } else { c };
                    let r = (a - b) / variance;
                    g.abs() * (3.0 * ulp(1.0 / variance) + 8.0 * ulp(r * r) + flushed(1.0)) + 2.0 * ulp(v)
                }),
            }),
        ],
        kink: formula!(_a, _b, c; eps => c - eps),
        domains: &[Domain::All, Domain::All, Domain::Above(0.25)],
        cases: &[&[1e-6], &[0.125]],
        ..Row::TERNARY
    };
}

/// What a step below the normal numbers leaves that is 0 on some adapters, in a product with at most `factor`: nothing beside
/// normal results.
fn flushed(factor: f64) -> f64 {
    2.0 * TINY * factor
}

/// Named by a word that is taken in Rust.
static WHERE: Row = Row {
    name: "where",
    doc: "`a` where the condition is not 0, else `b`; NaN and what is denormal is not 0.",
    forward: Code {
        wgsl: "select(c, b, (bitcast<u32>(a) & 0x7fffffffu) != 0u)",
        value: formula!(a, b, c => if a != 0.0 { b } else { c }),
        accuracy: Accuracy::Exact,
    },
    gradients: &[
        Gradient::Zero,
        Gradient::Rule(|_, flow, g| flow.inputs[0].select(g, &g.graph().scalar_of(g.ty().dtype, 0.0)?)),
        Gradient::Rule(|_, flow, g| flow.inputs[0].select(&g.graph().scalar_of(g.ty().dtype, 0.0)?, g)),
    ],
    domains: &[Domain::Truth, Domain::All, Domain::All],
    ..Row::TERNARY
};

/// The row of [`Elementwise::select`].
pub(super) fn choice() -> &'static Row {
    &WHERE
}

impl Elementwise {
    /// `a` where a condition is not 0, else `b`: PyTorch's `where`.
    #[doc(alias = "where")]
    pub fn select() -> Self {
        Self::of(choice(), &[])
    }
}

impl Tensor {
    /// `a` where this is not 0, else `b`, tensors or numbers, all broadcast: PyTorch's `where`. NaN and what is denormal is not
    /// 0.
    ///
    /// # Errors
    /// When an operand is not `f32` or shapes do not broadcast.
    #[doc(alias = "where")]
    pub fn select(&self, a: impl super::Operand, b: impl super::Operand) -> Result<Tensor> {
        let (a, b) = (a.tensor(self)?, b.tensor(self)?);
        // What is chosen by may be the result of a comparison in another type.
        let (dtype, own) = (a.ty().dtype, self.ty().dtype);
        let condition =
            if dtype != own && dtype.is_float() && own.is_float() { self.cast(dtype)? } else { self.clone() };
        condition.beside(Elementwise::select(), &[&a, &b])
    }
}
