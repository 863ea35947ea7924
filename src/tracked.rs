//! Numbers that know how far f32 arithmetic may have led them astray: running error analysis.
//!
//! A formula that is written once for any [`Real`] gives its value in f64, and with [`Tracked`] the bound to which a kernel
//! that follows the same steps in f32 is held.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What formulas are written for.
pub(crate) trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// A constant; a kernel has its nearest f32.
    fn of(value: f64) -> Self;
    /// What a kernel computes to some units in the last place, from what is exact.
    fn within(value: f64, ulps: f64) -> Self;
    /// The value itself.
    fn value(self) -> f64;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn within(value: f64, _ulps: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn abs(self) -> Self {
        f64::abs(self)
    }

    fn max(self, other: Self) -> Self {
        f64::max(self, other)
    }

    fn min(self, other: Self) -> Self {
        f64::min(self, other)
    }

    fn sign(self) -> Self {
        if self > 0.0 {
            1.0
        } else if self < 0.0 {
            -1.0
        } else {
            0.0
        }
    }
}

/// A value and how far from it an f32 kernel may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tracked {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

/// Units in the last place of WGSL's division (2.5) and square root, which may be the reciprocal of another.
const DIVISION: f64 = 3.0;
const ROOT: f64 = 4.0;

/// What an exponential with a clamped argument may leave where the truth is closer to 0.
pub(crate) const CLAMPED: f64 = 1e-36;

/// Arguments beyond which an exponential is 0 in f32, and its error no larger.
pub(crate) const SATURATED: f64 = 104.0;

/// The smallest normal f32; results below may be flushed to 0.
pub(crate) const TINY: f64 = f32::MIN_POSITIVE as f64;

/// One unit in the last place of `v` in f32.
pub(crate) fn ulp(v: f64) -> f64 {
    let exponent = ((v.abs().to_bits() >> 52) as i32 - 1023).max(-126);
    f64::powi(2.0, exponent - 23)
}

impl Tracked {
    /// `value` of inputs with errors that led to `carried`, rounded to some units in the last place, if it is no f32.
    fn rounded(value: f64, carried: f64, ulps: f64) -> Self {
        let flushed = if value != 0.0 && value.abs() < TINY { value.abs() } else { 0.0 };
        let exact = carried == 0.0 && f64::from(value as f32) == value;
        let rounding = if exact { 0.0 } else { ulps * ulp(value.abs() + carried) };
        Self { value, error: carried + rounding.max(flushed) }
    }
}

impl Real for Tracked {
    fn of(value: f64) -> Self {
        Self::rounded(value, 0.0, 1.0)
    }

    fn within(value: f64, ulps: f64) -> Self {
        Self { value, error: ulps * ulp(value) }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        // Whichever side it lies on; below 0 there is none.
        let carried = (self.value + self.error).sqrt() - (self.value - self.error).max(0.0).sqrt();
        Self::rounded(root, if self.error == 0.0 { 0.0 } else { carried }, ROOT)
    }

    fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }

    fn max(self, other: Self) -> Self {
        Self { value: self.value.max(other.value), error: self.error.max(other.error) }
    }

    fn min(self, other: Self) -> Self {
        Self { value: self.value.min(other.value), error: self.error.max(other.error) }
    }

    fn sign(self) -> Self {
        let sure = self.error == 0.0 || self.value.abs() > self.error;
        Self { value: Real::sign(self.value), error: if sure { 0.0 } else { 2.0 } }
    }
}

impl Add for Tracked {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::rounded(self.value + other.value, self.error + other.error, 1.0)
    }
}

impl Sub for Tracked {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Tracked {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        // Nothing of what is unbounded is nothing.
        let times = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let (a, b) = (self.value.abs(), other.value.abs());
        let carried = times(a, other.error) + times(b, self.error) + times(self.error, other.error);
        Self::rounded(self.value * other.value, carried, 1.0)
    }
}

impl Div for Tracked {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let quotient = self.value / other.value;
        let least = other.value.abs() - other.error;
        let carried = match self.error + other.error {
            0.0 => 0.0,
            _ if least <= 0.0 => f64::INFINITY,
            _ => (self.error + quotient.abs() * other.error) / least,
        };
        Self::rounded(quotient, carried, DIVISION)
    }
}

impl Neg for Tracked {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    /// A formula of all operations, in f32 as a kernel computes it.
    fn formula<R: Real>([a, b, c]: [R; 3]) -> R {
        let d = (a * b + c) / (a.abs() + R::of(0.1));
        (d * d + c * c).sqrt().max(a) - d.min(b) * R::of(0.3)
    }

    /// The same with every step rounded.
    fn in_f32([a, b, c]: [f32; 3]) -> f32 {
        let d = (a * b + c) / (a.abs() + 0.1);
        (d * d + c * c).sqrt().max(a) - d.min(b) * 0.3
    }

    #[test]
    fn f32_stays_within_the_bound_which_is_not_much_larger() {
        let (mut rng, mut worst) = (Rng::new(7), 0.0f64);
        for _ in 0..20_000 {
            let inputs: [f32; 3] = std::array::from_fn(|_| rng.range(-3.0, 3.0) as f32);
            let exact = inputs.map(|v| Tracked { value: f64::from(v), error: 0.0 });
            let bound = formula(exact);
            let plain = formula(inputs.map(f64::from));
            assert_eq!(plain, bound.value);
            let off = (f64::from(in_f32(inputs)) - plain).abs();
            assert!(off <= bound.error, "{inputs:?}: {off:e} beyond {:e}", bound.error);
            worst = worst.max(off / bound.error);
        }
        assert!(worst > 0.1, "the bound is never nearly reached: {worst}");
    }

    #[test]
    fn what_f32_computes_exactly_has_no_error() {
        let [a, b] = [3.0, -0.5].map(Tracked::of);
        for exact in [a + b, a - b, a * b, a.abs(), (a * a).sqrt(), a.max(b), b.sign(), -a] {
            assert_eq!(exact.error, 0.0, "{exact:?}");
        }
        assert!(Tracked::of(0.1).error > 0.0 && (Tracked::of(1.0) / a).error > 0.0);
    }

    #[test]
    fn what_could_be_anything_is_said_to_be() {
        let near = |value, error| Tracked { value, error };
        assert_eq!(near(1e-9, 1e-8).sign().error, 2.0);
        assert_eq!(near(1e-7, 1e-8).sign().error, 0.0);
        assert!((Tracked::of(1.0) / near(1e-9, 1e-8)).error.is_infinite());
    }
}
