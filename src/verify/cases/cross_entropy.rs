//! cross_entropy with every reduction and option.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{CrossEntropy, Reduction};
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["cross_entropy"];

pub(super) fn lines() -> Vec<String> {
    let options = ["", " label_smoothing=0.1", " ignore_index=1", " ignore_index=0 label_smoothing=0.2"];
    let mut lines = Vec::new();
    for shape in ["64x10", "1x2", "3x1000", "2x5x7", "2x3x4x5", "5x11x7"] {
        for option in options {
            for reduction in ["mean", "sum", "none"] {
                lines.push(format!(
                    "cross_entropy logits={shape} reduction={reduction}{option} data=real:4 seed=1"
                ));
            }
        }
    }
    // The mean of rows some of which are NaN says nothing.
    for data in ["masked", "edges", "offset:1e6", "offset:-1e30"] {
        for shape in ["64x10", "3x1000", "2x5x7"] {
            // The largest numbers add up to infinity where all classes share in the loss.
            for option in options.iter().filter(|o| data != "edges" || !o.contains("smoothing")) {
                lines.push(format!("cross_entropy logits={shape} reduction=none{option} data={data} seed=1"));
            }
        }
    }
    // Weights of the classes, probabilities as targets, a row that is no batch.
    for shape in ["6x5", "2x5x7"] {
        for option in options {
            for reduction in ["mean", "sum", "none"] {
                lines.push(format!(
                    "cross_entropy logits={shape} reduction={reduction}{option} weighted data=real:4"
                ));
            }
        }
        for option in ["", " label_smoothing=0.1", " weighted", " label_smoothing=0.2 weighted"] {
            for reduction in ["mean", "sum", "none"] {
                lines.push(format!(
                    "cross_entropy logits={shape} reduction={reduction}{option} probabilities data=real:4"
                ));
            }
        }
    }
    for option in ["", " weighted", " probabilities"] {
        for reduction in ["mean", "none"] {
            lines.push(format!("cross_entropy logits=7 reduction={reduction}{option} data=real:4"));
        }
    }
    // A class to ignore beyond those of the logits, as data sets mark it, and a single class.
    for case in ["2x5x7 reduction=mean ignore_index=5", "3x1 reduction=none"] {
        lines.push(format!("cross_entropy logits={case} data=real:4 seed=1"));
    }
    // More classes than Mesa's llvmpipe has loop iterations for, with what decides the sum at the end.
    lines.push("cross_entropy logits=2x300000 reduction=none data=late:9".into());
    lines
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("logits")?;
    let reduction = match fields.text("reduction") {
        None | Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        Some(other) => return Err(Error::argument("reduction", "mean, sum or none", other)),
    };
    let options = CrossEntropy {
        ignore_index: fields.optional("ignore_index", "a class")?,
        label_smoothing: fields.optional("label_smoothing", "0 to 1")?.unwrap_or(0.0),
    };
    let logits = case.input("logits", &shape)?;
    let dim = usize::from(shape.len() > 1);
    let classes = shape.get(dim).copied().unwrap_or(1);
    let weight = fields.flag("weighted").then(|| super::losses::weights(case, classes)).transpose()?;
    if fields.flag("probabilities") {
        let target = case.input_of("target", &shape, Values::Within(0.1, 0.9))?;
        let loss = loss(&logits, &target, weight.as_ref(), options, reduction)?;
        return case.output_and_gradients(&loss);
    }
    let rows: Vec<usize> = shape.iter().enumerate().filter(|(d, _)| *d != dim).map(|(_, &s)| s).collect();
    // One more than there are classes: such a target matches none.
    let target = case.input_filled("target", &rows, Fill::Indices(classes as u32 + 1))?;
    if reduction == Reduction::Mean && nothing_counts(case, options)? {
        // The mean over no row is 0 / 0 by definition, which is nothing to compare.
        return Err(Error::argument("ignore_index", "a class that is not every target's", "every target"));
    }
    let loss = loss(&logits, &target, weight.as_ref(), options, reduction)?;
    case.output_and_gradients(&loss)
}

fn loss(
    logits: &Tensor,
    target: &Tensor,
    weight: Option<&Tensor>,
    options: CrossEntropy,
    reduction: Reduction,
) -> Result<Tensor> {
    match weight {
        Some(weight) => logits.cross_entropy_weighted(target, weight, options, reduction),
        None => logits.cross_entropy(target, options, reduction),
    }
}

/// Whether every target is the class that is ignored.
fn nothing_counts(case: &Case, options: CrossEntropy) -> Result<bool> {
    let Some(ignored) = options.ignore_index else { return Ok(false) };
    Ok(case.inputs[1].data()?.as_u32()?.iter().all(|target| *target == ignored))
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let mut logits = shape(rng, 4, 4000);
    match logits.get_mut(1) {
        // The loss of a single class is 0 whatever its logit.
        Some(classes) => *classes = (*classes).max(2),
        None => logits.push(2 + rng.below(30)),
    }
    let reduction = pick(rng, &["mean", "sum", "none"]);
    let option =
        pick(rng, &["", " label_smoothing=0.1", " ignore_index=0", " ignore_index=1 label_smoothing=0.3"]);
    let (range, seed) = (pick(rng, &["0.1", "4", "50"]), seed(rng));
    format!("{op} logits={} reduction={reduction}{option} data=real:{range} seed={seed}", sizes(&logits))
}
