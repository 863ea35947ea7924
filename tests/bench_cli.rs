//! `wgrad bench` as a user runs it: bad input is named and the other cases go on; comparisons decide.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wgrad::bench::{Environment, Report, Row, SCHEMA, Timing, VERSION, load, save};
use wgrad::exec::Clock;

fn wgrad() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    command.arg("bench");
    command
}

fn run(args: &[&str]) -> (Output, String) {
    let output = wgrad().args(args).output().expect("the command starts");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

/// Whether there is an adapter; says so where there is none.
fn adapter() -> bool {
    let found = !wgrad::adapters(None).is_empty();
    if !found {
        println!("SKIPPED: {}", wgrad::exec::NO_ADAPTER);
    }
    found
}

fn timing(median: f64) -> Timing {
    let samples = (0..20).map(|i| median * (0.99 + 0.001 * f64::from(i))).collect();
    let (clock, bursts) = (Clock::Timestamps, vec![5; 4]);
    Timing { clock, runs: 1, samples, bursts, dropped: 0, set_aside: 0, disturbed: None, stable: true }
}

fn report(adapter: &str, medians: &[f64]) -> Report {
    let row = |(i, median): (usize, &f64)| Row {
        set: "made up".into(),
        op: "relu".into(),
        pass: "fwd".into(),
        shape: format!("e{i}"),
        timing: Some(timing(*median)),
        ..Row::default()
    };
    Report {
        schema: SCHEMA.into(),
        version: VERSION,
        command: "wgrad bench ops".into(),
        complete: true,
        beside: None,
        environment: Environment { adapter: adapter.into(), ..Environment::default() },
        roofs: None,
        rows: medians.iter().enumerate().map(row).collect(),
    }
}

fn saved(folder: &Path, name: &str, report: &Report) -> String {
    let path = folder.join(name);
    save(&path, report).expect("the folder can be written");
    path.display().to_string()
}

#[test]
fn a_slowdown_of_a_tenth_is_reported_and_fails_where_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = saved(folder.path(), "old.json", &report("card", &[1e-3, 1e-3, 1e-3]));
    let new = saved(folder.path(), "new.json", &report("card", &[1e-3, 1.1e-3, 0.9e-3]));
    let (output, text) = run(&["compare", &old, &new]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 slower, 1 faster, 1 same, 0 ambiguous, 0 missing of 3 cases"), "{text}");
    let (output, text) = run(&["compare", &old, &new, "--fail-above", "8"]);
    assert!(
        !output.status.success() && text.contains("1 regressions beyond 8 %: made up relu fwd e1"),
        "{text}"
    );
    let html = folder.path().join("c.html").display().to_string();
    assert!(run(&["compare", &old, &new, "--fail-above", "12", "--html", &html]).0.status.success());
    let html = std::fs::read_to_string(html).expect("the report");
    assert!(html.contains("class=\"slower\">slower") && !html.contains("http://") && !html.contains("src="));
}

#[test]
fn other_adapters_and_other_schemas_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = saved(folder.path(), "old.json", &report("card", &[1e-3]));
    let other = saved(folder.path(), "other.json", &report("another card", &[1e-3]));
    let (output, text) = run(&["compare", &old, &other]);
    assert!(
        !output.status.success() && text.contains("another card") && text.contains("--across-adapters"),
        "{text}"
    );
    assert!(run(&["compare", &old, &other, "--across-adapters"]).0.status.success());
    for (content, expected) in [
        ("{\"schema\": \"wgrad-bench\", \"version\": 99}", "got version 99"),
        ("{\"schema\": \"benchdnn\", \"version\": 1}", "got schema benchdnn"),
        ("{}", "got schema none"),
        ("median,min", "no such JSON"),
        ("{\"schema\": \"wgrad-bench\", \"version\": 1}", "a broken one"),
    ] {
        let path = folder.path().join("bad.json");
        std::fs::write(&path, content).expect("the folder can be written");
        let (output, text) = run(&["compare", &old, &path.display().to_string()]);
        assert!(!output.status.success() && text.contains(expected) && text.contains("bad.json"), "{text}");
    }
    let (output, text) = run(&["compare", &old, "no-such.json"]);
    assert!(!output.status.success() && text.contains("no-such.json"), "{text}");
}

#[test]
fn what_is_malformed_is_named_and_the_other_cases_go_on() {
    let (output, text) = run(&["no-such-op", "--shape", "e16"]);
    assert!(!output.status.success() && text.contains("conv2d") && text.contains("got no-such-op"), "{text}");
    let (output, text) = run(&["ops", "--set", "no-such-set"]);
    assert!(!output.status.success() && text.contains("smoke"), "{text}");
    let (output, text) = run(&["relu", "--shape", "e16", "--pass", "sideways"]);
    assert!(!output.status.success() && text.contains("fwd, dgrad, wgrad, bgrad or all"), "{text}");
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("t.csv");
    let lines =
        "set,layer,count,op,shape\nt,a,1,relu,e16x\nt,b,one,relu,e16\nt,c,1,relu,e64\nt,d,1,nope,e64\n";
    std::fs::write(&table, lines).expect("the folder can be written");
    let json = folder.path().join("t.json");
    let (output, text) =
        run(&["ops", "--set", &path(&table), "--time", "0.01", "--json", &path(&json), "--pass", "fwd"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("t.csv, line 2") && text.contains("t.csv, line 3"), "{text}");
    let report = load(&json).expect("the report");
    assert_eq!(report.rows.iter().filter(|r| r.timing.is_some()).count(), 1);
    assert_eq!(report.rows.len(), 4);
    let done = report.rows.iter().find_map(|r| r.timing.as_ref()).expect("the case that went on");
    assert!(done.samples.len() >= 10 && done.samples.iter().all(|s| *s > 0.0));
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_shader_with_a_wrong_output_fails_and_the_others_go_on() {
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shaders");
    let read = |name: &str| std::fs::read_to_string(examples.join(name)).expect("the example");
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder can be written");
        path
    };
    let good = file("good.wgsl", &read("scan.wgsl"));
    file("good.toml", &read("scan.toml"));
    let wrong = file("wrong.wgsl", &read("scan.wgsl").replace("step < 16u", "step < 8u"));
    file("wrong.toml", &read("scan.toml"));
    let broken = file("broken.wgsl", "fn scan( {");
    file("broken.toml", &read("scan.toml"));
    let alone = file("alone.wgsl", &read("scan.wgsl"));
    let typo = file("typo.wgsl", &read("scan.wgsl"));
    file("typo.toml", &read("scan.toml").replace("grid", "gird"));
    let files = [&wrong, &broken, &alone, &typo, &good].map(|f| path(f));
    let (output, text) =
        run(&[&["shader", "--time", "0.01"], &files.each_ref().map(String::as_str)[..]].concat());
    assert!(!output.status.success() && text.contains("1 measured, 4 failed"), "{text}");
    for expected in ["binding 'sums' at", "expected identifier", "alone.toml", "gird", "sums as expected"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

/// Cases that take a few seconds together.
const MANY: usize = 80;

/// Ctrl-C in the first visit: the file holds what was measured and says that it is not all.
#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_was_measured() {
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (table, json) = (folder.path().join("t.csv"), folder.path().join("t.json"));
    // What no device can hold is said at once, and shows that the case before it was measured.
    let mut text = "set,layer,count,op,shape\nt,first,1,relu,e64\nt,large,1,relu,e1073741824\n".to_owned();
    text.extend((0..MANY).map(|i| format!("t,{i},1,relu,e{}\n", 64 + i)));
    std::fs::write(&table, text).expect("the folder can be written");
    let mut child = wgrad()
        .args(["ops", "--set", &path(&table), "--pass", "fwd", "--time", "0.1", "--json", &path(&json)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("SKIPPED") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("text") > 0, "it ended without a case");
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("text");
    assert!(!child.wait().expect("its end").success());
    let report = load(&json).expect("the report");
    let measured = report.rows.iter().filter(|r| r.timing.is_some()).count();
    assert!(!report.complete && (1..=MANY).contains(&measured), "{measured} measured\n{rest}");
}

/// One line each of ops that have no short form of their shapes, and of some that have.
const LINES: [(&str, &[&str]); 11] = [
    (
        "conv2d input=2x3x9x9 weight=4x3x3x3 bias stride=2 padding=1,0,0,1 data=real:1 seed=3",
        &["fwd", "dgrad", "wgrad", "bgrad"],
    ),
    ("linear input=2x3x8 weight=5x8 bias data=integers:3", &["fwd", "dgrad", "wgrad", "bgrad"]),
    ("embedding weight=10x16 indices=4x6 data=integers:9", &["fwd", "wgrad"]),
    ("dropout input=33x31 p=0.5 stream=7 data=real:1", &["fwd", "dgrad"]),
    ("concat input=7x3 dim=0 sizes=2,1,4 data=integers:9", &["fwd", "dgrad"]),
    ("permute input=3x4x5 dims=2,0,1 data=integers:9", &["fwd", "dgrad"]),
    ("where condition=4x1 a=4x9 b=4x9 data=integers:9", &["fwd", "dgrad", "wgrad"]),
    ("softmax input=64x10 dim=0 data=real:3", &["fwd", "dgrad"]),
    ("lstm sizes=3x2x4 bias masked data=real:1", &["fwd", "dgrad", "wgrad", "bgrad"]),
    ("gru sizes=3x2x4 reverse bias data=real:1", &["fwd", "dgrad", "wgrad", "bgrad"]),
    ("rnn_tanh sizes=5x3x7 data=real:1", &["fwd", "dgrad", "wgrad"]),
];

/// What reproduces a failure of parity is what is measured, and the other way round.
#[test]
fn a_line_of_parity_is_measured_and_comes_back() {
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let json = path(&folder.path().join("t.json"));
    let cases: Vec<&str> = LINES.iter().flat_map(|(line, _)| ["--case", *line]).collect();
    let (output, text) = run(&[&["ops", "--time", "0.01", "--json", &json], &cases[..]].concat());
    assert!(output.status.success() && !text.contains("FAILED"), "{text}");
    let rows = load(Path::new(&json)).expect("the report").rows;
    for (line, passes) in LINES {
        let of_line: Vec<_> = rows.iter().filter(|row| row.case == line).collect();
        assert_eq!(of_line.iter().map(|row| row.pass.as_str()).collect::<Vec<_>>(), passes, "{line}");
        assert!(
            of_line.iter().all(|row| row.timing.is_some() && format!("{} {}", row.op, row.shape) == line)
        );
    }
    let mut parity = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    let parity = parity.args(["parity", "--quick"]).args(rows.iter().flat_map(|row| ["--case", &row.case]));
    assert!(parity.output().expect("the command starts").status.success());
    // A short form stands for a line, too.
    let (output, text) = run(&["conv2d", "--shape", "n2c3h9w9k4r3s3p1", "--lines"]);
    let line = "conv2d input=2x3x9x9 weight=4x3x3x3 padding=1 data=real:1\n";
    assert!(output.status.success() && text == line, "{text}");
}

#[test]
fn a_bad_line_is_named_as_parity_names_it() {
    for (line, word) in [
        ("conv3d input=1x1x1x1", "conv2d"),
        ("relu input=2x3 alhpa=2", "'alhpa'"),
        ("relu input=2x", "'input'"),
        ("conv2d input=1x4x4x4 weight=4x3x3x3", "channels"),
    ] {
        let (output, text) = run(&["ops", "--case", "relu input=7", "--case", line]);
        assert!(!output.status.success() && text.contains(word), "{text}");
        let parity = Command::new(env!("CARGO_BIN_EXE_wgrad")).args(["parity", "--case", line]).output();
        assert_eq!(String::from_utf8_lossy(&parity.expect("the command starts").stderr), text);
    }
    let (output, text) = run(&["ops", "--case", "reshape input=7 to=7x1"]);
    assert!(!output.status.success() && text.contains("one with a kernel"), "{text}");
    let (_, text) = run(&["ops", "--case", "argmax input=4x5 dim=1", "--pass", "dgrad"]);
    assert!(!adapter() || text.contains("one of fwd for argmax input=4x5 dim=1"), "{text}");
}

/// Result files of before rows had a case are still read, and their cases are the same ones.
#[test]
fn files_without_case_lines_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = report("card", &[1e-3, 1e-3]);
    let new = saved(folder.path(), "new.json", &new);
    let text = std::fs::read_to_string(&new).expect("what was saved");
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("\"case\"")).collect();
    assert!(lines.len() < text.lines().count());
    let old = folder.path().join("old.json");
    std::fs::write(&old, lines.join("\n")).expect("the folder can be written");
    let (output, text) = run(&["compare", &path(&old), &new]);
    assert!(output.status.success() && text.contains("2 same"), "{text}");
}

/// Side by side with itself: both files are there, each case was measured in both, interleaved, and belongs together.
#[test]
fn a_build_is_measured_side_by_side_with_another() {
    let own = env!("CARGO_BIN_EXE_wgrad");
    let (output, text) = run(&["versus", own, "peaks"]);
    assert!(!output.status.success() && text.contains("expected ops, train, shader or an op"), "{text}");
    let (output, text) = run(&["versus", "no-such-wgrad", "relu", "--shape", "e64"]);
    assert!(!output.status.success() && text.contains("no-such-wgrad"), "{text}");
    let (output, text) = run(&["versus", own, "relu", "--shape", "e64", "--pass", "sideways"]);
    assert!(!output.status.success() && text.contains("ended without results"), "{text}");
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let keep = path(folder.path());
    let words =
        ["versus", "--keep", &keep, own, "relu", "--shape", "e64", "--shape", "e1000", "--time", "0.02"];
    let (output, text) = run(&words);
    assert!(output.status.success() && text.contains("of 4 cases"), "{text}");
    let [old, new] =
        ["old.json", "new.json"].map(|name| load(&folder.path().join(name)).expect("the report"));
    assert!(old.beside.is_some() && old.beside == new.beside && old.complete && new.complete);
    for (old, new) in old.rows.iter().zip(&new.rows) {
        let [old, new] = [old, new].map(|row| row.timing.as_ref().expect("a timing"));
        assert!(old.bursts.len() >= 5 && new.bursts.len() >= 5, "{old:?} {new:?}");
        assert!([old, new].iter().all(|t| t.bursts.iter().sum::<usize>() == t.samples.len()));
    }
}

#[test]
fn a_start_is_measured_in_processes_of_its_own() {
    let (output, text) = run(&["start", "--model", "nothing"]);
    assert!(!output.status.success() && text.contains("got nothing"), "{text}");
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("start.json");
    let (output, text) = run(&["start", "--model", "mlp", "--pairs", "1", "--json", file.to_str().unwrap()]);
    assert!(output.status.success(), "{text}");
    let rows = load(&file).unwrap().rows;
    let passes: Vec<_> = rows.iter().map(|row| row.pass.as_str()).collect();
    assert_eq!(passes, ["cold", "warm"], "{text}");
    assert!(rows.iter().all(|row| row.timing.as_ref().is_some_and(|t| t.samples[0] > 0.0)), "{text}");
    let (output, text) = run(&["start", "--model", "mlp", "--kernels"]);
    assert!(output.status.success() && text.contains("matmul"), "{text}");
    // A process that cannot start is a failed case, and its complaint is passed on.
    let (output, text) = run(&["start", "--model", "mlp", "--pairs", "1", "--device", "cpu"]);
    assert!(!output.status.success() && text.contains("benchmarks measure an adapter"), "{text}");
}

#[test]
fn long_programs_are_measured_part_by_part() {
    let (output, text) = run(&["plan", "--list"]);
    assert!(output.status.success() && text.contains("lstm-200") && text.contains("deep-cnn"), "{text}");
    let (output, text) = run(&["plan", "--model", "nothing"]);
    assert!(!output.status.success() && text.contains("got nothing"), "{text}");
    if !adapter() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let (output, text) =
        run(&["plan", "--model", "chain-1000", "--runs", "2", "--json", file.to_str().unwrap()]);
    assert!(output.status.success(), "{text}");
    let rows = load(&file).unwrap().rows;
    let passes: Vec<_> = rows.iter().map(|row| row.pass.as_str()).collect();
    assert_eq!(passes, ["graph", "plan", "compile", "first run"], "{text}");
    assert!(rows.iter().all(|row| row.timing.as_ref().is_some_and(|t| t.samples.len() == 2)), "{text}");
    assert!(rows.iter().all(|row| row.variant.contains("250 steps")), "{text}");
}

#[test]
fn odd_shapes_are_drawn_by_kind_and_measured_beside_the_reference() {
    let (output, text) = run(&["odd", "--lines", "--each", "1"]);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().count(), wgrad::bench::odd::KINDS.len(), "{text}");
    assert!(text.contains("one row ") && text.contains("conv2d input="), "{text}");
    let (output, text) = run(&["odd", "--filter", "no such kind"]);
    assert!(!output.status.success() && text.contains("--filter leaves none"), "{text}");
    let (output, text) = run(&["odd", "--case", "relu input=9", "--device", "cpu"]);
    assert!(!output.status.success() && text.contains("benchmarks measure an adapter"), "{text}");
    if !adapter() {
        return;
    }
    // All are listed with --all: here the device has nothing to win.
    let (output, text) = run(&["odd", "--all", "--case", "relu input=9"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("fwd relu input=9") && text.contains("dgrad relu input=9"), "{text}");
    assert!(text.contains("2 measured, ") && text.contains(", 0 failed"), "{text}");
}
