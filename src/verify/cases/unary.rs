//! Element-wise functions of one tensor.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::ops::Unary;
use crate::random::Rng;
use crate::verify::{Fill, Kink};

pub(super) const OPS: &[&str] =
    &["relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "sigmoid", "tanh", "scale", "sqrt", "clamp_max"];

/// Whole and ragged vec4s, one workgroup and several.
const SHAPES: [&str; 5] = ["1", "7", "4x64", "3x5x11x13", "2x8x33x31"];

/// A function with its parameter.
const FUNCTIONS: [&str; 9] = [
    "relu",
    "leaky_relu negative_slope=0.25",
    "elu alpha=1.5",
    "gelu",
    "gelu_tanh",
    "sigmoid",
    "tanh",
    "scale factor=-0.5",
    "clamp_max max=0.75",
];

/// Functions whose results of integers are exact.
fn is_exact(function: &str) -> bool {
    ["relu", "leaky_relu", "scale", "clamp_max"].contains(&function.split(' ').next().unwrap_or_default())
}

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for function in FUNCTIONS {
        for shape in SHAPES {
            lines.extend(is_exact(function).then(|| format!("{function} input={shape} data=integers:3")));
            lines.push(format!("{function} input={shape} data=real:6"));
        }
        lines
            .extend(["special", "edges", "denormals"].map(|data| format!("{function} input=14 data={data}")));
    }
    lines.extend(SHAPES.map(|shape| format!("sqrt input={shape} data=real:8")));
    lines.push("sqrt input=14 data=edges".to_owned());
    lines
}

fn function(op: &str, fields: &Fields<'_>) -> Result<Unary> {
    Ok(match op {
        "relu" => Unary::Relu,
        "leaky_relu" => Unary::LeakyRelu { negative_slope: fields.number("negative_slope")? },
        "elu" => Unary::Elu { alpha: fields.number("alpha")? },
        "gelu" => Unary::Gelu,
        "gelu_tanh" => Unary::GeluTanh,
        "sigmoid" => Unary::Sigmoid,
        "tanh" => Unary::Tanh,
        "sqrt" => Unary::Sqrt,
        "clamp_max" => Unary::ClampMax { max: fields.number("max")? },
        _ => Unary::Scale { factor: fields.number("factor")? },
    })
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Zero;
    let function = function(op, fields)?;
    let shape = fields.shape("input")?;
    let input = match function {
        // Away from 0, where the slope has no bound.
        Unary::Sqrt if case.fill() != Fill::Edges => {
            case.input_of("input", &shape, Values::Beyond(0.01, case.fill()))?
        }
        // Defined everywhere; a new function that is not shows as a case that fails.
        _ => case.input("input", &shape)?,
    };
    let output = input.unary(function)?;
    let kinked = matches!(function, Unary::Relu | Unary::LeakyRelu { .. } | Unary::Elu { .. });
    if kinked && case.fill() == Fill::Denormals {
        // Where a denormal number is taken for 0, the slope is that at 0.
        case.output("output", &output);
        return Ok(());
    }
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let parameter = match op {
        "leaky_relu" => " negative_slope=",
        "elu" => " alpha=",
        "scale" => " factor=",
        "clamp_max" => " max=",
        _ => "",
    };
    let value = if parameter.is_empty() { "" } else { pick(rng, &["0.01", "0.25", "0.5", "1", "1.5", "2"]) };
    let input = sizes(&shape(rng, 4, 5000));
    let range = pick(rng, &["0.001", "1", "6", "30", "100"]);
    format!("{op}{parameter}{value} input={input} data=real:{range} seed={}", seed(rng))
}
