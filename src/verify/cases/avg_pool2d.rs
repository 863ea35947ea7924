//! Average pools.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::max_pool2d::window;
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::graph::Tensor;
use crate::ops::{AvgPool2d, LPPool1d, LPPool2d};
use crate::random::Rng;
use crate::shape::Pair;

pub(super) const OPS: &[&str] = &["avg_pool2d", "lp_pool1d", "lp_pool2d"];

/// Windows that overlap, end raggedly, with every kind of padding and divisor.
const TABLE: [&str; 19] = [
    "2x3x8x8 kernel=2",
    "2x3x7x9 kernel=2",
    "2x3x7x9 kernel=2 ceil",
    "1x2x2x3 kernel=3 stride=2 ceil",
    "2x3x7x9 kernel=4 stride=2 padding=2 ceil",
    "2x3x7x9 kernel=4 stride=2 padding=2 ceil exclude_pad",
    "1x5x13x11 kernel=3 stride=2 padding=1",
    "1x5x13x11 kernel=3 stride=2 padding=1 exclude_pad",
    "1x2x12x13 kernel=2x4 stride=3x1 padding=1x2",
    "1x2x6x6 kernel=2 stride=1 padding=1,0,0,1",
    "1x2x6x6 kernel=2 stride=1 padding=1,0,0,1 exclude_pad",
    "1x2x7x9 kernel=3 stride=2 padding=1,0,0,1 ceil exclude_pad",
    "1x1x5x5 kernel=5",
    "1x2x20x20 kernel=7 stride=3 padding=3",
    "3x7x9 kernel=2",
    "2x3x7x9 kernel=2 divisor=3",
    "1x2x7x9 kernel=4 stride=2 padding=2 ceil divisor=8",
    "3x6x7 kernel=3 stride=1 padding=1 exclude_pad divisor=1",
    "1x2x13x12 kernel=7x6 stride=1 padding=2x3 divisor=5",
];

/// Norms of windows; of p = 1 with numbers that do not add up to 0, where the gradient is another.
const NORMS: [&str; 9] = [
    "lp_pool2d input=2x3x6x8 p=2 kernel=2",
    "lp_pool2d input=3x7x9 p=2 kernel=3x2 stride=2x1",
    "lp_pool2d input=2x3x7x9 p=4 kernel=2 ceil",
    "lp_pool2d input=1x2x7x6 p=1 kernel=3 stride=1",
    "lp_pool1d input=2x3x12 p=2 kernel=3",
    "lp_pool1d input=3x11 p=2 kernel=4 stride=3 ceil",
    "lp_pool1d input=2x3x9 p=1 kernel=2",
    "lp_pool1d input=2x3x9 p=4 kernel=2 stride=1",
    "lp_pool2d input=2x2x5x5 p=2 kernel=5",
];

/// Large windows, which are averaged along the width and then along the height. Too large for PyTorch's frozen results.
const HALVES: [&str; 8] = [
    "3x4x24x33 kernel=4 stride=1",
    "3x4x24x30 kernel=5 stride=1",
    "3x4x25x31 kernel=7 stride=3 padding=3",
    "3x4x24x33 kernel=7 stride=3 padding=3 exclude_pad",
    "3x4x24x33 kernel=4 stride=1 padding=2 ceil exclude_pad",
    // Lines of no whole fours: positions go on into the next line. Windows that do not overlap, of pairs of columns.
    "1x3x21x37 kernel=9x30 stride=1x30",
    "1x2x33x18 kernel=11x9",
    "2x2x25x22 kernel=12x7 stride=3x2 padding=2x3 ceil exclude_pad",
];

/// Windows of more pixels than Mesa's llvmpipe has loop iterations for.
pub(super) const LONG: [&str; 2] = ["1x2x300x300 kernel=300", "1x1x2x70001 kernel=2x70000 stride=1"];

/// The same windows over few pixels.
pub(super) const FAR: [&str; 2] =
    ["1x2x2x3 kernel=300 padding=150", "1x1x3x2 kernel=2x70000 padding=1x35000 stride=1"];

/// Pixels that lie in more windows than a kernel of 100 iterations adds up at once.
pub(super) const AROUND: &str = "1x2x22x22 kernel=12 stride=1";

pub(super) fn lines() -> Vec<String> {
    let line = |t: &str, data: &str| format!("avg_pool2d input={t} data={data}");
    let usual = TABLE.iter().chain(&HALVES);
    let table = usual.flat_map(|t| ["integers:3", "real:1"].map(|data| line(t, data)));
    let far = FAR.map(|t| line(t, "real:1")).into_iter().chain([line(AROUND, "integers:3")]);
    let norms = NORMS.iter().map(|t| format!("{t} data=real:1"));
    table.chain(far).chain(norms).chain(LONG.map(|t| line(t, "late:3"))).collect()
}

/// The window of a pool of norms.
fn norms(op: &str, x: &Tensor, fields: &Fields<'_>) -> Result<Tensor> {
    let (p, ceil) = (fields.number("p")?, fields.flag("ceil"));
    if op == "lp_pool1d" {
        let options = LPPool1d::new(p, fields.number("kernel")?).ceil_mode(ceil);
        let stride = fields.optional("stride", "a number")?.unwrap_or(options.stride);
        return x.lp_pool1d(options.stride(stride));
    }
    let options = LPPool2d::new(p, fields.pair("kernel")?.unwrap_or(Pair::from(2))).ceil_mode(ceil);
    x.lp_pool2d(options.stride(fields.pair("stride")?.unwrap_or(options.stride)))
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    if op != "avg_pool2d" {
        let input = case.input("input", &fields.shape("input")?)?;
        let output = norms(op, &input, fields)?;
        return case.output_and_gradients(&output);
    }
    let mut options = AvgPool2d::new(fields.pair("kernel")?.unwrap_or(Pair::from(2)));
    options.stride = fields.pair("stride")?.unwrap_or(options.stride);
    options.padding = fields.padding("padding")?.unwrap_or_default();
    options.ceil_mode = fields.flag("ceil");
    options.count_include_pad = !fields.flag("exclude_pad");
    options.divisor_override = fields.optional("divisor", "a number")?;
    let input = case.input("input", &fields.shape("input")?)?;
    let output = input.avg_pool2d(options)?;
    // Windows overlap: errors of one sign do not cancel.
    case.output_and_gradients_of(&output, Values::Beyond(0.0, case.fill().of_error()))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    if op != "avg_pool2d" {
        let (kernel, stride) = (size(rng, 4), 1 + rng.below(3));
        let lines = [size(rng, 3), size(rng, 6), size(rng, 20)];
        let shape = if op == "lp_pool1d" { lines.to_vec() } else { [&lines[..], &[size(rng, 20)]].concat() };
        let (p, ceil) = (pick(rng, &["2", "4"]), pick(rng, &["", " ceil"]));
        return format!(
            "{op} input={} p={p} kernel={kernel} stride={stride}{ceil} data=real:1 seed={}",
            sizes(&shape),
            seed(rng)
        );
    }
    let (pad, data) = (pick(rng, &["", " exclude_pad", " divisor=3"]), pick(rng, &["integers:3", "real:1"]));
    format!("{op} {}{pad} data={data} seed={}", window(rng), seed(rng))
}
