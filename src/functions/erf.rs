//! The error function in f64.

/// `erf(x) = 2 / sqrt(pi) sum_k x (2 x^2)^k / (1 3 5 .. (2k + 1)) exp(-x^2)` near 0, else `1 - erfc(x)`.
pub(crate) fn erf(x: f64) -> f64 {
    if x.abs() < 2.0 { series(x) } else { x.signum() * (1.0 - fraction(x.abs())) }
}

/// `1 - erf(x)`, without cancellation for large x.
pub(crate) fn erfc(x: f64) -> f64 {
    if x < 2.0 { 1.0 - erf(x) } else { fraction(x) }
}

fn series(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..100 {
        term *= 2.0 * x * x / f64::from(2 * k + 1);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

/// Laplace's continued fraction of erfc, from the back, for `x >= 2`.
fn fraction(x: f64) -> f64 {
    let mut tail = x;
    for k in (1..200).rev() {
        tail = x + f64::from(k) / 2.0 / tail;
    }
    (-x * x).exp() / std::f64::consts::PI.sqrt() / tail
}

#[cfg(test)]
mod tests {
    use super::{erf, erfc};

    #[test]
    fn known_values() {
        // Abramowitz and Stegun, table 7.1, and Wolfram's digits for the tails.
        for (x, value) in
            [(0.5, 0.520_499_877_813_046_5), (1.0, 0.842_700_792_949_714_9), (2.0, 0.995_322_265_018_952_7)]
        {
            assert!((erf(x) - value).abs() < 1e-15 && (erf(-x) + value).abs() < 1e-15);
        }
        for (x, value) in [(3.0, 2.209_049_699_858_544e-5), (5.0, 1.537_459_794_428_035e-12)] {
            assert!((erfc(x) / value - 1.0).abs() < 1e-13);
        }
    }
}
