//! Losses that are made of element-wise functions, and nll_loss. Weights are constants, `(1 + 3 i mod 5) / 4` of their `i`-th
//! element.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, Fill, pick, seed, size};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{GaussianNllLoss, KlDiv, MultiMarginLoss, PoissonNllLoss, Reduction, TripletMarginLoss};
use crate::random::Rng;
use crate::tensor::HostTensor;

pub(super) const OPS: &[&str] = &[
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "soft_margin_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "cosine_similarity",
    "pairwise_distance",
    "cosine_embedding_loss",
    "triplet_margin_loss",
];

/// What is reduced in each way.
const REDUCED: &[&str] = &[
    "nll_loss input=6x5",
    "nll_loss input=3x5x4 weighted",
    "nll_loss input=4x3x2x5 weighted ignore_index=1",
    "nll_loss input=7x4 ignore_index=4",
    "mse_loss input=3x7",
    "l1_loss input=3x7",
    "smooth_l1_loss input=3x7 beta=0.5",
    "huber_loss input=3x7 delta=0.75",
    "binary_cross_entropy input=3x7",
    "binary_cross_entropy input=3x7 weighted",
    "binary_cross_entropy_with_logits input=3x7",
    "binary_cross_entropy_with_logits input=3x7 weighted pos_weighted",
    "kl_div input=4x6",
    "kl_div input=4x6 log_target",
    "poisson_nll_loss input=4x6",
    "poisson_nll_loss input=4x6 full",
    "poisson_nll_loss input=4x6 rate eps=0.125",
    "gaussian_nll_loss input=4x6",
    "gaussian_nll_loss input=4x6 per_row full eps=0.125",
    "hinge_embedding_loss input=5x7 margin=0.6",
    "margin_ranking_loss input=5x7 margin=0.3",
    "soft_margin_loss input=5x7",
    "multi_margin_loss input=5x4",
    "multi_margin_loss input=5x4 p=2 margin=0.6 weighted",
    "multilabel_margin_loss input=5x4",
    "multilabel_margin_loss input=7x9",
    "multilabel_margin_loss input=3x1",
    "multilabel_soft_margin_loss input=5x4",
    "multilabel_soft_margin_loss input=5x4 weighted",
    "cosine_embedding_loss input=6x5 margin=0.2",
    "triplet_margin_loss input=6x5",
    "triplet_margin_loss input=6x5 margin=0.4 p=3 eps=0.01 swap",
];

/// What is not, or in one way.
const OTHERS: &[&str] = &[
    "nll_loss input=5 reduction=mean",
    "nll_loss input=5 reduction=none weighted",
    "smooth_l1_loss input=3x7 beta=0 reduction=mean",
    "kl_div input=4x6 batchmean reduction=mean",
    "multi_margin_loss input=6 reduction=none",
    "multilabel_margin_loss input=6 reduction=none",
    "multilabel_margin_loss input=11 reduction=mean",
    "cosine_similarity input=6x5 dim=1",
    "cosine_similarity input=3x4x5 dim=-2 eps=0.5",
    "pairwise_distance input=6x5 p=2 keepdim",
    "pairwise_distance input=3x4x5 p=1 eps=0.25",
    "cosine_embedding_loss input=5 reduction=none",
    "triplet_margin_loss input=5 reduction=mean",
];

pub(super) fn lines() -> Vec<String> {
    let reduced = REDUCED.iter().flat_map(|line| {
        ["mean", "sum", "none"].map(move |reduction| format!("{line} reduction={reduction} data=real:2"))
    });
    let others = OTHERS.iter().map(|line| format!("{line} data=real:2"));
    // Copies are exact, whatever is copied.
    let exact = ["6x5", "3x5x4", "70x3x40"].iter().flat_map(|shape| {
        ["integers:3", "masked", "edges"]
            .map(move |data| format!("nll_loss input={shape} reduction=none data={data}"))
    });
    reduced.chain(others).chain(exact).collect()
}

fn reduction(fields: &Fields<'_>) -> Result<Reduction> {
    match fields.text("reduction") {
        None | Some("mean") => Ok(Reduction::Mean),
        Some("sum") => Ok(Reduction::Sum),
        Some("none") => Ok(Reduction::None),
        Some(other) => Err(Error::argument("reduction", "mean, sum or none", other)),
    }
}

/// A constant of so many weights.
pub(super) fn weights(case: &Case, count: usize) -> Result<Tensor> {
    let values = (0..count).map(|i| (1 + 3 * i % 5) as f32 / 4.0).collect();
    case.graph.constant(HostTensor::from_f32([count], values)?)
}

/// Those of classes, where the line has them.
fn class_weights(case: &Case, fields: &Fields<'_>, classes: usize) -> Result<Option<Tensor>> {
    fields.flag("weighted").then(|| weights(case, classes)).transpose()
}

/// A loss of class indices.
fn of_classes(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let shape = fields.shape("input")?;
    let input = case.input("input", &shape)?;
    let dim = usize::from(shape.len() > 1);
    let classes = shape.get(dim).copied().unwrap_or(1);
    let rows: Vec<usize> = shape.iter().enumerate().filter(|(d, _)| *d != dim).map(|(_, &s)| s).collect();
    // One beyond the classes too: such a one has no loss.
    let beyond = usize::from(op == "nll_loss");
    let target = case.input_filled("target", &rows, Fill::Indices((classes + beyond) as u32))?;
    let weight = class_weights(case, fields, classes)?;
    if op == "nll_loss" {
        let ignored = fields.optional("ignore_index", "a class")?;
        return input.nll_loss(&target, weight.as_ref(), ignored, reduction(fields)?);
    }
    let usual = MultiMarginLoss::default();
    let options = MultiMarginLoss {
        p: fields.optional("p", "a number")?.unwrap_or(usual.p),
        margin: fields.optional("margin", "a number")?.unwrap_or(usual.margin),
    };
    input.multi_margin_loss(&target, options, weight.as_ref(), reduction(fields)?)
}

/// A loss of lists of classes, of which a number that is no class ends each.
fn of_lists(case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let shape = fields.shape("input")?;
    let input = case.input("input", &shape)?;
    let classes = shape.last().copied().unwrap_or(1);
    let target = case.input_filled("target", &shape, Fill::Indices(classes as u32 + 1))?;
    input.multilabel_margin_loss(&target, reduction(fields)?)
}

/// A loss of a distribution.
fn of_distributions(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let (shape, reduction) = (fields.shape("input")?, reduction(fields)?);
    if op == "kl_div" {
        let options = KlDiv { log_target: fields.flag("log_target"), batchmean: fields.flag("batchmean") };
        let input = case.input("input", &shape)?;
        let positive = Values::Within(0.1, 0.9);
        let target = match options.log_target {
            true => case.input("target", &shape)?,
            false => case.input_of("target", &shape, positive)?,
        };
        return input.kl_div(&target, options, reduction);
    }
    if op == "poisson_nll_loss" {
        let usual = PoissonNllLoss::default();
        let options = PoissonNllLoss {
            log_input: !fields.flag("rate"),
            full: fields.flag("full"),
            eps: fields.optional("eps", "a number")?.unwrap_or(usual.eps),
        };
        let input = match options.log_input {
            true => case.input("input", &shape)?,
            false => case.input_of("input", &shape, Values::Within(0.5, 4.0))?,
        };
        // On one side of 1, where Stirling's formula begins.
        let target = case.input_of("target", &shape, Values::Within(1.1, 6.0))?;
        return input.poisson_nll_loss(&target, options, reduction);
    }
    let usual = GaussianNllLoss::default();
    let options = GaussianNllLoss {
        full: fields.flag("full"),
        eps: fields.optional("eps", "a number")?.unwrap_or(usual.eps),
    };
    let (input, target) = (case.input("input", &shape)?, case.input("target", &shape)?);
    let rows = if fields.flag("per_row") { &shape[..shape.len().saturating_sub(1)] } else { &shape[..] };
    let var = case.input_of("var", rows, Values::Within(0.5, 3.0))?;
    input.gaussian_nll_loss(&target, &var, options, reduction)
}

/// A loss of distances and margins.
fn of_margins(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let shape = fields.shape("input")?;
    let margin = |usual: f32| Ok::<f32, Error>(fields.optional("margin", "a number")?.unwrap_or(usual));
    let input = case.input("input", &shape)?;
    match op {
        "hinge_embedding_loss" | "soft_margin_loss" => {
            let target = case.input_of("target", &shape, Values::Signs)?;
            if op == "soft_margin_loss" {
                return input.soft_margin_loss(&target, reduction(fields)?);
            }
            return input.hinge_embedding_loss(&target, margin(1.0)?, reduction(fields)?);
        }
        _ => {}
    }
    let other = case.input("other", &shape)?;
    match op {
        "margin_ranking_loss" => {
            let target = case.input_of("target", &shape, Values::Signs)?;
            input.margin_ranking_loss(&other, &target, margin(0.0)?, reduction(fields)?)
        }
        "cosine_similarity" => {
            let eps = fields.optional("eps", "a number")?.unwrap_or(1e-8);
            input.cosine_similarity(&other, fields.dim("dim")?, eps)
        }
        "pairwise_distance" => {
            let eps = fields.optional("eps", "a number")?.unwrap_or(1e-6);
            input.pairwise_distance(&other, fields.number("p")?, eps, fields.flag("keepdim"))
        }
        "cosine_embedding_loss" => {
            let rows = &shape[..shape.len().saturating_sub(1)];
            let target = case.input_of("target", rows, Values::Signs)?;
            input.cosine_embedding_loss(&other, &target, margin(0.0)?, reduction(fields)?)
        }
        _ => {
            let negative = case.input("negative", &shape)?;
            let usual = TripletMarginLoss::default();
            let options = TripletMarginLoss {
                margin: margin(usual.margin)?,
                p: fields.optional("p", "a number")?.unwrap_or(usual.p),
                eps: fields.optional("eps", "a number")?.unwrap_or(usual.eps),
                swap: fields.flag("swap"),
            };
            input.triplet_margin_loss(&other, &negative, options, reduction(fields)?)
        }
    }
}

/// A loss of each element with its target.
fn of_elements(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<Tensor> {
    let (shape, reduction) = (fields.shape("input")?, reduction(fields)?);
    let probable = Values::Within(0.3, 0.7);
    let input = match op {
        "binary_cross_entropy" => case.input_of("input", &shape, probable.clone())?,
        _ => case.input("input", &shape)?,
    };
    let target = match op {
        "mse_loss" | "l1_loss" | "smooth_l1_loss" | "huber_loss" => case.input("target", &shape)?,
        _ => case.input_of("target", &shape, probable)?,
    };
    let last = shape.last().copied().unwrap_or(1);
    match op {
        "mse_loss" => input.mse_loss(&target, reduction),
        "l1_loss" => input.l1_loss(&target, reduction),
        "smooth_l1_loss" => input.smooth_l1_loss(&target, fields.number("beta")?, reduction),
        "huber_loss" => input.huber_loss(&target, fields.number("delta")?, reduction),
        _ => {
            let weight = class_weights(case, fields, last)?;
            let weight = weight.as_ref();
            match op {
                "binary_cross_entropy" => input.binary_cross_entropy(&target, weight, reduction),
                "multilabel_soft_margin_loss" => {
                    input.multilabel_soft_margin_loss(&target, weight, reduction)
                }
                _ => {
                    let more = fields.flag("pos_weighted").then(|| weights(case, last)).transpose()?;
                    let more = more.as_ref();
                    input.binary_cross_entropy_with_logits(&target, weight, more, reduction)
                }
            }
        }
    }
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let output = match op {
        "nll_loss" | "multi_margin_loss" => of_classes(op, case, fields)?,
        "multilabel_margin_loss" => of_lists(case, fields)?,
        "kl_div" | "poisson_nll_loss" | "gaussian_nll_loss" => of_distributions(op, case, fields)?,
        "mse_loss" | "l1_loss" | "smooth_l1_loss" | "huber_loss" => of_elements(op, case, fields)?,
        "binary_cross_entropy" | "binary_cross_entropy_with_logits" | "multilabel_soft_margin_loss" => {
            of_elements(op, case, fields)?
        }
        _ => of_margins(op, case, fields)?,
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    // Lists of few classes mostly name all or none, and then nothing is lost.
    let fewest = if op == "multilabel_margin_loss" { 8 } else { 2 };
    let shape = [2 + size(rng, 40), fewest + size(rng, 30)];
    let reduced = format!("reduction={}", pick(rng, &["mean", "sum", "none"]));
    let how = match op {
        "smooth_l1_loss" => format!("beta={} {reduced}", pick(rng, &["0.25", "1", "2"])),
        "huber_loss" => format!("delta={} {reduced}", pick(rng, &["0.25", "1", "2"])),
        "cosine_similarity" => format!("dim={}", pick(rng, &["0", "1", "-1"])),
        "pairwise_distance" => format!("p={}", pick(rng, &["1", "2", "3"])),
        _ => reduced,
    };
    format!("{op} input={} {how} data=real:2 seed={}", sizes(&shape), seed(rng))
}
