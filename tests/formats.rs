//! Files of PyTorch's and NumPy's: what they hold is what was saved. `tests/fixtures/torch_files.py` writes them.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::{Path, PathBuf};
use wgrad::formats::{Format, ReadOptions, TensorFile, Tensors, read_npy, read_npz, write_npy};
use wgrad::nn::{Linear, Module};
use wgrad::{Device, Graph, HostTensor, Parameters, Result, TensorType, f16};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files").join(name)
}

fn read(name: &str) -> Tensors {
    Tensors::read(&fixture(name), &ReadOptions::default()).expect(name)
}

fn with_key(key: &str) -> ReadOptions {
    ReadOptions { key: Some(key.into()), ..ReadOptions::default() }
}

/// The values of the script: multiples of 1/4.
fn values(count: usize, salt: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + salt * 3) % 11) as f32 * 0.25 - 1.0).collect()
}

fn tensor(shape: &[usize], salt: usize) -> HostTensor {
    HostTensor::from_f32(shape, values(shape.iter().product(), salt)).expect("a shape")
}

fn counts(count: usize, salt: usize) -> HostTensor {
    let counts = values(count, salt).iter().map(|value| ((value + 1.0) * 4.0) as u32).collect();
    HostTensor::from_u32([count], counts).expect("a shape")
}

fn of(shape: &[usize], values: Vec<f32>) -> HostTensor {
    HostTensor::from_f32(shape, values).expect("a shape")
}

/// The message of a refused file, which names it.
fn refusal(name: &str, options: &ReadOptions) -> String {
    let error = Tensors::read(&fixture(name), options).expect_err(name).to_string();
    assert!(error.contains(name) && error.contains("expected") && error.contains("got"), "{error}");
    error
}

#[test]
fn state_dicts_of_both_forms_are_what_was_saved() {
    let shared = values(24, 1);
    let swapped = values(24, 4);
    let pick = |from: &[f32], at: &[usize]| at.iter().map(|&i| from[i]).collect::<Vec<_>>();
    let of_axes = |a: usize, b: usize, c: usize| b * 12 + c * 4 + a;
    let places = (0..4).flat_map(|a| (0..2).flat_map(move |b| (0..3).map(move |c| of_axes(a, b, c))));
    let truths = values(6, 5).iter().map(|&value| u32::from(value != -1.0)).collect();
    let expected = [
        ("rows", tensor(&[2, 3], 2)),
        ("columns", of(&[3, 2], pick(&values(6, 3), &[0, 3, 1, 4, 2, 5]))),
        ("swapped", of(&[4, 2, 3], pick(&swapped, &places.collect::<Vec<_>>()))),
        ("slice", of(&[2, 3], pick(&shared, &[6, 8, 10, 12, 14, 16]))),
        ("column", of(&[4], pick(&shared, &[5, 11, 17, 23]))),
        ("whole", tensor(&[4, 6], 1)),
        ("repeated", of(&[3, 4], values(3, 5).iter().flat_map(|&value| [value; 4]).collect())),
        ("scalar", tensor(&[], 6)),
        ("empty", of(&[0, 3], Vec::new())),
        ("half", tensor(&[5], 7)),
        ("brain", tensor(&[5], 8)),
        ("double", tensor(&[5], 9)),
        ("parameter", tensor(&[2, 2], 10)),
        (
            "num_batches_tracked",
            HostTensor::from_u32([0; 0], vec![(1_234_567_890_123u64 % (1 << 32)) as u32]).expect("one"),
        ),
        ("int32", counts(3, 1)),
        ("int8", counts(3, 3)),
        ("uint8", counts(3, 4)),
        ("truth", HostTensor::from_u32([6], truths).expect("six")),
    ];
    for name in ["zip.pt", "legacy.pt"] {
        let found = read(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (key, value) in &expected {
            assert_eq!(found.get(key), Some(value), "{name}: {key}");
        }
    }
    assert_eq!(read("protocol4.pt").get("b"), Some(&tensor(&[3], 3)));
    assert_eq!(read("tensor.pt").get("tensor"), Some(&tensor(&[2, 2], 1)), "called as the file");
    assert_eq!(read("unsigned.pt").get("w"), Some(&counts(3, 1)));
}

#[test]
fn a_training_checkpoint_is_read_by_key() -> Result<()> {
    for name in ["checkpoint.pt", "checkpoint_legacy.pt"] {
        let file = TensorFile::open(&fixture(name), &ReadOptions::default())?;
        let remarks = file.remarks().join("\n");
        for part in ["under the key model", "optimizer.state.0", "losses", "module. was taken off 2 names"] {
            assert!(remarks.contains(part), "{part}: {remarks}");
        }
        let expected = [("weight".to_owned(), tensor(&[2, 3], 11)), ("bias".to_owned(), tensor(&[2], 12))];
        assert_eq!(Tensors::of(&file)?, expected.into_iter().collect::<Tensors>(), "{name}");
        let state = Tensors::read(&fixture(name), &with_key("optimizer.state.0"))?;
        assert_eq!(state.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["exp_avg", "exp_avg_sq", "step"]);
        assert_eq!(state.get("step"), Some(&of(&[], vec![1.0])));
        let losses = Tensors::read(&fixture(name), &with_key("losses"))?;
        assert_eq!(losses.get("losses"), Some(&of(&[3], vec![0.0, 1.0, 2.0])));
        assert_eq!(
            Tensors::read(&fixture(name), &with_key(""))?.len(),
            1,
            "the array beside the dictionaries"
        );
        let whole = ReadOptions { strip_prefix: Some(String::new()), ..with_key("model") };
        assert!(Tensors::read(&fixture(name), &whole)?.get("module.weight").is_some());
        let partly = ReadOptions { strip_prefix: Some("module.w".into()), ..with_key("model") };
        let partly = Tensors::read(&fixture(name), &partly)?;
        assert!(partly.get("eight").is_some() && partly.get("module.bias").is_some());
        for (options, parts) in [
            (with_key("net"), ["net (--key net)", "model (dict)"]),
            (with_key("model.module.weight.x"), ["an entry x", "--key"]),
            (with_key("epoch"), ["a dictionary of tensors", "int"]),
            (with_key("schedule"), ["a dictionary of tensors", "milestones (dict)"]),
            (with_key("optimizer"), ["one of state.0, state.1", "param_groups (list)"]),
            (
                ReadOptions { strip_prefix: Some("net.".into()), ..with_key("model") },
                ["begin with net.", "module.bias"],
            ),
        ] {
            let error = refusal(name, &options);
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
    let error = refusal("two_models.pt", &ReadOptions::default());
    assert!(error.contains("a key (--key) of tensors, one of ema, model"), "{error}");
    assert_eq!(Tensors::read(&fixture("two_models.pt"), &with_key("ema"))?.get("w"), Some(&tensor(&[2], 2)));
    Ok(())
}

#[test]
fn what_is_no_tensor_is_refused_by_name_and_nothing_is_executed() {
    for (name, parts) in [
        ("evil.pt", ["the name posix.system, which is not executed", "of data.pkl"]),
        ("evil_legacy.pt", ["the name posix.system, which is not executed", "at byte"]),
        ("module.pt", ["torch.nn.modules.linear.Linear", "model.state_dict()"]),
        ("quantized.pt", ["torch._utils._rebuild_qtensor", "at byte"]),
        ("negative.pt", ["w of whole numbers of 0 to 4294967295", "-1 as element 1, in I64 of shape [2]"]),
        ("complex.pt", ["w of floats, whole numbers or truth values", "complex64 of shape [2]"]),
        ("objects.npy", ["\"|O\"", "floats"]),
        ("records.npy", ["an array of numbers", "records"]),
    ] {
        let error = refusal(name, &ReadOptions::default());
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    assert!(!Path::new("wgrad-was-executed").exists());
    // One tensor that is none of ours does not hide the others.
    let file = TensorFile::open(&fixture("complex.pt"), &ReadOptions::default()).expect("a file");
    assert_eq!(file.read("b").expect("a tensor"), tensor(&[2], 1));
}

#[test]
fn arrays_of_numpy_are_what_was_saved() -> Result<()> {
    let columns = tensor(&[2, 3, 2], 5);
    let floats = [
        ("single", tensor(&[2, 3], 1)),
        ("half", tensor(&[4], 2)),
        ("double", tensor(&[4], 3)),
        ("big", tensor(&[2, 2], 4)),
        ("columns", columns),
        ("scalar", tensor(&[], 6)),
    ];
    for name in ["arrays.npz", "packed.npz"] {
        let found = read_npz(&fixture(name))?;
        for (key, value) in &floats {
            assert_eq!(found.get(key), Some(value), "{name}: {key}");
        }
    }
    let found = read_npz(&fixture("arrays.npz"))?;
    for code in ["i1", "u2", "i4", "u8", "i8"] {
        assert_eq!(found.get(&format!("of_{code}")), Some(&counts(6, 8)), "{code}");
    }
    let truths = values(6, 8).iter().map(|&value| u32::from(value != -1.0)).collect();
    assert_eq!(found.get("of_b1"), Some(&HostTensor::from_u32([6], truths)?));
    assert_eq!(found.get("empty"), Some(&of(&[0, 2], Vec::new())));
    assert_eq!(found.get("layer.weight"), Some(&tensor(&[1, 2], 7)));
    for version in [2, 3] {
        assert_eq!(read_npy(&fixture(&format!("version{version}.npy")))?, tensor(&[2, 3], version));
    }
    Ok(())
}

#[test]
fn what_is_written_is_read_again() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let halves = HostTensor::from_f16([3], [0.5, -2.0, 65504.0].map(f16::from_f32).to_vec())?;
    let tensors: Tensors = [
        ("a/../b".to_owned(), tensor(&[2, 3], 1)),
        ("scalar".to_owned(), tensor(&[], 2)),
        ("of one".to_owned(), tensor(&[7], 3)),
        ("count.ä".to_owned(), HostTensor::from_u32([2], vec![0, u32::MAX])?),
        ("halves".to_owned(), halves.clone()),
        ("empty".to_owned(), HostTensor::zeros(&TensorType::f32([2, 0]))),
    ]
    .into_iter()
    .collect();
    tensors.save(&at("t.safetensors"))?;
    tensors.save_npz(&at("t.npz"))?;
    for (name, format) in [("t.safetensors", Format::Safetensors), ("t.npz", Format::Npz)] {
        let file = TensorFile::open(&at(name), &ReadOptions::default())?;
        assert_eq!(file.format(), format);
        let found = Tensors::of(&file)?;
        assert_eq!(found.len(), tensors.len());
        for (key, value) in tensors.iter() {
            let widened = if key == "halves" { value.cast(wgrad::DType::F32) } else { value.clone() };
            assert_eq!(found.get(key), Some(&widened), "{name}: {key}");
        }
    }
    for (_, tensor) in tensors.iter() {
        // The name of a file does not matter.
        write_npy(&at("t.pt"), tensor)?;
        let widened = if tensor == &halves { tensor.cast(wgrad::DType::F32) } else { tensor.clone() };
        assert_eq!(read_npy(&at("t.pt"))?, widened);
        assert_eq!(fs::read(at("t.pt")).expect("a file").len() % 64, tensor.as_bytes().len() % 64);
    }
    // Whole numbers are of 64 bits in safetensors, as PyTorch has them.
    let file = TensorFile::open(&at("t.safetensors"), &ReadOptions::default())?;
    assert!(file.tensors().any(|(name, ty, _)| name == "count.ä" && ty == "I64"));
    Ok(())
}

fn layer(scope: Option<&str>) -> Result<Parameters> {
    let graph = Graph::new();
    let x = graph.input("x", [1, 3])?;
    let forward = || Linear::new(3, 2).forward(&x);
    let y = scope.map_or_else(forward, |scope| graph.scoped(scope, forward))?;
    let parameters = Parameters::new(&Device::cpu(), 0);
    parameters.compile(&graph, &[&y])?;
    Ok(parameters)
}

#[test]
fn parameters_are_loaded_from_any_of_them() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let parameters = layer(None)?;
    parameters.load(&fixture("checkpoint.pt"))?;
    assert_eq!(parameters.get("weight")?, tensor(&[2, 3], 11));
    let other = layer(None)?;
    assert_eq!(other.load_matching(&fixture("checkpoint_legacy.pt"), &["b*"])?, ["bias"]);
    assert_eq!(other.get("bias")?, tensor(&[2], 12));
    // A network that is itself called as PyTorch's wrapper.
    let wrapped = layer(Some("module"))?;
    wrapped.load(&fixture("checkpoint.pt"))?;
    assert_eq!(wrapped.get("module.weight")?, tensor(&[2, 3], 11));
    Tensors::read(&fixture("checkpoint.pt"), &ReadOptions::default())?.save_npz(&at("w.npz"))?;
    let third = layer(None)?;
    third.load(&at("w.npz"))?;
    assert_eq!(third.get("bias")?, tensor(&[2], 12));
    let error = third.load(&fixture("zip.pt")).unwrap_err().to_string();
    for part in ["zip.pt", "weight (f32 (2, 3))", "also brain (f32 (5))", "num_batches_tracked (u32 ())"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = third.load(&fixture("evil.pt")).unwrap_err().to_string();
    assert!(error.contains("posix.system"), "{error}");
    Ok(())
}

#[test]
fn the_command_converts_and_inspects() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let path = fixture("checkpoint.pt").display().to_string();
    let run = |args: &[&str]| {
        let (success, text) = wgrad(at, args);
        assert!(success, "{args:?}:\n{text}");
        text
    };
    let said = run(&["convert", &path, "--to", "m.safetensors"]);
    for part in [
        "a PyTorch file, ",
        "under the key model",
        "module. was taken off",
        "wrote 2 tensors, 8 elements, to m.safetensors",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = run(&["convert", "m.safetensors", "--to", "m.npz", "--strip", "wei"]);
    assert!(said.contains("the prefix wei was taken off 1 names"), "{said}");
    let said = run(&["inspect", "m.npz"]);
    assert!(said.contains("NumPy arrays") && said.contains("ght") && said.contains("2 tensors"), "{said}");
    let said = run(&["inspect", &path, "--key", "optimizer.state.1"]);
    assert!(said.contains("exp_avg_sq") && said.contains("3 tensors"), "{said}");
    let said = run(&["inspect", &fixture("zip.pt").display().to_string(), "--filter", "brain"]);
    assert!(said.contains("BF16") && said.contains("2.5000e-1"), "{said}");
    refused(at, &["convert", &path, "--to", "m.txt"], &["--to", ".safetensors or .npz", "m.txt"]);
    refused(at, &["convert", &path, "--to", "gone/m.npz"], &["--to gone/m.npz", "no folder gone"]);
    refused(at, &["convert", "m.npz", "--to", "n.npz", "--key", "a"], &["m.npz", "no key", "--key a"]);
    let evil = fixture("evil.pt").display().to_string();
    for args in [&["inspect", &evil][..], &["convert", &evil, "--to", "e.npz"]] {
        refused(at, args, &["evil.pt", "posix.system", "not executed"]);
    }
    assert!(!at.join("e.npz").exists() && !at.join("wgrad-was-executed").exists());
}

#[test]
fn whole_numbers_below_zero_are_read_as_f32() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/files/negative.pt");
    let file = TensorFile::open(&path, &ReadOptions::default()).expect("a file");
    assert!(file.read("w").is_err());
    let read = file.read_f32("w").expect("numbers that f32 holds");
    assert_eq!(read.as_f32().expect("f32")[1], -1.0, "{read:?}");
    assert!(file.read_f32("none").is_err());
}
