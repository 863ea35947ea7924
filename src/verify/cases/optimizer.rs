//! One step of each optimizer.

use super::super::data::Values;
use super::super::line::{Fields, sizes};
use super::{Case, pick, seed, shape};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{AdamStep, Increment, Init, Op, Role, SgdStep};
use crate::random::Rng;
use crate::tensor::TensorType;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["sgd", "adam"];

const SHAPES: [&str; 4] = ["1", "10", "33x31", "64x32x3x3"];

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for shape in SHAPES {
        // Powers of two: exact with integers.
        for options in ["", " weight_decay=0.5", " momentum=0.5", " momentum=0.5 nesterov weight_decay=0.25"]
        {
            lines.push(format!("sgd param={shape} lr=0.25{options} data=integers:3"));
        }
        lines.push(format!("sgd param={shape} lr=0.1 momentum=0.9 nesterov weight_decay=0.01 data=real:1"));
        for options in ["", " weight_decay=0.01", " weight_decay=0.01 decoupled"] {
            for step in [1, 2, 10, 1000] {
                lines.push(format!("adam param={shape} lr=0.001 step={step}{options} data=real:1"));
            }
        }
        lines.push(format!("adam param={shape} lr=0.01 step=3 beta1=0.75 beta2=0.95 eps=0.01 data=real:1"));
    }
    lines
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("param")?;
    let param = case.input("param", &shape)?;
    let grad = case.input("grad", &shape)?;
    let lr = case.graph.scalar(fields.number("lr")?)?;
    let weight_decay = fields.optional("weight_decay", "a number")?.unwrap_or(0.0);
    if op == "adam" {
        let default = AdamStep::default();
        let beta = |key, default| Ok(fields.optional(key, "a number")?.unwrap_or(default));
        let options = AdamStep {
            betas: (beta("beta1", default.betas.0)?, beta("beta2", default.betas.1)?),
            eps: fields.optional("eps", "a number")?.unwrap_or(default.eps),
            weight_decay,
            decoupled: fields.flag("decoupled"),
        };
        return adam(case, fields, options, [&param, &grad, &lr]);
    }
    let momentum = fields.optional("momentum", "a number")?.unwrap_or(0.0);
    let options = SgdStep { momentum, nesterov: fields.flag("nesterov"), weight_decay };
    let mut inputs = vec![&param, &grad, &lr];
    let buffer = if momentum == 0.0 { None } else { Some(case.input("momentum_buffer", &shape)?) };
    inputs.extend(&buffer);
    let outputs = case.graph.apply(Op::SgdStep(options), &inputs)?;
    for (name, output) in ["param", "momentum_buffer"].iter().zip(&outputs) {
        case.output(name, output);
    }
    Ok(())
}

/// Averages as training leaves them: the second never negative, nor far below the square of the first.
fn adam(case: &mut Case, fields: &Fields<'_>, options: AdamStep, first: [&Tensor; 3]) -> Result<()> {
    let step: u32 = fields.number("step")?;
    if step == 0 {
        return Err(Error::argument("step", "steps from 1", "0"));
    }
    let [param, grad, lr] = first;
    let shape = param.shape();
    let exp_avg = case.input_filled("exp_avg", &shape, Fill::Real(0.1))?;
    let exp_avg_sq = case.input_of("exp_avg_sq", &shape, Values::Squares)?;
    let init = Init::Constant((step - 1) as f32);
    let counter = case.graph.state("step", TensorType::u32([]), init, Role::Optimizer)?;
    let counter = case.graph.apply(Op::Increment(Increment), &[&counter])?.remove(0);
    let inputs = [param, grad, lr, &counter, &exp_avg, &exp_avg_sq];
    let outputs = case.graph.apply(Op::AdamStep(options), &inputs)?;
    for (name, output) in ["param", "exp_avg", "exp_avg_sq"].iter().zip(&outputs) {
        case.output(name, output);
    }
    case.output("step", &counter);
    Ok(())
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let param = sizes(&shape(rng, 4, 3000));
    let (lr, decay) = (pick(rng, &["0.001", "0.1", "0.25"]), pick(rng, &["", " weight_decay=0.01"]));
    let own = match op {
        "sgd" => pick(rng, &["", " momentum=0.9", " momentum=0.9 nesterov"]).to_owned(),
        _ => {
            let own = pick(rng, &["", " decoupled", " beta1=0.5 beta2=0.9 eps=0.001"]);
            format!(" step={}{own}", 1 + rng.below(2000))
        }
    };
    format!("{op} param={param} lr={lr}{decay}{own} data=real:1 seed={}", seed(rng))
}
