//! Element-wise functions of two tensors, broadcast.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::ops::{Binary, Op};
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["add", "sub", "mul", "div", "equal"];

/// Equal shapes, scalars, stretched and missing dimensions on either side.
const SHAPES: [(&str, &str); 9] = [
    ("5", "5"),
    ("4x64", "4x64"),
    ("3x7", "7"),
    ("7", "3x7"),
    ("2x3x4x5", "3x1x1"),
    ("2x1x4x1", "1x3x1x5"),
    ("6", "scalar"),
    ("scalar", "scalar"),
    ("33x31", "33x1"),
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for op in ["add", "sub", "mul", "div"] {
        for (a, b) in SHAPES {
            lines.extend((op != "div").then(|| format!("{op} a={a} b={b} data=integers:3")));
            lines.push(format!("{op} a={a} b={b} data=real:2"));
        }
    }
    for op in ["add", "sub", "mul", "div"] {
        // Equal shapes, and each with each.
        lines.extend(["a=14 b=14", "a=14x1 b=1x14"].map(|shapes| format!("{op} {shapes} data=edges")));
    }
    // A quotient of denormals could be of zeros.
    lines.extend(["add", "sub", "mul"].map(|op| format!("{op} a=14x1 b=1x14 data=denormals")));
    lines.extend(["1", "130", "3x5x7"].map(|shape| format!("equal a={shape} b={shape}")));
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let (a, b) = (fields.shape("a")?, fields.shape("b")?);
    let function = match op {
        "equal" => {
            let a = case.input_filled("a", &a, Fill::Indices(3))?;
            let b = case.input_filled("b", &b, Fill::Indices(3))?;
            let output = a.equal(&b)?;
            case.output("output", &output);
            return Ok(());
        }
        "add" => Binary::Add,
        "sub" => Binary::Sub,
        "mul" => Binary::Mul,
        _ => Binary::Div,
    };
    let left = case.input("a", &a)?;
    let right = match function {
        Binary::Div if case.fill() != Fill::Edges => case.input_of("b", &b, Values::Divisors)?,
        // Defined everywhere, or compared with edges where it is not.
        _ => case.input("b", &b)?,
    };
    let output = case.graph.apply(Op::Binary(function), &[&left, &right])?.remove(0);
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let full = shape(rng, 4, 3000);
    let operand = |rng: &mut Rng| {
        let from = if op == "equal" || rng.below(3) > 0 { 0 } else { rng.below(full.len() + 1) };
        let mut own = full[from..].to_vec();
        for size in &mut own {
            if op != "equal" && rng.below(4) == 0 {
                *size = 1;
            }
        }
        sizes(&own)
    };
    let (a, b) = (operand(rng), operand(rng));
    let data = pick(rng, &["integers:3", "real:2", "real:1000"]);
    format!("{op} a={a} b={b} data={data} seed={}", seed(rng))
}
