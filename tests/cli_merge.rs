//! `wgrad parity --merge` as a user runs it: the results of several machines as one, and what is no such file.
#![cfg(feature = "cli")]

mod common;

use common::{refused, wgrad};
use std::fs;
use std::path::Path;

/// A report of one adapter, with a case of relu that passes and one of conv2d that does so or not.
fn report(adapter: &str, date: &str, verdict: &str) -> String {
    format!(
        r#"{{"schema": "wgrad-parity/2", "complete": true,
        "adapters": [{{"name": "{adapter}", "backend": "vulkan", "driver": "driver 7", "date": "{date}"}}],
        "cases": [
            {{"op": "relu", "case": "relu input=3", "adapter": 0, "verdict": "pass", "worst": 0}},
            {{"op": "conv2d", "case": "conv2d input=1x1x5x5", "adapter": 0, "verdict": "{verdict}", "reason": "why"}}
        ]}}"#
    )
}

const KNOWN: &str =
    "[[difference]]\nadapter = \"b*driver 7*\"\ncase = \"conv2d *\"\nreason = \"a fault of driver 7\"\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    folder
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn files_of_several_machines_become_one_page() {
    let (a, b) = (report("card a", "1", "pass"), report("b", "2", "fail"));
    let place = folder(&[("a.json", &a), ("b.json", &b), ("known.toml", KNOWN), ("none.toml", "")]);
    let folder = place.path();
    let merge = ["parity", "--merge", "a.json", "b.json", "--html", "all.html", "--json", "all.json"];
    let (success, text) = wgrad(folder, &merge);
    assert!(!success && text.contains("1 of 4 cases failed for no known reason"), "{text}");
    assert!(text.contains("[0] card a, vulkan") && text.contains("[1] b, vulkan"), "{text}");
    let (success, text) = wgrad(folder, &[&merge[..], &["--known", "none.toml"]].concat());
    assert!(!success && read(folder, "all.html").contains("card a"), "{text}");

    let (success, text) = wgrad(folder, &[&merge[..], &["--known", "known.toml"]].concat());
    assert!(success && text.contains("1 failed") && text.contains("known: a fault of driver 7"), "{text}");
    assert!(read(folder, "all.html").contains("a fault of driver 7"));
    // What was merged is a report as any other, and may be merged with more.
    fs::write(folder.join("c.json"), report("card a", "3", "skipped")).expect("the folder can be written");
    let more = ["parity", "--merge", "c.json", "all.json", "--known", "known.toml"];
    let (success, text) = wgrad(folder, &more);
    assert!(success && text.contains("2 passed, 1 failed, 1 skipped"), "{text}");
    assert!(text.contains("joined of all.json (1, 2 rows) and c.json (3, 2 rows)"), "{text}");
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let good = report("a", "1", "pass");
    let files = [
        ("good.json", good.as_str()),
        ("copy.json", &good),
        ("empty.json", ""),
        ("text.json", "parity"),
        ("other.json", "{\"rows\": []}"),
        ("newer.json", "{\"schema\": \"wgrad-parity/9\", \"adapters\": [], \"cases\": []}"),
        ("bare.json", "{\"adapters\": [\"a\"], \"cases\": []}"),
        ("bad.toml", "[[difference]]\nadapter = \"a\"\ncases = \"b\"\n"),
    ];
    let place = folder(&files);
    let folder = place.path();
    fs::write(folder.join("bytes.json"), [0xff, 0xfe, 0x00]).expect("the folder can be written");
    let merge =
        |names: &[&str], parts: &[&str]| refused(folder, &[&["parity", "--merge"], names].concat(), parts);
    merge(&["gone.json"], &["gone.json"]);
    merge(&["."], &["."]);
    merge(&["good.json", "empty.json"], &["empty.json: expected", "nothing"]);
    merge(&["good.json", "text.json"], &["text.json: expected", "no JSON"]);
    merge(&["bytes.json"], &["bytes.json: expected", "no text"]);
    merge(&["other.json"], &["other.json: expected", "'adapters' and 'cases'"]);
    merge(&["newer.json"], &["newer.json: expected", "wgrad-parity/9", "wgrad-parity/2"]);
    merge(&["bare.json"], &["bare.json: expected a report with cases"]);
    merge(&["good.json", "./good.json"], &["./good.json: expected each file once", "as good.json"]);
    merge(&["good.json", "copy.json"], &["copy.json: expected each report once", "good.json"]);
    merge(&["good.json", "--known", "bad.toml"], &["bad.toml", "cases"]);
    merge(&["good.json", "--known", "gone.toml"], &["gone.toml"]);
    merge(&["good.json", "--html", "gone/page.html"], &["--html", "gone"]);
    refused(folder, &["parity", "--merge"], &["--merge"]);
    refused(folder, &["parity", "relu", "--merge", "good.json"], &["cannot be used with"]);
    refused(folder, &["parity", "--all", "--merge", "good.json"], &["cannot be used with"]);
}
