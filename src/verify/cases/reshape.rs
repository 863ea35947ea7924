//! The same elements under another shape, between two functions that need kernels.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::random::Rng;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["reshape", "flatten", "squeeze", "unsqueeze"];

pub(super) fn lines() -> Vec<String> {
    let table = [
        "reshape input=2x3x4x5 to=6x20",
        "reshape input=7 to=7x1",
        "flatten input=2x3x4x5 start=1",
        "flatten input=2x3x4x5 start=-2",
        "flatten input=scalar start=0",
        "squeeze input=3x1x4x1 dims=all",
        "squeeze input=3x1x4x1 dims=-1,0",
        "squeeze input=scalar dims=-1",
        "unsqueeze input=3x4 dim=-1",
        "unsqueeze input=3x4 dim=1",
        "unsqueeze input=scalar dim=0",
    ];
    table.map(str::to_owned).to_vec()
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Zero;
    let shape = fields.shape("input")?;
    let input = case.input("input", &shape)?;
    let (before, after) = (input.scale(-1.0)?, |t: &crate::Tensor| t.relu());
    let output = match op {
        "flatten" => after(&before.flatten(fields.dim("start")?)?)?,
        "squeeze" => after(&before.squeeze(fields.dims("dims")?)?)?,
        "unsqueeze" => after(&before.unsqueeze(fields.dim("dim")?)?)?,
        _ => after(&before.reshape(fields.shape("to")?)?)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 3000);
    let how = match op {
        "flatten" => format!("start={}", rng.below(input.len())),
        "squeeze" => format!("dims={}", pick(rng, &["all", "0", "-1"])),
        "unsqueeze" => format!("dim={}", rng.below(input.len() + 1)),
        _ => {
            let mut to = input.clone();
            rng.shuffle(&mut to);
            format!("to={}", sizes(&to))
        }
    };
    format!("{op} input={} {how} data=integers:3 seed={}", sizes(&input), seed(rng))
}
