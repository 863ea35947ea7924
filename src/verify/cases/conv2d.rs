//! Convolutions and transposed ones, of images and lines: the edge cases of `conv_edge_cases.csv`, each with exact integers and
//! with real numbers.

use super::super::line::{Fields, Line, sizes};
use super::{Case, pick, seed, size};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{Conv1d, Conv2d, ConvPadding, ConvTranspose1d, ConvTranspose2d, Ends, PaddingMode};
use crate::random::Rng;
use crate::shape::{Padding, Pair};
use crate::verify::Fill;

pub(super) const OPS: &[&str] =
    &["conv2d", "conv2d_padded", "conv1d", "conv_transpose1d", "conv_transpose2d"];

const TABLE: &str = include_str!("conv_edge_cases.csv");

/// Elements of input and output beyond which integers are smaller, so that the longest sum stays exact, and
/// there is no run with real numbers.
const LARGE: usize = 10_000_000;

/// The attributes of large rows on small tensors, which PyTorch's frozen results are affordable for.
const SMALL: [&str; 11] = [
    "input=1x2x5x7 weight=3x2x1x1 stride=1x3",
    "input=1x2x6x6 weight=3x2x3x3 padding=1,0,0,1",
    "input=1x2x4x9 weight=3x2x1x7 padding=0,0,3,3",
    "input=1x2x9x4 weight=3x2x7x1 padding=3,3,0,0",
    "input=2x3x1x9 weight=4x3x1x5 padding=0,0,2,2",
    "input=2x3x9x1 weight=4x3x5x1 padding=2,2,0,0",
    "input=1x2x3x3 weight=3x2x5x5 padding=2,2,2,2",
    "input=1x2x4x4 weight=3x2x5x5 padding=7,7,7,7",
    "input=1x1x7x7 weight=2x1x4x4 stride=3x3 padding=29,29,29,29 dilation=3x3",
    "input=1x1000x1x1 weight=1000x1x1x1 groups=1000",
    "input=1x1x2x2 weight=2x1x3x3 stride=300 padding=300,300,300,300",
];

/// Single pixels: as products of whole images; with strides, whose gradients have zeros between, in pairs, in fours and
/// alone. Too large for PyTorch's frozen results.
const POINTWISE: [&str; 5] = [
    "input=3x12x24x16 weight=9x12x1x1",
    "input=4x8x16x24 weight=40x8x1x1",
    "input=3x6x28x28 weight=8x3x1x1 stride=2 groups=2",
    "input=4x5x24x28 weight=7x5x1x1 stride=1x3",
    "input=4x5x27x25 weight=7x5x1x1 stride=2",
];

/// Groups of few channels: lines in elements of four, two and one number, in strips that end with the image and do not.
/// Too large for PyTorch's frozen results.
const DIRECT: [&str; 5] = [
    "input=16x8x19x12 weight=8x1x3x3 bias padding=1 groups=8",
    "input=30x4x10x16 weight=8x1x3x3 stride=2 padding=1 groups=4",
    "input=15x8x9x14 weight=8x1x5x5 bias padding=2,2,2,2 groups=8",
    "input=14x17x13x9 weight=17x1x3x4 padding=2,2,2,2 dilation=2x2 groups=17",
    "input=4x40x10x8 weight=3x40x3x3 bias padding=1",
];

/// Winograd's tiles, an odd number of which are a line whose length is a multiple of four; two, and four. Too large for
/// PyTorch's frozen results.
const TILES: [&str; 3] = [
    "input=8x32x8x8 weight=32x32x3x3",
    "input=20x16x6x16 weight=16x16x3x3 padding=1",
    "input=13x16x8x8 weight=16x16x3x3 bias padding=1",
];

/// Sums of more channels, or taps, than Mesa's llvmpipe has loop iterations for; with strides, in the taps of each phase. Too
/// large for PyTorch's frozen results.
const LONG: [&str; 6] = [
    "input=1x70000x1x1 weight=2x70000x1x1 bias",
    "input=1x300001x1x1 weight=8x300001x1x1 bias",
    "input=1x2x1x1 weight=70000x2x1x1",
    "input=2x5x1x1 weight=300000x5x1x1",
    "input=1x1x300x300 weight=8x1x300x300 bias",
    "input=1x1x2x2 weight=6x1x600x600 stride=2 padding=300,300,300,300",
];

/// Kernels nearly as large as the image, whose input gradient takes the error for the weight: with strides, dilation,
/// groups and padding, of pixels that are fours and that are not. Too large for PyTorch's frozen results.
const SWAPPED: [&str; 5] = [
    "input=4x1x28x28 weight=16x1x28x28",
    "input=6x12x9x7 weight=20x12x8x7 padding=1,0,1,0",
    "input=2x12x12x14 weight=16x6x5x5 stride=3x2 dilation=2x3 groups=2",
    "input=5x12x11x11 weight=20x12x5x5 dilation=2x2",
    "input=9x8x8x8 weight=40x8x7x7 bias padding=1",
];

/// Images of one column, which are rows; lines that no run divides; groups of a few source channels. Too large for
/// PyTorch's frozen results.
const NARROW: [&str; 9] = [
    "input=9x3x301x1 weight=4x3x7x1 bias stride=3x2 padding=2,2,0,0",
    "input=9x2x400x1 weight=2x2x9x1 dilation=4x4",
    "input=9x3x1x301 weight=4x3x1x7 stride=3x2",
    "input=9x1x1x507 weight=3x1x1x10 bias",
    "input=5x3x1x1009 weight=2x3x1x31 bias padding=0,0,3,3",
    "input=9x4x13x15 weight=2x4x3x3 bias padding=1",
    "input=9x4x9x23 weight=2x4x3x4 stride=1x2",
    "input=9x12x9x8 weight=8x3x3x3 padding=1 groups=4",
    "input=30x12x7x7 weight=8x6x1x1 groups=2",
];

/// Padding by `same` and by modes, of images and lines; with and without a batch.
const PADDED: [&str; 18] = [
    "conv2d input=3x5x6 weight=4x3x3x3 bias padding=1",
    "conv2d_padded input=2x3x5x6 weight=4x3x3x4 padding=same bias",
    "conv2d_padded input=2x2x6x5 weight=3x2x2x3 padding=same dilation=3x2",
    "conv2d_padded input=1x2x5x6 weight=3x2x3x3 padding=valid stride=2",
    "conv2d_padded input=3x7x6 weight=4x3x3x3 padding=2x1 mode=reflect",
    "conv2d_padded input=2x4x5x6 weight=4x2x3x3 padding=1 stride=2 groups=2 bias mode=reflect",
    "conv2d_padded input=2x2x4x4 weight=3x2x5x3 padding=2,6,1,0 mode=replicate",
    "conv2d_padded input=2x2x4x5 weight=3x2x3x4 padding=same mode=circular",
    "conv2d_padded input=1x2x4x3 weight=2x2x5x5 padding=4x3 dilation=2 mode=circular",
    "conv1d input=2x3x11 weight=4x3x3 bias",
    "conv1d input=3x11 weight=4x3x4 stride=3 padding=2",
    "conv1d input=2x4x12 weight=6x2x3 bias padding=1,3 dilation=2 groups=2",
    "conv1d input=2x4x12 weight=4x1x3 padding=same groups=4",
    "conv1d input=2x3x9 weight=2x3x4 padding=same dilation=2",
    "conv1d input=2x3x9 weight=2x3x4 padding=valid stride=2",
    "conv1d input=2x3x9 weight=2x3x5 padding=8,2 mode=reflect",
    "conv1d input=2x3x7 weight=2x3x5 padding=same mode=replicate bias",
    "conv1d input=3x7 weight=2x3x4 padding=7,1 stride=2 mode=circular",
];

/// Each side of a transposed convolution: with and without what its taps do not reach, of whole fours and not; the output
/// padding is less than the stride, lies in what is cut off, and behind all taps.
const TRANSPOSED: [&str; 20] = [
    "conv_transpose2d input=2x3x4x5 weight=3x4x3x3 bias",
    "conv_transpose2d input=3x4x5 weight=3x4x2x2 stride=2 bias",
    "conv_transpose2d input=2x3x4x5 weight=3x4x3x3 stride=2 padding=1 output_padding=1 bias",
    "conv_transpose2d input=2x3x4x4 weight=3x2x4x4 stride=2 padding=1",
    "conv_transpose2d input=2x4x3x5 weight=4x3x3x2 stride=2x3 padding=1x0 output_padding=0x2 groups=2 bias",
    "conv_transpose2d input=2x4x5x3 weight=4x1x3x3 stride=2 padding=1 output_padding=1 groups=4",
    "conv_transpose2d input=1x2x4x5 weight=2x3x3x3 dilation=2x3 padding=2,0,1,3 bias",
    "conv_transpose2d input=1x2x3x4 weight=2x3x3x3 dilation=3 padding=1x2 output_padding=2x1",
    "conv_transpose2d input=1x2x3x4 weight=2x3x2x3 stride=2 dilation=4 padding=0,1,0,0 output_padding=3",
    "conv_transpose2d input=2x3x5x6 weight=3x2x1x1 stride=2 output_padding=1 bias",
    "conv_transpose2d input=2x3x4x5 weight=3x2x1x1",
    "conv_transpose2d input=1x2x3x3 weight=2x2x2x2 stride=4 output_padding=3x0",
    "conv_transpose2d input=2x8x4x4 weight=8x8x3x3 padding=1 bias",
    "conv_transpose1d input=2x3x7 weight=3x4x3 bias",
    "conv_transpose1d input=3x7 weight=3x4x4 stride=2 padding=1 bias",
    "conv_transpose1d input=2x4x6 weight=4x3x3 stride=3 padding=1 output_padding=2 groups=2",
    "conv_transpose1d input=2x3x5 weight=3x2x3 dilation=3 padding=0,2 output_padding=1",
    "conv_transpose1d input=2x3x5 weight=3x2x2 dilation=2 output_padding=1 bias",
    "conv_transpose1d input=2x3x5 weight=3x2x1 stride=2",
    "conv_transpose1d input=1x1x9 weight=1x1x16 stride=8 padding=4 bias",
];

/// A row of the table: its tag, its fields, whether it is large, and whether it is valid.
struct Row {
    tag: &'static str,
    fields: String,
    large: bool,
    valid: bool,
}

fn rows() -> Vec<Row> {
    TABLE.lines().skip(1).filter_map(row).collect()
}

/// `None` for a line that does not have 18 fields.
fn row(text: &'static str) -> Option<Row> {
    let (tag, rest) = text.split_once(',')?;
    let numbers: Vec<usize> = rest.split(',').filter_map(|f| f.trim().parse().ok()).collect();
    let &[n, c, h, w, k, r, s, stride_h, stride_w, top, bottom, left, right, dil_h, dil_w, groups, valid] =
        &numbers[..]
    else {
        return None;
    };
    let c_group = c.checked_div(groups).unwrap_or(1);
    let fields = format!(
        "input={n}x{c}x{h}x{w} weight={k}x{c_group}x{r}x{s} bias stride={stride_h}x{stride_w} \
         padding={top},{bottom},{left},{right} dilation={dil_h}x{dil_w} groups={groups}"
    );
    let large = n.saturating_mul(c).saturating_mul(h).saturating_mul(w).saturating_mul(k) > LARGE;
    Some(Row { tag, fields, large, valid: valid == 1 })
}

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for Row { tag, fields, large, .. } in rows().into_iter().filter(|row| row.valid) {
        let most = if large { 1 } else { 3 };
        lines.push(format!("conv2d {fields} data=integers:{most} tag={tag}"));
        lines.extend((!large).then(|| format!("conv2d {fields} data=real:1 tag={tag}")));
    }
    lines.push("conv2d input=2x5x9x9 weight=7x5x3x3 stride=2 padding=1 data=real:1 tag=no_bias".into());
    lines.extend(SMALL.map(|fields| format!("conv2d {fields} bias data=real:1 tag=small")));
    // Groups with enough channels to be packed, whole vec4 of them or not.
    for (c, data) in [(8, "integers:3"), (8, "real:1"), (7, "integers:3")] {
        let shapes = format!("input=2x{}x5x6 weight=18x{c}x3x3", 2 * c);
        lines.push(format!("conv2d {shapes} bias padding=1 groups=2 data={data} tag=packed_groups"));
    }
    let tagged: [(&str, &[&str]); 5] = [
        ("pointwise", &POINTWISE),
        ("direct", &DIRECT),
        ("tiles", &TILES),
        ("swapped", &SWAPPED),
        ("narrow", &NARROW),
    ];
    for (tag, fields) in tagged.iter().flat_map(|(tag, table)| table.iter().map(move |fields| (tag, fields)))
    {
        lines.extend(["integers:3", "real:1"].map(|data| format!("conv2d {fields} data={data} tag={tag}")));
    }
    for line in PADDED.iter().chain(&TRANSPOSED) {
        lines.extend(["integers:3", "real:1"].map(|data| format!("{line} data={data}")));
    }
    lines.extend(LONG.map(|fields| format!("conv2d {fields} data=late:3 tag=long")));
    // Phases of an input gradient whose terms are more than a kernel of 100 iterations adds up at once.
    lines.push("conv2d input=2x8x9x9 weight=100x8x3x3 stride=2 padding=1 data=integers:3 tag=phases".into());
    // Enough tiles for two runs of images.
    lines.push("conv2d input=56x32x14x14 weight=40x32x3x3 padding=1 data=integers:1 tag=runs".into());
    lines
}

/// The rows that must be refused.
pub(super) fn refused() -> Vec<(String, Line)> {
    let line = |row: Row| Some((row.tag.to_owned(), format!("conv2d {}", row.fields).parse().ok()?));
    rows().into_iter().filter(|row| !row.valid).filter_map(line).collect()
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let _tag = fields.text("tag"); // a name for the reader
    let (input, shape) = (fields.shape("input")?, fields.shape("weight")?);
    let input = case.input("input", &input)?;
    let weight = case.input("weight", &shape)?;
    let fill = match case.fill() {
        Fill::Integers(_) => Fill::Integers(5),
        other => other,
    };
    let groups = fields.optional("groups", "a number")?.unwrap_or(1);
    let number = |at: usize| shape.get(at).copied().unwrap_or(1);
    let channels = if op.starts_with("conv_transpose") { number(1) * groups } else { number(0) };
    let bias = if fields.flag("bias") { Some(case.input_filled("bias", &[channels], fill)?) } else { None };
    let of = Operands { input, weight, bias };
    let output = match op {
        "conv1d" => of.lines(fields, groups)?,
        "conv_transpose1d" => of.transposed_lines(fields, groups)?,
        "conv_transpose2d" => of.transposed_images(fields, groups)?,
        _ => of.images(op, fields, groups)?,
    };
    let output = if fields.flag("affine") { affine(case, &output, &[channels, 1, 1], fill)? } else { output };
    case.output_and_gradients(&output)
}

/// What is convolved.
struct Operands {
    input: Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Operands {
    fn images(&self, op: &str, fields: &Fields<'_>, groups: usize) -> Result<Tensor> {
        let pair = |key| Ok::<_, Error>(fields.pair(key)?.unwrap_or(Pair::from(1)));
        let options =
            Conv2d { stride: pair("stride")?, dilation: pair("dilation")?, groups, ..Conv2d::default() };
        let bias = self.bias.as_ref();
        if op == "conv2d" {
            let options = options.padding(fields.padding("padding")?.unwrap_or_default());
            return self.input.conv2d(&self.weight, bias, options);
        }
        let sides = || Ok(ConvPadding::Sides(fields.padding("padding")?.unwrap_or_default()));
        let padding = word(fields).map_or_else(sides, Ok)?;
        self.input.conv2d_padded(&self.weight, bias, options, padding, mode(fields)?)
    }

    fn lines(&self, fields: &Fields<'_>, groups: usize) -> Result<Tensor> {
        let sides = || Ok(ConvPadding::Sides(ends(fields)?));
        let options = Conv1d {
            stride: one(fields, "stride")?,
            padding: word(fields).map_or_else(sides, Ok)?,
            padding_mode: mode(fields)?,
            dilation: one(fields, "dilation")?,
            groups,
        };
        self.input.conv1d(&self.weight, self.bias.as_ref(), options)
    }

    fn transposed_lines(&self, fields: &Fields<'_>, groups: usize) -> Result<Tensor> {
        let options = ConvTranspose1d {
            stride: one(fields, "stride")?,
            padding: ends(fields)?,
            output_padding: fields.optional("output_padding", "a number")?.unwrap_or(0),
            dilation: one(fields, "dilation")?,
            groups,
        };
        self.input.conv_transpose1d(&self.weight, self.bias.as_ref(), options)
    }

    fn transposed_images(&self, fields: &Fields<'_>, groups: usize) -> Result<Tensor> {
        let pair = |key, usual: usize| Ok::<_, Error>(fields.pair(key)?.unwrap_or(Pair::from(usual)));
        let options = ConvTranspose2d {
            stride: pair("stride", 1)?,
            padding: fields.padding("padding")?.unwrap_or_default(),
            output_padding: pair("output_padding", 0)?,
            dilation: pair("dilation", 1)?,
            groups,
        };
        self.input.conv_transpose2d(&self.weight, self.bias.as_ref(), options)
    }
}

/// A number of a line's convolution, 1 where it is not given.
fn one(fields: &Fields<'_>, key: &'static str) -> Result<usize> {
    Ok(fields.optional(key, "a number")?.unwrap_or(1))
}

/// Padding in a word.
fn word<Sides>(fields: &Fields<'_>) -> Option<ConvPadding<Sides>> {
    let words = [("same", ConvPadding::Same), ("valid", ConvPadding::Valid)];
    words.into_iter().find(|(word, _)| fields.text("padding") == Some(*word)).map(|(_, padding)| padding)
}

/// Padding of a line: a number or `left,right`.
fn ends(fields: &Fields<'_>) -> Result<Ends> {
    if !fields.flag("padding") {
        return Ok(0.into());
    }
    match fields.list("padding")?[..] {
        [both] => Ok(both.into()),
        [left, right] => Ok((left, right).into()),
        _ => Err(Error::argument("padding", "one number or left,right", "more")),
    }
}

fn mode(fields: &Fields<'_>) -> Result<PaddingMode> {
    let Some(name) = fields.text("mode") else { return Ok(PaddingMode::Zeros) };
    let modes = [
        ("reflect", PaddingMode::Reflect),
        ("replicate", PaddingMode::Replicate),
        ("circular", PaddingMode::Circular),
    ];
    let found = modes.into_iter().find(|(known, _)| *known == name);
    found.map(|(_, mode)| mode).ok_or_else(|| Error::argument("mode", "one of PyTorch's", name))
}

/// A factor and a sum of a number for each channel, which run in the kernels that compute it.
fn affine(case: &mut Case, x: &Tensor, channels: &[usize], fill: Fill) -> Result<Tensor> {
    let (factor, shift) =
        (case.input_filled("factor", channels, fill)?, case.input_filled("shift", channels, fill)?);
    x.mul(&factor)?.add(&shift)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    match op {
        "conv2d" => random_conv2d(rng),
        _ => random_relative(op, rng),
    }
}

/// Of few channels, so that the odd sizes come often.
fn random_relative(op: &str, rng: &mut Rng) -> String {
    let groups = if rng.below(3) == 0 { 1 + rng.below(3) } else { 1 };
    let (c, k, n) = (size(rng, 6), size(rng, 6), 1 + rng.below(3));
    let sides = if op.ends_with("1d") { 1 } else { 2 };
    let images: Vec<usize> = (0..sides).map(|_| size(rng, 16)).collect();
    let kernel: Vec<usize> = (0..sides).map(|_| size(rng, 5)).collect();
    let transposed = op.starts_with("conv_transpose");
    let channels = if transposed { [c * groups, k] } else { [k * groups, c] };
    let (input, weight) = ([&[n, c * groups], &images[..]].concat(), [&channels, &kernel[..]].concat());
    let mode =
        if transposed { "" } else { pick(rng, &["", " mode=reflect", " mode=replicate", " mode=circular"]) };
    let padding = if transposed || rng.below(3) > 0 { rng.below(4).to_string() } else { "same".to_owned() };
    let stride = if padding == "same" { 1 } else { 1 + rng.below(3) };
    let more = if transposed { format!(" output_padding={}", rng.below(3)) } else { String::new() };
    let bias = pick(rng, &["", " bias"]);
    let data = pick(rng, &["integers:3", "real:1"]);
    format!(
        "{op} input={} weight={}{bias} stride={stride} padding={padding} dilation={}{more} groups={groups}{mode} \
         data={data} seed={}",
        sizes(&input),
        sizes(&weight),
        1 + rng.below(3),
        seed(rng)
    )
}

fn random_conv2d(rng: &mut Rng) -> String {
    let groups = if rng.below(3) == 0 { 1 + rng.below(6) } else { 1 };
    let (c_group, k_group) =
        if groups > 1 { (size(rng, 4), size(rng, 4)) } else { (size(rng, 24), size(rng, 40)) };
    let (n, h, w) = (1 + rng.below(3), size(rng, 24), size(rng, 24));
    let (r, s) = (size(rng, 5), size(rng, 5));
    let mut side = |most: usize| rng.below(most + 1);
    let Padding { top, bottom, left, right } =
        Padding { top: side(r), bottom: side(r), left: side(s), right: side(s) };
    let (stride_h, stride_w) = (1 + side(3), 1 + side(3));
    let (dil_h, dil_w) = (1 + side(2), 1 + side(2));
    let (c, k) = (c_group * groups, k_group * groups);
    let bias = pick(rng, &["", " bias", " affine"]);
    let data = pick(rng, &["integers:3", "real:1"]);
    format!(
        "conv2d input={n}x{c}x{h}x{w} weight={k}x{c_group}x{r}x{s}{bias} stride={stride_h}x{stride_w} \
         padding={top},{bottom},{left},{right} dilation={dil_h}x{dil_w} groups={groups} data={data} seed={}",
        seed(rng)
    )
}
