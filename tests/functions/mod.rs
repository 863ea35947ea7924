//! What tests ask of every op and of every function of a family, by name.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::{BTreeSet, HashMap};
use wgrad::ops::{
    AvgPool2d, AvgPool2dBackward, Conv2d, Conv2dBackwardInput, Conv2dBackwardWeight, CrossEntropy,
    CrossEntropyBackward, CtcLoss, CtcLossBackward, Dropout, Elementwise, Embedding, FractionalOutput,
    GridSampleBackwardGrid, GridSampleBackwardInput, MatMul, MaxPool2d, MaxPool2dBackward, NllLoss,
    NllLossBackward, NormApply, NormBackward, NormStatistics, NormSums, Op, OptimizerStep, Recurrent,
    RecurrentBackward, Reduction,
};
use wgrad::reference::Array;
use wgrad::verify::{Case, Line};

/// The ops that have no kernel and no value of their own, and so no cases; and what autodiff never makes.
const WITHOUT_CASES: [&str; 4] = ["input", "state", "constant", "table"];

/// The op of the lines in which a function is looked at: its own, for a gradient the forward op's.
fn line_op(name: &str) -> &str {
    match name {
        // NAdam keeps a product of its momenta.
        "nadam_product" => "nadam",
        // Adam counts its steps.
        "increment" => "adam",
        // Every norm is made of them.
        "norm_apply" | "norm_sums" | "norm_backward" => "batch_norm",
        name => name.split("_backward").next().unwrap_or(name),
    }
}

/// Whether the outputs of a case need a node of this name.
fn needs(case: &Case, name: &str) -> bool {
    let ids: Vec<_> = case.outputs.iter().map(|(_, tensor)| tensor.id()).collect();
    case.graph.with(|data| {
        let needed = data.reachable(&ids);
        data.nodes.iter().zip(needed).any(|(node, needed)| needed && node.op.name() == name)
    })
}

/// Whether a line is of numbers as networks have them, not of those at the edges alone.
fn is_usual(line: &Line) -> bool {
    let edges = ["special", "edges", "denormals", "masked"];
    !line.fields.iter().any(|(key, value)| key == "data" && edges.contains(&value.as_str()))
}

/// The lines of a function of its own that compute it. `None` for what has none.
pub fn lines_of<'a>(name: &str, table: &'a [Line]) -> Option<Vec<&'a Line>> {
    if WITHOUT_CASES.contains(&name) {
        return None;
    }
    let own = table.iter().filter(|line| line.op == line_op(name) && is_usual(line));
    Some(own.filter(|line| needs(&Case::build(line).expect("a case of the table"), name)).collect())
}

/// Fails by name where there is none.
pub fn check(name: &str, lines: &Option<Vec<&Line>>, what: &str) {
    assert!(lines.as_ref().is_none_or(|lines| !lines.is_empty()), "{name}: {what}");
}

/// Each option of an op, and whether it is switched on. A new one does not compile before it is here.
pub fn options(op: &Op) -> Vec<(&'static str, bool)> {
    let conv = |o: &Conv2d| {
        let Conv2d { stride, padding, dilation, groups } = *o;
        let usual = Conv2d::default();
        vec![
            ("stride", stride != usual.stride),
            ("padding", padding != usual.padding),
            ("dilation", dilation != usual.dilation),
            ("groups", groups != usual.groups),
        ]
    };
    let max = |o: &MaxPool2d| {
        let MaxPool2d { kernel_size, stride, padding, dilation, ceil_mode } = *o;
        let usual = MaxPool2d::new(kernel_size);
        vec![
            ("stride", stride != usual.stride),
            ("padding", padding != usual.padding),
            ("dilation", dilation != usual.dilation),
            ("ceil_mode", ceil_mode),
        ]
    };
    let avg = |o: &AvgPool2d| {
        let AvgPool2d { kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override } = *o;
        let usual = AvgPool2d::new(kernel_size);
        vec![
            ("stride", stride != usual.stride),
            ("padding", padding != usual.padding),
            ("ceil_mode", ceil_mode),
            ("count_include_pad", count_include_pad),
            ("divisor_override", divisor_override.is_some()),
        ]
    };
    let loss = |o: &CrossEntropy| {
        let CrossEntropy { ignore_index, label_smoothing } = *o;
        vec![("ignore_index", ignore_index.is_some()), ("label_smoothing", label_smoothing != 0.0)]
    };
    let recurrent = |o: &Recurrent| {
        let Recurrent { kind: _, reverse, bias, masked } = *o;
        vec![("reverse", reverse), ("bias", bias), ("masked", masked)]
    };
    match op {
        Op::Conv2d(o) => conv(o),
        Op::Conv2dBackwardInput(Conv2dBackwardInput { options, .. })
        | Op::Conv2dBackwardWeight(Conv2dBackwardWeight { options, .. }) => conv(options),
        Op::MaxPool2d(o) => max(o),
        Op::MaxPool2dBackward(MaxPool2dBackward { options, .. }) => max(options),
        Op::AvgPool2d(o) => avg(o),
        Op::AvgPool2dBackward(AvgPool2dBackward { options, .. }) => avg(options),
        Op::MatMul(MatMul { trans_a, trans_b }) => vec![("trans_a", *trans_a), ("trans_b", *trans_b)],
        Op::CrossEntropy(o) | Op::CrossEntropyBackward(CrossEntropyBackward(o)) => loss(o),
        Op::NllLoss(o) | Op::NllLossBackward(NllLossBackward { forward: o, classes: _ }) => {
            let NllLoss { ignore_index, weight } = *o;
            vec![("ignore_index", ignore_index.is_some()), ("weight", weight)]
        }
        Op::CtcLoss(o) | Op::CtcLossBackward(CtcLossBackward(o)) => {
            let CtcLoss { blank, zero_infinity } = *o;
            vec![("blank", blank != 0), ("zero_infinity", zero_infinity)]
        }
        Op::Recurrent(o) => recurrent(o),
        Op::RecurrentBackward(RecurrentBackward { forward, grad_cells: _ }) => recurrent(forward),
        Op::NormStatistics(NormStatistics { norm, eps, running }) => vec![
            ("centered", norm.centered),
            ("eps", *eps != 1e-5),
            ("running", running.is_some()),
            ("momentum", running.is_some_and(|running| running.momentum.is_some())),
        ],
        Op::NormApply(NormApply { norm, eps, weight, bias }) => {
            vec![("centered", norm.centered), ("given", eps.is_some()), ("weight", *weight), ("bias", *bias)]
        }
        Op::NormSums(NormSums { norm, eps, parameters, weight }) => vec![
            ("centered", norm.centered),
            ("given", eps.is_some()),
            ("parameters", *parameters),
            ("weight", *weight),
        ],
        Op::NormBackward(NormBackward { norm, weight }) => {
            vec![("centered", norm.centered), ("weight", *weight)]
        }
        Op::Dropout(Dropout { p, seed: _ }) => vec![("p", *p != 0.0)],
        Op::OptimizerStep(OptimizerStep { update, options }) => {
            let options = update.options.iter().zip(options);
            options.map(|(hyper, &value)| (hyper.name, value != hyper.default)).collect()
        }
        // These have shapes and dimensions alone; what a function takes is in its name's cases.
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) | Op::Reshape(_) => vec![],
        Op::Elementwise(_) | Op::Equal(_) | Op::Increment(_) | Op::Custom(_) => vec![],
        Op::Reduce(_) | Op::ReduceBackward(_) => vec![],
        Op::GridSample(op)
        | Op::GridSampleBackwardInput(GridSampleBackwardInput { options: op, .. })
        | Op::GridSampleBackwardGrid(GridSampleBackwardGrid(op)) => {
            vec![("align_corners", op.align_corners)]
        }
        Op::FractionalMaxPool2d(op) => vec![("ratio", matches!(op.output, FractionalOutput::Ratio(..)))],
        Op::AdaptiveMaxPool2d(_) | Op::Gather(_) | Op::Scatter(_) | Op::ScatterAdd(_) => vec![],
        Op::Argsort(op) => vec![("descending", op.descending)],
        Op::BroadcastTo(_) | Op::Sum(_) | Op::Argmax(_) | Op::Cast(_) => vec![],
        Op::Embedding(Embedding { padding_idx }) => vec![("padding_idx", padding_idx.is_some())],
        Op::Softmax(_) | Op::SoftmaxBackward(_) | Op::EmbeddingBackward(_) => vec![],
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => vec![],
        Op::Permute(_) | Op::SequenceMask(_) | Op::AxisMap(_) => vec![],
    }
}

/// The options that no case has on, or none has off.
pub fn lacking_options(lines: &[Line]) -> BTreeSet<String> {
    let (mut known, mut found) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let case = Case::build(line).expect("a case of the table");
        case.graph.with(|data| {
            for node in &data.nodes {
                for (option, on) in options(&node.op) {
                    known.insert((node.op.name(), option));
                    found.insert((node.op.name(), option, on));
                }
            }
        });
    }
    let lacks = |&(op, option): &(&'static str, &'static str)| {
        [true, false].map(|on| (!found.contains(&(op, option, on))).then(|| format!("{op} {option} {on}")))
    };
    known.iter().flat_map(lacks).flatten().collect()
}

/// The reduction of a line.
pub fn reduction(line: &Line) -> Option<String> {
    line.fields.iter().find(|(key, _)| key == "reduction").map(|(_, value)| value.clone())
}

/// Every reduction.
pub fn reductions() -> BTreeSet<String> {
    Reduction::all().iter().map(|reduction| reduction.name().to_owned()).collect()
}

/// Moves operands of a function by a little until none of its elements is as near to a kink.
pub fn keep_away(function: &Elementwise, case: &Case, held: &mut HashMap<String, Array>, away: f64) {
    let to = case.outputs[0].1.shape();
    let names = case.inputs[..function.operands()].iter().map(|input| input.tensor.name().expect("a name"));
    let names: Vec<String> = names.collect();
    let strides: Vec<Vec<usize>> = names.iter().map(|n| held[n].ty.shape.broadcast_strides(&to)).collect();
    for attempt in 1.. {
        let mut near = 0;
        for i in 0..to.elements() {
            let places = strides.iter().map(|strides| {
                to.strides().iter().zip(&to[..]).zip(strides).map(|((own, size), s)| i / own % size * s).sum()
            });
            let places: Vec<usize> = places.collect();
            let operands: Vec<f64> = names.iter().zip(&places).map(|(n, &at)| held[n].data[at]).collect();
            if function.kink(&operands) < away {
                near += 1;
                let which = (attempt - 1) % names.len();
                let moved = held.get_mut(&names[which]).expect("an operand");
                // Away from 0, which no domain forbids.
                moved.data[places[which]] += 0.037f64.copysign(moved.data[places[which]]);
            }
        }
        if near == 0 {
            return;
        }
        assert!(attempt < 1000, "{}: {near} elements stay near a kink", case.line);
    }
}
