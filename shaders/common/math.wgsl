// Functions of one f32 whose errors are bounded, whatever the driver's builtins do.
//
// exp_bounded clamps its argument, so that finite input gives finite output; what would leave the normal numbers is 0,
// and so is exp(-inf). expm1 and tanh are own formulas: a builtin tanh may be off by 1e-5 and is far off near 0 on some
// drivers. NaN gives NaN.
{% include "common/nan.wgsl" %}

// For x that is no NaN.
fn exp_clamped(x: f32) -> f32 {
  return select(0.0, exp(clamp(x, -87.0, 88.0)), x >= -87.0);
}

fn exp_bounded(x: f32) -> f32 {
  return select(exp_clamped(x), x, is_nan(x));
}

// exp(x) - 1: Taylor's series to x^12 up to 1.3, where the difference would cancel. NaN is left to who calls it.
fn expm1(x: f32) -> f32 {
  var p = fma(x, 1.0 / 479001600.0, 1.0 / 39916800.0);
  p = fma(x, p, 1.0 / 3628800.0);
  p = fma(x, p, 1.0 / 362880.0);
  p = fma(x, p, 1.0 / 40320.0);
  p = fma(x, p, 1.0 / 5040.0);
  p = fma(x, p, 1.0 / 720.0);
  p = fma(x, p, 1.0 / 120.0);
  p = fma(x, p, 1.0 / 24.0);
  p = fma(x, p, 1.0 / 6.0);
  p = fma(x, p, 0.5);
  return select(exp_clamped(x) - 1.0, fma(x * x, p, x), abs(x) < 1.3);
}

// tanh(x) = e / (e + 2) with e = expm1(2 |x|), odd; 1 from 10 on.
fn tanh_exact(x: f32) -> f32 {
  let e = expm1(2.0 * min(abs(x), 10.0));
  let t = e / (e + 2.0);
  return select(select(t, -t, x < 0.0), x, is_nan(x));
}

// erfc(x) for x >= 0: exp(-x^2) times a Chebyshev fit in t = 1 / (1 + x / 2), relative error below 1.2e-7
// (W. J. Cody's and Numerical Recipes' form). The square is split so that its rounding does not grow in exp. x must be
// finite.
fn erfc_positive(x: f32) -> f32 {
  let t = 1.0 / fma(0.5, x, 1.0);
  var p = fma(t, 0.17087277, -0.82215223);
  p = fma(t, p, 1.48851587);
  p = fma(t, p, -1.13520398);
  p = fma(t, p, 0.27886807);
  p = fma(t, p, -0.18628806);
  p = fma(t, p, 0.09678418);
  p = fma(t, p, 0.37409196);
  p = fma(t, p, 1.00002368);
  p = fma(t, p, -1.26551223);
  let high = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
  let low = (x - high) * (x + high);
  return t * exp_clamped(-high * high) * exp_clamped(p - low);
}

// The normal distribution's cumulative function, through erfc on both sides; erfc(20) is 0. NaN is left to who calls it.
fn normal_cdf(x: f32) -> f32 {
  let tail = 0.5 * erfc_positive(min(abs(x) * 0.70710678, 20.0));
  return select(1.0 - tail, tail, x < 0.0);
}

fn logistic(x: f32) -> f32 {
  let e = exp_bounded(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}
