//! What several optimizers do, for the reference and in WGSL.

use super::Number;
use crate::tracked::Real;

/// `ln b`; where b is 0 the shader does not use it, and a logarithm of 0 would be no literal.
pub(super) fn ln(b: f64) -> f64 {
    b.max(f64::MIN_POSITIVE).ln()
}

/// Of the first two options: the averages' other shares, and the logarithms of the decays.
pub(super) fn betas(options: &[f64]) -> Vec<(&'static str, f64)> {
    let (beta1, beta2) = (options[0], options[1]);
    vec![
        ("one_minus_beta1", 1.0 - beta1),
        ("one_minus_beta2", 1.0 - beta2),
        ("ln_beta1", ln(beta1)),
        ("ln_beta2", ln(beta2)),
    ]
}

/// `1 - b^step`, which kernels compute as `-expm1(step ln b)`.
pub(super) fn correction<R: Real>(b: f64, step: f64) -> R {
    R::within(1.0 - b.powf(step), 6.0)
}

/// `b x + (1 - b) y`.
pub(super) fn average<R: Real>(b: f64, x: R, y: R) -> R {
    R::of(b) * x + R::of(1.0 - b) * y
}

/// The gradient to go by: of what is to grow, its negative.
pub(super) fn ascent<R: Real>(g: R, maximize: f64) -> R {
    if maximize != 0.0 { -g } else { g }
}

/// With a penalty on the parameter.
pub(super) fn penalised<R: Real>(g: R, p: R, weight_decay: f64) -> R {
    if weight_decay != 0.0 { g + R::of(weight_decay) * p } else { g }
}

/// The parameter after decoupled decay.
fn decayed<R: Real>(p: R, lr: R, weight_decay: f64) -> R {
    if weight_decay != 0.0 { p * (R::of(1.0) - lr * R::of(weight_decay)) } else { p }
}

/// Gradient and parameter before a step of Adam's kind.
pub(super) fn before<R: Real>(n: &Number<'_, R>, weight_decay: f64, decoupled: f64, maximize: f64) -> (R, R) {
    let g = ascent(n.g, maximize);
    if decoupled != 0.0 {
        (g, decayed(n.p, n.lr, weight_decay))
    } else {
        (penalised(g, n.p, weight_decay), n.p)
    }
}

/// In WGSL: the same.
pub(super) const BEFORE: &str = "
{% if maximize %}
  g = -g;
{% endif %}
{% if weight_decay and decoupled %}
  p *= 1.0 - lr * weight_decay;
{% elif weight_decay %}
  g += weight_decay * p;
{% endif %}
";

/// Adam's averages and their corrections in WGSL.
pub(super) const AVERAGES: &str = "
  exp_avg = fma(vec4<f32>(one_minus_beta1), g, beta1 * exp_avg);
  exp_avg_sq = fma(one_minus_beta2 * g, g, beta2 * exp_avg_sq);
  let correction1 = {{ '-expm1(t * ln_beta1)' if beta1 else '1.0' }};
  let correction2 = {{ '-expm1(t * ln_beta2)' if beta2 else '1.0' }};
";

/// Both averages after the step, with the gradient `g`.
pub(super) fn averages<R: Real>(n: &mut Number<'_, R>, g: R, beta1: f64, beta2: f64) -> [R; 2] {
    n.kept[0] = average(beta1, n.kept[0], g);
    n.kept[1] = R::of(beta2) * n.kept[1] + R::of(1.0 - beta2) * g * g;
    [n.kept[0], n.kept[1]]
}
