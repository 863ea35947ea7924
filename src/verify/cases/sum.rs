//! Sums over dimensions, also of products with another tensor.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["sum", "mean"];

/// Short and long sums, along inner, outer and several dimensions; two passes where they are longest.
const SUMS: [&str; 23] = [
    "1 dims=0",
    "7 dims=0",
    "1000 dims=0",
    "100000 dims=0",
    "64x10 dims=0",
    "64x10 dims=1",
    "64x10 dims=0,1",
    "2x3x9 dims=2",
    "2x3x4x5 dims=0,2,3",
    "8x16x7x7 dims=0,2,3",
    "64x32x14x14 dims=0,2,3",
    "3x5x7x11 dims=0,2",
    "3x5x7x11 dims=1,3",
    "3x5x7x11 dims=1,2",
    "2x300x257 dims=1",
    "5x32 dims=0",
    "28x32x512 dims=0,1",
    "65x36 dims=0",
    "300x3x100 dims=0",
    "2x3x70000 dims=2",
    "4x5x6 dims=2,0 keepdim",
    "4x5x6 dims=-1,0",
    "3x5x7 dims=all",
];

const MEANS: [&str; 7] = [
    "7 dims=all",
    "64x10 dims=all",
    "3x5x7x11 dims=all",
    "300x257 dims=all",
    "3x5x7x11 dims=-1,2 keepdim",
    "3x5x7x11 dims=0",
    "scalar dims=all",
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for sum in SUMS {
        lines.push(format!("sum input={sum} data=integers:3"));
        lines.push(format!("sum input={sum} data=real:1"));
    }
    // More terms than Mesa's llvmpipe has loop iterations for.
    lines.push("sum input=16x525001 dims=1 data=late:3".into());
    lines.extend(MEANS.map(|mean| format!("mean input={mean} data=real:1")));
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let output = match op {
        "mean" => input.mean(fields.dims("dims")?, fields.flag("keepdim"))?,
        // What stands before and behind a sum runs in its kernels.
        _ if fields.flag("products") => {
            let products = input.mul(&case.input("other", &fields.shape("input")?)?)?;
            products.sum(fields.dims("dims")?, fields.flag("keepdim"))?.scale(0.5)?
        }
        _ if fields.flag("stretched") => {
            // The other operand is broadcast along every second dimension.
            let every = |(d, size): (usize, usize)| if d % 2 == 0 { size } else { 1 };
            let other: Vec<usize> = fields.shape("input")?.into_iter().enumerate().map(every).collect();
            let products = case.input("other", &other)?.mul(&input)?;
            products.sum(fields.dims("dims")?, fields.flag("keepdim"))?.scale(0.5)?
        }
        _ => input.sum(fields.dims("dims")?, fields.flag("keepdim"))?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 20_000);
    let data = pick(rng, &["integers:3", "real:1"]);
    let mut dims: Vec<String> = (0..input.len()).map(|d| d.to_string()).collect();
    rng.shuffle(&mut dims);
    dims.truncate(1 + rng.below(input.len()));
    let products = if op == "sum" { pick(rng, &["", " products", " stretched"]) } else { "" };
    let how = format!(" dims={}{}{products}", dims.join(","), pick(rng, &["", " keepdim"]));
    format!("{op} input={}{how} data={data} seed={}", sizes(&input), seed(rng))
}
