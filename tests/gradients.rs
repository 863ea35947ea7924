//! Every gradient rule against finite differences, on the CPU reference in f64.
//!
//! For an output `y` and a random upstream gradient `g`, the rule's gradient of `sum(y g)` with respect to an
//! input must be `sum(g dy/dx)`, with 4-point central differences of step 1e-3. Gradients are outputs too: the
//! rules of the backward ops are held to the same.

mod functions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use wgrad::functions::Function;
use wgrad::graph::gradients_from;
use wgrad::ops::{Op, Part};
use wgrad::random::Rng;
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::updates::Update;
use wgrad::verify::{self, Case, Kink, Line};
use wgrad::{DType, Tensor};

const STEP: f64 = 1e-3;
/// Where a kink lies within the steps, which no choice of inputs can rule out inside a sequence of relu cells:
/// a step that it does not fit into, and the tolerance that rounding leaves with it.
const SHORT_STEP: f64 = 1e-6;
const SHORT_RELATIVE: f64 = 1e-6;
const RELATIVE: f64 = 1e-7;
const ABSOLUTE: f64 = 1e-9;

/// Elements of an input that are checked; an input with no more has them all checked.
const ELEMENTS: usize = 32;
/// The same where one evaluation costs more than [`CHEAP`].
const FEW_ELEMENTS: usize = 2;
/// Floating-point operations of an evaluation that allow [`ELEMENTS`].
const CHEAP: u64 = 500_000;
/// Floating-point operations beyond which a case is left to its smaller relatives.
const TOO_DEAR: u64 = 40_000_000;

/// Whether an op has a gradient rule; the others are either constants of differentiation or refused.
fn has_rule(op: &Op) -> bool {
    match op {
        Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) => false,
        Op::Conv2d(_) | Op::Conv2dBackwardInput(_) | Op::Conv2dBackwardWeight(_) => true,
        Op::MaxPool2d(_) | Op::AdaptiveMaxPool2d(_) | Op::AvgPool2d(_) | Op::AvgPool2dBackward(_) => true,
        Op::FractionalMaxPool2d(_) => true,
        Op::MaxPool2dBackward(_) => false,
        Op::Elementwise(f) => f.part() == Part::Value && f.function().has_gradient(),
        Op::MatMul(_) | Op::Cast(_) => true,
        Op::Equal(_) | Op::Argmax(_) | Op::Increment(_) => false,
        Op::Reshape(_) | Op::BroadcastTo(_) | Op::Sum(_) | Op::Softmax(_) => true,
        Op::Reduce(op) => !["argmin", "any", "all"].contains(&op.kind.name()),
        Op::ReduceBackward(_) | Op::Argsort(_) => false,
        Op::Gather(_) | Op::Scatter(_) | Op::ScatterAdd(_) | Op::GridSample(_) => true,
        Op::GridSampleBackwardInput(_) | Op::GridSampleBackwardGrid(_) => false,
        Op::SoftmaxBackward(_) | Op::CrossEntropyBackward(_) | Op::NllLossBackward(_) => false,
        Op::CtcLossBackward(_) => false,
        Op::CrossEntropy(_) | Op::NllLoss(_) | Op::CtcLoss(_) => true,
        Op::Concat(_) | Op::Split(_) | Op::Narrow(_) | Op::NarrowBackward(_) => true,
        Op::AxisMap(_) | Op::Permute(_) | Op::Embedding(_) | Op::EmbeddingBackward(_) => true,
        Op::Recurrent(_) | Op::Dropout(_) => true,
        Op::SequenceMask(_) | Op::RecurrentBackward(_) => false,
        Op::NormApply(_) => true,
        Op::NormStatistics(_) | Op::NormSums(_) | Op::NormBackward(_) => false,
        Op::OptimizerStep(_) => false,
        // No case of the table has one.
        Op::Custom(_) => false,
    }
}

/// What was checked, and what was wrong.
#[derive(Default)]
struct Tally {
    cases: usize,
    elements: usize,
    too_dear: usize,
    /// Elements with a kink within the steps, checked with a shorter one.
    kinks: usize,
    /// Gradient graphs that were refused, by reason.
    refused: BTreeMap<String, usize>,
    /// Ops whose rule was used.
    rules: BTreeSet<&'static str>,
    failures: Vec<String>,
}

/// The data of a case in f64, away from its kinks.
fn inputs(case: &Case) -> HashMap<String, Array> {
    let mut rng = Rng::new(77);
    let move_away = |(index, value): (usize, f64), order: &[usize]| match case.kink {
        Kink::None | Kink::Function(_) | Kink::Grid { .. } => value,
        Kink::Zero if value.abs() < 0.25 => value + 0.5,
        Kink::Zero => value,
        Kink::Ties => 0.01 * (order[index] as f64 - order.len() as f64 / 2.0),
    };
    let mut held = HashMap::new();
    for (tensor, value) in case.data().expect("data of a case") {
        let mut array = Array::from_host(&value);
        let mut order: Vec<usize> = (0..array.data.len()).collect();
        rng.shuffle(&mut order);
        if array.ty.dtype == DType::F32 {
            let old = std::mem::take(&mut array.data);
            array.data = old.into_iter().enumerate().map(|pair| move_away(pair, &order)).collect();
        }
        held.insert(tensor.name().expect("an input has a name"), array);
    }
    if let Kink::Grid { align_corners, h, w } = case.kink {
        let points = held.get_mut("grid").expect("a grid").data.iter_mut();
        points.enumerate().for_each(|(i, g)| *g = between_pixels(*g, [w, h][i % 2], align_corners));
    }
    if let Kink::Function(function) = case.kink {
        functions::keep_away(&function, case, &mut held, 5.0 * STEP);
    }
    held
}

/// A coordinate of a grid, moved until it lies apart from whole and half pixels.
fn between_pixels(mut g: f64, size: usize, align_corners: bool) -> f64 {
    let size = size as f64;
    let per_unit = if align_corners { (size - 1.0) / 2.0 } else { size / 2.0 };
    let from_half = |g: f64| {
        let halves = 2.0 * if align_corners { (g + 1.0) * per_unit } else { (g + 1.0) * per_unit - 0.5 };
        (halves - halves.round()).abs() / 2.0
    };
    while per_unit > 0.0 && from_half(g) < 5.0 * STEP * per_unit {
        g += 0.011;
    }
    g
}

/// One evaluation in f64.
fn evaluate(output: &Tensor, inputs: &HashMap<String, Array>) -> Array {
    let graph = output.graph().with(Clone::clone);
    let interpreter = Interpreter::new(graph, &[output.id()], Precision::F64);
    let mut results = interpreter.run(inputs, &mut HashMap::new()).expect("a graph that runs");
    results.remove(&output.id()).expect("the output")
}

/// Floating-point operations of an evaluation of `output`.
fn flops(output: &Tensor) -> u64 {
    output.graph().with(|data| {
        let needed = data.reachable(&[output.id()]);
        let nodes = data.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
        let types = |ids: &[usize]| ids.iter().map(|&v| data.ty(v).clone()).collect::<Vec<_>>();
        nodes
            .map(|(node, _)| {
                let (read, written) = (types(&node.inputs), types(&node.outputs));
                node.op.flops(&read.iter().collect::<Vec<_>>(), &written.iter().collect::<Vec<_>>())
            })
            .sum()
    })
}

/// The ops on the way from `wrt` to `output`, which are those whose rules the gradient used.
fn rules_between(output: &Tensor, wrt: &Tensor) -> Vec<(&'static str, bool)> {
    output.graph().with(|data| {
        let needed = data.reachable(&[output.id()]);
        let mut reached = vec![false; data.values.len()];
        reached[wrt.id()] = true;
        let mut rules = Vec::new();
        for (node, _) in data.nodes.iter().zip(needed).filter(|(_, needed)| *needed) {
            if node.inputs.iter().any(|&v| reached[v]) {
                node.outputs.iter().for_each(|&v| reached[v] = true);
                rules.push((node.op.name(), has_rule(&node.op)));
            }
        }
        rules
    })
}

/// `(f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h` of `sum(output * upstream)` along one element,
/// differences first, so that what the element does not touch cancels exactly.
fn difference(
    output: &Tensor,
    upstream: &Array,
    inputs: &mut HashMap<String, Array>,
    name: &str,
    at: usize,
    step: f64,
) -> f64 {
    let held = |inputs: &mut HashMap<String, Array>, value: f64| {
        inputs.get_mut(name).expect("an input of the case").data[at] = value;
    };
    let middle = inputs[name].data[at];
    let mut sampled = |steps: f64| {
        held(inputs, middle + steps * step);
        let sampled = evaluate(output, inputs).data;
        held(inputs, middle);
        sampled
    };
    let (a, b, c, d) = (sampled(-2.0), sampled(-1.0), sampled(1.0), sampled(2.0));
    let slope = |i: usize| ((a[i] - d[i]) + 8.0 * (c[i] - b[i])) / (12.0 * step);
    upstream.data.iter().enumerate().map(|(i, g)| g * slope(i)).sum()
}

/// Checks the gradients of one output with respect to every `f32` input that it depends on.
fn check_output(case: &Case, name: &str, output: &Tensor, tally: &mut Tally) {
    let mut held = inputs(case);
    let upstream_name = format!("upstream of {name}");
    let upstream = output.graph().input(&upstream_name, output.shape()).expect("a valid shape");
    let mut rng = Rng::new(5);
    let draw = |_| rng.range(-1.0, 1.0);
    let upstream_value =
        Array { ty: upstream.ty(), data: (0..output.shape().elements()).map(draw).collect() };
    held.insert(upstream_name, upstream_value.clone());
    let wanted = case.inputs.iter().map(|input| &input.tensor).filter(|t| t.ty().dtype == DType::F32);
    for wrt in wanted {
        let rules = rules_between(output, wrt);
        if rules.is_empty() && output.id() != wrt.id() {
            continue;
        }
        let grad = match gradients_from(output, &upstream, &[wrt]) {
            Ok(grads) => grads.into_iter().next().expect("one gradient"),
            Err(e) => {
                let reason = e.to_string();
                let lacking = rules.iter().find(|(_, rule)| !rule).map(|(op, _)| *op);
                if lacking.is_none_or(|_| !reason.contains("expected an op with a gradient")) {
                    tally.failures.push(format!("{}: {name}: {reason}", case.line));
                }
                *tally.refused.entry(reason).or_default() += 1;
                continue;
            }
        };
        tally.rules.extend(rules.iter().filter(|(_, rule)| *rule).map(|(op, _)| *op));
        let input = wrt.name().expect("an input has a name");
        let expected = evaluate(&grad, &held).data;
        for at in chosen(expected.len(), flops(output)) {
            let mut differ = |step| difference(output, &upstream_value, &mut held, &input, at, step);
            let measured = differ(STEP);
            tally.elements += 1;
            let near = |measured: f64, relative: f64, absolute: f64| {
                (measured - expected[at]).abs() <= absolute + relative * expected[at].abs()
            };
            let hidden_kink = case.line.to_string().starts_with("rnn_relu");
            if hidden_kink
                && !near(measured, RELATIVE, ABSOLUTE)
                && near(differ(SHORT_STEP), SHORT_RELATIVE, SHORT_RELATIVE)
            {
                tally.kinks += 1;
                continue;
            }
            if !near(measured, RELATIVE, ABSOLUTE) {
                tally.failures.push(format!(
                    "{}: gradient of {name} by {input} at {at}: rule {:e}, differences {measured:e}",
                    case.line, expected[at]
                ));
                break;
            }
        }
    }
}

/// Which of `count` elements are checked: all, or as many as the cost allows, spread over the tensor.
fn chosen(count: usize, flops: u64) -> Vec<usize> {
    let most = if flops <= CHEAP { ELEMENTS } else { FEW_ELEMENTS };
    if count <= most {
        return (0..count).collect();
    }
    let mut rng = Rng::new(count as u64);
    (0..most)
        .map(|i| {
            let (from, to) = (i * count / most, (i + 1) * count / most);
            from + rng.below(to - from)
        })
        .collect()
}

/// The outputs of a case whose gradients are checked; `None` for an op without gradients.
fn differentiable(case: &Case) -> Option<Vec<(String, Tensor)>> {
    let chosen = |(name, tensor): &&(String, Tensor)| {
        tensor.ty().dtype == DType::F32 && (name == "output" || name.starts_with("grad_"))
    };
    let outputs: Vec<_> = case.outputs.iter().filter(chosen).cloned().collect();
    (outputs.len() >= 2).then_some(outputs)
}

fn check(family: &str, lines: &[Line]) -> Tally {
    let mut tally = Tally::default();
    for line in lines {
        let case = Case::build(line).expect("a case of the table");
        let Some(outputs) = differentiable(&case) else { continue };
        if flops(&outputs[0].1) > TOO_DEAR {
            tally.too_dear += 1;
            continue;
        }
        // Nothing can be subtracted from infinity.
        if !evaluate(&outputs[0].1, &inputs(&case)).data.iter().all(|v| v.is_finite()) {
            continue;
        }
        tally.cases += 1;
        for (name, output) in &outputs {
            check_output(&case, name, output, &mut tally);
        }
    }
    println!(
        "{family}: {} cases, {} elements by finite differences, {} cases too large, rules of {:?}",
        tally.cases, tally.elements, tally.too_dear, tally.rules
    );
    for (reason, count) in &tally.refused {
        println!("SKIPPED {count} times: {reason}");
    }
    assert!(20 * tally.kinks <= tally.elements, "{} of {} at kinks", tally.kinks, tally.elements);
    let failures = &tally.failures;
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    tally
}

/// The rules of element-wise functions, those that they are composed of among them.
fn functions_with_gradients() -> Vec<&'static str> {
    let functions = Function::all().into_iter().filter(Function::has_gradient).map(|f| f.name());
    // The cases of `where` are a family of their own.
    functions.filter(|name| *name != "where").chain(["sum", "reshape"]).collect()
}

/// A family, the rules its cases must have used, and the cases it may leave out for their size. Each shape is
/// taken once: the rules are the same whatever the data.
fn family(stem: &str, rules: &[&str], too_dear: usize) {
    let mut lines = verify::table(Some(stem)).expect("a stem");
    let mut seen = BTreeSet::new();
    // Nothing can be subtracted from infinity, or from numbers that leave no digits for a step.
    let edges = ["edges", "denormals", "masked", "offset"];
    lines.retain(|line| {
        let at_the_edges = |(key, value): &(String, String)| {
            // In the mean of millions of numbers a step of one is lost among what their sum rounds.
            let lost = stem == "norm" && value.starts_with("late");
            key == "data" && (lost || edges.iter().any(|edge| value.starts_with(edge)))
        };
        // Rules are the same however numbers are stored. A row of padding has no gradient, though results depend on it.
        let apart = |key: &str| key == "dtype" || key == "padding_idx";
        if line.fields.iter().any(|field| at_the_edges(field) || apart(&field.0)) {
            return false;
        }
        let shapes = line.fields.iter().filter(|(key, _)| key != "data" && key != "seed");
        seen.insert((line.op.clone(), shapes.cloned().collect::<Vec<_>>()))
    });
    let tally = check(stem, &lines);
    let expected: BTreeSet<&str> = rules.iter().copied().collect();
    assert_eq!(tally.rules, expected, "the gradient rules that {stem} reaches");
    assert!(tally.elements > 0 && tally.too_dear <= too_dear, "{stem}: {} too large", tally.too_dear);
}

macro_rules! families {
    ($($stem:ident: $rules:expr, $too_dear:expr;)*) => {
        $(#[test]
        fn $stem() {
            let rules: &[&str] = &$rules;
            family(stringify!($stem), rules, $too_dear);
        })*

        /// No family with a rule is missing above.
        #[test]
        fn every_rule_is_reached() {
            let reached: BTreeSet<&str> = [$(&$rules[..]),*].concat().into_iter().collect();
            let mut in_cases = BTreeSet::new();
            for line in verify::table(None).expect("the table") {
                let case = Case::build(&line).expect("a case of the table");
                case.graph.with(|data| {
                    in_cases.extend(data.nodes.iter().filter(|n| has_rule(&n.op)).map(|n| n.op.name()));
                });
            }
            assert_eq!(in_cases, reached);
        }
    };
}

/// The rules of the ops that losses are made of.
const LOSSES: [&str; 30] = [
    "absolute_error",
    "add",
    "add_scalar",
    "bce",
    "bce_with_logits",
    "broadcast_to",
    "clamp_min",
    "div",
    "exp",
    "gather",
    "gaussian_nll",
    "huber",
    "log",
    "log_sigmoid",
    "minimum",
    "mul",
    "neg",
    "nll_loss",
    "norm",
    "relu",
    "reshape",
    "scale",
    "smooth_l1",
    "sqrt",
    "square",
    "squared_error",
    "sub",
    "sum",
    "where",
    "xlogy",
];

families! {
    adaptive_max_pool2d: ["adaptive_max_pool2d", "max_pool2d", "scatter_add", "reshape"], 0;
    avg_pool2d: ["avg_pool2d", "avg_pool2d_backward", "pow_scalar", "abs", "relu", "mul", "scale", "reshape"], 0;
    axis_map: ["axis_map", "permute", "reshape", "broadcast_to", "sum", "narrow", "narrow_backward", "add", "mul", "div", "where"], 2;
    broadcast_to: ["broadcast_to", "reshape", "sum"], 0;
    cast: ["cast"], 0;
    conv2d: ["conv2d", "conv2d_backward_input", "conv2d_backward_weight", "add", "axis_map", "reshape", "sum"], 4;
    copy: ["concat", "split", "narrow", "narrow_backward", "permute", "reshape", "relu"], 0;
    cross_entropy: ["cross_entropy", "nll_loss", "log_softmax", "sum", "div", "mul", "scale", "add", "sub", "neg", "add_scalar", "where", "reshape", "broadcast_to"], 0;
    ctc_loss: ["ctc_loss", "log_softmax", "div", "sum", "reshape"], 0;
    dropout: ["add_scalar", "dropout", "mul", "reshape", "scale", "where"], 0;
    elementwise: functions_with_gradients(), 0;
    embedding: ["embedding", "embedding_backward"], 0;
    fractional_max_pool2d: ["fractional_max_pool2d", "scatter_add", "reshape"], 0;
    gather: [
        "add", "axis_map", "embedding", "embedding_backward", "gather", "narrow", "narrow_backward", "permute", "reshape",
        "scatter", "scatter_add", "where",
    ], 0;
    grid_sample: ["grid_sample", "add", "mul", "narrow", "narrow_backward", "reshape", "sum"], 0;
    losses: LOSSES, 0;
    matmul: ["matmul", "reshape", "sum"], 0;
    max_pool2d: ["max_pool2d", "scatter", "reshape"], 0;
    norm: ["norm_apply", "mul", "div", "scale"], 0;
    recurrent: ["rnn_tanh", "rnn_relu", "lstm", "gru", "add"], 8;
    reduce: ["prod", "amax", "amin", "var", "std", "norm", "logsumexp", "reshape"], 8;
    reshape: ["reshape", "relu", "scale"], 0;
    select: ["where", "sum", "reshape"], 0;
    softmax: [
        "add_scalar", "axis_map", "div", "log_softmax", "mul", "narrow", "neg", "pow_scalar", "reshape", "scale",
        "sigmoid", "softmax", "square", "tanh",
    ], 0;
    sum: ["sum", "reshape", "broadcast_to", "div"], 0;
}

/// Whether finite differences reach an op of this name in a line.
fn is_checked(name: &str, line: &Line) -> bool {
    let case = Case::build(line).expect("a case of the table");
    let inputs = case.inputs.iter().map(|input| &input.tensor).filter(|t| t.ty().dtype == DType::F32);
    let reaches = |output: &Tensor| {
        inputs.clone().any(|wrt| rules_between(output, wrt).iter().any(|(op, rule)| *rule && *op == name))
    };
    let outputs = differentiable(&case).filter(|outputs| flops(&outputs[0].1) <= TOO_DEAR);
    outputs.is_some_and(|outputs| outputs.iter().any(|(_, output)| reaches(output)))
}

/// What has no rule, by name. Everything else is held to finite differences in cases of its own.
fn has_no_rule(name: &str) -> bool {
    let leaves_and_indices = [
        "input",
        "state",
        "constant",
        "table",
        "equal",
        "argmax",
        "increment",
        "sequence_mask",
        "argmin",
        "any",
        "all",
        "argsort",
    ];
    // The gradient of what normalises goes through these.
    let inside = ["norm_statistics", "norm_sums"];
    // Of the gradients, these alone have a gradient.
    let twice = ["avg_pool2d_backward", "narrow_backward", "embedding_backward"];
    let flat = Function::named(name).is_some_and(|f| !f.has_gradient());
    let once = flat || name.contains("_backward") && !twice.contains(&name) && !name.starts_with("conv2d");
    once || inside.contains(&name) || leaves_and_indices.contains(&name) || Update::named(name).is_some()
}

/// Every function with a rule has a case of its own that is checked: families are checked by their files, and a function
/// could be left out of one.
#[test]
fn every_function_has_a_gradient_check() {
    let table = verify::table(None).expect("the table");
    for name in Op::names().into_iter().filter(|name| !has_no_rule(name)) {
        let lines = functions::lines_of(name, &table).unwrap_or_default();
        assert!(lines.iter().any(|line| is_checked(name, line)), "{name}: no gradient check");
    }
    // The list above says what the ops say.
    for line in &table {
        let case = Case::build(line).expect("a case of the table");
        case.graph.with(|data| {
            for node in &data.nodes {
                assert_eq!(has_rule(&node.op), !has_no_rule(node.op.name()), "{}", node.op.name());
            }
        });
    }
}
