//! ONNX's own tests, small models of the project and files of other programs.
//!
//! `scripts/onnx_tests.sh` fetches ONNX's tests; where they are not there, that is said and nothing is tested. `docs/onnx.md` has
//! what came of them, and is written by `WGRAD_WRITE=1 cargo test --features cli --test onnx`.
#![cfg(feature = "onnx")]

mod onnx_data;

use onnx_data::{Verdict, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use wgrad::Device;
use wgrad::onnx::{ImportOptions, Model, operators};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Outputs that NumPy drew at random; a graph that is not for training drops nothing.
const RANDOM: [&str; 4] = [
    "test_training_dropout",
    "test_training_dropout_default",
    "test_training_dropout_default_mask",
    "test_training_dropout_mask",
];

/// Tests of bfloat16 whose every step is rounded to 8 bits; here all are computed as `f32`.
const ROUNDED: [&str; 2] =
    ["test_attention_4d_causal_bf16_expanded", "test_attention_4d_causal_padded_kv_bf16_expanded"];

/// What is refused though every operator is read, by a part of the reason.
const REFUSED: [(&str, &str); 5] = [
    ("(N, C, H, W)", "volumes of GridSample"),
    ("a size of N, C, H and W", "volumes of AffineGrid"),
    ("no empty dimension", "tensors without elements that depend on what a run is given"),
    ("string is not read", "texts"),
    ("a sequence or an optional value is not read", "sequences and optional values"),
];

/// The folders of a set of ONNX's tests, or `None` where it was not fetched.
fn folders(set: &str) -> Option<Vec<PathBuf>> {
    let place = root().join("target/onnx-tests").join(set);
    let Ok(entries) = std::fs::read_dir(&place) else {
        println!("skipped: no {}; scripts/onnx_tests.sh fetches it", place.display());
        return None;
    };
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.join("model.onnx").exists()).collect();
    folders.sort();
    let only = std::env::var("WGRAD_ONNX").unwrap_or_default();
    folders.retain(|folder| name(folder).contains(&only));
    Some(folders)
}

fn name(folder: &Path) -> String {
    folder.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Judges a set on a device: at least so many pass, none is wrong, and what is refused has a reason that is known.
fn set(set: &str, device: &Device, at_least: usize) {
    let Some(folders) = folders(set) else { return };
    let known: BTreeSet<&str> = operators().into_iter().collect();
    let (mut passed, mut bad) = (0, Vec::new());
    for folder in &folders {
        let name = name(folder);
        match judge(folder, device) {
            Verdict::Pass => passed += 1,
            Verdict::Refused(why) => {
                let operator =
                    why.strip_suffix(" is not read").is_some_and(|operator| !known.contains(operator));
                let reason =
                    operator || why.contains("one of") || REFUSED.iter().any(|(part, _)| why.contains(part));
                if !reason {
                    bad.push(format!("{name}: refused: {why}"));
                }
            }
            Verdict::Wrong(_) if RANDOM.contains(&name.as_str()) || ROUNDED.contains(&name.as_str()) => {}
            Verdict::Wrong(why) => bad.push(format!("{name}: {why}")),
        }
    }
    println!("{set}: {passed} of {} pass", folders.len());
    assert!(bad.is_empty(), "{set} on {}:\n{}", device.describe(), bad.join("\n"));
    let whole = std::env::var("WGRAD_ONNX").is_err();
    assert!(!whole || passed >= at_least, "{set}: {passed} pass, expected {at_least}");
}

/// The adapter, or `None` where there is none.
fn adapter() -> Option<Device> {
    let device = Device::auto().ok().filter(|device| !device.is_cpu());
    if device.is_none() {
        println!("skipped: no adapter");
    }
    device
}

#[test]
fn models_of_every_kind() {
    let place = root().join("tests/fixtures/onnx");
    let folders: Vec<PathBuf> = std::fs::read_dir(place)
        .expect("fixtures")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    assert!(folders.len() >= 7);
    for device in [Some(Device::cpu()), adapter()].into_iter().flatten() {
        for folder in &folders {
            assert_eq!(
                judge(folder, &device),
                Verdict::Pass,
                "{} on {}",
                folder.display(),
                device.describe()
            );
        }
    }
}

#[test]
fn node_tests() {
    set("debian/node", &Device::cpu(), 821);
}

#[test]
fn models_converted_from_pytorch() {
    set("debian/pytorch-converted", &Device::cpu(), 82);
    set("debian/pytorch-operator", &Device::cpu(), 35);
    set("debian/simple", &Device::cpu(), 7);
}

#[test]
fn newest_node_tests() {
    set("newest", &Device::cpu(), 1308);
}

#[test]
fn on_an_adapter() {
    let Some(device) = adapter() else { return };
    set("debian/pytorch-converted", &device, 82);
    set("debian/node", &device, 821);
}

/// What came of the tests of an operator.
#[derive(Default)]
struct Row {
    passed: usize,
    refused: BTreeMap<String, usize>,
    versions: BTreeSet<i64>,
}

fn reason(verdict: &Verdict, name: &str) -> Option<String> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Wrong(_) if RANDOM.contains(&name) => Some("drawn at random by NumPy".into()),
        Verdict::Wrong(_) => Some("rounded to bfloat16 at every step".into()),
        Verdict::Refused(why) => {
            let known =
                REFUSED.iter().find(|(part, _)| why.contains(part)).map(|(_, words)| (*words).to_owned());
            Some(known.unwrap_or_else(|| format!("beside {}", why.trim_end_matches(" is not read"))))
        }
    }
}

/// A row for each operator that is read, of all tests that have it.
fn table() -> Option<String> {
    let mut rows: BTreeMap<String, Row> =
        operators().into_iter().map(|name| (name.to_owned(), Row::default())).collect();
    let mut totals = Vec::new();
    for set in
        ["debian/node", "debian/pytorch-converted", "debian/pytorch-operator", "debian/simple", "newest"]
    {
        let folders = folders(set)?;
        let mut passed = 0;
        for folder in &folders {
            let verdict = judge(folder, &Device::cpu());
            passed += usize::from(verdict == Verdict::Pass);
            let Ok(model) = Model::read(&folder.join("model.onnx")) else { continue };
            for operator in model.operators().keys() {
                let Some(row) = rows.get_mut(operator) else { continue };
                row.versions.insert(model.opset());
                match reason(&verdict, &name(folder)) {
                    None => row.passed += 1,
                    Some(why) => *row.refused.entry(why).or_default() += 1,
                }
            }
        }
        totals.push(format!("{set} {passed} of {}", folders.len()));
    }
    let mut text = format!("Pass: {}.\n\n", totals.join(", "));
    text += "| operator | versions tested | pass | not | why |\n|---|---|---|---|---|\n";
    for (name, row) in rows {
        let ends = row.versions.first().zip(row.versions.last());
        let versions = ends.map_or("none".to_owned(), |(first, last)| format!("{first} to {last}"));
        let why: Vec<String> = row.refused.iter().map(|(why, count)| format!("{count} {why}")).collect();
        let refused: usize = row.refused.values().sum();
        // A string takes all that is written.
        let _ = writeln!(text, "| {name} | {versions} | {} | {refused} | {} |", row.passed, why.join("; "));
    }
    Some(text)
}

#[test]
fn the_table_is_up_to_date() {
    let Some(table) = table() else { return };
    let path = root().join("docs/onnx.md");
    let held = std::fs::read_to_string(&path).expect("docs/onnx.md");
    let (head, rest) = held.split_once("<!-- tests -->\n").expect("a mark");
    let (old, tail) = rest.split_once("<!-- end of tests -->").expect("a mark");
    if std::env::var("WGRAD_WRITE").is_ok() {
        let text = format!("{head}<!-- tests -->\n{table}<!-- end of tests -->{tail}");
        std::fs::write(&path, text).expect("docs/onnx.md is written");
        return;
    }
    // Debian and PyPI may come to have others.
    let first = |text: &str| text.lines().next().map(str::to_owned);
    if first(old) == first(&table) {
        assert_eq!(old, table, "docs/onnx.md: WGRAD_WRITE=1 cargo test --features cli --test onnx writes it");
    } else {
        println!("skipped: other tests than docs/onnx.md was written of");
    }
}

/// The bytes of a fixture with some of them replaced by as many others.
fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let at: Vec<usize> = (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!at.is_empty());
    at.into_iter().for_each(|at| bytes[at..at + from.len()].copy_from_slice(to));
    bytes
}

#[test]
fn values_beside_a_file_lie_in_its_folder() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("model");
    std::fs::create_dir(&folder).expect("a folder");
    let fixture = root().join("tests/fixtures/onnx/external");
    let model = std::fs::read(fixture.join("model.onnx")).expect("a fixture");
    let weights = std::fs::read(fixture.join("weights.bin")).expect("a fixture");
    let refused = |bytes: &[u8], part: &str| {
        std::fs::write(folder.join("model.onnx"), bytes).expect("a file");
        let error = Model::read(&folder.join("model.onnx")).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&model, "weights.bin: No such file");
    std::fs::write(folder.join("weights.bin"), &weights[..weights.len() - 1]).expect("a file");
    refused(&model, "of weights.bin, got a file of");
    std::fs::write(place.path().join("ghts.bin"), &weights).expect("a file");
    refused(&changed(&model, b"weights.bin", b"../ghts.bin"), "the model's folder or below it");
    refused(&changed(&model, b"weights.bin", b"/dev/random"), "the model's folder or below it");
    #[cfg(unix)]
    {
        std::fs::remove_file(folder.join("weights.bin")).expect("removed");
        std::os::unix::fs::symlink(place.path().join("ghts.bin"), folder.join("weights.bin"))
            .expect("a link");
        refused(&model, "weights.bin, a link to");
        std::fs::remove_file(folder.join("weights.bin")).expect("removed");
    }
    std::fs::write(folder.join("weights.bin"), &weights).expect("a file");
    std::fs::write(folder.join("model.onnx"), &model).expect("a file");
    Model::read(&folder.join("model.onnx")).expect("all values");
    assert!(Model::from_bytes(&model).is_err(), "values beside bytes");
}

#[test]
fn what_contradicts_itself_is_refused_by_node() {
    let fixture = |name: &str| {
        let path = root().join("tests/fixtures/onnx").join(name).join("model.onnx");
        std::fs::read(path).expect("a fixture")
    };
    let refused = |bytes: &[u8], parts: &[&str]| {
        let built =
            Model::from_bytes(bytes).and_then(|model| model.import(&ImportOptions::new().dim("N", 2)));
        let error = built.expect_err("a contradiction").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}: {parts:?}");
    };
    let cnn = fixture("cnn");
    // An operator that there is not, at its node.
    refused(
        &changed(&cnn, b"Flatten", b"Flatter"),
        &["ONNX Flatter", "'flatten'", "an operator that is read"],
    );
    refused(&changed(&cnn, b"MaxPool", b"QConvII"), &["ONNX QConvII", "'pool'"]);
    let shapes = fixture("shapes");
    refused(&changed(&shapes, b"Gather", b"Gothar"), &["Gothar"]);
    let control = fixture("control");
    refused(&changed(&control, b"then_branch", b"them_branch"), &["ONNX If", "then_branch"]);
}
