//! Positions of maxima, over few distinct integers: many ties.

use super::super::line::{Fields, sizes};
use super::{Case, seed, shape};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["argmax"];

/// More elements than Mesa's llvmpipe has loop iterations for, the largest of them last.
const LONG: [&str; 2] = ["2x70000 dim=1", "70000x9 dim=0"];

pub(super) fn lines() -> Vec<String> {
    let table = [
        "64x10 dim=1",
        "64x10 dim=0",
        "5 dim=0",
        "2x3x4 dim=1",
        "1x1000 dim=1",
        "3x1 dim=1",
        "2x3x4 dim=-2",
        "scalar dim=0",
    ];
    let data = ["integers:3", "masked", "edges"];
    let lines = table.iter().flat_map(|t| data.map(|data| format!("argmax input={t} data={data}")));
    lines.chain(LONG.map(|t| format!("argmax input={t} data=late:3"))).collect()
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let output = input.argmax(fields.dim("dim")?)?;
    case.output("output", &output);
    Ok(())
}

pub(super) fn random(_: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 3000);
    let dim = rng.below(input.len());
    format!("argmax input={} dim={dim} data=integers:3 seed={}", sizes(&input), seed(rng))
}
