//! dropout draws the same bits everywhere: what is kept is exact but for the rounding of its factor.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::ops::{Dropout, Op};
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["dropout"];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in ["1", "7", "33x31", "4x5x600"] {
        for stream in ["p=0.5 stream=0", "p=0.1 stream=7", "p=0.9 stream=4294967295", "p=0 stream=1"] {
            lines.push(format!("dropout input={shape} {stream} data=real:1"));
        }
    }
    lines
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let counter = case.input_filled("counter", &[], Fill::Indices(1 << 30))?;
    let op = Op::Dropout(Dropout { p: fields.number("p")?, seed: fields.number("stream")? });
    let output = case.graph.apply(op, &[&input, &counter])?.remove(0);
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let (input, p) = (sizes(&shape(rng, 4, 5000)), pick(rng, &["0", "0.1", "0.5", "0.7"]));
    format!("{op} input={input} p={p} stream={} data=real:1 seed={}", seed(rng), seed(rng))
}
