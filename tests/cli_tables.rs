//! `wgrad train`, `eval` and `predict` on tables: classes and numbers, files of their own, and sequences in CSV files.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;
use wgrad::data;

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

/// The number behind a word in the last line that has it.
fn behind(said: &str, word: &str) -> f64 {
    let line =
        said.lines().rev().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}: {said}"));
    let rest = line.rsplit_once(word).map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{word}: {line}"))
}

#[test]
fn a_generated_table_is_learned_and_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let said = run(at, "train --model table-mlp --epochs 6 --out a");
    for part in [
        "a generated table of birds, 600 training and 200 test rows",
        "rows of 7 values in 3 classes",
        "rows/s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let accuracy = behind(&run(at, "eval --run a"), "accuracy ");
    assert!(accuracy > 90.0, "{accuracy} %");
    run(at, "train --model table-mlp --epochs 3 --out b");
    run(at, "train --resume b --epochs 6");
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).expect("weights");
    assert!(weights("a") == weights("b"));
    assert!(run(at, "report a").contains("wrote a/report.html"));
}

#[test]
fn a_number_is_told_in_its_own_unit_from_files_of_their_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    fs::create_dir(at.join("data")).expect("a new folder");
    let write = |name: &str, text: &str| fs::write(at.join(name), text).expect("a new file");
    write("data/train.csv", &data::birds(400, 1).expect("birds"));
    write("data/test.csv", &data::birds(100, 2).expect("birds"));
    let said = run(
        at,
        "train --model table-mlp --data data --target mass --tell number --ignore place --epochs 20 --out a",
    );
    for part in ["400 training and 100 test rows", "target mass", "to one number", "r2 "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let judged = run(at, "eval --run a");
    assert!(behind(&judged, "r2 ") > 0.8, "{judged}");
    // A file of other rows, with columns in another order and one more.
    write("more.csv", "kind,wing,tail,beak,colour\nhill warbler,62,49,11,red\nshore pipit,80,60,12.5,grey\n");
    let told = run(at, "predict --run a more.csv");
    let (small, large) = (behind(told.lines().next().expect("a row"), "mass "), behind(&told, "mass "));
    assert!((small - 12.0).abs() < 2.5 && (large - 20.0).abs() < 2.5, "{told}");
    assert!(told.contains("more.csv, row 2: mass") && told.contains("more.csv, row 3: mass"), "{told}");
    write("other.csv", &data::birds(50, 3).expect("birds"));
    assert!(run(at, "eval --run a --data other.csv").contains("(50 examples)"));
    write("short.csv", "kind,wing,tail\nhill warbler,62,49\n");
    refused(at, &["predict", "--run", "a", "short.csv"], &["short.csv", "a column beak"]);
    write("new.csv", "kind,wing,tail,beak\nsea eagle,62,49,11\n");
    refused(
        at,
        &["predict", "--run", "a", "new.csv"],
        &["new.csv", "got 'sea eagle' in row 2, column 'kind'"],
    );
    refused(at, &["report", "a"], &["expected a classification run"]);
    refused(at, &["train", "--model", "table-mlp", "--data", "."], &["train.csv and test.csv"]);
    refused(at, &["train", "--model", "table-mlp", "--data", "data", "--target", "size"], &["a column size"]);
}

#[test]
fn sequences_of_a_csv_file_are_learned_judged_and_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    // What begins with one letter is of one class.
    let rows: String = (0..60)
        .map(|i| if i % 2 == 0 { format!("{i},ACGTTTTTTT,one\n") } else { format!("{i},GGGGGCCAAN,two\n") })
        .collect();
    fs::write(at.join("dna.csv"), format!("id,Sequence,label\n{rows}")).expect("a new file");
    let said = run(at, "train --model motif-cnn --data dna.csv --epochs 4 --batch-size 8 --out a");
    assert!(said.contains("48 training and 12 test sequences"), "{said}");
    assert!(behind(&run(at, "eval --run a"), "accuracy ") > 90.0);
    fs::write(at.join("new.csv"), "sequence\nACGTTTTTTT\nGGGGGCCAAN\n").expect("a new file");
    let told = run(at, "predict --run a new.csv");
    assert!(told.contains("new.csv, row 2: one (") && told.contains("new.csv, row 3: two ("), "{told}");
    for (text, part) in [
        ("seq,label\nACXT,one\n", "'X' at 3 in row 2"),
        ("name,label\nACGT,one\n", "a column sequence, got name, label"),
        ("sequence\nACGT\n", "a column label"),
        ("sequence,label\nACGT,\n", "a label, got none in row 2"),
        ("sequence,label\n", "rows below the header"),
        ("", "a column sequence"),
    ] {
        fs::write(at.join("bad.csv"), text).expect("a new file");
        refused(at, &["train", "--model", "motif-cnn", "--data", "bad.csv"], &["bad.csv", part]);
    }
}
