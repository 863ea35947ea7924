//! softmax, log_softmax, softmin; gated halves and local response norm, which are made of other ops.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::random::Rng;

pub(super) const OPS: &[&str] =
    &["softmax", "log_softmax", "softmin", "glu", "local_response_norm", "unflatten"];

/// The ops with kernels of their own.
const OWN: [&str; 2] = ["softmax", "log_softmax"];

const COMPOSED: [&str; 15] = [
    "softmin input=7x9 dim=1",
    "softmin input=2x3x4 dim=0",
    "softmin input=scalar dim=0",
    "glu input=6 dim=0",
    "glu input=3x8 dim=-1",
    "glu input=2x6x5 dim=1",
    "glu input=2x6x4x4 dim=1",
    "local_response_norm input=2x7x9 size=5",
    "local_response_norm input=2x6x4x5 size=2 alpha=0.5 beta=0.5 k=2",
    "local_response_norm input=2x3x2x3x2 size=9 alpha=1 beta=1.5 k=1",
    "local_response_norm input=1x1x4 size=1",
    "local_response_norm input=1x5x4 size=4 alpha=2 beta=0.75 k=1",
    "unflatten input=3x12 dim=1 to=2x3x2",
    "unflatten input=12x2 dim=-2 to=4x3",
    "unflatten input=5 dim=0 to=5",
];

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
        for op in OWN {
            let data = ["real:3", "real:60", "masked", "edges", "offset:1e6", "offset:-1e30"];
            lines.extend(data.map(|data| format!("{op} input={shape} data={data}")));
        }
    }
    // More elements than Mesa's llvmpipe has loop iterations for, with what decides the sum at the end.
    lines.extend(OWN.iter().map(|op| format!("{op} input=1x600000 dim=1 data=late:9")));
    lines.extend(COMPOSED.map(|text| format!("{text} data=real:3")));
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    if op == "local_response_norm" {
        let number =
            |key, usual: f32| Ok::<_, crate::Error>(fields.optional(key, "a number")?.unwrap_or(usual));
        let (alpha, beta, k) = (number("alpha", 1e-4)?, number("beta", 0.75)?, number("k", 1.0)?);
        let output = input.local_response_norm(fields.number("size")?, alpha, beta, k)?;
        return case.output_and_gradients(&output);
    }
    let dim = fields.dim("dim")?;
    let output = match op {
        "softmax" => input.softmax(dim)?,
        "log_softmax" => input.log_softmax(dim)?,
        "softmin" => input.softmin(dim)?,
        "glu" => input.glu(dim)?,
        // Between functions that need kernels.
        _ => input.scale(-1.0)?.unflatten(dim, &fields.shape("to")?)?.tanh()?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let mut input = shape(rng, 4, 5000);
    let (dim, range) = (rng.below(input.len()), pick(rng, &["0.1", "3", "60", "500"]));
    let how = match op {
        "local_response_norm" => {
            input.resize(3 + input.len() % 2, 3);
            return format!(
                "{op} input={} size={} alpha=0.5 data=real:3 seed={}",
                sizes(&input),
                1 + rng.below(7),
                seed(rng)
            );
        }
        "glu" => {
            input[dim] *= 2;
            String::new()
        }
        "unflatten" => format!(" to=1x{}", input[dim]),
        _ => String::new(),
    };
    format!("{op} input={} dim={dim}{how} data=real:{range} seed={}", sizes(&input), seed(rng))
}
