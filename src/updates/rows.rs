//! The rows: PyTorch's formulas in PyTorch's order of steps, `optim` of its documentation; Lion as Chen et al., "Symbolic
//! Discovery of Optimization Algorithms", 2023; LAMB as You et al., "Large Batch Optimization for Deep Learning", 2020.

use super::parts::{AVERAGES, BEFORE, ascent, average, averages, before, betas, correction, ln, penalised};
use super::{Hyper, Memory, Number, Range, Start, Update};
use crate::tracked::Real;

const fn number(name: &'static str, default: f64, range: Range) -> Hyper {
    Hyper { name, default, range }
}

const fn flag(name: &'static str) -> Hyper {
    number(name, 0.0, Range::Flag)
}

const BETA1: Hyper = number("beta1", 0.9, Range::Below1);
const BETA2: Hyper = number("beta2", 0.999, Range::Below1);
const EPS: Hyper = number("eps", 1e-8, Range::AtLeast0);
const WEIGHT_DECAY: Hyper = number("weight_decay", 0.0, Range::AtLeast0);
const DECOUPLED: Hyper = flag("decoupled");
const MAXIMIZE: Hyper = flag("maximize");

const fn kept(name: &'static str, positive: bool) -> Memory {
    Memory { name, kept_for: None, positive, starts: Start::Zero }
}

const EXP_AVG: Memory = kept("exp_avg", false);
const EXP_AVG_SQ: Memory = kept("exp_avg_sq", true);

/// A row; `step` is written once for all [`Real`] numbers.
macro_rules! row {
    ($name:literal, $step:ident, $options:expr, $kept:expr, $($field:ident: $value:expr,)*) => {
        Update {
            name: $name,
            options: $options,
            kept: $kept,
            value: $step::<f64>,
            tracked: $step::<crate::tracked::Tracked>,
            $($field: $value,)*
            ..USUAL
        }
    };
}

const USUAL: Update = Update {
    name: "",
    formula: "",
    options: &[],
    kept: &[],
    counts: |_| false,
    product: false,
    directs: false,
    derived: |_| Vec::new(),
    misfit: |_| None,
    wgsl: &[],
    value: |_| {},
    tracked: |_| {},
};

fn sgd<R: Real>(n: &mut Number<'_, R>) {
    let [momentum, dampening, nesterov, weight_decay, maximize] = n.all();
    let mut g = penalised(ascent(n.g, maximize), n.p, weight_decay);
    if momentum != 0.0 {
        let first = dampening != 0.0 && n.step == 1.0;
        let velocity = R::of(momentum) * n.kept[0];
        n.kept[0] = match dampening {
            _ if first => g,
            0.0 => velocity + g,
            _ => velocity + R::of(1.0 - dampening) * g,
        };
        g = if nesterov != 0.0 { g + R::of(momentum) * n.kept[0] } else { n.kept[0] };
    }
    n.p = n.p - n.lr * g;
}

fn adam<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize] = n.all();
    let (g, p) = before(n, weight_decay, decoupled, maximize);
    let [m, mut v] = averages(n, g, beta1, beta2);
    if amsgrad != 0.0 {
        n.kept[2] = n.kept[2].max(v);
        v = n.kept[2];
    }
    let root = (v / correction(beta2, n.step)).sqrt();
    n.p = p - n.lr * (m / correction(beta1, n.step)) / (root + R::of(eps));
}

fn adamax<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, eps, weight_decay, maximize] = n.all();
    let (g, p) = before(n, weight_decay, 0.0, maximize);
    n.kept[0] = average(beta1, n.kept[0], g);
    n.kept[1] = (R::of(beta2) * n.kept[1]).max(g.abs() + R::of(eps));
    n.p = p - n.lr / correction(beta1, n.step) * n.kept[0] / n.kept[1];
}

fn rmsprop<R: Real>(n: &mut Number<'_, R>) {
    let [alpha, eps, weight_decay, momentum, centered, maximize] = n.all();
    let (g, p) = before(n, weight_decay, 0.0, maximize);
    n.kept[0] = R::of(alpha) * n.kept[0] + R::of(1.0 - alpha) * g * g;
    let mut spread = n.kept[0];
    if centered != 0.0 {
        n.kept[1] = average(alpha, n.kept[1], g);
        spread = (spread - n.kept[1] * n.kept[1]).max(R::of(0.0));
    }
    let mut step = g / (spread.sqrt() + R::of(eps));
    if momentum != 0.0 {
        n.kept[2] = R::of(momentum) * n.kept[2] + step;
        step = n.kept[2];
    }
    n.p = p - n.lr * step;
}

fn adagrad<R: Real>(n: &mut Number<'_, R>) {
    let [lr_decay, eps, weight_decay, maximize, _] = n.all();
    let (g, p) = before(n, weight_decay, 0.0, maximize);
    n.kept[0] = n.kept[0] + g * g;
    let rate =
        if lr_decay == 0.0 { n.lr } else { n.lr / (R::of(1.0) + R::of(n.step - 1.0) * R::of(lr_decay)) };
    n.p = p - rate * g / (n.kept[0].sqrt() + R::of(eps));
}

fn adadelta<R: Real>(n: &mut Number<'_, R>) {
    let [rho, eps, weight_decay, maximize] = n.all();
    let (g, p) = before(n, weight_decay, 0.0, maximize);
    let (eps, share) = (R::of(eps), R::of(1.0 - rho));
    n.kept[0] = R::of(rho) * n.kept[0] + share * g * g;
    let step = (n.kept[1] + eps).sqrt() / (n.kept[0] + eps).sqrt() * g;
    n.kept[1] = R::of(rho) * n.kept[1] + share * step * step;
    n.p = p - n.lr * step;
}

/// The momentum of a step, `beta1 (1 - 0.96^(step decay) / 2)`.
fn momentum_at<R: Real>(beta1: f64, decay: f64, step: f64) -> R {
    R::within(beta1 * (1.0 - 0.5 * 0.96f64.powf(step * decay)), 6.0)
}

/// The product of all momenta so far; the parameter is the product, there is no gradient.
fn nadam_product<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, momentum_decay] = n.all();
    n.p = n.p * momentum_at(beta1, momentum_decay, n.step);
}

fn nadam<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, eps, weight_decay, momentum_decay, decoupled, maximize] = n.all();
    let (g, p) = before(n, weight_decay, decoupled, maximize);
    let [m, v] = averages(n, g, beta1, beta2);
    let root = (v / correction(beta2, n.step)).sqrt() + R::of(eps);
    let (one, now) = (R::of(1.0), momentum_at::<R>(beta1, momentum_decay, n.step));
    let next: R = momentum_at(beta1, momentum_decay, n.step + 1.0);
    let of_gradient = n.lr * (one - now) / (one - n.product);
    let of_average = n.lr * next / (one - n.product * next);
    n.p = p - of_gradient * g / root - of_average * m / root;
}

/// The length of the average that the second moment stands for, and the factor that its variance asks for; before there
/// are five, none.
fn rectification(beta2: f64, step: f64) -> Option<f64> {
    let most = 2.0 / (1.0 - beta2) - 1.0;
    let power = beta2.powf(step);
    let length = most - 2.0 * step * power / (1.0 - power);
    let ratio = (length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length);
    (length > 5.0).then(|| ratio.sqrt())
}

fn radam<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, eps, weight_decay, decoupled, maximize] = n.all();
    let (g, p) = before(n, weight_decay, decoupled, maximize);
    let [m, v] = averages(n, g, beta1, beta2);
    let mut step = n.lr * (m / correction(beta1, n.step));
    if let Some(factor) = rectification(beta2, n.step) {
        let root = correction::<R>(beta2, n.step).sqrt();
        step = step * (root / (v.sqrt() + R::of(eps))) * R::within(factor, 24.0);
    }
    n.p = p - step;
}

fn lion<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, weight_decay, maximize] = n.all();
    let (g, p) = before(n, weight_decay, 1.0, maximize);
    let direction = average(beta1, n.kept[0], g).sign();
    n.kept[0] = average(beta2, n.kept[0], g);
    n.p = p - n.lr * direction;
}

fn lamb<R: Real>(n: &mut Number<'_, R>) {
    let [beta1, beta2, eps, weight_decay, maximize] = n.all();
    let g = ascent(n.g, maximize);
    let [m, v] = averages(n, g, beta1, beta2);
    let root = (v / correction(beta2, n.step)).sqrt();
    let step = m / correction(beta1, n.step) / (root + R::of(eps));
    n.p = penalised(step, n.p, weight_decay);
}

fn rprop<R: Real>(n: &mut Number<'_, R>) {
    let [eta_minus, eta_plus, step_min, step_max, maximize] = n.all();
    let g = ascent(n.g, maximize);
    let agreement = (g.sign() * n.kept[0].sign()).value();
    let factor = if agreement > 0.0 {
        eta_plus
    } else if agreement < 0.0 {
        eta_minus
    } else {
        1.0
    };
    n.kept[1] = (n.kept[1] * R::of(factor)).max(R::of(step_min)).min(R::of(step_max));
    n.kept[0] = if agreement < 0.0 { R::of(0.0) } else { g };
    n.p = n.p - n.kept[0].sign() * n.kept[1];
}

pub(super) const ROWS: &[Update] = &[
    row! { "sgd", sgd,
        &[
            number("momentum", 0.0, Range::AtLeast0),
            number("dampening", 0.0, Range::AtLeast0),
            flag("nesterov"),
            WEIGHT_DECAY,
            MAXIMIZE,
        ],
        &[Memory { name: "momentum_buffer", kept_for: Some("momentum"), positive: false, starts: Start::Zero }],
        formula: "g += weight_decay p; v = momentum v + (1 - dampening) g; p -= lr v, nesterov: p -= lr (g + momentum v)",
        counts: |o| o[0] != 0.0 && o[1] != 0.0,
        derived: |o| vec![("undamped", 1.0 - o[1])],
        misfit: |o| {
            let wrong = o[2] != 0.0 && (o[0] == 0.0 || o[1] != 0.0);
            wrong.then_some("nesterov with a momentum above 0 and a dampening of 0")
        },
        wgsl: &[BEFORE, "
{% if momentum and dampening %}
  momentum_buffer = select(momentum * momentum_buffer + undamped * g, g, vec4<bool>(t == 1.0));
{% elif momentum %}
  momentum_buffer = momentum * momentum_buffer + g;
{% endif %}
  p -= lr * {{ '(g + momentum * momentum_buffer)' if nesterov else 'momentum_buffer' if momentum else 'g' }};
"],
    },
    row! { "adam", adam,
        &[BETA1, BETA2, EPS, WEIGHT_DECAY, DECOUPLED, flag("amsgrad"), MAXIMIZE],
        &[
            EXP_AVG,
            EXP_AVG_SQ,
            Memory { name: "max_exp_avg_sq", kept_for: Some("amsgrad"), positive: true, starts: Start::Zero },
        ],
        formula: "m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)",
        counts: |_| true,
        derived: betas,
        wgsl: &[BEFORE, AVERAGES, "
{% if amsgrad %}
  max_exp_avg_sq = max(max_exp_avg_sq, exp_avg_sq);
{% endif %}
  let root = sqrt({{ 'max_exp_avg_sq' if amsgrad else 'exp_avg_sq' }} / correction2);
  p -= lr * (exp_avg / correction1) / (root + eps);
"],
    },
    row! { "adamax", adamax,
        &[BETA1, BETA2, EPS, WEIGHT_DECAY, MAXIMIZE],
        &[EXP_AVG, kept("exp_inf", true)],
        formula: "m = b1 m + (1 - b1) g; u = max(b2 u, |g| + eps); p -= lr / (1 - b1^t) m / u",
        counts: |_| true,
        derived: betas,
        wgsl: &[BEFORE, "
  exp_avg = fma(vec4<f32>(one_minus_beta1), g, beta1 * exp_avg);
  exp_inf = max(beta2 * exp_inf, abs(g) + eps);
  p -= lr / {{ '-expm1(t * ln_beta1)' if beta1 else '1.0' }} * exp_avg / exp_inf;
"],
    },
    row! { "rmsprop", rmsprop,
        &[
            number("alpha", 0.99, Range::Below1),
            EPS,
            WEIGHT_DECAY,
            number("momentum", 0.0, Range::AtLeast0),
            flag("centered"),
            MAXIMIZE,
        ],
        &[
            kept("square_avg", true),
            Memory { name: "grad_avg", kept_for: Some("centered"), positive: false, starts: Start::Zero },
            Memory { name: "momentum_buffer", kept_for: Some("momentum"), positive: false, starts: Start::Zero },
        ],
        formula: "v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v) + eps), centered: of v - mean(g)^2; momentum: p -= lr b",
        derived: |o| vec![("one_minus_alpha", 1.0 - o[0])],
        wgsl: &[BEFORE, "
  square_avg = alpha * square_avg + one_minus_alpha * g * g;
{% if centered %}
  grad_avg = alpha * grad_avg + one_minus_alpha * g;
  var step = g / (sqrt(max(square_avg - grad_avg * grad_avg, vec4<f32>())) + eps);
{% else %}
  var step = g / (sqrt(square_avg) + eps);
{% endif %}
{% if momentum %}
  momentum_buffer = momentum * momentum_buffer + step;
  step = momentum_buffer;
{% endif %}
  p -= lr * step;
"],
    },
    row! { "adagrad", adagrad,
        &[
            number("lr_decay", 0.0, Range::AtLeast0),
            number("eps", 1e-10, Range::AtLeast0),
            WEIGHT_DECAY,
            MAXIMIZE,
            number("initial_accumulator_value", 0.0, Range::AtLeast0),
        ],
        &[Memory { starts: Start::Option("initial_accumulator_value"), ..kept("sum", true) }],
        formula: "s += g^2; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)",
        counts: |o| o[0] != 0.0,
        wgsl: &[BEFORE, "
  sum += g * g;
  p -= lr{{ ' / (1.0 + (t - 1.0) * lr_decay)' if lr_decay }} * g / (sqrt(sum) + eps);
"],
    },
    row! { "adadelta", adadelta,
        &[
            number("rho", 0.9, Range::Below1),
            number("eps", 1e-6, Range::AtLeast0),
            WEIGHT_DECAY,
            MAXIMIZE,
        ],
        &[kept("square_avg", true), kept("acc_delta", true)],
        formula: "v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2; p -= lr d",
        derived: |o| vec![("one_minus_rho", 1.0 - o[0])],
        wgsl: &[BEFORE, "
  square_avg = rho * square_avg + one_minus_rho * g * g;
  let step = sqrt(acc_delta + eps) / sqrt(square_avg + eps) * g;
  acc_delta = rho * acc_delta + one_minus_rho * step * step;
  p -= lr * step;
"],
    },
    row! { "nadam", nadam,
        &[
            BETA1,
            BETA2,
            EPS,
            WEIGHT_DECAY,
            number("momentum_decay", 4e-3, Range::AtLeast0),
            DECOUPLED,
            MAXIMIZE,
        ],
        &[EXP_AVG, EXP_AVG_SQ],
        formula: "u_t = b1 (1 - 0.96^(t momentum_decay) / 2); Adam with Nesterov's momentum u_t, corrected by the product of all",
        product: true,
        derived: betas,
        wgsl: &[BEFORE, AVERAGES, "
  let root = sqrt(exp_avg_sq / correction2) + eps;
  let now = beta1 * (1.0 - 0.5 * exp_bounded(t * momentum_decay * LN_096));
  let next = beta1 * (1.0 - 0.5 * exp_bounded((t + 1.0) * momentum_decay * LN_096));
  p = p - lr * (1.0 - now) / (1.0 - product) * g / root - lr * next / (1.0 - product * next) * exp_avg / root;
"],
    },
    row! { "nadam_product", nadam_product,
        &[BETA1, number("momentum_decay", 4e-3, Range::AtLeast0)],
        &[],
        formula: "the product of NAdam's momenta of all steps",
        counts: |_| true,
        wgsl: &["
  p *= beta1 * (1.0 - 0.5 * exp_bounded(t * momentum_decay * LN_096));
"],
    },
    row! { "radam", radam,
        &[BETA1, BETA2, EPS, WEIGHT_DECAY, DECOUPLED, MAXIMIZE],
        &[EXP_AVG, EXP_AVG_SQ],
        formula: "Adam whose second moment counts, rectified, once its average is longer than 5 steps",
        counts: |_| true,
        derived: |o| {
            let most = 2.0 / (1.0 - o[1]) - 1.0;
            // What is left of the length where the power is near 1, with the digits that a difference would lose.
            let left = most + 2.0 / ln(o[1]);
            let mut constants = betas(o);
            constants.extend([("length_most", most), ("length_left", left)]);
            constants
        },
        wgsl: &[BEFORE, AVERAGES, "
  // The length 2 / (1 - b) - 1 - 2 t b^t / (1 - b^t); where s = -t ln(b) is small, by the series of 1 / (exp(s) - 1).
  let s = -t * ln_beta2;
  let by_series = length_left + t * (1.0 - s / 6.0 * (1.0 - s * s / 60.0 * (1.0 - s * s / 42.0)));
  let length = select(length_most - 2.0 * t * (1.0 - correction2) / correction2, by_series, s < 0.7);
  var factor = 1.0;
  let rectified = (length - 4.0) * (length - 2.0) * length_most / ((length_most - 4.0) * (length_most - 2.0) * length);
  var step = lr * (exp_avg / correction1);
  if (length > 5.0) {
    step *= sqrt(correction2) / (sqrt(exp_avg_sq) + eps) * sqrt(rectified);
  }
  p -= step;
"],
    },
    row! { "lion", lion,
        &[BETA1, number("beta2", 0.99, Range::Below1), WEIGHT_DECAY, MAXIMIZE],
        &[EXP_AVG],
        formula: "p -= lr (sign(b1 m + (1 - b1) g) + weight_decay p); m = b2 m + (1 - b2) g",
        derived: betas,
        wgsl: &["
  g = {{ '-g' if maximize else 'g' }};
{% if weight_decay %}
  p *= 1.0 - lr * weight_decay;
{% endif %}
  p -= lr * sign(beta1 * exp_avg + one_minus_beta1 * g);
  exp_avg = beta2 * exp_avg + one_minus_beta2 * g;
"],
    },
    row! { "lamb", lamb,
        &[BETA1, BETA2, number("eps", 1e-6, Range::AtLeast0), WEIGHT_DECAY, MAXIMIZE],
        &[EXP_AVG, EXP_AVG_SQ],
        formula: "d = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay p; p -= lr norm(p) / norm(d) d",
        counts: |_| true,
        directs: true,
        derived: betas,
        wgsl: &["
  g = {{ '-g' if maximize else 'g' }};
", AVERAGES, "
  let step = exp_avg / correction1 / (sqrt(exp_avg_sq / correction2) + eps);
  p = step{{ ' + weight_decay * p' if weight_decay }};
"],
    },
    row! { "rprop", rprop,
        &[
            number("etaminus", 0.5, Range::Between),
            number("etaplus", 1.2, Range::Above1),
            number("step_size_min", 1e-6, Range::Above0),
            number("step_size_max", 50.0, Range::Above0),
            MAXIMIZE,
        ],
        &[kept("prev", false), Memory { starts: Start::LearningRate, ..kept("step_size", true) }],
        misfit: |o| (o[2] > o[3]).then_some("a step_size_min of at most step_size_max"),
        formula: "step sizes grow by etaplus where the sign of g stays and shrink by etaminus where it turns; p -= sign(g) step",
        wgsl: &["
  g = {{ '-g' if maximize else 'g' }};
  let agreement = sign(g) * sign(prev);
  let factor = select(select(vec4<f32>(1.0), vec4<f32>(etaminus), agreement < vec4<f32>()), vec4<f32>(etaplus), agreement > vec4<f32>());
  step_size = clamp(step_size * factor, vec4<f32>(step_size_min), vec4<f32>(step_size_max));
  prev = select(g, vec4<f32>(), agreement < vec4<f32>());
  p -= sign(prev) * step_size;
"],
    },
];
