//! `wgrad train`, `eval` and `predict` with image files and CIFAR's: small ones that the tests write.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

/// The accuracy that `eval` prints, in percent.
fn accuracy(said: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with("test     loss")).expect("a test");
    line.split_whitespace().nth(4).and_then(|word| word.parse().ok()).expect("a number")
}

/// A 24-bit BMP file of `side` pixels a side: of red, or of blue, more of it in the middle.
fn picture(path: &Path, side: u32, red: bool, seed: u64) {
    let mut rng = wgrad::random::Rng::new(seed);
    let row = (3 * side).next_multiple_of(4);
    let mut file = b"BM".to_vec();
    file.extend((54 + row * side).to_le_bytes());
    file.extend([0; 4]);
    file.extend(54u32.to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend([side.to_le_bytes(), side.to_le_bytes()].concat());
    file.extend(b"\x01\0\x18\0\0\0\0\0");
    file.extend((row * side).to_le_bytes());
    file.extend([0; 16]);
    for _ in 0..side {
        let mut line = Vec::new();
        for _ in 0..side {
            let (strong, weak) = (120 + rng.below(100) as u8, rng.below(90) as u8);
            // Blue, green, red.
            line.extend(if red { [weak, 60, strong] } else { [strong, 60, weak] });
        }
        line.resize(row as usize, 0);
        file.extend(line);
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    fs::write(path, file).expect("a new file");
}

#[test]
fn folders_of_images_are_learned_judged_and_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for i in 0..30u32 {
        for (class, red) in [("fire", true), ("sea", false)] {
            let side = if i % 4 == 0 { 20 } else { 16 };
            picture(&at.join(format!("pictures/{class}/{i}.bmp")), side, red, u64::from(i));
        }
    }
    let said = run(at, "train --model simple-cnn --data pictures --epochs 3 --batch-size 8 --out a");
    assert!(said.contains("pictures, 48 training and 12 test images"), "{said}");
    assert!(said.contains("simple-cnn for images of 3x16x16 in 2 classes"), "{said}");
    let said = run(at, "eval --run a");
    assert!(accuracy(&said) > 95.0 && said.contains("class fire") && said.contains("class sea"), "{said}");
    picture(&at.join("ask.bmp"), 40, true, 99);
    let said = run(at, "predict --run a ask.bmp pictures/sea/3.bmp");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("ask.bmp: fire (") && lines[1].starts_with("pictures/sea/3.bmp: sea ("),
        "{said}"
    );
    // With parts of its own, another size, and in grey there is nothing to tell them apart.
    for part in ["train", "val", "test"] {
        for (i, class) in (0..16).flat_map(|i| [(i, "fire"), (i, "sea")]) {
            picture(&at.join(format!("parts/{part}/{class}/{i}.bmp")), 16, class == "fire", i);
        }
    }
    let said = run(
        at,
        "train --model lenet --data parts --image-size 20x24 --channels colour --epochs 1 --batch-size 8 --out b",
    );
    assert!(
        said.contains("lenet for images of 3x20x24 in 2 classes") && said.contains("validation loss"),
        "{said}"
    );
    refused(
        at,
        &["train", "--data", "parts", "--validation", "0.5"],
        &["--validation: expected data without a part for it"],
    );
    refused(
        at,
        &["eval", "--run", "a", "--data", "parts", "--channels", "grey"],
        &["a mean and a standard deviation for 1 channels, got 3"],
    );
    fs::write(at.join("pictures/sea/broken.bmp"), b"BM").expect("a file");
    refused(at, &["train", "--data", "pictures"], &["pictures/sea/broken.bmp"]);
    let said = run(at, "train --model mlp --data pictures --on-bad skip --epochs 1 --batch-size 8 --out c");
    assert!(said.contains("left out: ") && said.contains("broken.bmp"), "{said}");
    refused(at, &["train", "--data", "pictures", "--image-size", "0x3"], &["a size such as 64"]);
    refused(at, &["predict", "--run", "a", "pictures/sea/broken.bmp"], &["broken.bmp"]);
}

#[test]
fn cifars_files_are_learned_and_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    fs::create_dir(at.join("cifar")).expect("a new folder");
    let mut rng = wgrad::random::Rng::new(4);
    let mut part = |name: &str, count: usize| {
        let mut file = Vec::new();
        for i in 0..count {
            let class = i % 10;
            file.push(class as u8);
            // The class is a bright stripe of one colour plane.
            for place in 0..3072 {
                let bright = place % 1024 / 32 / 3 == class && place / 1024 == class % 3;
                file.push(if bright { 220 } else { 20 } + rng.below(30) as u8);
            }
        }
        fs::write(at.join("cifar").join(name), file).expect("a file");
    };
    (1..=5).for_each(|i| part(&format!("data_batch_{i}.bin"), 40));
    part("test_batch.bin", 50);
    let said = run(at, "train --model mlp --data cifar --epochs 3 --batch-size 20 --out a");
    assert!(said.contains("cifar, 200 training and 50 test images"), "{said}");
    assert!(said.contains("mlp for images of 3x32x32 in 10 classes"), "{said}");
    assert!(accuracy(&run(at, "eval --run a")) > 95.0);
    fs::write(at.join("cifar/test_batch.bin"), [0; 3072]).expect("a file");
    refused(at, &["eval", "--run", "a"], &["test_batch.bin", "3072"]);
}
