//! The import arrow, and the places of an op, read from the source text.
//!
//! ```text
//! nn, optim, data, train  ->  graph + ops  ->  plan  ->  exec (wgpu)
//!                                   |            |
//!                              reference      kernels + shaders
//! ```

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that everything may use: types and formulas without a direction of their own.
const COMMON: [&str; 10] =
    ["dim", "dtype", "error", "files", "pairs", "platform", "random", "shape", "tensor", "tracked"];

/// What each module may use besides [`COMMON`]. A module that is not here fails the test: give it a place.
const ALLOWED: [(&str, &[&str]); 23] = [
    ("tracked", &[]),
    ("updates", &[]),
    ("dim", &[]),
    ("dtype", &[]),
    ("error", &[]),
    ("files", &[]),
    // Threads, clocks and waiting, which a browser has not.
    ("platform", &[]),
    ("random", &[]),
    ("shape", &[]),
    ("pairs", &[]),
    ("tensor", &[]),
    ("graph", &["custom", "functions", "ops"]),
    ("ops", &["custom", "functions", "updates"]),
    // What ops from outside the crate implement, gradients as nodes among it.
    ("custom", &["graph"]),
    // Rows, and the methods and gradients that they make.
    ("functions", &["graph"]),
    ("reference", &["custom", "graph", "ops", "updates"]),
    ("kernels", &["custom", "functions", "ops"]),
    ("plan", &["graph", "ops", "kernels"]),
    ("exec", &["formats", "graph", "ops", "kernels", "plan", "reference"]),
    ("nn", &["graph", "ops"]),
    ("optim", &["graph", "ops", "updates"]),
    ("data", &[]),
    // Files of tensors, which know nothing of programs.
    ("formats", &[]),
];

/// What stands above the engine: it may use all of it, and nothing below may use it.
const ABOVE: [&str; 4] = ["bench", "onnx", "train", "verify"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files with this extension under a folder, with the names below it.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())).flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = fs::read_to_string(&path).expect("text in UTF-8");
                found.push((path.strip_prefix(root()).expect("a file of this crate").to_owned(), text));
            }
        }
    }
    found
}

/// The text without comments and without its tests, which may use anything.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or(text);
    let line = |line: &str| line.split("//").next().unwrap_or(line).to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The names a path that begins behind `start` leads to: one, or those of a brace list.
fn names(code: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(list) = code.strip_prefix('{') else { return vec![name(code)] };
    let (mut depth, mut parts) = (1, vec![String::new()]);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => parts.push(String::new()),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if !(c == ',' && depth == 1) {
            parts.last_mut().expect("at least one part").push(c);
        }
    }
    parts.iter().map(|part| name(part)).filter(|n: &String| !n.is_empty()).collect()
}

/// What code re-exports, by `start`, and from which module.
fn reexports(code: &str, start: &str) -> BTreeMap<String, String> {
    let mut origin = BTreeMap::new();
    for part in code.split(start).skip(1) {
        let (module, rest) = part.split_once("::").expect("a path");
        for name in names(rest.split(';').next().unwrap_or(rest)) {
            origin.insert(name, module.to_owned());
        }
    }
    origin
}

/// The module of a file below `src`.
fn module(path: &Path) -> String {
    let first = path.components().nth(1).expect("a file below src").as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_point_to_the_right_and_down() {
    let origin = reexports(&circles::lib(), "pub use ");
    assert!(origin.len() > 10 && origin["Device"] == "exec", "{origin:?}");
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, text) in files("src", "rs") {
        let from = module(&path);
        if ["lib", "bin"].contains(&from.as_str()) || ABOVE.contains(&from.as_str()) {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == from).map(|(_, to)| *to);
        let Some(allowed) = allowed else {
            wrong.push(format!("{}: the module {from} has no place in the picture", path.display()));
            continue;
        };
        for part in code(&text).split("crate::").skip(1) {
            for name in names(part) {
                let to = origin.get(&name).unwrap_or(&name).clone();
                let known = ALLOWED.iter().any(|(m, _)| *m == to) || ABOVE.contains(&to.as_str());
                if !known {
                    wrong.push(format!("{}: crate::{name} is of no known module", path.display()));
                } else if to != from && !COMMON.contains(&to.as_str()) && !allowed.contains(&to.as_str()) {
                    wrong.push(format!("{}: {from} uses {to} (crate::{name})", path.display()));
                }
                seen.insert((from.clone(), to));
            }
        }
        // In `src/x.rs`, `super` is the crate's root; deeper down only `super::super` could leave the module.
        let depth = path.components().count();
        let leaves = code(&text).contains("super::super") || (depth == 2 && code(&text).contains("super::"));
        if leaves {
            wrong.push(format!(
                "{}: leaves its module by super::, which this test cannot follow",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for edge in [("exec", "plan"), ("plan", "kernels"), ("reference", "ops"), ("nn", "graph")] {
        let (from, to) = edge;
        assert!(seen.contains(&(from.to_owned(), to.to_owned())), "the test no longer sees {from} -> {to}");
    }
}

#[test]
fn only_exec_knows_wgpu() {
    let uses = |text: &str| code(text).contains("wgpu::");
    let users: BTreeSet<String> =
        files("src", "rs").iter().filter(|(_, text)| uses(text)).map(|(path, _)| module(path)).collect();
    assert_eq!(users, BTreeSet::from(["exec".to_owned()]));
}

/// Threads, clocks, waiting and the number of the process are another thing in a browser, where std's panic.
#[test]
fn only_the_platform_knows_threads_clocks_and_waiting() {
    const WORDS: [&str; 8] = [
        "std::thread",
        "thread::",
        "Instant::",
        "SystemTime::",
        "pollster",
        "process::",
        "temp_dir",
        "cfg(target_family",
    ];
    let (mut users, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, text) in files("src", "rs").into_iter().filter(|(path, _)| module(path) != "bin") {
        let code = code(&text);
        // The clock is asked for by its name, which the platform gives.
        let clock = code.contains("platform::Instant") || code.contains("platform::{");
        for word in WORDS.iter().filter(|word| code.contains(**word)) {
            if module(&path) == "platform" {
                users.insert(*word);
            } else if !(clock && ["Instant::", "SystemTime::"].contains(word)) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
        if code.contains("std::time") && module(&path) != "platform" {
            let only_durations = code.split("std::time::").skip(1).all(|rest| rest.starts_with("Duration"));
            assert!(only_durations, "{}: another clock than the platform's", path.display());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(users.len() >= 4, "the test no longer sees what the platform uses: {users:?}");
}

/// The types for which the files of a folder implement a trait, with the stems of the files.
fn implementers(folder: &str, of: &str) -> BTreeMap<String, String> {
    let (mut found, start) = (BTreeMap::new(), format!("impl {of} for "));
    for (path, text) in files(folder, "rs") {
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
        let code = code(&text);
        let types = code.split(&start).skip(1);
        let types = types.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
        found.extend(types.filter(|ty| !ty.is_empty()).map(|ty| (ty.to_owned(), stem.clone())));
    }
    found
}

#[test]
fn an_op_has_one_stem() {
    let rules = implementers("src/ops", "Rule");
    assert!(rules.len() > 30, "{rules:?}");
    for (op, stem) in implementers("src/reference", "Define") {
        assert_eq!(Some(&stem), rules.get(&op), "the file of src/reference that defines {op}");
    }
    let name = |path: &Path| path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
    // What is made of other ops has its file among the methods.
    let methods: Vec<String> = files("src/graph/rules", "rs").iter().map(|(path, _)| name(path)).collect();
    let stems: BTreeSet<&String> = rules.values().chain(&methods).collect();
    for (path, _) in files("src/verify/cases", "rs") {
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
        assert!(
            stem == "mod" || stems.contains(&stem),
            "{}: no file of src/ops or src/graph/rules is called so",
            path.display()
        );
    }
}

#[test]
fn every_shader_is_launched() {
    let code: String = files("src", "rs").iter().map(|(_, text)| code(text)).collect();
    for (path, _) in files("shaders", "wgsl") {
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name");
        let used = path.starts_with("shaders/common") || code.contains(&format!("\"{stem}\""));
        assert!(used, "{}: no kernel names it", path.display());
    }
}

#[test]
fn a_shader_is_named_as_its_entry_point() {
    let shaders = files("shaders", "wgsl");
    assert!(shaders.len() > 20);
    for (path, text) in shaders {
        let stem = path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
        let entry = text.split("@compute").nth(1).map(|rest| {
            let name = rest.split("fn ").nth(1).unwrap_or_default();
            name.split('(').next().unwrap_or_default().to_owned()
        });
        let common = path.starts_with("shaders/common");
        assert_eq!(entry, (!common).then_some(stem), "{}: the entry point", path.display());
        assert!(
            ["//", "{#"].iter().any(|comment| text.trim_start().starts_with(comment)),
            "{} does not open with what it computes",
            path.display()
        );
    }
}

/// What a new op or function of a family could fall into unseen.
fn may_hide_an_op(lines: &[&str], at: usize) -> bool {
    const FAMILIES: [&str; 2] = ["Op::", "RecurrentKind::"];
    let code = |line: &str| line.split("//").next().unwrap_or(line).to_owned();
    let of_a_family = |text: &str| FAMILIES.iter().any(|family| text.contains(family));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let line = code(lines[at]);
    // A question for one op is about that op; one for several is a list to which another may belong.
    let listed = line.split("matches!(").nth(1).is_some_and(|rest| rest.matches("Op::").count() > 1);
    let Some((pattern, _)) = line.split_once("=>") else { return listed };
    let word = pattern.split(" if ").next().unwrap_or(pattern).trim();
    let catches_all = !word.is_empty()
        && word.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '_')
        && !["true", "false"].contains(&word);
    // The other arms of the same match, as rustfmt writes them.
    let inside = |line: &&&str| line.trim().is_empty() || indent(line) >= indent(lines[at]);
    let arms = lines[..at].iter().rev().take_while(inside).filter(|line| indent(line) == indent(lines[at]));
    let mut patterns = arms.map(|line| code(line).split("=>").next().unwrap_or_default().to_owned());
    listed || catches_all && patterns.any(|pattern| of_a_family(&pattern))
}

/// A wildcard over ops or functions says why what is not known to it is right, in the line above or its own.
#[test]
fn wildcards_over_ops_carry_a_reason() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, text) in files("src", "rs") {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        for at in (0..lines.len()).filter(|&at| may_hide_an_op(&lines, at)) {
            seen += 1;
            let before = at.checked_sub(1).map_or("", |before| lines[before]);
            if !lines[at].contains("//") && !before.contains("//") {
                wrong.push(format!("{}:{}: {}", path.display(), at + 1, lines[at].trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "name every op, or say why any other falls in here:\n{}", wrong.join("\n"));
    assert!(seen > 10, "the test no longer sees wildcards: {seen}");
}

/// A seeded bug whose text is gone would be reported as one that nothing finds, hours later.
#[test]
fn seeded_bugs_are_of_the_text_as_it_is() {
    let table = fs::read_to_string(root().join("tests/mutants.toml")).expect("tests/mutants.toml");
    let table: toml::Table = table.parse().expect("TOML");
    let bugs = table["bug"].as_array().expect("a list of bugs");
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for bug in bugs {
        let field = |key: &str| bug[key].as_str().expect("text");
        let source = fs::read_to_string(root().join(field("file"))).unwrap_or_default();
        if !names.insert(field("name"))
            || !source.contains(field("text"))
            || field("text") == field("replacement")
        {
            wrong.push(field("name"));
        }
    }
    assert!(bugs.len() > 400 && wrong.is_empty(), "not in their files, or twice: {wrong:#?}");
}
