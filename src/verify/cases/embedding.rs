//! Rows of a table by index, and their gathered gradient.

use super::super::line::{Fields, sizes};
use super::{Case, seed, shape, size};
use crate::error::Result;
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["embedding"];

pub(super) fn lines() -> Vec<String> {
    let table = [
        "weight=1x1 indices=1",
        "weight=5x3 indices=7",
        "weight=10x16 indices=4x6",
        "weight=65x64 indices=20x9",
        "weight=7x130 indices=33",
        "weight=300x4 indices=5",
        "weight=2x300 indices=500",
        // Positions that are sorted: in one run and in several, the last not whole; rows that fill blocks and that do not.
        "weight=3000x4 indices=250",
        "weight=3000x6 indices=257",
        // Tables of which most rows are zeros, that are no whole fours.
        "weight=3001x6 indices=257",
        "weight=301x7 indices=150",
        "weight=90x8 indices=1000",
        "weight=3x5 indices=5000",
        "weight=1x12 indices=4500",
        "weight=100x3 indices=2x2300",
        "weight=5x3 indices=40 padding_idx=2",
        "weight=3x8 indices=6x9 padding_idx=0",
    ];
    let mut lines: Vec<String> =
        table.iter().map(|text| format!("embedding {text} data=integers:9")).collect();
    // More positions than Mesa's llvmpipe has loop iterations for.
    lines.push("embedding weight=3x2 indices=140001 data=late:3".into());
    lines.push("embedding weight=7x4 indices=9000 data=real:1".into());
    lines
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let weight = case.input("weight", &fields.shape("weight")?)?;
    // One more than there are rows: such an index shows zeros and takes no gradient.
    let beyond = weight.shape().first().map_or(1, |&rows| rows as u32 + 1);
    let indices = case.input_filled("indices", &fields.shape("indices")?, Fill::Indices(beyond))?;
    let output = match fields.optional("padding_idx", "a row")? {
        Some(row) => weight.embedding_padded(&indices, row)?,
        None => weight.embedding(&indices)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let (rows, width, indices) = (size(rng, 100), size(rng, 100), shape(rng, 3, 200));
    let padding = if rng.below(3) == 0 { " padding_idx=0" } else { "" };
    format!(
        "{op} weight={rows}x{width} indices={}{padding} data=integers:9 seed={}",
        sizes(&indices),
        seed(rng)
    )
}
