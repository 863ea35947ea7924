//! equal: of indices.

use super::super::line::{Fields, sizes};
use super::{Case, seed, shape};
use crate::error::Result;
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["equal"];

pub(super) fn lines() -> Vec<String> {
    ["1", "130", "3x5x7"].map(|shape| format!("equal a={shape} b={shape}")).to_vec()
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let a = case.input_filled("a", &fields.shape("a")?, Fill::Indices(3))?;
    let b = case.input_filled("b", &fields.shape("b")?, Fill::Indices(3))?;
    let output = a.equal(&b)?;
    case.output("output", &output);
    Ok(())
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let both = sizes(&shape(rng, 4, 3000));
    format!("{op} a={both} b={both} data=integers:3 seed={}", seed(rng))
}
