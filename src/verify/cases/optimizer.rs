//! One step of each optimizer.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::{Error, Result};
use crate::ops::{Increment, Init, OptimizerStep, Role};
use crate::random::Rng;
use crate::tensor::TensorType;
use crate::updates::{Hyper, Range, Update};
use crate::verify::Fill;

pub(super) const OPS: &[&str] =
    &["sgd", "adam", "adamax", "rmsprop", "adagrad", "adadelta", "nadam", "radam", "lion", "lamb", "rprop"];

const SHAPES: [&str; 4] = ["1", "10", "33x31", "64x32x3x3"];

/// What is asked of each besides its defaults at a first and a late step, `|` between. Of SGD powers of two with integers:
/// exact.
const OPTIONS: [(&str, &str); 11] = [
    (
        "sgd",
        "|momentum=0.9 nesterov weight_decay=0.01|momentum=0.9 dampening=0.25 step=1|momentum=0.9 dampening=0.25 step=3 maximize",
    ),
    (
        "adam",
        "step=2 weight_decay=0.01|step=10 weight_decay=0.01 decoupled|step=3 beta1=0.75 beta2=0.95 eps=0.01|step=4 amsgrad maximize|beta1=0 beta2=0",
    ),
    ("adamax", "step=3 weight_decay=0.01 maximize|step=4 beta1=0.75 beta2=0.95 eps=0.01"),
    ("rmsprop", "centered|momentum=0.9 alpha=0.9 weight_decay=0.01|centered momentum=0.5 eps=0.01 maximize"),
    ("adagrad", "step=5 lr_decay=0.1|weight_decay=0.01 eps=0.01 maximize initial_accumulator_value=0.5"),
    ("adadelta", "rho=0.5 eps=0.001|weight_decay=0.01 maximize"),
    (
        "nadam",
        "step=3 momentum_decay=0.1 weight_decay=0.01|step=7 beta1=0.75 beta2=0.95 eps=0.01 maximize|step=2 weight_decay=0.01 decoupled",
    ),
    (
        "radam",
        "step=5|step=6|step=30 beta2=0.9 weight_decay=0.01|step=700 weight_decay=0.01 decoupled|step=9 beta1=0.5 eps=0.01 maximize",
    ),
    ("lion", "weight_decay=0.01|beta1=0.5 beta2=0.9 maximize"),
    ("lamb", "step=3 weight_decay=0.01|step=4 beta1=0.75 beta2=0.95 eps=0.01 maximize"),
    ("rprop", "etaminus=0.25 etaplus=1.5|step_size_min=0.05 step_size_max=0.1 maximize"),
];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in SHAPES {
        // Powers of two: exact with integers.
        for options in ["", " weight_decay=0.5", " momentum=0.5", " momentum=0.5 nesterov weight_decay=0.25"]
        {
            lines.push(format!("sgd param={shape} lr=0.25{options} data=integers:3"));
        }
        for (op, options) in OPTIONS {
            let counts = Update::named(op).is_some_and(|update| update.counts(&update.defaults()));
            let usual = if counts { &["step=1", "step=1000"][..] } else { &[""] };
            for options in usual.iter().copied().chain(options.split('|')) {
                let steps = !counts || options.contains("step=");
                let options = if steps { options.to_owned() } else { format!("step=2 {options}") };
                let line = format!("{op} param={shape} lr=0.01 {options} data=real:1");
                lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
    lines
}

/// An option of a line; 0 or 1 for a word.
fn option(fields: &Fields<'_>, hyper: &Hyper) -> Result<f64> {
    match hyper.range {
        Range::Flag => Ok(f64::from(u8::from(fields.flag(hyper.name)))),
        // All others are numbers.
        _ => Ok(fields.optional(hyper.name, "a number")?.unwrap_or(hyper.default)),
    }
}

/// A counter in its run number `step`, from 1.
fn counter(case: &mut Case, step: u32) -> Result<crate::Tensor> {
    let init = Init::Constant((step - 1) as f32);
    let counter = case.graph.state("step", TensorType::u32([]), init, Role::Optimizer)?;
    Ok(case.graph.apply(Increment, &[&counter])?.remove(0))
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let update = Update::named(op).ok_or_else(|| Error::argument("op", "an optimizer", op))?;
    let options = update.options.iter().map(|hyper| option(fields, hyper)).collect::<Result<Vec<_>>>()?;
    let step = OptimizerStep { update, options };
    let shape = fields.shape("param")?;
    let mut inputs = vec![case.input("param", &shape)?, case.input("grad", &shape)?];
    inputs.push(case.graph.scalar(fields.number("lr")?)?);
    let mut counted = None;
    if update.counts(&step.options) {
        let number: u32 = fields.number("step")?;
        if number == 0 {
            return Err(Error::argument("step", "steps from 1", "0"));
        }
        let counter = counter(case, number)?;
        inputs.push(counter.clone());
        counted = Some(counter.clone());
        if update.product() {
            inputs.push(product(case, &step, [&inputs[2], &counter])?);
        }
    }
    for (_, memory) in step.kept() {
        // Averages as training leaves them: those of squares never negative, nor far below the square of the first.
        inputs.push(match memory.positive {
            true => case.input_of(memory.name, &shape, Values::Squares)?,
            false => case.input_filled(memory.name, &shape, kept(case, memory.name))?,
        });
    }
    let outputs = case.graph.apply(step.clone(), &inputs.iter().collect::<Vec<_>>())?;
    case.output(if update.directs { "direction" } else { "param" }, &outputs[0]);
    for ((_, memory), output) in step.kept().iter().zip(&outputs[1..]) {
        case.output(memory.name, output);
    }
    counted.iter().for_each(|counter| case.output("step", counter));
    Ok(())
}

/// Small beside the gradients, a mean whose square is below the mean square; but where integers make all exact.
fn kept(case: &Case, name: &str) -> Fill {
    match case.fill() {
        Fill::Real(_) => Fill::Real(if name == "grad_avg" { 0.01 } else { 0.1 }),
        exact => exact,
    }
}

/// NAdam's product of momenta after this step, from some product before it.
fn product(
    case: &mut Case,
    step: &OptimizerStep,
    [lr, counter]: [&crate::Tensor; 2],
) -> Result<crate::Tensor> {
    let missing = || Error::argument("op", "a row of NAdam's product", "none");
    let update = Update::named("nadam_product").ok_or_else(missing)?;
    let position = |name: &str| step.update.option(name).map_or(0.0, |position| step.options[position]);
    let options = update.options.iter().map(|hyper| position(hyper.name)).collect();
    let before = case.input_of("momentum_product", &[], Values::Squares)?;
    let after = case.graph.apply(OptimizerStep { update, options }, &[&before, lr, lr, counter])?.remove(0);
    case.output("momentum_product", &after);
    Ok(after)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let param = sizes(&shape(rng, 4, 3000));
    let lr = pick(rng, &["0.001", "0.1", "0.25"]);
    let found = OPTIONS.iter().find(|(name, _)| *name == op).map_or("", |(_, options)| options);
    let options: Vec<&str> = found.split('|').collect();
    let options = pick(rng, &options);
    let counts = Update::named(op).is_some_and(|update| update.counts(&update.defaults()));
    let step = match counts && !options.contains("step=") {
        true => format!("step={} ", 1 + rng.below(2000)),
        false => String::new(),
    };
    format!("{op} param={param} lr={lr} {step}{options} data=real:1 seed={}", seed(rng))
}
