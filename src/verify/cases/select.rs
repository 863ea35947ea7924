//! where and sequence_mask: exact.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape, size};
use crate::error::Result;
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["where", "sequence_mask"];

pub(super) fn lines() -> Vec<String> {
    let table = [
        "where condition=7 a=7 b=7",
        "where condition=4x1 a=4x9 b=4x9",
        "where condition=5x6 a=scalar b=5x6",
        "where condition=3x1 a=1x5 b=scalar",
        "where condition=2x3x4 a=4 b=3x1",
        "where condition=scalar a=33 b=1",
        "sequence_mask batch=1 max_length=1",
        "sequence_mask batch=5 max_length=7",
        "sequence_mask batch=32 max_length=28",
        "sequence_mask batch=70 max_length=3",
    ];
    table.iter().map(|text| format!("{text} data=integers:9")).collect()
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if op == "sequence_mask" {
        let max_length: usize = fields.number("max_length")?;
        let beyond = Fill::Indices(max_length as u32 + 2);
        let lengths = case.input_filled("lengths", &[fields.number("batch")?], beyond)?;
        case.output("output", &lengths.sequence_mask(max_length)?);
        return Ok(());
    }
    // As indices, which are no inputs of the gradient; 0 and 1 equal a table of zeros or not.
    let condition = fields.shape("condition")?;
    let chosen = case.input_filled("chosen", &condition, Fill::Indices(2))?;
    let zeros = case.input_filled("zeros", &condition, Fill::Indices(1))?;
    let (a, b) = (case.input("a", &fields.shape("a")?)?, case.input("b", &fields.shape("b")?)?);
    let output = chosen.equal(&zeros)?.select(&a, &b)?;
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let how = match op {
        "sequence_mask" => format!("batch={} max_length={}", size(rng, 100), size(rng, 50)),
        _ => {
            let full = shape(rng, 4, 5000);
            let mut part = || {
                let keep: Vec<usize> = full.iter().map(|&d| if rng.below(3) == 0 { 1 } else { d }).collect();
                sizes(&keep)
            };
            format!("condition={} a={} b={}", part(), part(), part())
        }
    };
    format!("{op} {how} data={} seed={}", pick(rng, &["integers:9", "integers:3"]), seed(rng))
}
