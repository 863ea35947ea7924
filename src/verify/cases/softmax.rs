//! softmax and log_softmax.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["softmax", "log_softmax"];

const SHAPES: [&str; 9] = [
    "64x10 dim=1",
    "64x10 dim=0",
    "5 dim=0",
    "2x3x4 dim=1",
    "3x1000 dim=1",
    "2x130x9 dim=1",
    "3x1 dim=1",
    "2x3x4 dim=-2",
    "scalar dim=-1",
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in SHAPES {
        for op in OPS {
            let data = ["real:3", "real:60", "masked", "edges", "offset:1e6", "offset:-1e30"];
            lines.extend(data.map(|data| format!("{op} input={shape} data={data}")));
        }
    }
    // More elements than Mesa's llvmpipe has loop turns for, with what decides the sum at the end.
    lines.extend(OPS.iter().map(|op| format!("{op} input=1x600000 dim=1 data=late:9")));
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let dim = fields.dim("dim")?;
    let output = if op == "softmax" { input.softmax(dim)? } else { input.log_softmax(dim)? };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 5000);
    let (dim, range) = (rng.below(input.len()), pick(rng, &["0.1", "3", "60", "500"]));
    format!("{op} input={} dim={dim} data=real:{range} seed={}", sizes(&input), seed(rng))
}
