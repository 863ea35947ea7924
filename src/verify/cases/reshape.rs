//! The same elements under another shape, between two functions that need kernels.

use super::super::line::{Fields, sizes};
use super::{Case, seed, shape};
use crate::error::Result;
use crate::random::Rng;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["reshape", "flatten"];

pub(super) fn lines() -> Vec<String> {
    let table = ["reshape input=2x3x4x5 to=6x20", "reshape input=7 to=7x1", "flatten input=2x3x4x5 start=1"];
    table.map(str::to_owned).to_vec()
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Zero;
    let shape = fields.shape("input")?;
    let input = case.input("input", &shape)?;
    let (before, after) = (input.scale(-1.0)?, |t: &crate::Tensor| t.relu());
    let output = match op {
        "flatten" => after(&before.flatten(fields.number("start")?)?)?,
        _ => after(&before.reshape(fields.shape("to")?)?)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, 3000);
    let how = match op {
        "flatten" => format!("start={}", rng.below(input.len())),
        _ => {
            let mut to = input.clone();
            rng.shuffle(&mut to);
            format!("to={}", sizes(&to))
        }
    };
    format!("{op} input={} {how} data=integers:3 seed={}", sizes(&input), seed(rng))
}
