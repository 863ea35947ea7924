//! Repetition along broadcast dimensions.

use super::super::line::{Fields, sizes};
use super::{Case, seed, shape};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["broadcast_to"];

pub(super) fn lines() -> Vec<String> {
    let table = [("scalar", "9"), ("3x1", "3x5"), ("4", "2x3x4"), ("2x1x3x1", "2x4x3x5")];
    table.map(|(from, to)| format!("broadcast_to input={from} to={to} data=integers:9")).to_vec()
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let output = input.broadcast_to(fields.shape("to")?)?;
    case.output_and_gradients(&output)
}

pub(super) fn random(_: &str, rng: &mut Rng) -> String {
    let to = shape(rng, 4, 3000);
    let mut from = to[rng.below(to.len() + 1)..].to_vec();
    for size in &mut from {
        if rng.below(2) == 0 {
            *size = 1;
        }
    }
    format!("broadcast_to input={} to={} data=integers:9 seed={}", sizes(&from), sizes(&to), seed(rng))
}
