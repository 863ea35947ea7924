//! dropout draws the same bits everywhere: what is kept is exact but for the rounding of its factor.

use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::Result;
use crate::graph::Dropped;
use crate::ops::Dropout;
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] =
    &["dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout"];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in ["1", "7", "33x31", "4x5x600"] {
        for stream in ["p=0.5 stream=0", "p=0.1 stream=7", "p=0.9 stream=4294967295", "p=0 stream=1"] {
            lines.push(format!("dropout input={shape} {stream} data=real:1"));
        }
    }
    for text in [
        "dropout1d input=3x5x7",
        "dropout1d input=9x4",
        "dropout2d input=3x6x4x5",
        "dropout2d input=3x6x8",
        "alpha_dropout input=33",
        "alpha_dropout input=4x5x6",
        "feature_alpha_dropout input=3x6x4x5",
        "feature_alpha_dropout input=5x8",
    ] {
        lines.push(format!("{text} p=0.5 stream=3 data=real:1"));
        lines.push(format!("{text} p=0.2 stream=9 data=integers:3"));
    }
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let input = case.input("input", &fields.shape("input")?)?;
    let counter = case.input_filled("counter", &[], Fill::Indices(1 << 30))?;
    let options = Dropout { p: fields.number("p")?, seed: fields.number("stream")? };
    let output = match op {
        // Without a batch the channels are those of one sample.
        "dropout1d" if input.shape().len() == 2 => {
            input.unsqueeze(0)?.dropped(Dropped::Channels, options, &counter)?.squeeze(0)?
        }
        "dropout1d" | "dropout2d" => input.dropped(Dropped::Channels, options, &counter)?,
        "alpha_dropout" => input.dropped(Dropped::Alpha, options, &counter)?,
        "feature_alpha_dropout" => input.dropped(Dropped::AlphaChannels, options, &counter)?,
        _ => input.dropped(Dropped::Elements, options, &counter)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let mut input = shape(rng, 4, 5000);
    if op != "dropout" {
        input.resize(input.len().clamp(2, 3), 3);
    }
    let p = if op == "dropout" { pick(rng, &["0", "0.1", "0.5", "0.7"]) } else { pick(rng, &["0.1", "0.5"]) };
    format!("{op} input={} p={p} stream={} data=real:1 seed={}", sizes(&input), seed(rng), seed(rng))
}
