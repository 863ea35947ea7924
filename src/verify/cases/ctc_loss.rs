//! ctc_loss of logits, through log_softmax. Labels are constants in which some follow themselves, and no blanks.

use super::super::line::Fields;
use super::{Case, pick, seed, size};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{CtcLoss, Reduction};
use crate::random::Rng;
use crate::tensor::HostTensor;

pub(super) const OPS: &[&str] = &["ctc_loss"];

/// Steps, samples, classes and labels.
const CASES: &[&str] = &[
    "sizes=7x2x5x3",
    "sizes=12x3x6x5 blank=2 input_lengths=12,7,9 target_lengths=3,0,5",
    "sizes=1x2x4x1 input_lengths=1,1 target_lengths=1,0",
    "sizes=9x4x5x4 zero_infinity input_lengths=9,2,0,0 target_lengths=4,4,2,0",
    "sizes=6x1x3x2 blank=2",
];

pub(super) fn lines() -> Vec<String> {
    let reduced = CASES.iter().flat_map(|case| {
        ["mean", "sum", "none"]
            .map(move |reduction| format!("ctc_loss {case} reduction={reduction} data=real:2"))
    });
    let others = [
        "ctc_loss sizes=8x5x3 reduction=mean data=real:2",
        "ctc_loss sizes=8x5x3 reduction=none data=real:2",
        // Labels that do not fit, whose gradients are NaN.
        "ctc_loss sizes=5x3x4x4 input_lengths=5,3,5 target_lengths=2,3,4 reduction=none data=real:2",
        // More states than a workgroup has invocations.
        "ctc_loss sizes=90x2x9x40 reduction=none data=real:2",
        "ctc_loss sizes=400x2x7x150 reduction=none data=real:2",
        // More steps than Mesa's llvmpipe has loop iterations for.
        "ctc_loss sizes=23000x1x3x2 reduction=none data=late:3",
    ];
    reduced.chain(others.map(str::to_owned)).collect()
}

/// Numbers that a line lists, or one for all of `count`.
fn lengths(
    case: &Case,
    fields: &Fields<'_>,
    key: &'static str,
    usual: usize,
    shape: &[usize],
) -> Result<Tensor> {
    let listed = if fields.flag(key) { fields.list(key)? } else { vec![usual; shape.iter().product()] };
    let words = listed.into_iter().map(|length| length as u32).collect();
    case.graph.constant(HostTensor::from_u32(shape, words)?)
}

pub(super) fn build(_: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let sizes = fields.shape("sizes")?;
    let (steps, batch, classes, labels) = match sizes[..] {
        [steps, batch, classes, labels] => (steps, Some(batch), classes, labels),
        [steps, classes, labels] => (steps, None, classes, labels),
        _ => return Err(Error::argument("sizes", "steps x samples x classes x labels", "others")),
    };
    let options = CtcLoss {
        blank: fields.optional("blank", "a class")?.unwrap_or(0),
        zero_infinity: fields.flag("zero_infinity"),
    };
    let reduction = match fields.text("reduction") {
        None | Some("mean") => Reduction::Mean,
        Some("sum") => Reduction::Sum,
        Some("none") => Reduction::None,
        Some(other) => return Err(Error::argument("reduction", "mean, sum or none", other)),
    };
    let shape: Vec<usize> = [Some(steps), batch, Some(classes)].into_iter().flatten().collect();
    let input = case.input("input", &shape)?;
    let batched: Vec<usize> = batch.into_iter().collect();
    // The first of the others, the second, the second, the third, the third.
    let label = |n: usize, s: usize| {
        let other = (n + s.div_ceil(2)) % classes.saturating_sub(1).max(1);
        (other + usize::from(other >= options.blank as usize)) as u32
    };
    let words = (0..batch.unwrap_or(1)).flat_map(|n| (0..labels).map(move |s| label(n, s))).collect();
    let targets: Vec<usize> = batch.into_iter().chain([labels]).collect();
    let targets = case.graph.constant(HostTensor::from_u32(targets, words)?)?;
    let input_lengths = lengths(case, fields, "input_lengths", steps, &batched)?;
    let target_lengths = lengths(case, fields, "target_lengths", labels, &batched)?;
    let logarithms = input.log_softmax(-1)?;
    let loss = logarithms.ctc_loss(&targets, &input_lengths, &target_lengths, options, reduction)?;
    case.output_and_gradients(&loss)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let labels = size(rng, 12);
    let steps = 2 * labels + size(rng, 20);
    let (batch, classes) = (1 + size(rng, 5), 2 + size(rng, 20));
    let how = pick(rng, &["", " zero_infinity", " blank=1"]);
    let reduction = pick(rng, &["mean", "sum", "none"]);
    let sizes = format!("{steps}x{batch}x{classes}x{labels}");
    format!("{op} sizes={sizes}{how} reduction={reduction} data=real:2 seed={}", seed(rng))
}
