//! Max pools over few distinct integers: many ties, of which the first must win.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::avg_pool2d::{AROUND, FAR, LONG};
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{MaxPool1d, MaxPool2d, MaxUnpool1d, MaxUnpool2d};
use crate::random::Rng;
use crate::shape::Pair;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["max_pool2d", "max_pool1d", "max_unpool1d", "max_unpool2d"];

/// Windows that overlap, leave gaps, end raggedly, with every kind of padding.
const TABLE: [&str; 22] = [
    "3x7x9 kernel=3 stride=2 padding=1",
    "2x3x8x8 kernel=2",
    "2x3x28x28 kernel=2",
    "2x3x7x9 kernel=2",
    "2x3x7x9 kernel=2 ceil",
    "1x2x2x3 kernel=3 stride=2 ceil",
    "1x5x13x11 kernel=3 stride=2 padding=1",
    "1x5x13x11 kernel=3 stride=2 padding=1 ceil",
    "1x2x9x10 kernel=3 stride=1",
    "1x2x12x12 kernel=3 stride=1 padding=2 dilation=2",
    "1x2x12x13 kernel=2x3 stride=3x1 padding=1x0 dilation=1x2",
    "1x2x6x6 kernel=2 stride=1 padding=1,0,0,1",
    "1x2x7x9 kernel=3 stride=2 padding=1,0,0,1 ceil",
    "1x2x5x5 kernel=2 stride=3",
    "1x1x5x5 kernel=5",
    "3x1x1x1 kernel=1",
    "1x2x20x20 kernel=7 stride=3 padding=3",
    "70x3x9x9 kernel=2",
    // Rows in elements of two and four numbers.
    "25x4x11x12 kernel=3 stride=2 padding=1",
    "30x4x8x14 kernel=3 stride=2",
    "30x4x9x12 kernel=3 stride=2",
    "40x4x10x8 kernel=3 stride=1 padding=1",
];

/// Along lines.
const LINES: [&str; 6] = [
    "2x3x12 kernel=2",
    "3x13 kernel=3 stride=2 padding=1",
    "2x3x13 kernel=4 stride=3 padding=2 ceil",
    "2x3x14 kernel=3 stride=1 padding=2 dilation=2",
    "1x4x9 kernel=2 stride=4",
    "2x2x11 kernel=11",
];

/// Back from the maxima of windows that do not overlap, each of which has a position of its own; their strides may leave gaps.
const BACK: [&str; 11] = [
    "max_unpool2d input=2x3x8x8 kernel=2",
    "max_unpool2d input=3x6x9 kernel=2x3",
    "max_unpool2d input=2x2x7x9 kernel=2 size=7x9",
    "max_unpool2d input=2x2x7x10 kernel=2x3 stride=3x4 padding=1 size=7x10",
    "max_unpool2d input=1x2x9x9 kernel=3 padding=1 size=9x9",
    // Of another width than the indices were found in.
    "max_unpool2d input=2x2x6x8 kernel=2 size=7x9",
    "max_unpool2d input=9x11x12x16 kernel=2",
    "max_unpool1d input=2x3x12 kernel=3",
    "max_unpool1d input=3x13 kernel=2 size=13",
    "max_unpool1d input=2x3x14 kernel=2 stride=3 padding=1 size=14",
    "max_unpool1d input=40x2x80 kernel=2",
];

pub(super) fn lines() -> Vec<String> {
    let back = BACK.iter().flat_map(|t| ["integers:3", "real:1"].map(|data| format!("{t} data={data}")));
    images().chain(of_lines()).chain(back).collect()
}

fn of_lines() -> impl Iterator<Item = String> {
    let data = ["integers:3", "real:1", "edges"];
    LINES.iter().flat_map(move |t| data.map(|data| format!("max_pool1d input={t} data={data}")))
}

fn images() -> impl Iterator<Item = String> {
    let line = |t: &str, data: &str| format!("max_pool2d input={t} data={data}");
    let data = ["integers:3", "real:1", "masked", "edges"];
    let table = TABLE.iter().flat_map(|t| data.map(|data| line(t, data)));
    let far = FAR.into_iter().chain([AROUND]).map(|t| line(t, "integers:3"));
    table.chain(far).chain(LONG.map(move |t| line(t, "late:3"))).collect::<Vec<_>>().into_iter()
}

/// A number of a pool of lines.
fn number(fields: &Fields<'_>, key: &'static str, usual: usize) -> Result<usize> {
    Ok(fields.optional(key, "a number")?.unwrap_or(usual))
}

/// The pool along lines, with its indices.
fn pooled_lines(x: &Tensor, fields: &Fields<'_>) -> Result<(Tensor, Tensor)> {
    let options = MaxPool1d::new(fields.number("kernel")?);
    x.max_pool1d_with_indices(MaxPool1d {
        stride: number(fields, "stride", options.stride)?,
        padding: number(fields, "padding", 0)?,
        dilation: number(fields, "dilation", 1)?,
        ceil_mode: fields.flag("ceil"),
        ..options
    })
}

/// The maxima where they came from.
fn unpooled_lines(x: &Tensor, fields: &Fields<'_>) -> Result<Tensor> {
    let (maxima, indices) = pooled_lines(x, fields)?;
    let options = MaxUnpool1d::new(fields.number("kernel")?).padding(number(fields, "padding", 0)?);
    let options = options.stride(number(fields, "stride", options.stride)?);
    maxima.max_unpool1d(&indices, options, fields.optional("size", "a number")?)
}

fn unpooled_images(x: &Tensor, fields: &Fields<'_>) -> Result<Tensor> {
    let kernel = fields.pair("kernel")?.unwrap_or(Pair::from(2));
    let (stride, padding) =
        (fields.pair("stride")?.unwrap_or(kernel), fields.pair("padding")?.unwrap_or(Pair::from(0)));
    let pool = MaxPool2d::new(kernel).stride(stride).padding((padding.h, padding.w));
    let (maxima, indices) = x.max_pool2d_with_indices(pool)?;
    let options = MaxUnpool2d::new(kernel).stride(stride).padding(padding);
    maxima.max_unpool2d(&indices, options, fields.pair("size")?)
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Ties;
    if op != "max_pool2d" {
        let input = case.input("input", &fields.shape("input")?)?;
        let output = match op {
            "max_unpool1d" => unpooled_lines(&input, fields)?,
            "max_unpool2d" => unpooled_images(&input, fields)?,
            _ => {
                let (output, indices) = pooled_lines(&input, fields)?;
                case.output("indices", &indices);
                output
            }
        };
        return case.output_and_gradients_of(&output, Values::Beyond(0.0, case.fill().of_error()));
    }
    let mut options = MaxPool2d::new(fields.pair("kernel")?.unwrap_or(Pair::from(2)));
    options.stride = fields.pair("stride")?.unwrap_or(options.stride);
    options.padding = fields.padding("padding")?.unwrap_or_default();
    options.dilation = fields.pair("dilation")?.unwrap_or(options.dilation);
    options.ceil_mode = fields.flag("ceil");
    let input = case.input("input", &fields.shape("input")?)?;
    let (output, indices) = input.max_pool2d_with_indices(options)?;
    case.output("indices", &indices);
    // Windows share their maximum: errors of one sign do not cancel.
    case.output_and_gradients_of(&output, Values::Beyond(0.0, case.fill().of_error()))
}

/// A random pool of lines, or of whole windows whose maxima are placed where they came from.
fn random_relative(op: &str, rng: &mut Rng) -> String {
    let kernel = size(rng, 5);
    let data = pick(rng, &["integers:3", "real:1"]);
    let planes = [size(rng, 4), size(rng, 6)];
    let mut whole = || kernel * size(rng, 24 / kernel);
    let (h, w) = (whole(), whole());
    if op == "max_pool1d" {
        let (stride, padding, dilation) = (1 + rng.below(4), rng.below(kernel / 2 + 1), 1 + rng.below(3));
        let (ceil, shape) = (pick(rng, &["", " ceil"]), [&planes[..], &[w + dilation * kernel]].concat());
        let how = format!("stride={stride} padding={padding} dilation={dilation}{ceil}");
        return format!("{op} input={} kernel={kernel} {how} data={data} seed={}", sizes(&shape), seed(rng));
    }
    let all = [planes[0], planes[1], w, h];
    let shape = if op == "max_unpool2d" { &all[..] } else { &all[..3] };
    format!("{op} input={} kernel={kernel} data={data} seed={}", sizes(shape), seed(rng))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    if op != "max_pool2d" {
        return random_relative(op, rng);
    }
    let dilation = format!(" dilation={}x{}", 1 + rng.below(3), 1 + rng.below(3));
    let data = pick(rng, &["integers:3", "real:1"]);
    format!("{op} {}{dilation} data={data} seed={}", window(rng), seed(rng))
}

/// A random input and window of a pool.
pub(super) fn window(rng: &mut Rng) -> String {
    let input = format!("{}x{}x{}x{}", size(rng, 4), size(rng, 6), size(rng, 24), size(rng, 24));
    let (kh, kw) = (size(rng, 5), size(rng, 5));
    let (sh, sw) = (1 + rng.below(4), 1 + rng.below(4));
    let mut half = |kernel: usize| rng.below(kernel / 2 + 1);
    let (top, bottom, left, right) = (half(kh), half(kh), half(kw), half(kw));
    let ceil = pick(rng, &["", " ceil"]);
    format!("input={input} kernel={kh}x{kw} stride={sh}x{sw} padding={top},{bottom},{left},{right}{ceil}")
}
