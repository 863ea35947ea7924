//! Run folders and other output of `wgrad`, with real processes: two at once, one that is killed, places that cannot
//! be written from the beginning or not any more at the end.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A small character model; steps without end are ended by the test.
const TEXT: &str = "text --data text.txt --batch-size 4 --window 8 --hidden 8 --embedding 4 --lr 1e-2 --prompt o \
                    --length 5 --device cpu";

/// The head of its metrics.
const HEAD: &str = "step,train_loss,validation_loss,seconds";

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("text.txt"), "one and two,\nand one\n".repeat(29)).expect("a new folder");
    folder
}

/// Starts the command; what it keeps elsewhere goes below `folder/kept`.
fn start(folder: &Path, options: &[&str]) -> Child {
    let kept = folder.join("kept");
    fs::create_dir_all(&kept).expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.args(TEXT.split_whitespace()).args(options).current_dir(folder).env("TMPDIR", kept);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Waits until a file has so many lines.
fn lines_of(path: &Path, least: usize) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let lines: Vec<_> = fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect();
        if lines.len() >= least {
            return lines;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "{} has {lines:?}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every row is whole: as many numbers as the head has names.
fn check_rows(lines: &[String]) {
    assert_eq!(lines[0], HEAD);
    for row in &lines[1..] {
        let numbers: Vec<_> = row.split(',').filter_map(|field| field.parse::<f64>().ok()).collect();
        assert_eq!(numbers.len(), HEAD.split(',').count(), "{row}");
    }
}

#[test]
fn runs_that_start_at_once_have_folders_of_their_own() {
    let place = place();
    let folder = place.path();
    let children: Vec<_> = (0..4).map(|_| start(folder, &["--steps", "3"])).collect();
    let outputs: Vec<_> = children.into_iter().map(|c| c.wait_with_output().expect("an end")).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", text(output));
    }
    for number in 1..=4 {
        let run = format!("runs/000{number}-text");
        assert!(folder.join(&run).join("model.safetensors").is_file(), "{run}");
        let told = outputs.iter().filter(|o| text(o).contains(&format!("run      {run}\n"))).count();
        assert_eq!(told, 1, "{run} was told by {told} runs");
    }
    assert_eq!(fs::read_dir(folder.join("runs")).expect("runs").count(), 4);

    let children: Vec<_> = (0..3).map(|_| start(folder, &["--steps", "3", "--out", "mine"])).collect();
    let outputs: Vec<_> = children.into_iter().map(|c| c.wait_with_output().expect("an end")).collect();
    let (done, others): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.status.success());
    assert_eq!(done.len(), 1, "{}", outputs.iter().map(text).collect::<String>());
    assert!(others.iter().all(|o| text(o).contains("--out mine: expected a new or empty folder")));
    check_rows(&lines_of(&folder.join("mine/metrics.csv"), 4));
}

#[test]
fn a_killed_run_leaves_the_rows_that_were_told() {
    let place = place();
    let folder = place.path();
    let mut child = start(folder, &["--steps", "1000000", "--validate-every", "20"]);
    let metrics = folder.join("runs/0001-text/metrics.csv");
    let before = lines_of(&metrics, 4);
    child.kill().expect("it runs");
    child.wait().expect("an end");
    let after = lines_of(&metrics, before.len());
    check_rows(&after);
    assert!(after.starts_with(&before));
    // Its weights are those of the last look, and can be used.
    let (success, text) =
        wgrad(folder, &["write", "--run", "runs/0001-text", "--prompt", "one", "--device", "cpu"]);
    assert!(success && text.contains("one"), "{text}");
}

/// The folder below `kept` that a message names.
fn kept_in(folder: &Path, message: &str) -> PathBuf {
    let (_, rest) = message.rsplit_once("the run is kept in ").unwrap_or_else(|| panic!("{message}"));
    let path = PathBuf::from(rest.trim());
    assert!(path.starts_with(folder.join("kept")), "{message}");
    path
}

#[test]
fn a_folder_that_is_removed_during_the_run_costs_nothing_that_was_learned() {
    let place = place();
    let folder = place.path();
    let whole = start(folder, &["--steps", "400", "--validate-every", "20", "--out", "whole"]);
    let whole = whole.wait_with_output().expect("an end");
    assert!(whole.status.success(), "{}", text(&whole));
    let child = start(folder, &["--steps", "400", "--validate-every", "20", "--out", "lost"]);
    lines_of(&folder.join("lost/metrics.csv"), 3);
    fs::rename(folder.join("lost"), folder.join("away")).expect("the folder is there");
    let output = child.wait_with_output().expect("an end");
    assert!(!output.status.success(), "{}", text(&output));
    let kept = kept_in(folder, &text(&output));
    let lines = lines_of(&kept.join("metrics.csv"), 21);
    check_rows(&lines);
    for name in ["model.safetensors", "sample.txt"] {
        let bytes = |run: &Path| fs::read(run.join(name)).expect(name);
        assert!(bytes(&kept) == bytes(&folder.join("whole")), "{name} is another one");
    }
    assert!(fs::read_to_string(kept.join("run.json")).expect("settings").contains("vocabulary"));
    assert!(!folder.join("lost").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_the_training() {
    let place = place();
    let folder = place.path();
    fs::write(folder.join("f"), "words").expect("the folder can be written");
    let with = |options: &[&'static str]| {
        let mut args: Vec<&str> = TEXT.split_whitespace().collect();
        args.extend(["--steps", "1000000000"]); // a training would not end
        args.extend(options);
        args
    };
    let expected = "expected a new or empty folder";
    refused(folder, &with(&["--out", "f"]), &["--out f:", expected, "a file"]);
    refused(folder, &with(&["--out", "f/x"]), &["--out f/x:", expected, "cannot be made"]);
    refused(folder, &with(&["--out", "f/x/y"]), &["--out f/x/y:", expected, "cannot be made"]);
    refused(folder, &with(&["--out", "."]), &["--out .:", expected, "files in it"]);
    refused(folder, &with(&["--out", ""]), &["--out"]);
    if cfg!(target_os = "linux") {
        refused(folder, &with(&["--out", "/proc/x"]), &["--out /proc/x:", expected, "cannot be made"]);
        refused(folder, &with(&["--out", "/dev/full"]), &["--out /dev/full:", expected]);
    }
    fs::write(folder.join("runs"), "words").expect("the folder can be written");
    refused(folder, &with(&[]), &["making runs"]);
    assert_eq!(fs::read_to_string(folder.join("f")).expect("a file"), "words");
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 3, "a refused run left something");
    for command in ["train --epochs 100000", "forecast --epochs 1000000000"] {
        let args: Vec<&str> = command.split(' ').chain(["--device", "cpu", "--out", "f/x"]).collect();
        refused(folder, &args, &["--out f/x:", expected]);
    }
}

#[test]
fn other_files_are_tried_before_the_work_too() {
    let place = place();
    let folder = place.path();
    for (command, option) in [
        ("train --epochs 100000 --device cpu", "--profile"),
        ("eval --model mlp --weights w --device cpu", "--confusion"),
        ("explain mlp --device cpu", "--svg"),
        ("tune mlp", "--out"),
        ("parity --device cpu", "--json"),
        ("parity --device cpu", "--html"),
        ("bench ops --set smoke", "--json"),
        ("bench train", "--html"),
        ("bench compare a b", "--json"),
        ("bench versus", "--html"),
    ] {
        let versus = command.ends_with("versus");
        for (path, part) in [("gone/x", "no folder gone"), (".", "a folder"), ("text.txt/x", "no folder")] {
            let mut args: Vec<&str> = command.split(' ').chain([option, path]).collect();
            args.extend(if versus { &["other", "ops"][..] } else { &[] });
            refused(folder, &args, &[&format!("{option} {path}: expected a file"), part]);
        }
    }
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1, "trying left something");
}

#[test]
#[cfg(target_os = "linux")]
fn results_that_cannot_be_written_are_kept_elsewhere() {
    let place = place();
    let folder = place.path();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        command.args(args).current_dir(folder).env("TMPDIR", folder);
        let output = command.output().expect("the command starts");
        let told = text(&output);
        assert!(!output.status.success() && told.contains("/dev/full: No space left"), "{told}");
        let (_, path) = told.rsplit_once("it is kept as ").expect(&told);
        let path = path.lines().next().unwrap_or_default().trim();
        (fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}")), told)
    };
    let (svg, _) = run(&["explain", "mlp", "--device", "cpu", "--svg", "/dev/full"]);
    assert!(svg.starts_with("<svg"), "{svg}");
    if wgrad::adapters(None).is_empty() {
        println!("SKIPPED: no adapter to compare with the reference");
        return;
    }
    let parity = ["parity", "--quick", "--case", "relu input=3", "--json", "/dev/full", "--html", "ok.html"];
    let (json, told) = run(&parity);
    assert!(json.contains("relu") && told.contains("1 passed") && folder.join("ok.html").is_file(), "{told}");
}

/// Runs a script in a file system of its own of 1 MiB, mounted at `small`; `None` where that is not allowed.
#[cfg(target_os = "linux")]
fn with_small_disk(folder: &Path, script: &str) -> Option<Output> {
    fs::create_dir_all(folder.join("small")).expect("the folder can be written");
    fs::create_dir_all(folder.join("kept")).expect("the folder can be written");
    let mount = "mount -t tmpfs -o size=1m none small || exit 77";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &format!("{mount}\n{script}")]);
    command.current_dir(folder).env("WGRAD", env!("CARGO_BIN_EXE_wgrad")).env("TEXT", TEXT);
    command.env("LARGE", TEXT.replace("hidden 8", "hidden 300"));
    let output = command.env("TMPDIR", folder.join("kept")).output().ok()?;
    if output.status.code() == Some(77) || text(&output).contains("unshare:") {
        println!("SKIPPED: no file system of its own: {}", text(&output));
        return None;
    }
    Some(output)
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_before_the_training() {
    let place = place();
    let script = "$WGRAD $LARGE --steps 1000000000 --out small/run\ncode=$?\nls -A small\nexit $code";
    let Some(output) = with_small_disk(place.path(), script) else { return };
    let told = text(&output);
    assert!(!output.status.success() && told.contains("no room for weights of"), "{told}");
    assert!(told.contains("No space left") && !told.contains("run.json"), "it left something: {told}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_becomes_full_costs_nothing_that_was_learned() {
    let place = place();
    let folder = place.path();
    let whole = start(folder, &["--steps", "400", "--validate-every", "20", "--out", "whole"]);
    assert!(whole.wait_with_output().expect("an end").status.success());
    let script = "$WGRAD $TEXT --steps 400 --validate-every 20 --out small/run &\n\
                  until [ -s small/run/model.safetensors ]; do sleep 0.01; done\n\
                  cat /dev/zero > small/fill 2>/dev/null\nwait $!";
    let Some(output) = with_small_disk(folder, script) else { return };
    assert!(!output.status.success() && text(&output).contains("No space left"), "{}", text(&output));
    let kept = kept_in(folder, &text(&output));
    check_rows(&lines_of(&kept.join("metrics.csv"), 21));
    let bytes = |run: &Path| fs::read(run.join("model.safetensors")).expect("weights");
    assert!(bytes(&kept) == bytes(&folder.join("whole")), "the weights are other ones");
}

#[test]
fn blank_names_are_refused_by_name() {
    let place = place();
    let folder = place.path();
    for command in
        ["train", "eval", "text", "forecast", "explain mlp", "parity", "tune", "bench ops", "write --run r"]
    {
        for (option, value) in [("--device", ""), ("--device", " "), ("--backend", ""), ("--backend", " ")] {
            let args: Vec<&str> = command.split(' ').chain([option, value]).collect();
            refused(folder, &args, &[option.trim_start_matches('-')]);
        }
    }
    for blank in ["", " ", "\t"] {
        let error = wgrad::Device::open(None, Some(blank)).map(|device| device.describe());
        let error = error.expect_err("a device without a name").to_string();
        assert!(
            error.contains("device: expected an index, part of a name, cpu or auto, got nothing"),
            "{error}"
        );
    }
    // A blank path is a name; an empty one is none.
    for (command, option, values) in [
        ("train", "--model", &["", " "][..]),
        ("train", "--data", &[""]),
        ("train", "--out", &[""]),
        ("train", "--profile", &[""]),
        ("eval --weights w", "--model", &["", " "]),
        ("eval", "--run", &[""]),
        ("eval", "--weights", &[""]),
        ("text", "--data", &[""]),
        ("text", "--out", &[""]),
        ("forecast", "--data", &[""]),
        ("forecast --data text.txt", "--column", &["", " "]),
        ("bench train", "--model", &["", " "]),
        ("bench start", "--model", &["", " "]),
        ("bench ops", "--set", &["", " "]),
        ("tune", "--set", &["", " "]),
    ] {
        for value in values {
            let args: Vec<&str> = command.split(' ').chain([option, value]).collect();
            refused(folder, &args, &[option.trim_start_matches('-')]);
        }
    }
}
