//! Images read at the points of a grid, and grids of affine maps.

use super::super::case::Kink;
use super::super::data::{Fill, Values};
use super::super::line::Fields;
use super::{Case, pick, seed, size};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::{GridMode, GridPadding, GridSample};
use crate::random::Rng;

pub(super) const OPS: &[&str] = &["grid_sample", "affine_grid"];

/// Fewer points than pixels, as many, and more; single pixels, rows and columns; channels that are whole tiles and not.
const SHAPES: [&str; 6] = [
    "input=2x3x5x7 to=4x6",
    "input=1x4x8x8 to=3x3",
    "input=2x5x4x3 to=9x8",
    "input=1x2x1x6 to=5x4",
    "input=2x1x1x1 to=2x3",
    "input=3x9x2x2 to=1x7",
];

/// How points outside are read, and where the ends are.
const HOW: [&str; 6] = [
    "",
    " align_corners",
    " padding=border",
    " padding=border align_corners",
    " padding=reflection",
    " padding=reflection align_corners",
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in SHAPES {
        for how in HOW {
            lines.push(format!("grid_sample {shape}{how} data=real:1"));
            lines.push(format!("grid_sample {shape}{how} data=integers:3"));
            lines.push(format!("grid_sample {shape}{how} mode=nearest data=integers:3"));
        }
    }
    // NaN, infinities and the largest numbers as coordinates.
    for how in HOW {
        lines.push(format!("grid_sample input=2x3x5x7 to=9x8{how} data=masked"));
        lines.push(format!("grid_sample input=2x3x5x7 to=9x8{how} mode=nearest data=masked"));
    }
    for how in &HOW[..4] {
        lines.push(format!("grid_sample input=1x2x4x5 to=7x7{how} data=edges"));
        lines.push(format!("grid_sample input=1x2x4x5 to=7x7{how} mode=nearest data=edges"));
    }
    // Points that are merged several times, in images of which one is in part cut by a run.
    lines.push("grid_sample input=3x5x16x12 to=23x17 data=real:1".into());
    lines.push("grid_sample input=2x6x40x30 to=41x37 padding=border data=integers:3".into());
    // More points in a cell, and more channels, than Mesa's llvmpipe has loop iterations for.
    lines.push("grid_sample input=1x1x1x1 to=270x260 padding=border data=late:3".into());
    lines.push("grid_sample input=1x1x1x1 to=270x260 padding=border mode=nearest data=late:3".into());
    lines.push("grid_sample input=1x70001x1x2 to=1x2 align_corners data=late:3".into());
    for to in ["to=2x3x4x8", "to=2x1x5x3 align_corners", "to=2x2x1x6 align_corners", "to=2x1x7x1"] {
        lines.push(format!("affine_grid {to} data=real:1"));
    }
    lines.push("affine_grid to=1x3x16x4 data=integers:9".into());
    lines
}

fn options(fields: &Fields<'_>) -> Result<GridSample> {
    let mode = match fields.text("mode") {
        None | Some("bilinear") => GridMode::Bilinear,
        Some("nearest") => GridMode::Nearest,
        Some(other) => return Err(Error::argument("mode", "bilinear or nearest", other)),
    };
    let padding_mode = match fields.text("padding") {
        None | Some("zeros") => GridPadding::Zeros,
        Some("border") => GridPadding::Border,
        Some("reflection") => GridPadding::Reflection,
        Some(other) => return Err(Error::argument("padding", "zeros, border or reflection", other)),
    };
    Ok(GridSample { mode, padding_mode, align_corners: fields.flag("align_corners") })
}

/// Eighths, at which positions and weights are exact; numbers a little beyond the image; what is no number.
fn coordinates(fill: Fill) -> Values {
    match fill {
        Fill::Real(_) | Fill::Offset(_) => Values::Within(-1.4, 1.4),
        Fill::Masked | Fill::Edges | Fill::Denormals | Fill::Special => Values::Fill(fill),
        Fill::Integers(_) | Fill::Late(_) | Fill::Indices(_) => Values::Eighths(12),
    }
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if op == "affine_grid" {
        let to = fields.shape("to")?;
        let theta = case.input("input", &[to.first().copied().unwrap_or(1), 2, 3])?;
        return case.output_and_gradients(&theta.affine_grid(&to, fields.flag("align_corners"))?);
    }
    let (shape, options) = (fields.shape("input")?, options(fields)?);
    let &[oh, ow] = &fields.shape("to")?[..] else {
        return Err(Error::argument("to", "rows x columns", "others"));
    };
    let images = shape.first().copied().unwrap_or(1);
    if let &[_, _, h, w] = &shape[..] {
        case.kink = Kink::Grid { align_corners: options.align_corners, h, w };
    }
    let image = match case.fill() {
        Fill::Masked | Fill::Edges => Fill::Integers(3),
        fill => fill,
    };
    let input = case.input_filled("input", &shape, image)?;
    let points = case.input_of("grid", &[images, oh, ow, 2], coordinates(case.fill()))?;
    // Coordinates are computed with in f32.
    let grid = if case.dtype == DType::F16 { points.float()? } else { points };
    case.output_and_gradients(&input.grid_sample(&grid, options)?)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let data = pick(rng, &["integers:3", "real:1"]);
    let align = pick(rng, &["", " align_corners"]);
    if op == "affine_grid" {
        let to = [size(rng, 4), size(rng, 4), size(rng, 20), size(rng, 20)].map(|n| n.to_string()).join("x");
        return format!("{op} to={to}{align} data={data} seed={}", seed(rng));
    }
    let shape = [size(rng, 4), size(rng, 9), size(rng, 20), size(rng, 20)].map(|n| n.to_string()).join("x");
    let padding = pick(rng, &["", " padding=border", " padding=reflection"]);
    // A point near the middle between two pixels may be nearest to either.
    let mode = if data == "real:1" { "" } else { pick(rng, &["", " mode=nearest"]) };
    let to = format!("{}x{}", size(rng, 24), size(rng, 24));
    format!("{op} input={shape} to={to}{padding}{align}{mode} data={data} seed={}", seed(rng))
}
