//! Linear maps along a dimension: raw matrices, elements at other positions, interpolation, pools, cumulative sums, blocks.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape, size};
use crate::error::{Error, Mismatch, Result};
use crate::graph::Tensor;
use crate::ops::{AvgPool1d, Interpolate, InterpolateMode, Pad, SparseRows, Unfold};
use crate::random::Rng;
use crate::shape::Pair;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &[
    "axis_map",
    "pad",
    "flip",
    "roll",
    "slice",
    "index_select",
    "repeat_interleave",
    "repeat",
    "tile",
    "diagonal",
    "tril",
    "triu",
    "interpolate",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "cumsum",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
    "fold",
    "arange",
    "eye",
    "full",
];

/// Copies, and sums of whole numbers: exact. Along rows of whole vec4s, along the last dimension in fours and not.
const EXACT: &[&str] = &[
    // Entry t,k is in column (stride t + 2 k) mod size, of weight ((3 t + 5 k) mod 7 - 3) / 4.
    "axis_map input=2x6x5 dim=1 outputs=7 taps=1 stride=1",
    "axis_map input=3x6x8 dim=-2 outputs=5 taps=2 stride=2",
    "axis_map input=8x12 dim=1 outputs=9 taps=4 stride=1",
    "axis_map input=6x12 dim=1 outputs=8 taps=7 stride=3",
    "axis_map input=5x13x4 dim=1 outputs=3 taps=11 stride=1",
    "axis_map input=12x40 dim=1 outputs=2 taps=30 stride=1",
    "axis_map input=9 dim=0 outputs=4 taps=20 stride=2",
    "pad input=7 pad=2,3 value=0",
    "pad input=2x3x8 pad=1,-3 value=1.5",
    "pad input=3x5x4 pad=0,0,2,1 value=-0.25",
    "pad input=2x3x5x6 pad=1,2,3,0 value=0",
    "pad input=4x12 pad=4,4,-1,2 value=0",
    "pad input=6x9 pad=-2,-3 value=0",
    "pad input=4x6 pad=1,1,1,1 value=7 u32",
    "pad input=2x3x7 pad=2,6 reflect",
    "pad input=2x3x7 pad=-1,3 reflect",
    "pad input=2x3x5x6 pad=1,2,3,0 reflect",
    "pad input=2x3x7 pad=9,5 replicate",
    "pad input=2x3x5x8 pad=3,1,-2,4 replicate",
    "pad input=2x3x7 pad=7,2 circular",
    "pad input=2x3x7 pad=-1,2 circular",
    "pad input=2x3x7 pad=3,-2 circular",
    "pad input=2x3x5x6 pad=1,2,2,1 circular",
    "pad input=2x3x5x6 pad=1,2,2,1 circular u32",
    "flip input=7 dims=0",
    "flip input=3x8 dims=1",
    "flip input=2x3x4x5 dims=0,2,-1",
    "flip input=5x6x8 dims=all",
    "flip input=4x6 dims=0,1 u32",
    "flip input=scalar dims=0",
    "roll input=7 shifts=3 dims=0",
    "roll input=3x8 shifts=-2 dims=1",
    "roll input=4x5x8 shifts=5,-11 dims=-1,0",
    "roll input=3x5 shifts=4",
    "roll input=4x6 shifts=1,2 dims=0,1 u32",
    "slice input=9 dim=0 from=1 to=8 step=3",
    "slice input=5x16 dim=1 from=-13 to=-1 step=3",
    "slice input=7x6x4 dim=0 from=0 to=100 step=2",
    "slice input=7x6 dim=-1 from=-100 to=5 step=1",
    "slice input=7x6 dim=0 from=1 to=6 step=4 u32",
    "index_select input=5x6x4 dim=0 at=4,0,0,2,4,4,1",
    "index_select input=5x6 dim=-1 at=5,2,2,0",
    "index_select input=5x7 dim=1 at=6",
    "index_select input=3x40 dim=1 at=0,7,3,9,1,30,12,5,5,39,2,17,8,33,21,4",
    "index_select input=5x6 dim=1 at=1,4,4,0,3 u32",
    "repeat_interleave input=3x5 dim=1 repeats=2",
    "repeat_interleave input=4x8 dim=0 repeats=1,0,3,2",
    "repeat_interleave input=4x6 dim=-1 repeats=3 u32",
    "repeat input=3 repeats=2,1,4",
    "repeat input=2x1x3 repeats=3,2,1",
    "repeat input=2x3 repeats=1,2,2 u32",
    "tile input=2x3x4 repeats=2",
    "tile input=2x5 repeats=2,1,3",
    "diagonal input=4x6 offset=0 dim1=0 dim2=1",
    "diagonal input=3x5x4 offset=1 dim1=0 dim2=-1",
    "diagonal input=3x5x4 offset=-2 dim1=1 dim2=2",
    "tril input=5x7 diagonal=0",
    "tril input=2x5x4 diagonal=-1",
    "triu input=5x7 diagonal=2",
    "triu input=3x6x6 diagonal=-2",
    "cumsum input=7 dim=0",
    "cumsum input=3x9x4 dim=1",
    "cumsum input=6x64 dim=-1",
    "cumsum input=3x70x2 dim=1",
    "cumsum input=2x96 dim=1",
    "cumsum input=1x2100 dim=1",
    "cumsum input=scalar dim=0",
    "pixel_shuffle input=2x12x3x5 factor=2",
    "pixel_shuffle input=9x4x3 factor=3",
    "pixel_unshuffle input=2x3x4x6 factor=2",
    "unfold input=2x3x6x7 kernel=3",
    "unfold input=2x3x8x9 kernel=2x3 stride=2x1 padding=1x2 dilation=2x1",
    "unfold input=3x5x6 kernel=2 stride=2",
    "fold input=2x12x20 size=5x6 kernel=2",
    "fold input=2x18x8 size=7x8 kernel=2x3 stride=2x3 padding=1x0 dilation=2x1",
    "fold input=8x30 size=6x7 kernel=2",
    "interpolate input=2x3x5 mode=nearest size=8",
    "interpolate input=2x3x5x4 mode=nearest scale=2",
    "interpolate input=2x3x7x9 mode=nearest size=3x13",
    "interpolate input=1x2x3x4x5 mode=nearest size=6x4x2",
    "interpolate input=2x3x5x4 mode=nearest scale=1.7,0.6",
    "interpolate input=2x3x5x4 mode=nearest scale=1.7 recompute",
    "interpolate input=2x3x7x9 mode=nearest-exact size=3x13",
    "interpolate input=2x3x5x4 mode=nearest-exact scale=1.7,2",
    "interpolate input=2x3x5x4 mode=bilinear size=5x4",
    "interpolate input=2x3x5x4 mode=bilinear scale=2",
    "interpolate input=2x3x8x8 mode=area size=4x2",
    "adaptive_avg_pool1d input=2x3x8 size=4",
    "adaptive_avg_pool2d input=2x3x8x12 size=4x3",
    "avg_pool1d input=2x3x12 kernel=4",
    "arange input=7 start=-3 end=11 step=2",
    "eye input=4x6",
    "full input=3x5 value=0.5",
];

/// Weights that are no whole numbers of a power of two.
const REAL: &[&str] = &[
    "interpolate input=2x3x9 mode=linear size=4",
    "interpolate input=2x3x5 mode=linear size=12 align_corners",
    "interpolate input=2x3x5 mode=linear scale=2.3",
    "interpolate input=2x3x5 mode=linear scale=2.3 recompute",
    "interpolate input=2x3x5x7 mode=bilinear size=11x10",
    "interpolate input=2x3x5x7 mode=bilinear size=11x1 align_corners",
    "interpolate input=2x3x11x10 mode=bilinear size=4x3",
    "interpolate input=2x3x5x7 mode=bilinear scale=1.4,2.9",
    "interpolate input=2x2x3x4x5 mode=trilinear size=5x7x3",
    "interpolate input=2x2x3x4x5 mode=trilinear size=5x7x3 align_corners",
    "interpolate input=2x3x5x7 mode=bicubic size=11x10",
    "interpolate input=2x3x5x7 mode=bicubic size=8x3 align_corners",
    "interpolate input=2x3x5x7 mode=bicubic scale=0.7,2.9",
    "interpolate input=2x3x11x10 mode=bilinear size=4x3 antialias",
    "interpolate input=2x3x11x10 mode=bilinear size=4x23 antialias",
    "interpolate input=2x3x11x10 mode=bilinear size=4x3 antialias align_corners",
    "interpolate input=2x3x11x10 mode=bicubic size=4x3 antialias",
    "interpolate input=2x3x11x10 mode=bicubic scale=0.3 antialias",
    "interpolate input=2x3x30x7 mode=area size=7x3",
    "interpolate input=2x3x7 mode=area scale=0.5",
    "adaptive_avg_pool1d input=2x3x7 size=3",
    "adaptive_avg_pool1d input=3x7 size=1",
    "adaptive_avg_pool2d input=2x3x7x10 size=3x4",
    "adaptive_avg_pool2d input=3x7x10 size=1",
    "avg_pool1d input=2x3x13 kernel=3 stride=2 padding=1",
    "avg_pool1d input=3x13 kernel=4 stride=3 padding=2 ceil",
    "avg_pool1d input=3x13 kernel=4 stride=3 padding=2 ceil exclude_pad",
    "cumsum input=5x40x3 dim=1",
    "cumsum input=3x333 dim=1",
    "axis_map input=7x12x8 dim=1 outputs=9 taps=4 stride=1",
];

/// More entries than Mesa's llvmpipe has loop iterations for, forward and backward.
const LONG: [&str; 2] = [
    "axis_map input=2x160002 dim=1 outputs=2 taps=80000 stride=1",
    "axis_map input=4x2 dim=1 outputs=170001 taps=1 stride=1",
];

pub(super) fn lines() -> Vec<String> {
    let exact = EXACT.iter().map(|text| format!("{text} data=integers:3"));
    let real = REAL.iter().map(|text| format!("{text} data=real:1"));
    exact.chain(real).chain(LONG.map(|text| format!("{text} data=late:3"))).collect()
}

/// The matrix of a line; see [`EXACT`].
fn matrix(fields: &Fields<'_>, inputs: usize) -> Result<SparseRows> {
    let (outputs, taps, stride): (usize, usize, usize) =
        (fields.number("outputs")?, fields.number("taps")?, fields.number("stride")?);
    let entry =
        move |t: usize, k: usize| ((stride * t + 2 * k) % inputs, (((3 * t + 5 * k) % 7) as f64 - 3.0) / 4.0);
    let rows = (0..outputs).map(|t| (0..taps).map(move |k| entry(t, k)));
    SparseRows::new(inputs, rows)
        .map_err(|Mismatch { expected, got }| Error::argument("matrix", expected, got))
}

fn pad_mode(fields: &Fields<'_>) -> Result<Pad> {
    let modes = [("reflect", Pad::Reflect), ("replicate", Pad::Replicate), ("circular", Pad::Circular)];
    let named = modes.into_iter().filter(|(name, _)| fields.flag(name)).last();
    named.map_or_else(|| Ok(Pad::Constant(fields.number("value")?)), |(_, mode)| Ok(mode))
}

fn interpolate(fields: &Fields<'_>) -> Result<Interpolate> {
    let name = fields.text("mode").unwrap_or_default();
    let mode = InterpolateMode::ALL.iter().find(|(_, known)| *known == name);
    let mode = mode.ok_or_else(|| Error::argument("mode", "one of PyTorch's", name))?.0;
    let options = match fields.text("size") {
        Some(_) => Interpolate::size(&fields.shape("size")?),
        None => Interpolate::scale_factor(&fields.each("scale", "factors such as 2,1.5")?),
    };
    let options = options.mode(mode).align_corners(fields.flag("align_corners"));
    Ok(options.antialias(fields.flag("antialias")).recompute_scale_factor(fields.flag("recompute")))
}

fn unfold(fields: &Fields<'_>) -> Result<Unfold> {
    let pair = |key, usual: usize| Ok::<_, Error>(fields.pair(key)?.unwrap_or(Pair::from(usual)));
    let options = Unfold::new(pair("kernel", 1)?).stride(pair("stride", 1)?);
    Ok(options.padding(pair("padding", 0)?).dilation(pair("dilation", 1)?))
}

fn avg_pool1d(fields: &Fields<'_>) -> Result<AvgPool1d> {
    let usual = AvgPool1d::new(fields.number("kernel")?);
    Ok(AvgPool1d {
        stride: fields.optional("stride", "a number")?.unwrap_or(usual.stride),
        padding: fields.optional("padding", "a number")?.unwrap_or(0),
        ceil_mode: fields.flag("ceil"),
        count_include_pad: !fields.flag("exclude_pad"),
        ..usual
    })
}

/// What a line asks for of its input.
fn output(op: &str, x: &Tensor, fields: &Fields<'_>) -> Result<Tensor> {
    let integers = |key| fields.each::<i64>(key, "whole numbers such as 1,-2");
    match op {
        "axis_map" => {
            let dim: i64 = fields.number("dim")?;
            let at = if dim < 0 { dim + x.shape().len() as i64 } else { dim };
            let inputs = x.shape().get(at as usize).copied().unwrap_or(1);
            x.axis_map(dim, &matrix(fields, inputs)?)
        }
        "pad" => x.pad(&integers("pad")?, pad_mode(fields)?),
        "flip" => x.flip(fields.dims("dims")?),
        "roll" => {
            let dims = if fields.flag("dims") { integers("dims")? } else { vec![] };
            x.roll(&integers("shifts")?, &dims)
        }
        "slice" => {
            x.slice(fields.dim("dim")?, fields.number("from")?, fields.number("to")?, fields.number("step")?)
        }
        "index_select" => x.index_select(fields.dim("dim")?, &fields.list("at")?),
        "repeat_interleave" => x.repeat_interleave(&fields.list("repeats")?, fields.dim("dim")?),
        "repeat" => x.repeat(&fields.list("repeats")?),
        "tile" => x.tile(&fields.list("repeats")?),
        "diagonal" => x.diagonal(fields.number("offset")?, fields.dim("dim1")?, fields.dim("dim2")?),
        "tril" => x.tril(fields.number("diagonal")?),
        "triu" => x.triu(fields.number("diagonal")?),
        "interpolate" => x.interpolate(&interpolate(fields)?),
        "adaptive_avg_pool1d" => x.adaptive_avg_pool1d(fields.number("size")?),
        "adaptive_avg_pool2d" => x.adaptive_avg_pool2d(fields.pair("size")?.unwrap_or(Pair::from(1))),
        "avg_pool1d" => x.avg_pool1d(avg_pool1d(fields)?),
        "cumsum" => x.cumsum(fields.dim("dim")?),
        "pixel_shuffle" => x.pixel_shuffle(fields.number("factor")?),
        "pixel_unshuffle" => x.pixel_unshuffle(fields.number("factor")?),
        "unfold" => x.unfold(unfold(fields)?),
        "fold" => x.fold(fields.pair("size")?.unwrap_or(Pair::from(1)), unfold(fields)?),
        "arange" => {
            let graph = x.graph();
            x.mul(&graph.arange(fields.number("start")?, fields.number("end")?, fields.number("step")?)?)
        }
        "eye" => {
            let shape = x.shape();
            x.mul(&x.graph().eye(shape[0], shape[1])?)
        }
        _ => x.mul(&x.graph().full(x.shape(), fields.number("value")?)?),
    }
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("input")?;
    if fields.flag("u32") {
        let input = case.input_filled("input", &shape, Fill::Indices(1 << 30))?;
        case.output("output", &output(op, &input, fields)?);
        return Ok(());
    }
    let input = case.input("input", &shape)?;
    let output = output(op, &input, fields)?;
    case.output_and_gradients(&output)
}

/// So many numbers, each of `number`, joined by commas.
fn joined(count: usize, mut number: impl FnMut(usize) -> String) -> String {
    (0..count).map(&mut number).collect::<Vec<_>>().join(",")
}

fn random_positions(op: &str, rng: &mut Rng, input: &[usize]) -> String {
    let (dim, rank) = (rng.below(input.len()), input.len());
    let n = input[dim];
    let signed = |rng: &mut Rng, most: usize| rng.below(2 * most + 1) as i64 - most as i64;
    match op {
        "pad" => {
            let mode = pick(rng, &["value=0", "value=-1.5", "reflect", "replicate", "circular"]);
            let pads = joined(2 * (1 + rng.below(rank)), |_| signed(rng, 4).to_string());
            format!("pad={pads} {mode}")
        }
        "flip" => format!("dims={dim}"),
        "roll" => format!("shifts={} dims={dim}", signed(rng, 2 * n)),
        "slice" => {
            format!("dim={dim} from={} to={} step={}", signed(rng, n), signed(rng, n), size(rng, 4))
        }
        "index_select" => {
            let many = size(rng, 2 * n);
            format!("dim={dim} at={}", joined(many, |_| rng.below(n).to_string()))
        }
        "repeat_interleave" => format!("dim={dim} repeats={}", joined(n, |_| rng.below(4).to_string())),
        "repeat" | "tile" => format!("repeats={}", joined(rank, |_| size(rng, 3).to_string())),
        "diagonal" => {
            format!("offset={} dim1={dim} dim2={}", signed(rng, 3), rng.below(rank))
        }
        "tril" | "triu" => format!("diagonal={}", signed(rng, 4)),
        "cumsum" => format!("dim={dim}"),
        "arange" => format!("start=0 end={n} step=1"),
        "full" => "value=-2".to_owned(),
        "eye" => String::new(),
        _ => {
            let (outputs, taps) = (size(rng, 20), size(rng, 20));
            format!("dim={dim} outputs={outputs} taps={taps} stride={}", size(rng, 4))
        }
    }
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let image = [size(rng, 3), 4 * size(rng, 3), size(rng, 16), size(rng, 16)];
    let (input, how) = match op {
        "interpolate" => {
            let mode = pick(rng, &["nearest", "nearest-exact", "bilinear", "bicubic", "area"]);
            let corners =
                if mode.starts_with('b') { pick(rng, &["", " align_corners", " antialias"]) } else { "" };
            (image.to_vec(), format!("mode={mode} size={}x{}{corners}", size(rng, 30), size(rng, 30)))
        }
        "adaptive_avg_pool2d" => (image.to_vec(), format!("size={}x{}", size(rng, 20), size(rng, 20))),
        "adaptive_avg_pool1d" => (image[1..].to_vec(), format!("size={}", size(rng, 20))),
        "avg_pool1d" => {
            let pad = pick(rng, &["", " ceil", " exclude_pad", " ceil exclude_pad"]);
            let how =
                format!("kernel={} stride={} padding={}{pad}", size(rng, 6), size(rng, 4), rng.below(3));
            (image[1..].to_vec(), how)
        }
        "pixel_shuffle" => (image.to_vec(), "factor=2".to_owned()),
        "pixel_unshuffle" => (vec![image[0], 3, 2 * image[2], 2 * image[3]], "factor=2".to_owned()),
        "unfold" => {
            let how = format!(
                "kernel={}x{} stride={} padding={}",
                size(rng, 4),
                size(rng, 4),
                size(rng, 3),
                rng.below(3)
            );
            (image.to_vec(), how)
        }
        "fold" => {
            let (h, w) = (1 + size(rng, 12), 1 + size(rng, 12));
            (vec![image[0], 12, (h - 1) * (w - 1)], format!("size={h}x{w} kernel=2"))
        }
        "arange" => {
            let input = vec![size(rng, 100)];
            let how = random_positions(op, rng, &input);
            (input, how)
        }
        "eye" => (vec![size(rng, 30), size(rng, 30)], String::new()),
        _ => {
            let input = shape(rng, 4, 3000);
            let how = random_positions(op, rng, &input);
            (input, how)
        }
    };
    format!(
        "{op} input={} {how} data={} seed={}",
        sizes(&input),
        pick(rng, &["integers:3", "real:1"]),
        seed(rng)
    )
}
