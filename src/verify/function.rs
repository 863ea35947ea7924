//! An element-wise function, ours or one from outside the crate, held to what its row says: derivatives to differences of the
//! value, kernels to the reference.

use super::cases::elementwise::lines_of;
use super::{Adapter, Case, Effort, Outcome, Verdict, run};
use crate::error::Result;
use crate::functions::{Domain, Elementwise, Function, Part};
use crate::random::Rng;

const STEP: f64 = 1e-3;
const RELATIVE: f64 = 1e-7;
const ABSOLUTE: f64 = 1e-9;
/// Positions at which derivatives are looked at, for each of the parameters' values.
const POSITIONS: usize = 64;

/// The result of [`check_function`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FunctionReport {
    /// Derivatives that were held to differences.
    pub derivatives: usize,
    /// Cases that ran on the adapter, each with its outcome.
    pub outcomes: Vec<(String, Outcome)>,
    /// What is wrong, in words.
    pub failures: Vec<String>,
}

impl FunctionReport {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Holds a function to its derivatives, and its kernels on an adapter to its reference: whole and ragged shapes, small
/// integers, real numbers, zeros of both signs, NaN and infinities.
///
/// # Errors
/// When the device fails.
pub fn check_function(function: &Function, adapter: &Adapter, effort: Effort) -> Result<FunctionReport> {
    let mut report = FunctionReport::default();
    for parameters in function.cases() {
        let applied = function.with(&parameters)?;
        let (count, failures) = derivatives(&applied);
        report.derivatives += count;
        report.failures.extend(failures);
        for line in lines_of(&applied) {
            let outcome = run(&line.parse::<Case>()?, adapter, effort)?;
            if !matches!(outcome.verdict, Verdict::Pass | Verdict::Skipped(_)) {
                report.failures.push(format!("{line}: {:?}", outcome.verdict));
            }
            report.outcomes.push((line, outcome));
        }
    }
    Ok(report)
}

/// A number of a domain; `None` where it has no neighbours.
fn draw(domain: Domain, rng: &mut Rng) -> Option<f64> {
    match domain {
        Domain::All => Some(rng.range(-4.0, 4.0)),
        Domain::Above(least) => Some(f64::from(least) + rng.range(0.1, 4.0)),
        Domain::NonZero => Some(if rng.below(2) == 0 { -1.0 } else { 1.0 } * rng.range(0.5, 4.0)),
        Domain::Unit => Some(rng.range(0.2, 0.8)),
        Domain::Truth => None,
    }
}

/// Holds the derivatives that have formulas of their own, and those that are 0, to 4-point central differences of step 1e-3 in
/// f64, away from kinks: how many were compared, and what is wrong. Derivatives that are composed of other ops are none of
/// these.
pub fn derivatives(function: &Elementwise) -> (usize, Vec<String>) {
    let value = function.with_part(Part::Value);
    let domains = function.function().domains();
    let (mut rng, mut compared, mut failures) = (Rng::new(2026), 0, Vec::new());
    for _ in 0..POSITIONS {
        let drawn: Option<Vec<f64>> = domains.iter().map(|&domain| draw(domain, &mut rng)).collect();
        let Some(at) = drawn.filter(|at| value.kink(at) > 5.0 * STEP) else { continue };
        for operand in 0..at.len() {
            let Some(derivative) = function.derivative(operand, &at) else { continue };
            let moved = |steps: f64| {
                let mut moved = at.clone();
                moved[operand] += steps * STEP;
                value.evaluate(&moved)
            };
            let differences = (moved(-2.0) - moved(2.0)) + 8.0 * (moved(1.0) - moved(-1.0));
            let measured = differences / (12.0 * STEP);
            compared += 1;
            // A derivative that varies fast leaves more of the step.
            let scale = derivative.abs().max(moved(0.0).abs());
            let near =
                (measured - derivative).abs() <= ABSOLUTE.max(1e-8 * scale) + RELATIVE * derivative.abs();
            if !near && failures.len() < 4 {
                let name = value.name();
                failures
                    .push(format!("{name} at {at:?}: derivative {derivative:e}, differences {measured:e}"));
            }
        }
    }
    (compared, failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::{Accuracy, Saved};

    #[test]
    fn derivatives_are_those_of_the_values() {
        let mut compared = 0;
        for function in Function::all() {
            for parameters in function.cases() {
                let applied = function.with(&parameters).expect("parameters of a row");
                let (count, failures) = derivatives(&applied);
                assert!(failures.is_empty(), "{applied:?}: {failures:#?}");
                compared += count;
            }
        }
        assert!(compared > 2000, "{compared}");
    }

    #[test]
    fn a_wrong_derivative_is_found() -> Result<()> {
        let cube = |name, slope| {
            let cube = Function::build(name).value("x * x * x", |x, _| x[0].powi(3), Accuracy::Ulps(2.0));
            cube.gradient(Saved::Input, "3.0 * g * (x * x)", slope, Accuracy::Ulps(3.0)).finish()
        };
        let right = cube("cube", |x, _| 3.0 * x[0] * x[0])?;
        assert_eq!(derivatives(&right.with(&[])?).1, [""; 0]);
        let wrong = cube("cube_with_a_wrong_slope", |x, _| 2.9 * x[0] * x[0])?;
        assert!(!derivatives(&wrong.with(&[])?).1.is_empty());
        let flat = Function::build("cube_without_a_slope").value(
            "x * x * x",
            |x, _| x[0].powi(3),
            Accuracy::Ulps(2.0),
        );
        assert!(!derivatives(&flat.finish()?.with(&[])?).1.is_empty());
        Ok(())
    }
}
