//! batch_norm, group_norm, instance_norm, layer_norm and rms_norm, and the statistics they are made of.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape, size};
use crate::Tensor;
use crate::error::{Error, Result};
use crate::ops::{Norm, NormOver, NormStatistics, Running};
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] =
    &["norm_statistics", "batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"];

/// Shapes of batch norm: whole fours and not, planes of one element, one channel, few and many rows.
const BATCH: [&str; 12] = [
    "4x3x6x6",
    "2x5x7x7",
    "8x16",
    "5x3",
    "3x1x5",
    "70x64x4",
    "2x70x3x1",
    "600x8",
    "3x2x1x1",
    "1x6x8x8",
    "2x3x40x100",
    "33x40x5",
];
/// Shapes and groups.
const GROUPS: [&str; 7] = [
    "2x4x6x6 groups=2",
    "3x6x5 groups=3",
    "2x8 groups=2",
    "2x6x4x4 groups=1",
    "2x32x6x6 groups=16",
    "1x4x3x3 groups=4",
    "40x6x1x2 groups=2",
];
const INSTANCES: [&str; 4] = ["2x4x6x6", "3x5x7", "2x1x4x8", "20x10x5x5"];
/// Shapes and the dimensions to normalise over.
const LAST: [&str; 8] = [
    "6x16 last=1",
    "5x10 last=1",
    "2x3x4 last=2",
    "3x7x5 last=1",
    "40x64 last=1",
    "3x1000 last=1",
    "70x3 last=1",
    "24 last=1",
];
const DATA: [&str; 4] = ["real:2", "offset:1e4", "offset:-1e6", "integers:3"];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for (i, shape) in BATCH.iter().enumerate() {
        for data in DATA {
            let affine = if i % 3 == 2 { "" } else { " weight bias" };
            if *shape != "1x6x8x8" || data != "integers:3" {
                lines.push(format!("batch_norm input={shape}{affine} data={data}"));
            }
            lines.push(format!("batch_norm input={shape}{affine} given data={data}"));
        }
        let momentum = ["0.1", "cumulative", "0.25"][i % 3];
        lines.push(format!("norm_statistics input={shape} over=batch momentum={momentum} data=real:2"));
        lines.push(format!("norm_statistics input={shape} over=batch momentum={momentum} data=offset:1e4"));
        lines.push(format!("norm_statistics input={shape} over=batch eps=0.25 data=real:2"));
    }
    // So long that some launches count the batch and others do not.
    for momentum in ["0.1", "cumulative"] {
        lines.push(format!("norm_statistics input=1x8x24x96 over=batch momentum={momentum} data=real:2"));
    }
    for options in ["weight", "bias", "weight given", "bias given eps=0.01", "weight bias eps=0.1"] {
        lines.push(format!("batch_norm input=3x4x5x4 {options} data=real:2"));
    }
    for data in DATA {
        for shape in GROUPS {
            lines.push(format!("group_norm input={shape} weight bias data={data}"));
        }
        for shape in INSTANCES {
            lines.push(format!("instance_norm input={shape} data={data}"));
        }
        for shape in LAST {
            lines.push(format!("layer_norm input={shape} weight bias data={data}"));
            lines.push(format!("rms_norm input={shape} weight data={data}"));
        }
    }
    lines.extend(["group_norm input=2x4x5x5 groups=2", "group_norm input=3x4x4 groups=4 weight"].map(real));
    lines.extend(["instance_norm input=2x3x5 weight bias", "instance_norm input=2x3x4x4 weight"].map(real));
    lines.extend(["layer_norm input=4x12 last=1", "layer_norm input=4x9 last=1 weight eps=0.1"].map(real));
    lines.extend(["rms_norm input=4x12 last=1", "rms_norm input=3x2x5 last=2 eps=0.25"].map(real));
    lines
        .extend(["norm_statistics input=3x4x6 over=2", "norm_statistics input=2x6x4 over=groups3"].map(real));
    lines.push(real("norm_statistics input=5x9 over=1 squares"));
    // More numbers than Mesa's llvmpipe has loop iterations for, with what decides the result at the end.
    lines.extend(
        [
            "batch_norm input=2x2x700001",
            "layer_norm input=1x2600000 last=1",
            "rms_norm input=2x2200001 last=1",
            "batch_norm input=600000x4 weight",
        ]
        .map(|line| format!("{line} data=late:9")),
    );
    lines
}

fn real(line: &str) -> String {
    format!("{line} data=real:2")
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("input")?;
    let input = case.input("input", &shape)?;
    let eps = fields.optional("eps", "a number")?.unwrap_or(1e-5);
    if op == "norm_statistics" {
        return statistics(case, fields, &input, eps);
    }
    let last = if fields.flag("last") { fields.number("last")? } else { 0 };
    let normalized = shape.len().checked_sub(last).map_or(&shape[..], |first| &shape[first..]).to_vec();
    let parameters = match op {
        "layer_norm" | "rms_norm" => normalized.clone(),
        _ => shape[1..2.min(shape.len())].to_vec(),
    };
    // Not far from 0 where the input is.
    let small = case.fill().of_error();
    let mut parameter = |name: &'static str| -> Result<Option<Tensor>> {
        fields.flag(name).then(|| case.input_filled(name, &parameters, small)).transpose()
    };
    let weight = parameter("weight")?;
    let bias = if op == "rms_norm" { None } else { parameter("bias")? };
    let (weight, bias) = (weight.as_ref(), bias.as_ref());
    let output = match op {
        "batch_norm" if fields.flag("given") => {
            let mean = case.input("running_mean", &parameters)?;
            let var = case.input_of("running_var", &parameters, Values::Beyond(0.5, small))?;
            input.batch_norm_given(&mean, &var, weight, bias, eps)?
        }
        "batch_norm" => input.batch_norm(weight, bias, eps)?,
        "group_norm" => input.group_norm(fields.number("groups")?, weight, bias, eps)?,
        "instance_norm" => input.instance_norm(weight, bias, eps)?,
        "layer_norm" => input.layer_norm(&normalized, weight, bias, eps)?,
        _ => input.rms_norm(&normalized, weight, eps)?,
    };
    // A factor and a sum for each channel, which run in the kernel that applies the norm.
    let output = match fields.flag("affine") {
        true => {
            let mut sizes = parameters.clone();
            if last == 0 {
                sizes.resize(shape.len().saturating_sub(1).max(1), 1);
            }
            let (factor, shift) =
                (case.input_filled("factor", &sizes, small)?, case.input_filled("shift", &sizes, small)?);
            output.mul(&factor)?.add(&shift)?.relu()?
        }
        false => output,
    };
    case.output_and_gradients_of(&output, Values::Fill(small))
}

/// `over` is `batch`, `groupsG`, or how many of the last dimensions.
fn statistics(case: &mut Case, fields: &Fields<'_>, input: &Tensor, eps: f32) -> Result<()> {
    let text = fields.text("over").unwrap_or("batch");
    let bad = || Error::argument("over", "batch, groupsG or a number of dimensions", text);
    let over = match text.strip_prefix("groups") {
        Some(groups) => NormOver::Groups(groups.parse().map_err(|_| bad())?),
        None if text == "batch" => NormOver::Batch,
        None => NormOver::Last(text.parse().map_err(|_| bad())?),
    };
    let norm = Norm { over, centered: !fields.flag("squares") };
    let momentum = match fields.text("momentum") {
        None => None,
        Some("cumulative") => Some(None),
        Some(_) => Some(Some(fields.number("momentum")?)),
    };
    let running = momentum.map(|momentum| Running { momentum });
    let mut inputs = vec![input.clone()];
    if running.is_some() {
        let channels = [input.shape().get(1).copied().unwrap_or(1)];
        let small = case.fill().of_error();
        inputs.push(case.input("running_mean", &channels)?);
        inputs.push(case.input_of("running_var", &channels, Values::Beyond(0.5, small))?);
        inputs.push(case.input_filled("num_batches_tracked", &[], Fill::Indices(100))?);
    }
    let op = NormStatistics { norm, eps, running };
    let outputs = case.graph.apply(op, &inputs.iter().collect::<Vec<_>>())?;
    let names: &[&str] = match norm.centered {
        true => &["mean", "rstd", "variance", "running_mean", "running_var", "num_batches_tracked"],
        false => &["rstd"],
    };
    for (name, output) in names.iter().zip(&outputs) {
        case.output(name, output);
    }
    Ok(())
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let data = pick(rng, &["real:2", "real:100", "offset:1e4", "integers:3"]);
    let affine = pick(rng, &["", " weight", " weight bias", " bias"]);
    let eps = pick(rng, &["", " eps=0.01"]);
    let channels = 1 + rng.below(12);
    let mut images = vec![size(rng, 40), channels];
    images.extend((0..rng.below(3)).map(|_| size(rng, 20)));
    let images = sizes(&images);
    let own = match op {
        "norm_statistics" => {
            let momentum = pick(rng, &["", " momentum=0.1", " momentum=cumulative"]);
            format!("input={images} over=batch{momentum}")
        }
        "batch_norm" => format!("input={images}{affine}{}", pick(rng, &["", " given"])),
        "group_norm" => format!("input={images} groups={}{affine}", 1 + rng.below(channels)),
        "instance_norm" => format!("input={images}{affine}"),
        _ => {
            let input = shape(rng, 3, 5000);
            let affine = if op == "rms_norm" { affine.replace(" bias", "") } else { affine.to_owned() };
            format!("input={} last={}{affine}", sizes(&input), 1 + rng.below(input.len()))
        }
    };
    format!("{op} {own}{eps} data={data} seed={}", seed(rng))
}
