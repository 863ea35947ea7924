//! Recurrent layers in one direction: every kind, size, direction and mask.

use super::super::data::Values;
use super::super::line::Fields;
use super::{Case, pick, seed, size};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::ops::{Op, Recurrent, RecurrentKind};
use crate::random::Rng;
use crate::verify::Fill;

pub(super) const OPS: &[&str] = &["rnn_tanh", "rnn_relu", "lstm", "gru"];

/// Steps, batch and hidden size: ragged and whole vec4s, few rows and several workgroups of them, and hidden sizes
/// on both sides of the limit for whole sequences.
const SIZES: [&str; 10] =
    ["1x1x1", "3x2x4", "5x3x7", "4x6x20", "7x9x33", "6x17x64", "28x32x128", "3x5x256", "4x3x257", "3x18x300"];

/// Sizes with every combination; both ends on those whose shaders take long to compile.
const SMALL: usize = 3;

/// What keeps most units of a relu net alive; the state still pulls some below 0.
const LIFT: f32 = 0.5;

pub(super) fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for op in OPS {
        for (position, sizes) in SIZES.iter().enumerate() {
            for how in ["", " reverse", " bias masked", " reverse bias masked"] {
                if position < SMALL || how != " reverse" && how != " bias masked" {
                    let bias = if *op == "gru" && !how.contains("bias") { " bias" } else { "" };
                    lines.push(format!("{op} sizes={sizes}{how}{bias} data=real:1"));
                }
            }
        }
    }
    // The states that a layer starts from where it is given none: constants of the graph.
    lines.extend(OPS.iter().flat_map(|op| {
        ["5x4x8 bias from_zero", "6x17x64 reverse bias masked from_zero", "1x2x4 bias from_zero"]
            .map(|how| format!("{op} sizes={how} data=real:1"))
    }));
    // More loop iterations than Mesa's llvmpipe has, in several launches: with and without shuffles.
    for op in OPS {
        let bias = if *op == "gru" { " bias" } else { "" };
        lines.push(format!("{op} sizes=6000x1x50{bias} data=real:1"));
        lines.push(format!("{op} sizes=2500x9x24 reverse bias masked data=real:1"));
    }
    // Few rows, whose weights an invocation loads eight units at a time: in one tile of units or two, padded, four by four.
    lines.extend(OPS.iter().flat_map(|op| {
        let few = [
            "5x1x50 reverse bias masked",
            "4x1x64 bias",
            "4x3x36 bias masked",
            "3x1x130 reverse bias",
            "3x4x128 bias",
        ];
        few.map(|how| format!("{op} sizes={how} data=real:1"))
    }));
    // A GRU without the bias that its reset gate acts on.
    lines.extend(["3x2x4", "6x17x64 reverse masked"].map(|how| format!("gru sizes={how} data=real:1")));
    lines
}

fn kind(op: &str) -> RecurrentKind {
    match op {
        "rnn_tanh" => RecurrentKind::RnnTanh,
        "rnn_relu" => RecurrentKind::RnnRelu,
        "lstm" => RecurrentKind::Lstm,
        _ => RecurrentKind::Gru,
    }
}

/// The inputs of the op in its order.
fn inputs(case: &mut Case, sizes: [usize; 3], o: &Recurrent, from_zero: bool) -> Result<Vec<Tensor>> {
    let [steps, batch, hidden] = sizes;
    let width = o.kind.gates() * hidden;
    let spread = Fill::Real(1.0 / (hidden.max(1) as f64).sqrt());
    let gates = match o.kind {
        // Mostly above 0: of few units that stop at 0 all may, and then nothing is left to compare.
        RecurrentKind::RnnRelu => Values::Beyond(LIFT, case.fill()),
        // Defined and smooth everywhere.
        _ => Values::Fill(case.fill()),
    };
    let mut inputs = vec![
        case.input_of("gates", &[steps, batch, width], gates)?,
        case.input_filled("weight_hh", &[width, hidden], spread)?,
    ];
    for name in ["h0", "c0"].into_iter().take(o.kind.states()) {
        inputs.push(if from_zero {
            case.graph.scalar(0.0)?.broadcast_to([batch, hidden])?
        } else {
            case.input(name, &[batch, hidden])?
        });
    }
    if o.bias {
        inputs.push(case.input_filled("bias_hh", &[width], Fill::Real(0.5))?);
    }
    if o.masked {
        // Not an f32 input, so that no gradient is asked of it.
        let lengths = case.input_of("lengths", &[batch], Values::Lengths(steps))?;
        inputs.push(lengths.sequence_mask(steps)?);
    }
    Ok(inputs)
}

pub(super) fn build(op: &str, case: &mut Case, fields: &Fields<'_>) -> Result<()> {
    let shape = fields.shape("sizes")?;
    let sizes = <[usize; 3]>::try_from(shape)
        .map_err(|got| Error::argument("sizes", "steps x batch x hidden", format!("{got:?}")))?;
    let flag = |key| fields.flag(key);
    let options =
        Recurrent { kind: kind(op), reverse: flag("reverse"), bias: flag("bias"), masked: flag("masked") };
    let inputs = inputs(case, sizes, &options, flag("from_zero"))?;
    let outputs = case.graph.apply(Op::Recurrent(options), &inputs.iter().collect::<Vec<_>>())?;
    case.output("hidden", &outputs[0]);
    // The cells take part in the loss, so that their error comes back too.
    let output = match outputs.get(2) {
        Some(cells) => outputs[0].add(cells)?,
        None => outputs[0].clone(),
    };
    case.output_and_gradients(&output)
}

pub(super) fn random(op: &str, rng: &mut Rng) -> String {
    let sizes = [size(rng, 8), size(rng, 20), size(rng, 70)].map(|n| n.to_string()).join("x");
    let bias = if op == "gru" { " bias" } else { pick(rng, &["", " bias"]) };
    let how = pick(rng, &["", " reverse", " masked", " reverse masked"]);
    format!("{op} sizes={sizes}{bias}{how} data=real:1 seed={}", seed(rng))
}
