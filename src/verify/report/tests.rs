use super::*;
use crate::verify::{Failure, Heat, Judgement, Line, Outcome, Verdict, Worst};

fn column(name: &str, date: &str) -> Column {
    Column {
        name: name.to_owned(),
        date: date.to_owned(),
        driver: "driver 1".to_owned(),
        ..Column::default()
    }
}

fn line(text: &str) -> Line {
    text.parse().expect("a line")
}

fn outcome(verdict: Verdict, fraction: f64) -> Outcome {
    Outcome { verdict, fraction, exact: 1, bounded: 2, variants: 3, refused: Vec::new() }
}

fn failure() -> Verdict {
    let worst = Worst { index: vec![0, 1], got: f64::NAN, expected: -0.5, bound: f64::INFINITY };
    let heat = Heat { columns: 2, cells: vec![0.0, f64::INFINITY, 0.75, 0.25] };
    let judgement = Judgement {
        exact: false,
        violations: 2,
        fraction: f64::INFINITY,
        worst: Some(worst),
        heat: Some(heat),
        statistics: None,
    };
    let (variant, output, what) = ("chosen".to_owned(), "output".to_owned(), "2 elements".to_owned());
    Verdict::Fail(Box::new(Failure { variant, output, what, judgement: Some(judgement) }))
}

fn pass(adapter: usize, case: &str, fraction: f64) -> Row {
    Row::new(adapter, &line(case), outcome(Verdict::Pass, fraction), "")
}

fn failing(adapter: usize, case: &str) -> Row {
    let line = line(case);
    Row::new(adapter, &line, outcome(failure(), f64::INFINITY), &rerun(&line, "1"))
}

/// One report of each kind of row.
fn all() -> Report {
    let mut report = Report::new(vec![column("card <b>", "2026-11-30T00:00:00Z"), column("other", "")]);
    report.rows.push(pass(0, "relu input=3", 0.0));
    report.rows.push(pass(0, "conv2d input=1x1x3x3", 0.4));
    report.rows.push(pass(1, "conv2d input=1x1x4x4", 0.9));
    report.rows.push(failing(1, "conv2d input=1x1x3x3"));
    report.rows.push(Row::skipped(1, &line("relu input=3"), "no memory"));
    let doubt = Verdict::Mistrusted("zeros".to_owned());
    report.rows.push(Row::new(1, &line("gelu input=3"), outcome(doubt, 0.0), ""));
    report.rows.push(Row::failed(1, &line("gelu input=4"), "lost", &rerun(&line("gelu input=4"), "1")));
    report.complete = true;
    report
}

fn round(report: &Report) -> Report {
    Report::from_json("a.json", &report.to_json().expect("JSON")).expect("what was written")
}

#[test]
fn json_brings_a_report_back() {
    let (report, again) = (all(), round(&all()));
    let element = again.rows[3].element.as_ref().expect("the worst element");
    assert!(element.got.0.is_nan() && element.bound.0 == f64::INFINITY);
    assert_eq!(again, report);
    assert_eq!((report.failures(), report.unexplained(), report.count(Kind::Pass)), (2, 2, 3));
}

#[test]
fn the_matrix_counts_and_finds_the_worst() {
    let report = all();
    let cells = report.cells();
    let convolution = &cells["conv2d"];
    assert_eq!((convolution[0].pass, convolution[0].worst), (1, Number(0.4)));
    assert_eq!((convolution[1].pass, convolution[1].fail, convolution[1].worst), (1, 1, Number(0.9)));
    assert_eq!(convolution[1].worst_case.as_deref(), Some("conv2d input=1x1x4x4"));
    assert!(cells["gelu"][0].is_empty() && cells["relu"][0].worst_case.is_none());
    assert_eq!(cells["gelu"][1].to_string(), "1 FAIL, 1 mistrusted (0.00)");
}

#[test]
fn what_is_no_report_is_refused_by_name() {
    let refused = |text: &str, part: &str| {
        let error = Report::from_json("a.json", text).expect_err(text).to_string();
        assert!(error.starts_with("a.json: expected the JSON of `wgrad parity`, got "), "{error}");
        assert!(error.contains(part), "{error}");
    };
    refused("", "nothing");
    refused(" \n", "nothing");
    refused("<html>", "no JSON");
    refused("[1, 2]", "without 'adapters' and 'cases'");
    refused("{\"adapters\": []}", "without 'adapters' and 'cases'");
    refused("{\"schema\": \"wgrad-parity/3\", \"adapters\": [], \"cases\": []}", "wgrad-parity/3");
    refused("{\"schema\": 2}", "the schema 2");
    refused("{\"adapters\": [3], \"cases\": []}", "invalid type");
    let row = |fields: &str| format!("{{\"adapters\": [\"a\"], \"cases\": [{{\"case\": \"c\", {fields}}}]}}");
    refused(&row("\"op\": \"o\", \"adapter\": 1, \"verdict\": \"pass\""), "'c' on adapter 1 of 1");
    refused(&row("\"op\": \"o\", \"adapter\": 0, \"verdict\": \"maybe\""), "maybe");
    refused(&row("\"adapter\": 0, \"verdict\": \"pass\""), "op");
    refused(&row("\"op\": \"o\", \"adapter\": 0, \"verdict\": \"pass\", \"worst\": \"much\""), "much");
}

/// As `wgrad parity --json` wrote it before there was a schema.
const FIRST: &str = r#"{
  "adapters": ["llvmpipe (LLVM 15.0.6, 256 bits), software, vulkan"],
  "cases": [{
    "adapter": 0, "case": "relu input=3", "op": "relu", "outputs_bounded": 0, "outputs_exact": 2,
    "variants": 1, "variants_refused": [], "verdict": "pass", "worst": 0.0
  }],
  "complete": true,
  "matrix": [{"cells": [{"fail": 0, "mistrusted": 0, "pass": 1, "skipped": 0, "text": "1 pass (0.00)", "worst": 0.0}], "op": "relu"}],
  "model": "", "notes": [], "of": "cases", "version": "0.1.0"
}"#;

#[test]
fn the_first_form_is_read() {
    let report = Report::from_json("old.json", FIRST).expect("the first form");
    let column = &report.adapters[0];
    assert_eq!(
        (column.describe().as_str(), column.version.as_str()),
        ("llvmpipe (LLVM 15.0.6, 256 bits), software, vulkan", "0.1.0")
    );
    assert_eq!((report.rows[0].verdict, report.rows[0].outputs_exact), (Kind::Pass, Some(2)));
    assert_eq!(round(&report), report);
}

fn merged(reports: &[(&str, &Report)]) -> Result<Report> {
    Report::merge(reports.iter().map(|(name, report)| ((*name).to_owned(), (*report).clone())).collect())
}

fn of(columns: Vec<Column>, rows: Vec<Row>) -> Report {
    Report { complete: true, rows, ..Report::new(columns) }
}

#[test]
fn adapters_of_all_files_stand_side_by_side() {
    let a = of(vec![column("a", "1")], vec![pass(0, "relu input=3", 0.1)]);
    let b = of(
        vec![column("b", "1"), Column { browser: "Chromium 150".to_owned(), ..column("a", "1") }],
        vec![pass(0, "relu input=3", 0.2), pass(1, "relu input=3", 0.3)],
    );
    let both = merged(&[("a.json", &a), ("b.json", &b)]).expect("two files");
    let worst: Vec<f64> = both.cells()["relu"].iter().map(|cell| cell.worst.0).collect();
    assert_eq!(worst, [0.1, 0.2, 0.3]);
    assert!(both.complete && both.notes.is_empty(), "{:?}", both.notes);
}

#[test]
fn one_adapter_in_two_files_is_one_column_and_the_newer_case_holds() {
    let old =
        of(vec![column("a", "2026-01-01")], vec![pass(0, "relu input=3", 0.1), pass(0, "gelu input=3", 0.2)]);
    let new = of(vec![column("a", "2026-02-01")], vec![pass(0, "relu input=3", 0.7)]);
    for files in [[("old.json", &old), ("new.json", &new)], [("new.json", &new), ("old.json", &old)]] {
        let both = merged(&files).expect("two files");
        assert_eq!((both.adapters.len(), both.rows.len()), (1, 2));
        assert_eq!(both.adapters[0].date, "2026-02-01");
        assert_eq!(both.cells()["relu"][0].worst, Number(0.7));
        let [note] = &both.notes[..] else { panic!("{:?}", both.notes) };
        assert!(
            note.contains("old.json") && note.contains("new.json") && note.contains("of 1 rows"),
            "{note}"
        );
    }
}

#[test]
fn twins_of_one_file_stay_apart() {
    let twins = |date: &str, fraction: f64| {
        let rows = vec![pass(0, "relu input=3", fraction), pass(1, "relu input=3", fraction + 0.1)];
        of(vec![column("a", date), column("a", date)], rows)
    };
    let both = merged(&[("a.json", &twins("1", 0.1)), ("b.json", &twins("2", 0.5))]).expect("two files");
    let worst: Vec<f64> = both.cells()["relu"].iter().map(|cell| cell.worst.0).collect();
    assert_eq!(worst, [0.5, 0.6]);
    // Two rows of one line in one file are two, too.
    let row = || pass(0, "relu input=3", 0.1);
    assert_eq!(
        merged(&[("a.json", &of(vec![column("a", "1")], vec![row(), row()]))]).expect("a file").rows.len(),
        2
    );
}

#[test]
fn what_cannot_be_joined_is_refused_by_name() {
    let refused = |reports: &[(&str, &Report)], parts: &[&str]| {
        let error = merged(reports).expect_err("an error").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let one = all();
    refused(&[], &["one report or more"]);
    refused(&[("a.json", &one), ("b.json", &one)], &["b.json: ", "what a.json holds"]);
    refused(&[("a.json", &one), ("a.json", &one)], &["a.json: ", "it twice"]);
    let empty = of(vec![column("a", "")], Vec::new());
    refused(&[("a.json", &one), ("b.json", &empty)], &["b.json: ", "one without"]);
    let nodes = Report { rows: one.rows.clone(), ..Report::of_nodes(one.adapters.clone(), "mlp") };
    refused(&[("a.json", &one), ("b.json", &nodes)], &["b.json: ", "cases as in a.json", "of mlp"]);
    let broken = Report { complete: false, ..all() };
    let note = merged(&[("a.json", &broken)]).expect("a file");
    assert!(!note.complete && note.notes[0].contains("a.json: the run did not"), "{:?}", note.notes);
}

#[test]
fn failures_get_their_reasons() {
    let known = |adapter: &str, case: &str| KnownDifference {
        adapter: adapter.to_owned(),
        case: case.to_owned(),
        reason: "a <reason>".to_owned(),
        wgsl: "tests/drivers/a.wgsl".to_owned(),
    };
    let mut report = all();
    let count = |report: &mut Report, difference: Vec<KnownDifference>| {
        KnownDifferences { difference }.explain(report);
        (report.failures(), report.unexplained())
    };
    assert_eq!(count(&mut report, vec![known("card*", "*"), known("*", "relu*")]), (2, 2));
    assert_eq!(count(&mut report, vec![known("*driver 1*", "conv2d *")]), (2, 1));
    assert_eq!(report.cells()["conv2d"][1].known, 1);
    let page = report.to_html().expect("a page");
    assert!(page.contains("a &lt;reason&gt;") && page.contains("drivers&#x2f;a.wgsl"), "{page}");
    assert!(report.rows.iter().all(|row| row.known.is_none() || row.verdict == Kind::Fail));
    assert_eq!(count(&mut report, Vec::new()), (2, 2));
}

#[test]
fn the_page_shows_what_there_is_and_nothing_from_outside() {
    let page = all().to_html().expect("a page");
    for part in [
        "card &lt;b&gt;",
        "0.40",
        "1 fail",
        "conv2d input=1x1x4x4",
        "no memory",
        "got NaN",
        "class=\"bad\"",
        "mistrusted",
    ] {
        assert!(page.contains(part), "no '{part}' in\n{page}");
    }
    for part in ["http", "src=", "<link", "<script", "card <b>"] {
        assert!(!page.contains(part), "'{part}' in\n{page}");
    }
    let empty = Report::new(vec![column("a", "")]).to_html().expect("a page");
    assert!(empty.contains("None.") && empty.contains("did not come to its end"), "{empty}");
}
