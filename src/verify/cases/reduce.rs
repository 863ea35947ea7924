//! Reductions over dimensions.

use super::super::case::Kink;
use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, Fill, pick, seed, shape};
use crate::error::{Error, Result};
use crate::random::Rng;

pub(super) const OPS: &[&str] =
    &["prod", "amax", "amin", "argmin", "var", "std", "norm", "logsumexp", "any", "all"];

/// Along inner, outer and several dimensions, in fours and not, side by side, and in two passes.
const SHAPES: [&str; 15] = [
    "7 dims=0",
    "scalar dims=all",
    "64x10 dims=1",
    "2x3x9 dims=2",
    "3x5x7x11 dims=0,2",
    "3x5x7x11 dims=1,-1 keepdim",
    "2x3x4x5 dims=0,2,3",
    "5x8x12 dims=1,2",
    "9x36 dims=0",
    "5x7x32 dims=0,1",
    "70x36 dims=0",
    "140x40 dims=0",
    "2x300x5 dims=1",
    "3x5x7 dims=all",
    "9000 dims=0",
];

/// More terms than Mesa's llvmpipe has loop iterations for.
const LONG: [&str; 2] = ["9x525001 dims=1", "66000x32 dims=0"];
const LONG_OPS: [&str; 5] = ["amax", "argmin", "var", "norm", "logsumexp"];

/// Those of a product of many numbers are infinite or 0.
fn suits(op: &str, shape: &str) -> bool {
    let long = ["9000", "2x300x5", "140x40", "70x36", "3x5x7 "];
    op != "prod" || !long.iter().any(|long| shape.starts_with(long))
}

/// How an op is asked for along these dimensions: `argmin` takes one.
fn asked(op: &str, shape: &str) -> Option<String> {
    let one = shape.split_once("dims=").filter(|(_, dims)| !dims.contains([',', 'l', ' ']));
    match (op, one) {
        ("argmin", Some((shape, dim))) => Some(format!("argmin input={shape}dim={dim}")),
        ("argmin", None) => None,
        _ => Some(format!("{op} input={shape}")),
    }
}

fn parameters(op: &str) -> &'static [&'static str] {
    match op {
        "var" | "std" => &[" correction=1", " correction=0"],
        "norm" => &[" p=2", " p=1", " p=0", " p=inf", " p=-inf", " p=3", " p=0.5"],
        _ => &[""],
    }
}

/// Data at the edges that PyTorch and the definition agree on.
fn edges(op: &str) -> &'static [&'static str] {
    match op {
        "amax" | "argmin" | "any" => &["masked", "edges", "denormals"],
        // Of the others nearly all results would be 0.
        "amin" => &["masked", "edges"],
        "all" => &["masked"],
        "logsumexp" => &["masked", "offset:1e4"],
        "var" | "std" => &["offset:1e4"],
        _ => &[],
    }
}

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for op in OPS {
        let suited = SHAPES.iter().filter(|shape| suits(op, shape));
        for (i, line) in suited.filter_map(|shape| asked(op, shape)).enumerate() {
            for (j, parameter) in parameters(op).iter().enumerate() {
                // The first of its parameters everywhere, the others here and there.
                if j > 0 && i % 4 != j % 4 {
                    continue;
                }
                // A scalar has one element, from which nothing may be taken away.
                if line.contains("scalar") && parameter.ends_with("correction=1") {
                    continue;
                }
                // The smallest magnitudes of integers are all 0.
                if *parameter != " p=-inf" {
                    lines.push(format!("{line}{parameter} data=integers:3"));
                }
                if !["argmin", "any", "all"].contains(op) {
                    lines.push(format!("{line}{parameter} data=real:1"));
                }
                let edges = edges(op).iter().filter(|_| i % 2 == 0 && j == 0);
                lines.extend(edges.map(|edge| format!("{line}{parameter} data={edge}")));
            }
        }
        let parameter = parameters(op)[0];
        let long = LONG.iter().filter(|_| LONG_OPS.contains(op)).filter_map(|shape| asked(op, shape));
        lines.extend(long.map(|line| format!("{line}{parameter} data=late:3")));
    }
    // Rows so short that all of some are -inf.
    lines.extend(["logsumexp input=64x2 dims=1 data=masked".to_owned()]);
    lines.extend(["prod input=64x9 dims=1 zeros data=integers:3".to_owned()]);
    lines.extend(["prod input=9x40 dims=0 zeros data=real:1".to_owned()]);
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("input")?;
    let input = match op {
        // Away from 0, so that products stay within f32, but where zeros are wanted.
        "prod" if !fields.flag("zeros") => {
            let fill = match case.fill() {
                Fill::Real(_) => Fill::Real(0.5),
                // Whole numbers, 1 and 2.
                _ => Fill::Integers(1),
            };
            let least = if fill == Fill::Integers(1) { 1.0 } else { 0.75 };
            case.input_of("input", &shape, Values::Beyond(least, fill))?
        }
        // So few zeros that about three quarters of the results have none.
        "all" if matches!(case.fill(), Fill::Integers(_)) => {
            let positions = fields.dims("dims")?.of(shape.len()).map_err(|m| Error::op(op, "", m))?;
            case.input_of(
                "input",
                &shape,
                Values::Rarely(4 * positions.iter().map(|&d| shape[d]).product::<usize>()),
            )?
        }
        _ => case.input("input", &shape)?,
    };
    // What stands before and behind a reduction runs in its kernels; an operand is broadcast along every second dimension.
    let other = match (fields.flag("products"), fields.flag("stretched")) {
        (true, _) => Some(shape.clone()),
        (false, true) => {
            Some(shape.iter().enumerate().map(|(d, &size)| if d % 2 == 0 { size } else { 1 }).collect())
        }
        (false, false) => None,
    };
    let input = match &other {
        Some(shape) => input.mul(&case.input("other", shape)?)?,
        None => input,
    };
    let keepdim = |fields: &Fields<'_>| fields.flag("keepdim");
    let output = match op {
        "argmin" => input.argmin(fields.dim("dim")?)?,
        "amax" => input.amax(fields.dims("dims")?, keepdim(fields))?,
        "amin" => input.amin(fields.dims("dims")?, keepdim(fields))?,
        "var" => input.var(fields.dims("dims")?, fields.number("correction")?, keepdim(fields))?,
        "std" => input.std(fields.dims("dims")?, fields.number("correction")?, keepdim(fields))?,
        "norm" => input.norm(fields.number("p")?, fields.dims("dims")?, keepdim(fields))?,
        "logsumexp" => input.logsumexp(fields.dims("dims")?, keepdim(fields))?,
        "any" => input.any(fields.dims("dims")?, keepdim(fields))?,
        "all" => input.all(fields.dims("dims")?, keepdim(fields))?,
        _ => input.prod(fields.dims("dims")?, keepdim(fields))?,
    };
    let output = if other.is_some() && op != "argmin" { output.scale(0.5)? } else { output };
    let infinite = op == "norm" && fields.number::<f32>("p")?.is_infinite();
    case.kink = match op {
        "amax" | "amin" => Kink::Ties,
        "norm" if infinite => Kink::Ties,
        "norm" => Kink::Zero,
        _ => Kink::None,
    };
    // Differences cannot keep away from equal magnitudes, the smallest of which are of both signs.
    let smallest = infinite && fields.number::<f32>("p")? < 0.0;
    if smallest || ["argmin", "any", "all"].contains(&op) {
        case.output("output", &output);
        return Ok(());
    }
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let input = shape(rng, 4, if op == "prod" { 60 } else { 20_000 });
    let data = if op == "all" { "integers:3" } else { pick(rng, &["integers:3", "real:1"]) };
    if op == "argmin" {
        let dim = rng.below(input.len());
        return format!("argmin input={} dim={dim} data={data} seed={}", sizes(&input), seed(rng));
    }
    let mut dims: Vec<String> = (0..input.len()).map(|d| d.to_string()).collect();
    rng.shuffle(&mut dims);
    dims.truncate(1 + rng.below(input.len()));
    // The smallest magnitudes of integers are mostly 0.
    let suited: Vec<&str> =
        parameters(op).iter().copied().filter(|p| *p != " p=-inf" || data == "real:1").collect();
    let how = format!("dims={}{}{}", dims.join(","), pick(rng, &suited), pick(rng, &["", " keepdim"]));
    format!("{op} input={} {how} data={data} seed={}", sizes(&input), seed(rng))
}
