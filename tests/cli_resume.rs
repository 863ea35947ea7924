//! `wgrad train` interrupted and resumed, with real processes: each bit of the weights is that of a run nobody disturbed.
#![cfg(all(feature = "cli", unix))]

mod common;
mod idx;

use common::{refused, wgrad};
use idx::set;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use wgrad::data;
use wgrad::random::Rng;

/// Options of all runs.
const OPTIONS: &str = "train --model mlp --data data --epochs 4 --batch-size 16 --optimizer adamw --seed 5 \
                       --schedule cosine:t_max=80 --checkpoint-every 3";

/// A folder with 300 training and 40 test images below `data`.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("data");
    fs::create_dir(&images).expect("a new folder");
    for (name, count) in [("train", 300), ("t10k", 40)] {
        set(&images, name, &data::digits(count, count as u64).expect("digits"));
    }
    folder
}

fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(words.split_whitespace()).current_dir(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(folder: &Path, words: &str) -> String {
    let (success, text) = wgrad(folder, &words.split_whitespace().collect::<Vec<_>>());
    assert!(success, "{words}:\n{text}");
    text
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Weights, and the rows of the metrics without the times.
fn result(run: &Path) -> (Vec<u8>, Vec<String>) {
    let rows = fs::read_to_string(run.join("metrics.csv")).expect("metrics.csv");
    let rows = rows.lines().map(|row| row.split(',').take(5).collect::<Vec<_>>().join(","));
    (fs::read(run.join("model.safetensors")).expect("weights"), rows.collect())
}

/// The steps of `steps.csv`.
fn rows(run: &Path) -> Vec<u64> {
    let text = fs::read_to_string(run.join("steps.csv")).expect("steps.csv");
    let step = |row: &str| row.split(',').next().and_then(|step| step.parse().ok()).expect("a step");
    let steps: Vec<u64> = text.lines().skip(1).map(step).collect();
    assert!(steps.windows(2).all(|pair| pair[0] != pair[1]), "{steps:?}");
    steps
}

/// The step of the newest checkpoint of a run.
fn newest(run: &Path) -> Option<u64> {
    let names = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let steps = names.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
    });
    steps.max()
}

/// Waits until the run has a checkpoint of a step beyond `step`.
fn beyond(run: &Path, step: u64, child: &mut Child) {
    let begin = Instant::now();
    while newest(run).is_none_or(|newest| newest <= step) {
        let ended = child.try_wait().expect("a process");
        assert!(ended.is_none() && begin.elapsed() < Duration::from_secs(120), "no checkpoint: {ended:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill");
    assert!(done.success());
}

/// `WGRAD_KILLS=200 cargo test --test cli_resume killed` kills more often.
#[test]
fn killed_at_any_moment_a_run_goes_on_bit_for_bit() {
    let folder = place();
    run(folder.path(), &format!("{OPTIONS} --out whole"));
    let expected = result(&folder.path().join("whole"));
    let kills = std::env::var("WGRAD_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let (mut rng, mut killed, mut resumed, mut runs, mut latest) = (Rng::new(11), 0, 0, 0, String::new());
    while killed < kills || !latest.is_empty() {
        let fresh = latest.is_empty();
        if fresh {
            runs += 1;
            latest = format!("run{runs}");
        }
        resumed += usize::from(!fresh);
        let words =
            if fresh { format!("{OPTIONS} --out {latest}") } else { format!("train --resume {latest}") };
        let path = folder.path().join(&latest);
        let before = newest(&path);
        let mut child = command(folder.path(), &words).spawn().expect("the command starts");
        // Half of the moments are anywhere, half of them behind the next checkpoint.
        let later = killed % 2 == 1;
        let moment = Duration::from_millis(rng.below(if later { 100 } else { 1500 }) as u64);
        let mut begin = Instant::now();
        while killed < kills && begin.elapsed() < moment && child.try_wait().expect("a process").is_none() {
            std::thread::sleep(Duration::from_millis(1));
            if later && newest(&path) <= before {
                begin = Instant::now();
            }
        }
        if killed < kills && child.try_wait().expect("a process").is_none() {
            child.kill().expect("a process that can be killed");
            child.wait().expect("a process");
            killed += 1;
            // Killed before it had begun there is nothing to go on with.
            if newest(&path).is_none() {
                latest.clear();
            }
            continue;
        }
        let output = child.wait_with_output().expect("a process");
        assert!(output.status.success(), "{words}:\n{}", text(&output));
        assert!(result(&path) == expected, "{latest} after {killed} kills differs");
        let half = |path: &Path| {
            fs::read_dir(path)
                .expect("a folder")
                .flatten()
                .any(|e| e.path().extension().is_some_and(|e| e == "tmp"))
        };
        assert!(!half(&path) && !half(&path.join("checkpoints")), "{latest}: half-written files are left");
        latest.clear();
    }
    assert!(resumed > 0, "no run went on");
    println!("{killed} kills in {runs} runs, which went on {resumed} times");
}

#[test]
fn signals_end_a_run_with_a_checkpoint_and_their_code() {
    let folder = place();
    run(folder.path(), &format!("{OPTIONS} --out whole"));
    let path = folder.path().join("parts");
    let mut interrupted = 0;
    for (name, code, step, words) in [
        ("-INT", 130, 0, format!("{OPTIONS} --out parts")),
        ("-TERM", 143, 12, "train --resume parts".to_owned()),
    ] {
        let mut child = command(folder.path(), &words).spawn().expect("the command starts");
        beyond(&path, step, &mut child);
        signal(&child, name);
        let output = child.wait_with_output().expect("a process");
        // Where it was quicker there was nothing left to interrupt.
        if output.status.success() {
            continue;
        }
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains("go on with --resume parts"), "{}", text(&output));
        interrupted += 1;
    }
    assert!(interrupted > 0, "nothing was interrupted");
    run(folder.path(), "train --resume parts");
    assert!(result(&path) == result(&folder.path().join("whole")));
    assert_eq!(rows(&path), rows(&folder.path().join("whole")), "what was on its way when the signal came");
    let said = run(folder.path(), "train --resume parts");
    assert!(said.contains("nothing to do: 4 epochs are done"), "{said}");
    let said = run(folder.path(), "train --resume parts --epochs 5 --batch-size 20 --device cpu");
    for part in ["changed  batch size: 20, before 16", "changed  device: ", "epoch 5/5"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(result(&path).1.len(), 6);
    let said = run(folder.path(), "inspect parts/checkpoints/best.safetensors");
    for part in [
        "a checkpoint, its checksum right",
        "trainer.epoch = ",
        "exp_avg_sq",
        "optimizer  F32",
        "0 not finite",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said =
        run(folder.path(), "eval --data data --model mlp --weights parts/checkpoints/best.safetensors");
    assert!(said.contains("accuracy"), "{said}");
    let said = run(folder.path(), "inspect parts/model.safetensors --filter bias");
    assert!(said.contains(": weights") && !said.contains("weight "), "{said}");
    refused(folder.path(), &["inspect", "parts/run.json"], &["parts/run.json: expected a safetensors file"]);
    assert!(fs::read_to_string(path.join("history.svg")).expect("a plot").contains("</svg>"));
}

/// A character model carries its state from window to window, which a checkpoint keeps too.
#[test]
fn a_text_run_goes_on_bit_for_bit() {
    let folder = place();
    let at = folder.path();
    fs::write(at.join("text.txt"), "one and - two,\nand one\n".repeat(29)).expect("a new folder");
    let options = "text --data text.txt --batch-size 4 --window 8 --hidden 8 --embedding 4 --dropout 0.2 --steps 120 \
                   --validate-every 25 --checkpoint-every 7 --prompt=- --length 5";
    run(at, &format!("{options} --out whole"));
    let expected = |run: &str| {
        let rows = fs::read_to_string(at.join(run).join("metrics.csv")).expect("metrics.csv");
        let rows = rows.lines().map(|row| row.split(',').take(3).collect::<Vec<_>>().join(","));
        let weights = fs::read(at.join(run).join("model.safetensors")).expect("weights");
        (weights, rows.collect::<Vec<_>>(), fs::read(at.join(run).join("sample.txt")).expect("a sample"))
    };
    let path = at.join("parts");
    for (step, name, words) in [
        (0, "-KILL", format!("{options} --out parts")),
        (20, "-TERM", "text --resume parts".to_owned()),
        (60, "-INT", "text --resume parts".to_owned()),
    ] {
        let mut child = command(at, &words).spawn().expect("the command starts");
        beyond(&path, step, &mut child);
        signal(&child, name);
        let output = child.wait_with_output().expect("a process");
        let code = output.status.code();
        assert!([None, Some(0), Some(130), Some(143)].contains(&code), "{}", text(&output));
    }
    run(at, "text --resume parts");
    assert!(expected("parts") == expected("whole"), "{:?}", expected("parts").1);
    let said = run(at, "text --resume parts");
    assert!(said.contains("nothing to do: 120 steps are done"), "{said}");
    run(at, "text --resume parts --steps 125");
    refused(
        at,
        &["text", "--resume", "parts", "--window", "9"],
        &["those of the checkpoint, (8, 4)", "(9, 4)"],
    );
    refused(at, &["train", "--resume", "parts"], &["parts: expected a run of `wgrad train`"]);
    fs::write(at.join("text.txt"), "one and - two,\ntwo one\n".repeat(29)).expect("a new folder");
    let said = run(at, "text --resume parts --steps 130");
    assert!(said.contains("changed  text's checksum"), "{said}");
}

/// The device is lost for real, between steps and with a checkpoint on its way; once twice at the same step.
#[test]
fn a_lost_device_is_opened_again_and_the_run_goes_on_bit_for_bit() {
    let folder = place();
    let at = folder.path();
    let said = run(at, &format!("{OPTIONS} --out whole"));
    if said.contains("CPU reference") {
        println!("SKIPPED: no adapter");
        return;
    }
    let said = run(at, &format!("{OPTIONS} --out lost --lose-device-at 7,8,8,19,57"));
    assert_eq!(said.matches("the device was lost: ").count(), 5, "{said}");
    assert_eq!(said.matches("opening it again, to go on from lost/checkpoints/step-").count(), 5, "{said}");
    assert!(result(&at.join("lost")) == result(&at.join("whole")), "{said}");
    let happened = fs::read_to_string(at.join("lost/events.jsonl")).expect("events.jsonl");
    let events: Vec<serde_json::Value> =
        happened.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let named = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert_eq!((named("begins"), named("the device was lost"), named("goes on")), (1, 5, 5), "{happened}");
    assert_eq!(events.last().map(|event| event["event"].clone()), Some("is finished".into()), "{happened}");
    // Rows of steps that were done twice are there once.
    let (lost, whole) = (rows(&at.join("lost")), rows(&at.join("whole")));
    assert!(lost.is_sorted() && lost.iter().all(|row| whole.contains(row)), "{lost:?} of {whole:?}");
    // What is lost again and again does not go on for ever, and says what is safe.
    let words = format!("{OPTIONS} --out often --lose-device-at 8,8,8,8,8,8,8,8,8,8,8,8");
    let parts = ["lost 4 times after often/checkpoints/step-", "is safe: `wgrad train --resume often`"];
    refused(at, &words.split_whitespace().collect::<Vec<_>>(), &parts);
    run(at, "train --resume often");
    assert!(result(&at.join("often")) == result(&at.join("whole")));
    fs::write(at.join("text.txt"), "one and - two,\nand one\n".repeat(29)).expect("a new folder");
    let options = "text --data text.txt --batch-size 4 --window 8 --hidden 8 --embedding 4 --dropout 0.2 --steps 60 \
                   --validate-every 25 --checkpoint-every 7 --prompt=- --length 5 --schedule cosine:t_max=60";
    run(at, &format!("{options} --out text"));
    let said = run(at, &format!("{options} --out text-lost --lose-device-at 7,33,50"));
    assert_eq!(said.matches("the device was lost: ").count(), 3, "{said}");
    let learned = |run: &str| {
        let weights = fs::read(at.join(run).join("model.safetensors")).expect("weights");
        (weights, fs::read(at.join(run).join("sample.txt")).expect("a sample"))
    };
    assert!(learned("text-lost") == learned("text"), "{said}");
}

#[test]
fn what_cannot_go_on_is_refused() {
    let folder = place();
    let at = folder.path();
    refused(at, &["train", "--resume", "nowhere"], &["nowhere: expected a run folder"]);
    refused(at, &["train", "--resume", "data", "--out", "other"], &["--out"]);
    run(at, &format!("{OPTIONS} --epochs 1 --out one").replace("--epochs 4 ", ""));
    let mut other = command(at, "train --resume one --epochs 400").spawn().expect("the command starts");
    beyond(&at.join("one"), 19, &mut other);
    refused(at, &["train", "--resume", "one"], &["one that another process trains"]);
    other.kill().expect("a process that can be killed");
    other.wait().expect("a process");
    refused(at, &["train", "--resume", "one", "--optimizer", "sgd"], &["no other keys", "exp_avg"]);
    refused(at, &["train", "--resume", "one", "--schedule", "cosine:t=4"], &["t_max"]);
    for entry in fs::read_dir(at.join("one/checkpoints")).expect("checkpoints").flatten() {
        fs::write(entry.path(), b"half").expect("a file");
    }
    refused(at, &["train", "--resume", "one"], &["expected a checkpoint", "4 bytes"]);
    fs::remove_dir_all(at.join("one/checkpoints")).expect("checkpoints");
    refused(at, &["train", "--resume", "one"], &["one/checkpoints", "none"]);
}
