//! The table of cases and the bounds, with no device: a line is a case and comes back, exact means exact, and
//! what cannot be is named.

mod functions;

use functions::{lines_of, options, reductions};
use std::collections::BTreeSet;
use wgrad::ops::Op;
use wgrad::random::Rng;
use wgrad::verify::{self, Case, Line};

/// Ops of which some results of integers are not exact: they divide by what is no power of two, among ties too, take roots, or
/// multiply more than 24 bits hold.
const ROUNDED: [&str; 23] = [
    "alpha_dropout",
    "amax",
    "amin",
    "batch_norm",
    "beside",
    "cross_entropy",
    "ctc_loss",
    "dropout1d",
    "dropout2d",
    "feature_alpha_dropout",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "log_softmax",
    "logsumexp",
    "norm",
    "prod",
    "rdiv",
    "rms_norm",
    "rpow",
    "softmax",
    "std",
    "var",
];

/// Windows whose sums are divided by a power of two.
fn is_whole_window(line: &Line) -> bool {
    let text = line.to_string();
    let whole_windows = ["kernel=2 ", "kernel=4 ", "kernel=2x4 "].iter().any(|k| text.contains(k));
    let divides = ["ceil", "exclude_pad", "divisor"].iter().any(|how| text.contains(how));
    line.op != "avg_pool2d" || whole_windows && !divides
}

#[test]
fn every_line_builds_and_comes_back() {
    let lines = verify::table(None).expect("the table");
    assert!(lines.len() > 500);
    for line in &lines {
        let again: Line = line.to_string().parse().expect("what was printed");
        assert_eq!(*line, again);
        Case::build(&again).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
}

/// Every op and every function of a family, by name, in cases of its own: not in passing, in those of another.
#[test]
fn every_function_has_cases() {
    let table = verify::table(None).expect("the table");
    for name in Op::names() {
        functions::check(name, &lines_of(name, &table), "no case in src/verify/cases");
    }
}

/// Every option of every op, switched on and left alone, and every reduction.
#[test]
fn every_option_has_cases() {
    let lines = verify::table(None).expect("the table");
    let lacking = functions::lacking_options(&lines);
    assert!(lacking.is_empty(), "no case in src/verify/cases of {lacking:#?}");
    let found: BTreeSet<_> = lines.iter().filter_map(functions::reduction).collect();
    assert_eq!(found, reductions(), "reductions with cases");
    let one = "conv2d input=1x1x4x4 weight=1x1x3x3 stride=2 padding=1".parse::<Case>().expect("a case");
    let of_conv =
        |data: &wgrad::graph::GraphData| data.nodes.iter().find_map(|n| options(&n.op).first().copied());
    assert_eq!(one.graph.with(of_conv), Some(("stride", true)));
}

/// The bounds find out by themselves that small integers leave no room for an error.
#[test]
fn integers_are_exact() {
    let lines = verify::table(None).expect("the table");
    let (mut checked, mut rounded) = (0, BTreeSet::new());
    for line in lines
        .iter()
        .filter(|l| ["data=integers", "data=late"].iter().any(|data| l.to_string().contains(data)))
    {
        let case = Case::build(line).expect("a case of the table");
        if case.is_huge() || !is_whole_window(line) {
            continue;
        }
        checked += 1;
        if case.expected().expect("an oracle").iter().any(|expected| expected.error.is_some()) {
            rounded.insert(line.op.clone());
        }
    }
    assert!(checked > 150, "{checked} cases");
    assert_eq!(rounded, ROUNDED.map(str::to_owned).into(), "ops with bounds for integers");
}

/// Real numbers have bounds: were they exact, or without a limit, nothing would be checked.
#[test]
fn real_numbers_have_finite_bounds() {
    for op in ["conv2d", "matmul", "softmax", "tanh", "adam", "cross_entropy"] {
        let lines = verify::table(Some(op)).expect("an op");
        let line =
            lines.iter().find(|l| l.to_string().contains("data=real")).expect("a case with real numbers");
        let case = Case::build(line).expect("a case of the table");
        let first = &case.expected().expect("an oracle")[0];
        let errors = first.error.as_ref().unwrap_or_else(|| panic!("{line} is exact"));
        let scale = first.array.data.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        assert!(errors.iter().all(|e| e.is_finite() && *e <= 1e-4 * (1.0 + scale)), "{line}: {errors:?}");
    }
}

#[test]
fn random_cases_are_reproducible_and_in_the_domain() {
    for op in verify::ops() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..40).filter_map(|_| verify::random(op, &mut rng).expect("an op")).collect::<Vec<_>>()
        };
        let first = draw(3);
        assert_eq!(first, draw(3), "{op}");
        assert!(first.len() >= 5, "{op}: {} of 40 draws are in the domain", first.len());
    }
}

#[test]
fn what_cannot_be_is_named() {
    let fails = |text: &str, words: &[&str]| {
        let error = text.parse::<Case>().expect_err(text).to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{text}: {error}");
    };
    fails("", &["expected an op"]);
    fails("conv3d input=1x1x1x1", &["op", "conv2d", "conv3d"]);
    fails("relu", &["'input'", "a shape", "nothing"]);
    fails("relu input=2x", &["'input'", "2x"]);
    fails("relu input=2x3 input=4", &["'input' twice"]);
    fails("relu input=2x3 alhpa=2", &["'alhpa'", "one of"]);
    fails("relu input=2x3 data=reals:2", &["'data'", "integers:MOST"]);
    fails("relu input=2x3 data=real:nan", &["'data'"]);
    fails("conv2d input=1x4x4x4 weight=4x3x3x3", &["conv2d", "expected", "got"]);
    fails("conv2d input=65536x65536x2x2 weight=1x65536x1x1", &["elements"]);
    assert!(verify::table(Some("conv3d")).is_err());
}

/// The command: a broken line and an unknown op are errors that name them, with an exit code.
#[cfg(feature = "cli")]
#[test]
fn the_command_names_what_is_wrong() {
    let run = |arguments: &[&str]| {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_wgrad")).args(arguments).output();
        let output = command.expect("the command");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run(&["parity", "--case", "relu input=2x3 beta=1"]);
    assert!(code == Some(1) && text.contains("'beta'"), "{text}");
    let (code, text) = run(&["parity", "conv3d"]);
    assert!(code == Some(1) && text.contains("conv3d"), "{text}");
    let (code, text) = run(&["parity", "relu", "--device", "no such adapter"]);
    assert!(code == Some(1) && text.contains("no such adapter"), "{text}");
}
