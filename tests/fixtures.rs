//! The CPU reference, which every kernel is held to, against an independent source: what PyTorch computed in
//! float64 (`tests/fixtures/torch`, a file an op, made by `tests/fixtures/torch_fixtures.py`). Whole recurrent layers
//! are in `tests/recurrent.rs`.

mod functions;

use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use std::collections::{BTreeSet, HashMap};
use wgrad::ops::{Op, State};
use wgrad::reference::{Array, Interpreter, Precision};
use wgrad::verify::{self, Case, Line};
use wgrad::{DType, TensorType};

/// The files' contents, a file an op: of usual numbers, or of NaN, infinities, zeros of both signs, denormal and the
/// largest numbers.
fn fixtures(edges: bool) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/torch");
    let entries = std::fs::read_dir(folder).expect("the fixtures' folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let wanted = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(".edges.safetensors") == edges;
    paths.into_iter().filter(wanted).map(|path| std::fs::read(path).expect("a file of fixtures")).collect()
}

/// The lines of the cases in files.
fn lines_in(files: &[Vec<u8>]) -> Vec<Line> {
    let of = |file: &Vec<u8>| {
        let cases = metadata(file)["cases"].clone();
        cases.lines().map(|line| line.parse().expect("a line")).collect::<Vec<Line>>()
    };
    files.iter().flat_map(of).collect()
}

/// Both sides compute in f64; what differs is the order of sums and the last bits of functions.
const RELATIVE: f64 = 1e-12;

/// Fields that say how large tensors are. All others are attributes.
const SHAPES: [&str; 21] = [
    "count",
    "mask",
    "input",
    "weight",
    "a",
    "b",
    "c",
    "logits",
    "param",
    "to",
    "indices",
    "condition",
    "sizes",
    "outputs",
    "taps",
    "batch",
    "max_length",
    "start",
    "length",
    "index",
    "equation",
];

fn values(view: &TensorView<'_>) -> Vec<f64> {
    let eight = |b: &[u8]| -> [u8; 8] { b.try_into().expect("8 bytes") };
    let four = |b: &[u8]| -> [u8; 4] { b.try_into().expect("4 bytes") };
    match view.dtype() {
        Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(eight(b))).collect(),
        Dtype::I32 => view.data().chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(four(b)))).collect(),
        Dtype::F32 => view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
        other => panic!("{other:?} in the fixtures"),
    }
}

/// Everything under `prefix`, by name.
fn under(file: &SafeTensors<'_>, prefix: &str) -> HashMap<String, Array> {
    let mut found = HashMap::new();
    for (name, view) in file.tensors() {
        let Some(name) = name.strip_prefix(prefix) else { continue };
        let dtype = if view.dtype() == Dtype::I32 { DType::U32 } else { DType::F32 };
        let ty = TensorType { shape: view.shape().into(), dtype };
        found.insert(name.to_owned(), Array { ty, data: values(&view) });
    }
    found
}

/// A file's metadata: `torch`, `most`, `cases` and the lines that are too `large`.
fn metadata(fixtures: &[u8]) -> HashMap<String, String> {
    let (_, header): (usize, Metadata) = SafeTensors::read_metadata(fixtures).expect("the fixtures");
    header.metadata().clone().expect("metadata")
}

/// The states of a case before its first run.
fn states(case: &Case) -> HashMap<String, Array> {
    let of = |op: &Op| match op {
        Op::State(State { name, ty, init, .. }) => {
            let first = init.values(name, 0, &ty.shape).into_iter().map(f64::from);
            Some((name.clone(), Array { ty: ty.clone(), data: first.collect() }))
        }
        _ => None,
    };
    case.graph.with(|data| data.nodes.iter().filter_map(|node| of(&node.op)).collect())
}

/// The largest difference relative to the largest finite element: cancellation leaves small ones with the error of
/// their terms. What is NaN or infinite must be so on both sides.
fn error(got: &Array, expected: &Array) -> f64 {
    let finite = expected.data.iter().filter(|v| v.is_finite());
    let scale = finite.fold(f64::MIN_POSITIVE, |most, v| most.max(v.abs()));
    let same = |g: f64, e: f64| g == e || g.is_nan() && e.is_nan();
    let errors = got.data.iter().zip(&expected.data).filter(|(g, e)| !same(**g, **e));
    errors
        .map(|(g, e)| (g - e).abs() / scale)
        .fold(0.0, |most: f64, e| if e.is_finite() { most.max(e) } else { f64::INFINITY })
}

#[test]
fn the_reference_agrees_with_pytorch() {
    agrees(&fixtures(false));
}

#[test]
fn the_reference_agrees_with_pytorch_at_the_edges() {
    agrees(&fixtures(true));
}

/// What is wrong is found, NaN and infinity too.
#[test]
fn errors_are_seen_where_nothing_can_be_subtracted() {
    let array = |data: &[f64]| Array { ty: TensorType::f32([data.len()]), data: data.to_vec() };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    assert_eq!(error(&array(&[nan, inf, 2.0]), &array(&[nan, inf, 2.0])), 0.0);
    for wrong in [[1.0, inf, 2.0], [nan, -inf, 2.0], [nan, 1e300, 2.0], [nan, inf, nan], [nan, inf, inf]] {
        assert_eq!(error(&array(&wrong), &array(&[nan, inf, 2.0])), inf, "{wrong:?}");
    }
    assert_eq!(error(&array(&[nan, inf, 3.0]), &array(&[nan, inf, 2.0])), 0.5);
}

/// By how much subtracting a mean magnifies what both sides round: numbers far from 0 whose deviation is 1. By how much a
/// constant is rounded.
fn lost(line: &str) -> f64 {
    let offset =
        line.split_once(" data=offset:").and_then(|(_, rest)| rest.split(' ').next()?.parse::<f64>().ok());
    // Coordinates are constants, too.
    if line.starts_with("affine_grid ") {
        return 1e-7 / RELATIVE;
    }
    let is_norm = line.split(' ').next().is_some_and(|op| op.ends_with("_norm") || op == "norm_statistics");
    // They add a constant, which is an f32.
    let adds = ["gaussian_nll_loss ", "poisson_nll_loss "].iter().any(|op| line.starts_with(op));
    if adds && line.contains(" full") {
        return 1e-8 / RELATIVE;
    }
    if is_norm { offset.map_or(1.0, |offset| offset.abs().max(1.0)) } else { 1.0 }
}

/// What the comparison of some files found.
#[derive(Default)]
struct Found {
    compared: usize,
    worst: f64,
    failures: Vec<String>,
}

fn agrees(files: &[Vec<u8>]) {
    let mut found = Found::default();
    files.iter().for_each(|file| compare(file, &mut found));
    let Found { compared, worst, failures } = found;
    println!("PyTorch: {compared} tensors in {} files, worst {worst:.1e}", files.len());
    assert!(compared > 0 && failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn compare(fixtures: &[u8], found: &mut Found) {
    let file = SafeTensors::deserialize(fixtures).expect("the fixtures");
    let metadata = metadata(fixtures);
    for (number, line) in metadata["cases"].lines().enumerate() {
        let case: Case = line.parse().expect("a line of the table");
        let mut inputs = under(&file, &format!("{number}/in/"));
        for input in case.inputs.iter().map(|input| &input.tensor) {
            let found = inputs.get_mut(&input.name().unwrap_or_default());
            found.into_iter().for_each(|array| array.ty.dtype = input.ty().dtype);
        }
        let expected = under(&file, &format!("{number}/out/"));
        let names: BTreeSet<&String> = case.outputs.iter().map(|(name, _)| name).collect();
        assert_eq!(names, expected.keys().collect(), "{line}");
        let ids: Vec<_> = case.outputs.iter().map(|(_, t)| t.id()).collect();
        let interpreter = Interpreter::new(case.graph.with(Clone::clone), &ids, Precision::F64);
        let got = interpreter.run(&inputs, &mut states(&case)).expect("a graph that runs");
        for (name, tensor) in &case.outputs {
            let (got, expected) = (&got[&tensor.id()], &expected[name]);
            assert_eq!(got.ty.shape, expected.ty.shape, "{line}: {name}");
            let error = error(got, expected);
            (found.compared, found.worst) = (found.compared + 1, found.worst.max(error));
            if error > RELATIVE * lost(line) {
                found.failures.push(format!("{line}: {name} is off by {error:.2e} of its largest element"));
            }
        }
    }
}

/// A line without its data, which fixtures have of their own, but with data at the edges.
fn without_data(line: &Line) -> Line {
    let edges = |data: &str| ["edges", "denormals", "masked", "offset"].iter().any(|e| data.starts_with(e));
    let keep = |key: &str, value: &str| edges(value) || !["data", "seed", "tag"].contains(&key);
    let fields = line.fields.iter().filter(|(key, value)| keep(key, value)).cloned();
    Line { op: line.op.clone(), fields: fields.collect() }
}

/// The ops of lines, and their attributes with each value.
fn attributes<'a>(lines: impl Iterator<Item = &'a Line>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lines {
        found.insert(line.op.clone());
        let attributes = line.fields.iter().filter(|(key, _)| !SHAPES.contains(&key.as_str()));
        found.extend(attributes.map(|(key, value)| format!("{} {key} {value}", line.op)));
    }
    found
}

/// Every case of the table that is not too large for the file has a fixture, and those cover every op and every
/// value of every attribute.
#[test]
fn the_whole_table_has_fixtures() {
    let files = [fixtures(false), fixtures(true)].concat();
    let most: usize = metadata(&files[0])["most"].parse().expect("a number");
    let frozen: BTreeSet<Line> = lines_in(&files).iter().map(without_data).collect();
    let mut table = verify::table(None).expect("the table");
    // PyTorch's results in float64 are the same however inputs are stored.
    table.retain(|line| line.fields.iter().all(|(key, _)| key != "dtype"));
    let small = |line: &&Line| Case::build(line).expect("a case of the table").elements() <= most;
    let lacking: BTreeSet<String> = table
        .iter()
        .filter(|line| !frozen.contains(&without_data(line)))
        .filter(small)
        .map(|line| line.to_string())
        .collect();
    assert!(lacking.is_empty(), "make the fixtures anew, there are none of {lacking:#?}");
    let table: BTreeSet<Line> = table.iter().map(without_data).collect();
    assert!(frozen.is_subset(&table), "make the fixtures anew, some are of cases that are gone");
    let (wanted, found) = (attributes(table.iter()), attributes(frozen.iter()));
    let lacking: Vec<_> = wanted.difference(&found).collect();
    assert!(lacking.is_empty(), "only cases too large for fixtures have {lacking:#?}: add smaller ones");
    println!("{} of {} cases, {} ops and attributes", frozen.len(), table.len(), found.len());
}

/// PyTorch's results of every op and of every function of a family, and of every option that a case has.
#[test]
fn every_function_has_fixtures() {
    let frozen = lines_in(&fixtures(false));
    for name in Op::names() {
        functions::check(name, &functions::lines_of(name, &frozen), "no fixture in tests/fixtures");
    }
    let lacking = functions::lacking_options(&frozen);
    assert!(lacking.is_empty(), "no fixture in tests/fixtures of {lacking:#?}");
    let found: BTreeSet<_> = frozen.iter().filter_map(functions::reduction).collect();
    assert_eq!(found, functions::reductions(), "reductions with fixtures");
}
