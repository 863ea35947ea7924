//! Adaptive max pools: windows of one size, which are ordinary pools, and of several.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::random::Rng;
use crate::shape::Pair;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["adaptive_max_pool2d", "adaptive_max_pool1d"];

/// Fewer windows than elements, as many, and more.
const TABLE: [&str; 10] = [
    "adaptive_max_pool2d input=2x3x8x12 size=4x3",
    "adaptive_max_pool2d input=2x3x7x10 size=3x4",
    "adaptive_max_pool2d input=3x7x9 size=5x9",
    "adaptive_max_pool2d input=2x3x3x4 size=5x7",
    "adaptive_max_pool2d input=2x3x7x9 size=1",
    "adaptive_max_pool2d input=1x2x13x11 size=1x4",
    "adaptive_max_pool1d input=2x3x12 size=4",
    "adaptive_max_pool1d input=2x3x11 size=4",
    "adaptive_max_pool1d input=3x7 size=1",
    "adaptive_max_pool1d input=3x5 size=8",
];

/// Windows of more elements than Mesa's llvmpipe has loop iterations for.
const LONG: [&str; 2] =
    ["adaptive_max_pool1d input=1x2x280003 size=4", "adaptive_max_pool2d input=1x1x901x303 size=1x4"];

pub(super) fn lines() -> Vec<String> {
    let data = ["integers:3", "real:1", "masked", "edges"];
    let table = TABLE.iter().flat_map(|t| data.map(|data| format!("{t} data={data}")));
    table.chain(LONG.map(|t| format!("{t} data=late:3"))).collect()
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Ties;
    let input = case.input("input", &fields.shape("input")?)?;
    let (output, indices) = if op == "adaptive_max_pool1d" {
        input.adaptive_max_pool1d_with_indices(fields.number("size")?)?
    } else {
        input.adaptive_max_pool2d_with_indices(fields.pair("size")?.unwrap_or(Pair::from(1)))?
    };
    case.output("indices", &indices);
    // Windows share their maximum: errors of one sign do not cancel.
    case.output_and_gradients_of(&output, Values::Beyond(0.0, case.fill().of_error()))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let data = pick(rng, &["integers:3", "real:1"]);
    let lines = [size(rng, 3), size(rng, 6), size(rng, 24)];
    let (shape, to) = match op {
        "adaptive_max_pool1d" => (lines.to_vec(), size(rng, 24).to_string()),
        _ => ([&lines[..], &[size(rng, 24)]].concat(), format!("{}x{}", size(rng, 24), size(rng, 24))),
    };
    format!("{op} input={} size={to} data={data} seed={}", sizes(&shape), seed(rng))
}
