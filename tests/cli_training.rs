//! How `wgrad train` trains: validation, early ends, averages, fine-tuning, parts of batches, steps that go wrong.
#![cfg(feature = "cli")]

mod common;
mod idx;

use common::{refused, wgrad};
use idx::set;
use std::fs;
use std::path::Path;
use wgrad::data;

const OPTIONS: &str = "train --model mlp --data data --batch-size 20 --seed 5 --epochs 3";

/// A folder with 200 training and 60 test images below `data`.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("data");
    fs::create_dir(&images).expect("a new folder");
    for (name, count) in [("train", 200), ("t10k", 60)] {
        set(&images, name, &data::digits(count, count as u64).expect("digits"));
    }
    folder
}

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

fn metrics(run: &Path) -> Vec<Vec<String>> {
    let rows = fs::read_to_string(run.join("metrics.csv")).expect("metrics.csv");
    rows.lines().map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn a_part_is_held_back_and_averages_are_judged_and_saved() {
    let folder = place();
    let at = folder.path();
    let said = run(at, &format!("{OPTIONS} --validation 0.2 --average 0.9 --top-k 3 --max-norm 1 --out a"));
    for part in [
        "200 training and 60 test images, 40 of the training ones held out",
        "validation loss",
        "test     loss",
        "average.safetensors",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let rows = metrics(&at.join("a"));
    let head = "epoch,train_loss,train_accuracy,train_top3_accuracy,validation_loss,validation_accuracy,validation_top3_accuracy,seconds,images_per_second";
    assert_eq!(rows[0].join(","), head);
    let test = said.lines().find(|line| line.starts_with("test     loss")).expect("a test");
    let judged = run(at, "eval --run a --weights a/average.safetensors --data data");
    let loss = test.split_whitespace().nth(2).expect("a loss");
    assert!(judged.contains(&format!("loss {loss}")), "{test}: {judged}");
    for part in ["precision", "F1", "class 9"] {
        assert!(judged.contains(part), "{part}: {judged}");
    }
    assert!(!run(at, "eval --run a --data data").contains(&format!("loss {loss}")), "the weights themselves");
    // What was asked for is known when the run goes on.
    let said = run(at, "train --resume a --epochs 4");
    assert!(said.contains("40 of the training ones held out") && said.contains("epoch 4/4"), "{said}");
    assert_eq!(metrics(&at.join("a")).len(), 5);
}

#[test]
fn a_run_whose_accuracy_stays_ends_early_and_its_best_is_kept() {
    let folder = place();
    let at = folder.path();
    // A rate of nothing: no epoch is better than the first.
    let words = format!("{OPTIONS} --epochs 30 --lr 0 --early-stopping 2 --out a").replace("--epochs 3 ", "");
    let said = run(at, &words);
    assert!(said.contains("ended    early: accuracy has not been better than"), "{said}");
    assert_eq!(metrics(&at.join("a")).len(), 1 + 4);
    let inspected = run(at, "inspect a/checkpoints/best.safetensors");
    assert!(inspected.contains("trainer.epoch") && inspected.contains("watch.best"), "{inspected}");
    // A plateau lowers the rate, which the progress of a run that goes on knows.
    run(at, &format!("{OPTIONS} --optimizer sgd --lr 1e-12 --plateau patience=0,factor=0.5,eps=0 --out b"));
    let rate = |step: usize| {
        let path = at.join(format!("b/checkpoints/step-{step:09}.safetensors"));
        let checkpoint = wgrad::Checkpoint::read(&path).expect("a checkpoint");
        let found = checkpoint.states().find(|(name, ..)| *name == "optimizer.lr").expect("a rate").2.clone();
        found.as_f32().expect("a number")[0]
    };
    assert_eq!((rate(20), rate(30)), (0.5e-12, 0.25e-12));
    refused(at, &["train", "--plateau", "patience=x"], &["plateau: expected a number for patience"]);
    refused(at, &["train", "--plateau", "patience=1", "--schedule", "unchanged"], &["cannot be used with"]);
}

#[test]
fn weights_of_another_run_are_begun_with_and_frozen() {
    let folder = place();
    let at = folder.path();
    run(at, &format!("{OPTIONS} --out a"));
    let said = run(at, &format!("{OPTIONS} --init a/model.safetensors --init-only 1.* --freeze 1.* --out b"));
    assert!(said.contains("init     2 weights of a/model.safetensors"), "{said}");
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).expect("weights");
    let of = |run: &str, name: &str| {
        let bytes = weights(run);
        let file = safetensors(&bytes);
        file.into_iter().find(|(known, _)| known == name).expect("a tensor").1
    };
    assert_eq!(of("a", "1.weight"), of("b", "1.weight"), "taken over, and frozen");
    assert_ne!(of("a", "3.weight"), of("b", "3.weight"));
    refused(
        at,
        &["train", "--data", "data", "--freeze", "conv.*"],
        &["freeze: expected a pattern of some of"],
    );
    refused(at, &["train", "--data", "data", "--init", "a/run.json"], &["--init", "a/run.json"]);
    refused(
        at,
        &["train", "--data", "data", "--init", "a/model.safetensors"],
        &["--init", "features.0.weight"],
    );
    refused(at, &["train", "--data", "data", "--validation", "1"], &["--validation", "between 0 and 1"]);
}

/// Names and bytes of a safetensors file.
fn safetensors(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).expect("a header");
    let tensors = header.as_object().expect("an object").iter().filter(|(name, _)| *name != "__metadata__");
    let part = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
    let bytes = |entry: &serde_json::Value| {
        let [from, to] = [0, 1].map(|i| part(&entry["data_offsets"][i]));
        file[8 + length + from..8 + length + to].to_vec()
    };
    tensors.map(|(name, entry)| (name.clone(), bytes(entry))).collect()
}

/// The steps of `steps.jsonl` with their losses.
fn steps(run: &Path) -> Vec<(u64, f64)> {
    let lines = fs::read_to_string(run.join("steps.jsonl")).expect("steps.jsonl");
    let of = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert!(
            row["accuracy"].is_number()
                && (row["rate"].as_f64().expect("a rate") - 0.001).abs() < 1e-9
                && row["epoch"].is_u64(),
            "{line}"
        );
        (row["step"].as_u64().expect("a step"), row["loss"].as_f64().expect("a loss"))
    };
    lines.lines().map(of).collect()
}

#[test]
fn steps_are_written_down_and_a_run_that_goes_on_writes_the_rest() {
    let folder = place();
    let at = folder.path();
    // Ten steps an epoch, a look at the eighth.
    run(at, &format!("{OPTIONS} --lr 0.001 --tensorboard --out whole"));
    let whole = steps(&at.join("whole"));
    assert_eq!(whole.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [8, 18, 28]);
    assert!(whole[2].1 < whole[0].1 && whole[0].1 > 0.0, "{whole:?}");
    let rows = fs::read_to_string(at.join("whole/steps.csv")).expect("steps.csv");
    assert!(rows.starts_with("step,epoch,loss,accuracy,rate,examples_per_second,seconds\n8,1,"), "{rows}");
    let events =
        fs::read_dir(at.join("whole/tensorboard")).expect("a folder").flatten().next().expect("a file");
    let events = fs::read(events.path()).expect("events");
    for tag in ["train/loss", "train/accuracy", "train/rate", "test/accuracy", "weights/1.weight"] {
        assert!(events.windows(tag.len()).any(|part| part == tag.as_bytes()), "{tag}");
    }
    run(at, &format!("{OPTIONS} --lr 0.001 --out parts").replace("--epochs 3", "--epochs 2"));
    assert!(!at.join("parts/tensorboard").exists());
    run(at, "train --resume parts --epochs 3");
    assert_eq!(steps(&at.join("parts")), whole);
}

#[test]
fn images_vary_and_mix_and_a_run_that_goes_on_has_the_same() {
    let folder = place();
    let at = folder.path();
    let more = "--augment crop:padding=2,rotation:degrees=8,noise:std=0.05,erase:p=0.3 --mixup 0.2";
    run(at, &format!("{OPTIONS} {more} --out whole"));
    run(
        at,
        &format!("{OPTIONS} {more} --epochs 1 --checkpoint-every 3 --out parts").replace("--epochs 3 ", ""),
    );
    run(at, "train --resume parts --epochs 3");
    run(at, &format!("{OPTIONS} --out plain"));
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).expect("weights");
    assert!(weights("whole") == weights("parts"), "a run that went on differs");
    assert!(weights("whole") != weights("plain"));
    refused(
        at,
        &["train", "--data", "data", "--augment", "flip:q=1"],
        &["--augment", "what flip takes, got q"],
    );
    refused(at, &["train", "--data", "data", "--augment", "twist"], &["--augment", "resized_crop"]);
    refused(at, &["train", "--data", "data", "--mixup", "0"], &["--mixup", "alpha above 0"]);
    refused(at, &["train", "--model", "motif-cnn", "--augment", "flip"], &["--augment", "a field image"]);
}

#[test]
fn parts_of_batches_need_less_memory_and_learn_the_same() {
    let folder = place();
    let at = folder.path();
    let memory = |said: &str| -> f64 {
        let line = said.lines().find(|line| line.starts_with("memory")).expect("memory");
        line.split("activations ")
            .nth(1)
            .and_then(|rest| rest.split(';').next())
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    let loss = |run: &str| -> f64 { metrics(&at.join(run))[3][1].parse().expect("a loss") };
    let words = |more: &str| format!("{OPTIONS} {more}").replace("mlp", "lenet");
    let whole = memory(&run(at, &words("--out a")));
    let parts = memory(&run(at, &words("--micro-batch 4 --out b")));
    assert!(parts < 0.4 * whole, "{parts} of {whole}");
    assert!((loss("a") - loss("b")).abs() < 1e-3, "{} {}", loss("a"), loss("b"));
    let said = run(at, &words("--micro-batch 4 --on-nan skip --out c"));
    assert!(said.contains("skipped 0") && loss("c") == loss("b"), "{said}");
}

#[test]
fn where_a_loss_went_wrong_is_found_by_going_over_it_again() {
    let folder = place();
    let at = folder.path();
    let words =
        format!("{OPTIONS} --optimizer sgd --lr 0.01 --schedule step:step_size=12,gamma=1e40 --out a");
    let (success, said) = wgrad(at, &words.split_whitespace().collect::<Vec<_>>());
    let again = "going over the steps since a/checkpoints/step-000000010.safetensors again";
    assert!(!success && said.contains(again), "{said}");
    // The thirteenth step makes weights of 1e37, which the next one multiplies.
    assert!(said.contains("step 14, images 60 to 80 of epoch 2 in the order of seed 5"), "{said}");
    assert!(said.contains("expected finite numbers") && said.contains("linear"), "{said}");
    let safe = "until a/checkpoints/step-000000010.safetensors is safe: `wgrad train --resume a` goes on";
    assert!(said.contains(safe), "{said}");
    // Weights that are no use any more are not skipped over for ever.
    let words =
        format!("{OPTIONS} --optimizer sgd --lr 1e38 --on-nan skip --out b").replace("size 20", "size 5");
    let (success, said) = wgrad(at, &words.split_whitespace().collect::<Vec<_>>());
    assert!(!success && said.contains("all of the last 40 examples were skipped"), "{said}");
    assert!(said.contains("step 2, images 5 to 10 of epoch 1"), "{said}");
    let said = run(at, &format!("{OPTIONS} --on-nan skip --out c"));
    assert!(said.contains("skipped 0"), "{said}");
}
