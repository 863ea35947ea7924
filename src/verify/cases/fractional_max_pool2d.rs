//! Max pools of windows at random distances.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, size};
use crate::error::Result;
use crate::ops::FractionalMaxPool2d;
use crate::random::Rng;
use crate::shape::Pair;
use crate::verify::Kink;

pub(super) const OPS: &[&str] = &["fractional_max_pool2d"];

/// Windows that overlap and that leave out elements, one of all, as many as there is room for.
const TABLE: [&str; 9] = [
    "input=2x3x8x12 kernel=2 size=4x5",
    "input=2x3x9x7 kernel=3 size=4x3",
    "input=3x7x9 kernel=2x3 size=5x7",
    "input=1x2x13x11 kernel=1x2 ratio=0.5,0.7",
    "input=2x1x5x6 kernel=5x2 size=1x4",
    "input=1x3x6x6 kernel=2 size=5",
    "input=4x2x21x17 kernel=2 ratio=0.62,0.62",
    "input=1x5x16x16 kernel=3 size=7",
    // As large as so many windows may be.
    "input=2x3x5x7 kernel=rest size=2x3",
];

pub(super) fn lines() -> Vec<String> {
    let data = ["integers:3", "real:1", "masked", "edges"];
    let mut lines: Vec<String> = TABLE
        .iter()
        .flat_map(|t| data.map(|data| format!("fractional_max_pool2d {t} data={data}")))
        .collect();
    // A window of more elements than Mesa's llvmpipe has loop iterations for.
    lines.push("fractional_max_pool2d input=1x1x260x270 kernel=rest size=2x3 data=late:3".into());
    lines
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    case.kink = Kink::Ties;
    let shape = fields.shape("input")?;
    let kernel = match (fields.text("kernel"), fields.pair("size"), &shape[..]) {
        (Some("rest"), Ok(Some(size)), &[.., h, w]) => {
            Pair { h: (h + 1).saturating_sub(size.h), w: (w + 1).saturating_sub(size.w) }
        }
        _ => fields.pair("kernel")?.unwrap_or(Pair::from(1)),
    };
    let options = if fields.flag("ratio") {
        let ratios: Vec<f64> = fields.each("ratio", "numbers")?;
        FractionalMaxPool2d::of_ratio(kernel, [ratios[0], ratios.last().copied().unwrap_or(0.0)])
    } else {
        FractionalMaxPool2d::new(kernel, fields.pair("size")?.unwrap_or(Pair::from(1)))
    };
    let input = case.input("input", &shape)?;
    let channels = shape.len().checked_sub(3).and_then(|at| shape.get(at)).copied().unwrap_or(1);
    let images = if shape.len() > 3 { shape[0] } else { 1 };
    // A little beyond 0 and 1 too. They are no inputs of the gradient.
    let drawn = case.input_filled("drawn", &[images, channels, 2], crate::verify::Fill::Indices(70))?;
    let samples = drawn.float()?.scale(1.0 / 64.0)?;
    let (output, indices) = input.fractional_max_pool2d_with_indices(options, &samples)?;
    case.output("indices", &indices);
    // Windows share their maximum: errors of one sign do not cancel.
    case.output_and_gradients_of(&output, Values::Beyond(0.0, case.fill().of_error()))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let data = pick(rng, &["integers:3", "real:1"]);
    let (kernel, windows) = ([size(rng, 4), size(rng, 4)], [size(rng, 12), size(rng, 12)]);
    let side = |rng: &mut Rng, i: usize| kernel[i] + windows[i] - 1 + rng.below(12);
    let shape = [size(rng, 3), size(rng, 6), side(rng, 0), side(rng, 1)];
    let (kernel, windows) = (sizes(&kernel), sizes(&windows));
    format!("{op} input={} kernel={kernel} size={windows} data={data} seed={}", sizes(&shape), seed(rng))
}
