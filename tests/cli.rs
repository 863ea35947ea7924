//! `wgrad train`, `eval`, `predict` and `devices` as a user runs them: a short real run, and what goes wrong.
#![cfg(feature = "cli")]

mod common;
mod idx;

use common::{refused, wgrad};
use idx::{idx, set};
use std::fs;
use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};
use wgrad::data;

/// A folder with MNIST's four files: 70 training and 40 test images, so that every last batch is short.
fn mnist() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    set(folder.path(), "train", &data::digits(70, 1).expect("digits"));
    set(folder.path(), "t10k", &data::digits(40, 2).expect("digits"));
    folder
}

fn png(path: &Path, pixels: &[u8]) {
    let file = fs::File::create(path).expect("the folder can be written");
    let mut encoder = png::Encoder::new(file, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(pixels).expect("as many pixels as the header says");
}

#[test]
fn a_short_run_writes_its_folder_and_eval_and_predict_use_it() {
    let place = mnist();
    let folder = place.path();
    let train =
        ["train", "--model", "mlp", "--data", ".", "--epochs", "4", "--batch-size", "16", "--lr", "3e-3"];
    let (success, text) = wgrad(folder, &train);
    assert!(success, "{text}");
    println!("{text}");
    let run = folder.join("runs/0001-mlp");
    for name in ["metrics.csv", "history.svg", "confusion.svg", "model.safetensors", "run.json"] {
        assert!(run.join(name).is_file(), "{name}:\n{text}");
    }
    assert!(
        !fs::read_dir(&run)
            .expect("a folder")
            .flatten()
            .any(|e| e.path().extension() == Some("tmp".as_ref()))
    );
    let csv = fs::read_to_string(run.join("metrics.csv")).expect("text");
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let header = "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds,images_per_second";
    assert_eq!((rows.len(), rows[0].join(",").as_str()), (5, header));
    let loss = |row: usize| rows[row][1].parse::<f64>().expect("a number");
    assert!(loss(4) < 0.7 * loss(1), "the loss falls:\n{csv}");

    // The same numbers again from the saved weights.
    let (success, text) =
        wgrad(folder, &["eval", "--data", ".", "--batch-size", "7", "--confusion", "c.svg"]);
    assert!(success && folder.join("c.svg").is_file(), "{text}");
    let accuracy = 100.0 * rows[4][4].parse::<f64>().expect("a number");
    assert!(text.contains(&format!("accuracy {accuracy:.2} %")), "{csv}\n{text}");

    // A picture of a training image, and its negative, are classified alike.
    let digits = data::digits(1, 1).expect("digits");
    let pixels = digits.image(0).expect("in range");
    png(&folder.join("light.png"), pixels);
    png(&folder.join("dark.png"), &pixels.iter().map(|p| 255 - p).collect::<Vec<_>>());
    let (success, text) = wgrad(folder, &["predict", "light.png", "dark.png"]);
    assert!(success, "{text}");
    let answers: Vec<_> =
        text.lines().filter_map(|l| l.split_once("png: ")).map(|(_, answer)| answer).collect();
    assert!(answers.len() == 2 && answers[0] == answers[1], "{text}");

    // A second run has the same bits, in the next folder.
    assert!(wgrad(folder, &train).0);
    let weights = |run: &str| fs::read(folder.join(run).join("model.safetensors")).expect("weights");
    assert!(weights("runs/0001-mlp") == weights("runs/0002-mlp"), "two runs with one seed differ");
    refused(
        folder,
        &["train", "--data", ".", "--out", "runs/0001-mlp"],
        &["runs/0001-mlp", "new or empty folder"],
    );
    refused(
        folder,
        &["eval", "--data", ".", "--model", "lenet", "--weights", "runs/0001-mlp/model.safetensors"],
        &["model.safetensors", "expected", "got"],
    );
}

/// A set of IDX files of EMNIST's names: `classes` kinds of images of 20x24 with labels from `first`, a bright bar each.
fn emnist(folder: &Path, split: &str, first: u8, classes: u8) {
    for (part, count) in [("train", 3), ("test", 2)] {
        let labels: Vec<u8> = (0..count).flat_map(|_| first..first + classes).collect();
        let image = |label: &u8| {
            let at = usize::from(label - first) * 480 / usize::from(classes);
            (0..480).map(move |i| if (at..at + 10).contains(&i) { 255 } else { 0 })
        };
        let pixels: Vec<u8> = labels.iter().flat_map(image).collect();
        let name = |what: &str| folder.join(format!("emnist-{split}-{part}-{what}-ubyte"));
        idx(&name("images-idx3"), &[labels.len(), 20, 24], &pixels);
        idx(&name("labels-idx1"), &[labels.len()], &labels);
    }
}

#[test]
fn sets_of_other_names_sizes_and_classes_are_learned_judged_and_predicted() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    emnist(folder, "letters", 1, 26);
    emnist(folder, "balanced", 0, 47);
    let short = ["--epochs", "1", "--batch-size", "16", "--device", "cpu"];
    let train = |options: &[&str]| wgrad(folder, &[&["train", "--data", "."], options, &short].concat());
    let (success, text) = train(&["--model", "mlp"]);
    assert!(!success && text.contains("emnist-balanced, emnist-letters"), "{text}");
    for model in ["simple-cnn", "lenet", "mlp", "lstm-rows", "gru-rows"] {
        let out = format!("{model}-run");
        let (success, text) = train(&["--split", "letters", "--model", model, "--out", &out]);
        assert!(success && text.contains(&format!("{model} for images of 24x20 in 26 classes")), "{text}");
    }
    let (success, text) = train(&["--split", "balanced", "--model", "mlp", "--out", "b"]);
    assert!(success && text.contains("images of 24x20 in 47 classes"), "{text}");
    let run = ["--run", "mlp-run", "--device", "cpu"];
    let with = |args: &[&'static str]| [args, &run].concat();
    let (success, text) = wgrad(folder, &with(&["eval", "--data", ".", "--split", "letters"]));
    assert!(success && text.contains("class 26 ") && !text.contains("class 0 "), "{text}");
    refused(
        folder,
        &with(&["eval", "--data", ".", "--split", "balanced"]),
        &["labels of 1 to 26, got 0 at 0", "emnist-balanced"],
    );
    let (success, text) = wgrad(folder, &with(&["eval"]));
    assert!(success && text.contains("letters, 78 training and 52 test images"), "its own data: {text}");
    png(&folder.join("a.png"), &[9; 784]);
    let (success, text) = wgrad(folder, &with(&["predict", "a.png"]));
    assert!(success && text.contains("a.png: "), "{text}");
    let class: u8 =
        text.split_once("a.png: ").and_then(|(_, t)| t.split(' ').next()?.parse().ok()).expect(&text);
    assert!((1..=26).contains(&class), "{text}");

    // Too small for a network: named before anything is made.
    let tiny = folder.join("tiny");
    fs::create_dir(&tiny).expect("the folder can be written");
    for part in ["train", "t10k"] {
        idx(&tiny.join(format!("{part}-images.idx3-ubyte")), &[4, 3, 9], &[7; 108]);
        idx(&tiny.join(format!("{part}-labels.idx1-ubyte")), &[4], &[0, 1, 2, 1]);
    }
    for (model, least) in [("simple-cnn", "4x4"), ("lenet", "12x12")] {
        let args = ["train", "--data", "tiny", "--model", model, "--batch-size", "2", "--device", "cpu"];
        refused(
            folder,
            &args,
            &[model, &format!("images of at least {least}"), "got images of 3x9 in 3 classes"],
        );
    }
    let args = [
        "train",
        "--data",
        "tiny",
        "--model",
        "mlp",
        "--batch-size",
        "2",
        "--device",
        "cpu",
        "--epochs",
        "1",
    ];
    let (success, text) = wgrad(folder, &args);
    assert!(success && text.contains("mlp for images of 3x9 in 3 classes"), "{text}");
}

#[test]
fn bad_input_is_named_and_leaves_nothing_behind() {
    let place = mnist();
    let folder = place.path();
    refused(folder, &["train", "--model", "resnet"], &["model", "simple-cnn", "resnet"]);
    refused(folder, &["train", "--data", "nowhere"], &["nowhere", "no such folder"]);
    refused(folder, &["train", "--device", "no such card"], &["no such card"]);
    refused(folder, &["train", "--device", "99"], &["99"]);
    refused(folder, &["train", "--backend", "cuda"], &["cuda", "vulkan"]);
    refused(folder, &["train", "--device", "cpu", "--backend", "vulkan"], &["cpu", "vulkan"]);
    for size in ["0", "71", "1000000000000"] {
        refused(
            folder,
            &["train", "--data", ".", "--model", "mlp", "--batch-size", size],
            &["batch-size", size],
        );
    }
    refused(folder, &["train", "--data", ".", "--model", "mlp", "--epochs", "0"], &["epochs"]);
    refused(folder, &["train", "--data", ".", "--model", "mlp", "--lr", "nan"], &["lr", "NaN"]);
    refused(folder, &["train", "--data", ".", "--model", "mlp", "--momentum", "0.9"], &["momentum", "sgd"]);
    refused(folder, &["eval"], &["wgrad train"]);
    // A run that diverges before its first weights is no run.
    let diverging =
        ["train", "--data", ".", "--model", "mlp", "--batch-size", "8", "--optimizer", "sgd", "--lr", "1e30"];
    refused(folder, &diverging, &["loss", "finite", "learning rate"]);
    refused(folder, &["eval", "--data", ".", "--model", "mlp", "--weights", "gone"], &["gone: No such file"]);
    fs::write(folder.join("no.png"), "not a picture").expect("the folder can be written");
    fs::write(folder.join("w.safetensors"), [7; 20]).expect("the folder can be written");
    let trained = ["--model", "mlp", "--weights", "w.safetensors"];
    refused(folder, &[&["predict", "no.png"][..], &trained].concat(), &["no.png", "PNG"]);
    refused(
        folder,
        &[&["eval", "--data", "."][..], &trained].concat(),
        &["w.safetensors", "safetensors file"],
    );
    idx(&folder.join("t10k-labels-idx1-ubyte"), &[40], &[3; 12]);
    refused(folder, &["train", "--data", "."], &["t10k-labels-idx1-ubyte", "40 bytes", "12 bytes"]);
    assert!(!folder.join("runs").exists(), "a refused run left a folder behind");
}

#[test]
fn a_reader_that_leaves_early_is_no_panic() {
    // One that has left before the first line: else a fast writer could be done before it goes.
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    let output = command.args(["parity", "--list"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn devices_lists_the_reference_at_least() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (success, text) = wgrad(place.path(), &["devices"]);
    assert!(success && text.contains("cpu: the CPU reference"), "{text}");
    for adapter in wgrad::adapters(None) {
        let first = format!("{}: {} ({}, {})", adapter.index, adapter.name, adapter.kind, adapter.backend);
        assert!(text.contains(&first) && text.contains(&adapter.driver), "no '{first}' in\n{text}");
    }
}

#[test]
fn explain_prints_the_plan_and_draws_its_memory() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (success, text) =
        wgrad(place.path(), &["explain", "simple-cnn", "--device", "cpu", "--svg", "memory.svg"]);
    assert!(success, "{text}");
    for part in [
        "features.3",
        "with relu 'features.1'",
        "fusion   7 element-wise",
        "fused: ",
        "unfused: ",
        "alive at step",
    ] {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
    let model = "resnet-like-without-batch-norm";
    let (success, text) = wgrad(place.path(), &["explain", model, "--device", "cpu"]);
    assert!(success && text.contains("has no epilogue"), "why some stand alone:\n{text}");
    let svg = fs::read_to_string(place.path().join("memory.svg")).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.contains("MiB"));
    refused(place.path(), &["explain", "resnet-50"], &["resnet-50", "simple-cnn"]);
    refused(place.path(), &["explain", "mlp", "--batch-size", "0"], &["batch-size"]);
}
