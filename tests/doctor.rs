//! What a newcomer meets: the command alone, `wgrad doctor`, completions and man pages.

mod common;

use common::{refused, wgrad};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const HERE: &str = ".";

/// The names of all commands, as `wgrad help` lists them.
fn commands() -> Vec<String> {
    let (_, text) = wgrad(Path::new(HERE), &["help"]);
    let listed =
        text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<String> =
        listed.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    assert!(names.len() > 15 && names.contains(&"doctor".to_owned()), "{text}");
    names
}

#[test]
fn the_command_alone_shows_four_and_is_no_error() {
    let (success, text) = wgrad(Path::new(HERE), &[]);
    assert!(success);
    for command in [
        "wgrad train ",
        "wgrad explain lenet ",
        "wgrad parity ",
        "wgrad bench ",
        "wgrad doctor",
        "wgrad help",
    ] {
        assert!(text.contains(command), "no '{command}' in:\n{text}");
    }
}

#[test]
fn the_doctor_says_what_there_is_and_whether_it_is_right() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (success, text) = wgrad(place.path(), &["doctor", "--json", "found.json"]);
    let json = fs::read_to_string(place.path().join("found.json")).expect("the JSON");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    assert!(text.contains("For a bug report:") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    let adapters = found["adapters"].as_array().expect("a list");
    if adapters.is_empty() {
        println!("SKIPPED: no adapter");
        assert!(!success && text.contains("no adapter"), "{text}");
        return;
    }
    assert!(success, "{text}");
    for adapter in adapters {
        let name = adapter["name"].as_str().expect("a name");
        assert!(text.contains(name), "no {name} in:\n{text}");
        let cases = &adapter["tried"]["cases"];
        assert!(cases["right"].as_u64() > Some(10) && cases["wrong"] == Value::Array(Vec::new()), "{cases}");
    }
    let limits: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with("limits: ")).collect();
    assert!(limits.len() == adapters.len() && limits.iter().all(|line| !line.contains('?')), "{limits:?}");
    assert!(text.matches("right: ").count() >= 2 * adapters.len() && text.contains("GFLOP/s"), "{text}");
}

#[test]
fn without_adapters_it_still_answers() {
    // No driver of Vulkan is found under such names, and the backend is the only one asked for.
    let output = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .args(["doctor", "--backend", "vulkan"])
        .env("VK_DRIVER_FILES", "/nowhere.json")
        .env("VK_ICD_FILENAMES", "/nowhere.json")
        .output()
        .expect("the command starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("no adapter") && text.contains("For a bug report:"), "{text}");
}

#[test]
fn options_that_are_none_are_refused() {
    refused(Path::new(HERE), &["doctor", "--patience", "0"], &["--patience"]);
    refused(Path::new(HERE), &["doctor", "--backend", "glide"], &["glide", "vulkan"]);
}

#[test]
fn completions_and_pages_know_every_command() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let names = commands();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (success, script) = wgrad(place.path(), &["completions", shell]);
        assert!(success);
        for name in &names {
            assert!(script.contains(name.as_str()), "{shell}: no {name}");
        }
    }
    refused(place.path(), &["completions", "cmd"], &["cmd", "bash"]);
    let (success, text) = wgrad(place.path(), &["man", "pages"]);
    assert!(success, "{text}");
    for name in names.iter().filter(|name| *name != "help") {
        let page = fs::read_to_string(place.path().join(format!("pages/wgrad-{name}.1"))).expect("a page");
        assert!(page.contains(".TH") && page.contains(name.as_str()), "{name}:\n{page}");
    }
    fs::write(place.path().join("file"), "").expect("a file");
    refused(place.path(), &["man", "file"], &["file", "expected a folder"]);
}

#[test]
fn drivers_keep_their_noise_to_themselves() {
    let output = Command::new(env!("CARGO_BIN_EXE_wgrad"))
        .arg("devices")
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .expect("the command starts");
    let noise = String::from_utf8_lossy(&output.stderr);
    assert!(noise.is_empty(), "{noise}");
}
