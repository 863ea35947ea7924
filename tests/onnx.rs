//! ONNX's own tests and files of other programs, where they are there.
#![cfg(feature = "onnx")]

mod onnx_data;

use onnx_data::{Verdict, judge};
use std::collections::BTreeMap;
use std::path::PathBuf;
use wgrad::Device;

#[test]
fn onnx_tests() {
    let Ok(root) = std::env::var("WGRAD_ONNX_TESTS") else { return };
    let device =
        if std::env::var("WGRAD_CPU").is_ok() { Device::cpu() } else { Device::auto().expect("a device") };
    let filter = std::env::var("WGRAD_FILTER").unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(&root).expect("a folder").flatten().map(|e| e.path()).collect();
    folders.sort();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        if !name.contains(&filter) || !folder.join("model.onnx").exists() {
            continue;
        }
        let verdict = judge(&folder, &device);
        let kind = match &verdict {
            Verdict::Pass => "pass",
            Verdict::Refused(_) => "refused",
            Verdict::Wrong(_) => "wrong",
        };
        *counts.entry(kind).or_default() += 1;
        println!("{name}: {verdict}");
    }
    println!("{counts:?}");
}
