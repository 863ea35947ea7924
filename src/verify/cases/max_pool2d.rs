//! Max pools over few distinct integers: many ties, of which the first must win.

use super::super::data::Values;
use super::super::line::Fields;
use super::avg_pool2d::{AROUND, FAR, LONG};
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::ops::MaxPool2d;
use crate::random::Rng;
use crate::shape::Pair;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["max_pool2d"];

/// Windows that overlap, leave gaps, end raggedly, with every kind of padding.
const TABLE: [&str; 20] = [
    "2x3x8x8 kernel=2",
    "2x3x28x28 kernel=2",
    "2x3x7x9 kernel=2",
    "2x3x7x9 kernel=2 ceil",
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

pub(super) fn lines() -> Vec<String> {
    let line = |t: &str, data: &str| format!("max_pool2d input={t} data={data}");
    let data = ["integers:3", "real:1", "masked", "edges"];
    let table = TABLE.iter().flat_map(|t| data.map(|data| line(t, data)));
    let far = FAR.into_iter().chain([AROUND]).map(|t| line(t, "integers:3"));
    table.chain(far).chain(LONG.map(|t| line(t, "late:3"))).collect()
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Ties;
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

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
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
