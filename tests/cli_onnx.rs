//! `wgrad import`, `run` and `finetune` as a user runs them.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;
use wgrad::HostTensor;
use wgrad::formats::{read_npy, write_npy};
use wgrad::onnx::{Array, ImportOptions, Model};

fn ran(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_a_file_holds_is_told() {
    let place = tempfile::tempdir().expect("a folder");
    let cnn = fixture("cnn/model.onnx");
    let said = ran(place.path(), &format!("import {cnn} --parameters"));
    for line in [
        "operators of version 17, written by fixture",
        "input      image: float (N, 1, 6, 6)",
        "operators  7 nodes: BatchNormalization 1, Conv 1,",
        "with       N=1",
        "built      image [1, 1, 6, 6] -> probabilities [1, 3]",
        "parameters 159 in 6 tensors",
        "conv.weight [4, 1, 3, 3]",
        "buffers    9 in 3 tensors",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    let said = ran(place.path(), &format!("import {cnn} --shape N=5"));
    assert!(said.contains("-> probabilities [5, 3]"), "{said}");
    refused(place.path(), &["import", &cnn, "--shape", "image=1x1x7"], &["(1, 1, 7)"]);
    refused(place.path(), &["import", &cnn, "--shape", "N"], &["--shape", "a name and sizes"]);
    refused(place.path(), &["import", &cnn, "--shape", "M=3"], &["a dimension or an input of", "M"]);
    fs::write(place.path().join("not.onnx"), "words").expect("a file");
    refused(place.path(), &["import", "not.onnx"], &["not.onnx", "an ONNX file"]);
    // Weights without a network.
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files/zip.pt");
    assert!(ran(place.path(), &format!("import {}", weights.display())).contains("a PyTorch file"));
    // Cut anywhere.
    let bytes = fs::read(&cnn).expect("a fixture");
    for end in (0..bytes.len()).step_by(97) {
        let cut = place.path().join("cut.onnx");
        fs::write(&cut, &bytes[..end]).expect("a file");
        assert!(
            Model::read(&cut).and_then(|model| model.import(&ImportOptions::new().dim("N", 1))).is_err(),
            "{end}"
        );
    }
}

#[test]
fn a_network_runs_on_arrays() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let (cnn, data) = (fixture("cnn/model.onnx"), fixture("cnn/test_data_set_0"));
    let array = |name: &str| {
        let bytes = fs::read(Path::new(&data).join(name)).expect("a fixture");
        Array::decode(&bytes).expect("a tensor").to_host().expect("numbers")
    };
    write_npy(&folder.join("image.npy"), &array("input_0.pb")).expect("a file");
    let said = ran(folder, &format!("run {cnn} --input image.npy --output out.npy --device cpu"));
    assert!(said.contains("input    image [2, 1, 6, 6]") && said.contains("row 1: largest"), "{said}");
    let (got, want) = (read_npy(&folder.join("out.npy")).expect("an array"), array("output_0.pb"));
    let pairs = got.as_f32().expect("f32").iter().zip(want.as_f32().expect("f32"));
    assert!(pairs.clone().count() == 6 && pairs.clone().all(|(g, w)| (g - w).abs() < 1e-6), "{got:?}");
    let lstm = fixture("lstm/model.onnx");
    ran(folder, &format!("run {lstm} --input x=zeros --input lengths=zeros --output all --device cpu"));
    assert_eq!(fs::read_dir(folder.join("all")).expect("a folder").count(), 4);
    refused(folder, &["run", &cnn], &["--input image=FILE", "image: float (N, 1, 6, 6)"]);
    refused(folder, &["run", &cnn, "--input", "image.npy", "--input", "image.npy"], &["one more"]);
    refused(folder, &["run", &cnn, "--input", "none.npy"], &["none.npy"]);
    let wrong = HostTensor::from_f32([2, 1, 5, 6], vec![0.0; 60]).expect("a tensor");
    write_npy(&folder.join("wrong.npy"), &wrong).expect("a file");
    refused(folder, &["run", &cnn, "--input", "wrong.npy", "--device", "cpu"], &["ONNX Gemm", "'fc'"]);
}

/// A BMP of 6x6 grey pixels, brighter above or below.
fn picture(path: &Path, above: bool, seed: u64) {
    let mut rng = wgrad::random::Rng::new(seed);
    let mut file = b"BM".to_vec();
    file.extend((54u32 + 20 * 6).to_le_bytes());
    file.extend([0; 4]);
    file.extend(54u32.to_le_bytes());
    file.extend([40u32, 6, 6].map(u32::to_le_bytes).concat());
    file.extend(b"\x01\0\x18\0\0\0\0\0");
    file.extend([0; 20]);
    for row in 0..6 {
        // Rows of a BMP go up.
        let bright = (row >= 3) == above;
        for _ in 0..6 {
            let grey = if bright { 150 } else { 40 } + rng.below(60) as u8;
            file.extend([grey; 3]);
        }
        file.extend([0; 2]);
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    fs::write(path, file).expect("a new file");
}

/// The accuracy that `eval` prints, in percent.
fn accuracy(said: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with("test     loss")).expect("a test");
    line.split_whitespace().nth(4).and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_network_is_trained_further_and_handed_on() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    for seed in 0..24u64 {
        for (class, above) in [("above", true), ("below", false)] {
            picture(&folder.join(format!("pictures/{class}/{seed}.bmp")), above, seed);
        }
    }
    let cnn = fixture("cnn/model.onnx");
    let words = "--data pictures --channels grey --batch-size 8 --epochs 6 --lr 0.01 --device cpu";
    let said = ran(folder, &format!("finetune {cnn} {words} --classes 2 --freeze conv.* --out tuned"));
    assert!(
        said.contains("the last layer Gemm 'fc'") && said.contains("output   logits float32 (batch, 2)"),
        "{said}"
    );
    let said = ran(folder, "eval --run tuned --device cpu");
    assert!(accuracy(&said) >= 90.0, "{said}");
    // What was frozen is the file's, and what comes out is read again.
    let (before, after) = (Model::read(Path::new(&cnn)), Model::read(&folder.join("tuned/model.onnx")));
    let (before, after) = (before.expect("a model"), after.expect("a model"));
    let values = |model: &Model, name: &str| model.initialisers()[name].numbers();
    assert_eq!(values(&before, "conv.weight"), values(&after, "conv.weight"));
    assert_ne!(values(&before, "bn.weight"), values(&after, "bn.weight"));
    assert!(
        after.initialisers().contains_key("head.weight") && !after.initialisers().contains_key("fc.weight")
    );
    ran(folder, "import tuned/model.onnx");
    ran(folder, "predict pictures/above/3.bmp --run tuned --device cpu");
    // Going on from it, with its own last layer.
    ran(folder, &format!("finetune tuned/model.onnx {words} --classes keep --out again"));
    let again = Model::read(&folder.join("again/model.onnx")).expect("a model");
    assert!(again.initialisers().contains_key("head.weight"));
    let said = ran(folder, "eval --run again --device cpu");
    assert!(accuracy(&said) >= 90.0, "{said}");
    let data = ["--data", "pictures", "--channels", "grey", "--device", "cpu"];
    refused(folder, &[&["finetune", &cnn, "--classes", "3"], &data[..]].concat(), &["--classes", "2"]);
    refused(folder, &[&["finetune", &cnn, "--classes", "keep"], &data[..]].concat(), &["3 classes"]);
    let control = fixture("control/model.onnx");
    refused(folder, &[&["finetune", &control], &data[..]].concat(), &["a linear layer or a convolution"]);
}
