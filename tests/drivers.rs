//! Faults of drivers and of shader compilers, each as the shortest WGSL that shows it: `tests/drivers/*.wgsl`. Every one is run
//! on the adapters at hand. One that is known to be wrong is said to be; any other has to be right.
//!
//! A file begins with comments that say what it is, and then, each a line:
//! - `// input f32: 1 2 3` or `u32`: a buffer that is read, from binding 0 on
//! - `// workgroups: 2`
//! - `// output u32: 5 5 5`: what has to be in the buffer behind the inputs; `5 x 12` is 5 twelve times
//! - `// affected: Mesa 22.3`: part of "name, kind, backend, driver" of an adapter that is wrong; any number of them
//!
//! The entry point is `main`, and runs without wgpu's bounds checks, then with them.

use std::fs;
use std::path::Path;
use wgrad::reference::Array;
use wgrad::verify::{Adapter, Effort, Estimate, UserKernel, Verdict, run_kernel};
use wgrad::{HostTensor, TensorType};

/// The file that has no fault, and has to be right everywhere.
const CONTROL: &str = "control";

/// A file of `tests/drivers`.
struct Repro {
    name: String,
    wgsl: String,
    inputs: Vec<HostTensor>,
    workgroups: u32,
    output: Array,
    affected: Vec<String>,
}

/// The numbers of a line, `5 x 12` being twelve of them.
fn numbers(text: &str) -> Vec<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let value: f64 = words[at].parse().expect("a number");
        let times = if words.get(at + 1) == Some(&"x") { words[at + 2].parse().expect("a count") } else { 1 };
        all.extend(std::iter::repeat_n(value, times));
        at += if words.get(at + 1) == Some(&"x") { 3 } else { 1 };
    }
    all
}

/// A buffer of a line, `f32: 1 2 3`.
fn array(text: &str) -> Array {
    let (dtype, text) = text.split_once(':').expect("f32: or u32:, and numbers");
    let data = numbers(text);
    let ty = match dtype {
        "f32" => TensorType::f32([data.len()]),
        "u32" => TensorType::u32([data.len()]),
        other => panic!("expected f32 or u32, got {other}"),
    };
    Array { ty, data }
}

fn repro(path: &Path) -> Repro {
    let wgsl = fs::read_to_string(path).expect("a file of tests/drivers");
    let fields = |key: &str| -> Vec<String> {
        let prefix = format!("// {key}");
        wgsl.lines().filter_map(|line| Some(line.strip_prefix(&prefix)?.trim().to_owned())).collect()
    };
    let host = |text: &String| {
        let array = array(text);
        let shape = [array.data.len()];
        if text.starts_with("u32") {
            HostTensor::from_u32(shape, array.data.iter().map(|&x| x as u32).collect()).expect("an input")
        } else {
            HostTensor::from_f32(shape, array.data.iter().map(|&x| x as f32).collect()).expect("an input")
        }
    };
    let one = |key: &str| fields(key).pop().unwrap_or_else(|| panic!("{}: no `// {key}`", path.display()));
    Repro {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        inputs: fields("input ").iter().map(host).collect(),
        workgroups: one("workgroups:").parse().expect("how many"),
        output: array(&one("output ")),
        affected: fields("affected:"),
        wgsl,
    }
}

/// What an adapter makes of it: nothing where it is right, or why it could not be asked.
fn run(repro: &Repro, adapter: &Adapter) -> Verdict {
    let kernel = UserKernel {
        name: "main",
        wgsl: &repro.wgsl,
        inputs: &repro.inputs,
        output: repro.output.ty.clone(),
        workgroups: [repro.workgroups, 1],
    };
    let effort = Effort { repeats: 1, variants: false, checked: true };
    let outcome = run_kernel(adapter, &kernel, Estimate::exact(repro.output.clone()), effort);
    outcome.map_or_else(|e| Verdict::Skipped(e.to_string()), |outcome| outcome.verdict)
}

#[test]
fn known_faults_of_drivers_are_where_they_are_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers");
    let files = fs::read_dir(folder).expect("tests/drivers").flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "wgsl")).collect();
    files.sort();
    assert!(files.iter().any(|path| path.file_stem().is_some_and(|stem| stem == CONTROL)), "{files:?}");
    let adapters: Vec<_> = wgrad::adapters(None)
        .into_iter()
        .filter_map(|report| {
            let adapter = Adapter::open(None, Some(&report.index.to_string())).ok()?;
            Some((
                format!("{}, {}, {}, {}", report.name, report.kind, report.backend, report.driver),
                adapter,
            ))
        })
        .collect();
    if adapters.is_empty() {
        println!("SKIPPED: no adapter");
    }
    let mut unexpected = Vec::new();
    for repro in files.iter().map(|path| repro(path)) {
        for (described, adapter) in &adapters {
            let known = repro.affected.iter().any(|part| described.contains(part.as_str()));
            let what = match run(&repro, adapter) {
                Verdict::Pass if known => "right, though known to be wrong: mended?".to_owned(),
                Verdict::Pass => "right".to_owned(),
                Verdict::Fail(failure) if known => format!("WRONG, as is known: {}", failure.what),
                Verdict::Fail(failure) => {
                    unexpected.push(format!("{} on {described}: {}", repro.name, failure.what));
                    format!("WRONG: {}", failure.what)
                }
                Verdict::Skipped(why) | Verdict::Mistrusted(why) => {
                    if repro.name == CONTROL {
                        unexpected.push(format!("{CONTROL} does not run on {described}: {why}"));
                    }
                    format!("SKIPPED: {why}")
                }
            };
            println!("{}: {described}: {what}", repro.name);
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
