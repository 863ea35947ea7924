//! What `wgrad parity` found: as a table, as JSON and as a page.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use wgrad::verify::{Compared, Failure, Line, Outcome, Site, Verdict};

/// One case on one adapter.
pub struct Row {
    adapter: usize,
    op: String,
    line: String,
    /// `pass`, `fail`, `skipped` or `mistrusted`.
    verdict: &'static str,
    /// Why, where it did not pass.
    reason: String,
    /// The command that runs it again.
    rerun: String,
    outcome: Option<Outcome>,
    /// Of a network's node, its number and label.
    node: Option<(usize, String)>,
}

impl Row {
    /// A case that ran.
    pub fn new(adapter: usize, line: &Line, outcome: Outcome, selector: &str) -> Self {
        let (verdict, reason) = words(&outcome.verdict);
        let outcome = Some(outcome);
        Self { outcome, ..Self::bare(adapter, line, verdict, reason, selector) }
    }

    /// A node of a network, or how the device failed in it.
    pub fn node(adapter: usize, site: &Site, found: Result<Outcome, String>, rerun: String) -> Self {
        let (verdict, reason) = match &found {
            Ok(outcome) => words(&outcome.verdict),
            Err(reason) => ("fail", reason.clone()),
        };
        let (op, line, node) = (site.op.to_owned(), site.to_string(), Some((site.node, site.label.clone())));
        Self { adapter, op, line, verdict, reason, rerun, outcome: found.ok(), node }
    }

    /// An output of a network from end to end.
    pub fn end(adapter: usize, output: &Compared) -> Self {
        let (verdict, reason) = words(&output.outcome.verdict);
        let line = format!("{} from end to end", output.name);
        Self { line, outcome: Some(output.outcome.clone()), ..Self::whole(adapter, verdict, reason) }
    }

    /// A network that an adapter cannot run.
    pub fn broken(adapter: usize, reason: &str) -> Self {
        Self::whole(adapter, "fail", reason.to_owned())
    }

    /// An adapter that does not open.
    pub fn adapter(adapter: usize, reason: &str) -> Self {
        Self::whole(adapter, "skipped", reason.to_owned())
    }

    fn whole(adapter: usize, verdict: &'static str, reason: String) -> Self {
        let (op, line) = ("the whole network".to_owned(), "the whole network".to_owned());
        Self { adapter, op, line, verdict, reason, rerun: String::new(), outcome: None, node: None }
    }

    /// A case that did not run.
    pub fn skipped(adapter: usize, line: &Line, reason: &str) -> Self {
        Self::bare(adapter, line, "skipped", reason.to_owned(), "")
    }

    /// A case in which the device failed.
    pub fn failed(adapter: usize, line: &Line, reason: &str, selector: &str) -> Self {
        Self::bare(adapter, line, "fail", reason.to_owned(), selector)
    }

    fn bare(adapter: usize, line: &Line, verdict: &'static str, reason: String, selector: &str) -> Self {
        let rerun = format!("wgrad parity --device {selector} --case '{line}'");
        Self {
            adapter,
            op: line.op.clone(),
            line: line.to_string(),
            verdict,
            reason,
            rerun,
            outcome: None,
            node: None,
        }
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "op": self.op, "case": self.line, "adapter": self.adapter, "verdict": self.verdict,
        });
        if let Some((number, label)) = &self.node {
            value["node"] = json!(number);
            value["label"] = json!(label);
        }
        if let Some(outcome) = &self.outcome {
            value["worst"] = number(outcome.fraction);
            value["outputs_exact"] = json!(outcome.exact);
            value["outputs_bounded"] = json!(outcome.bounded);
            value["variants"] = json!(outcome.variants);
            let refused =
                outcome.refused.iter().map(|(variant, why)| json!({"variant": variant, "reason": why}));
            value["variants_refused"] = refused.collect();
        }
        if self.verdict != "pass" {
            value["reason"] = json!(self.reason);
        }
        if self.verdict == "fail" {
            value["rerun"] = json!(self.rerun);
        }
        if let Some(Outcome { verdict: Verdict::Fail(failure), .. }) = &self.outcome {
            value["tier"] = json!(failure.tier());
            value["variant"] = json!(failure.variant);
            value["output"] = json!(failure.output);
            if let Some(judgement) = &failure.judgement {
                value["violations"] = json!(judgement.violations);
                value["element"] = judgement.worst.as_ref().map_or(Value::Null, |w| {
                    json!({"index": w.index, "got": number(w.got), "expected": number(w.expected), "bound": number(w.bound)})
                });
                value["heat"] = judgement.heat.as_ref().map_or(Value::Null, |h| {
                    let cells: Vec<Value> = h.cells.iter().map(|&c| number(c)).collect();
                    json!({"columns": h.columns, "cells": cells})
                });
            }
        }
        value
    }
}

/// A number JSON has no word for becomes text.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

fn describe(failure: &Failure) -> String {
    let output = if failure.output.is_empty() { String::new() } else { format!(" {}:", failure.output) };
    let mut text = format!("{}:{output} {}", failure.variant, failure.what);
    if let Some(worst) = failure.judgement.as_ref().and_then(|j| j.worst.as_ref()) {
        let (index, got, expected, bound) = (&worst.index, worst.got, worst.expected, worst.bound);
        text += &format!("; worst at {index:?}: got {got:e}, expected {expected:e}, allowed {bound:.2e}");
    }
    text
}

/// A verdict and why.
fn words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Pass => ("pass", String::new()),
        Verdict::Fail(failure) => ("fail", describe(failure)),
        Verdict::Skipped(reason) => ("skipped", reason.clone()),
        Verdict::Mistrusted(reason) => ("mistrusted", reason.clone()),
    }
}

/// All cases on all adapters, as far as the run has come.
pub struct Report {
    adapters: Vec<String>,
    /// In the order they ran.
    pub rows: Vec<Row>,
    /// Whether the run came to its end.
    pub complete: bool,
    /// What is said besides, a line each.
    pub notes: Vec<String>,
    /// What the rows are: `cases`, or the `nodes` of a network.
    of: &'static str,
    /// The network, empty where there is none.
    model: String,
}

/// The cases of one op on one adapter.
#[derive(Default, Clone, Copy)]
struct Cell {
    pass: usize,
    fail: usize,
    skipped: usize,
    mistrusted: usize,
    /// The worst error as a fraction of its bound, of those that passed.
    worst: f64,
}

impl Cell {
    fn text(&self) -> String {
        let parts = [
            (self.pass, "pass"),
            (self.fail, "FAIL"),
            (self.skipped, "skipped"),
            (self.mistrusted, "mistrusted"),
        ];
        let parts =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        format!("{} ({:.2})", parts.collect::<Vec<_>>().join(", "), self.worst)
    }
}

impl Report {
    /// No case yet.
    pub fn new(adapters: Vec<String>) -> Self {
        let (rows, notes, model) = (Vec::new(), Vec::new(), String::new());
        Self { adapters, rows, complete: false, notes, of: "cases", model }
    }

    /// No node of this network yet.
    pub fn of_nodes(adapters: Vec<String>, model: &str) -> Self {
        Self { of: "nodes and outputs", model: model.to_owned(), ..Self::new(adapters) }
    }

    /// Cases that failed.
    pub fn failures(&self) -> usize {
        self.rows.iter().filter(|r| r.verdict == "fail").count()
    }

    fn cells(&self) -> BTreeMap<&str, Vec<Cell>> {
        let mut cells: BTreeMap<&str, Vec<Cell>> = BTreeMap::new();
        for row in &self.rows {
            let line = cells.entry(&row.op).or_insert_with(|| vec![Cell::default(); self.adapters.len()]);
            let cell = &mut line[row.adapter];
            match row.verdict {
                "pass" => cell.pass += 1,
                "fail" => cell.fail += 1,
                "skipped" => cell.skipped += 1,
                _ => cell.mistrusted += 1,
            }
            if let (Some(outcome), "pass") = (&row.outcome, row.verdict) {
                cell.worst = cell.worst.max(outcome.fraction);
            }
        }
        cells
    }

    /// Prints the table op by adapter, then what did not pass.
    pub fn print(&self) {
        for (number, name) in self.adapters.iter().enumerate() {
            println!("[{number}] {name}");
        }
        println!("\n{}, and in brackets the worst error as a fraction of its bound", self.of);
        let cells = self.cells();
        let width = cells.values().flatten().map(|c| c.text().len()).max().unwrap_or(0) + 2;
        let names = cells.keys().map(|op| op.len()).max().unwrap_or(0) + 2;
        let head: Vec<_> = (0..self.adapters.len()).map(|n| format!("{:width$}", format!("[{n}]"))).collect();
        println!("{:names$}{}", "", head.concat().trim_end());
        for (op, line) in &cells {
            let texts: Vec<_> = line.iter().map(|c| format!("{:width$}", c.text())).collect();
            println!("{op:names$}{}", texts.concat().trim_end());
        }
        let count = |wanted: &str| self.rows.iter().filter(|r| r.verdict == wanted).count();
        println!(
            "\n{} {}: {} passed, {} failed, {} skipped, {} mistrusted",
            self.rows.len(),
            self.of,
            count("pass"),
            count("fail"),
            count("skipped"),
            count("mistrusted")
        );
        let passed = self.rows.iter().filter(|row| row.verdict == "pass" && row.node.is_some());
        let fraction = |row: &&Row| row.outcome.as_ref().map_or(0.0, |outcome| outcome.fraction);
        if let Some(row) = passed.max_by(|a, b| fraction(a).total_cmp(&fraction(b))) {
            println!("the nearest to its bound, {:.2} of it: {}", fraction(&row), row.line);
        }
        self.notes.iter().for_each(|note| println!("{note}"));
        self.print_reasons();
    }

    /// Failures one by one; skipped and mistrusted ones by reason.
    fn print_reasons(&self) {
        for row in self.rows.iter().filter(|r| r.verdict == "fail") {
            // A case is in the command that runs it again.
            let what = if row.node.is_some() || row.rerun.is_empty() {
                format!("{}: ", row.line)
            } else {
                String::new()
            };
            println!("\nFAIL on {}\n  {what}{}", self.adapters[row.adapter], row.reason);
            if !row.rerun.is_empty() {
                println!("  rerun: {}", row.rerun);
            }
        }
        let mut reasons: BTreeMap<(&str, usize, &str), (usize, &str)> = BTreeMap::new();
        for row in self.rows.iter().filter(|r| ["skipped", "mistrusted"].contains(&r.verdict)) {
            let entry = reasons.entry((row.verdict, row.adapter, &row.reason)).or_insert((0, &row.line));
            entry.0 += 1;
        }
        for ((verdict, adapter, reason), (count, line)) in reasons {
            println!("\n{count} {verdict} on {}: {reason}\n  the first: {line}", self.adapters[adapter]);
        }
    }

    /// Everything, for programs.
    pub fn to_json(&self) -> Value {
        let matrix = self.cells().into_iter().map(|(op, line)| {
            let cells = line.iter().map(|c| {
                json!({
                    "pass": c.pass, "fail": c.fail, "skipped": c.skipped, "mistrusted": c.mistrusted,
                    "worst": number(c.worst), "text": c.text(),
                })
            });
            json!({"op": op, "cells": cells.collect::<Vec<_>>()})
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "complete": self.complete,
            "adapters": self.adapters,
            "of": self.of,
            "model": self.model,
            "notes": self.notes,
            "matrix": matrix.collect::<Vec<_>>(),
            "cases": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        })
    }

    /// Everything, for people: one file with nothing outside it.
    pub fn to_html(&self) -> anyhow::Result<String> {
        let environment = minijinja::Environment::new();
        let page = include_str!("report.html");
        Ok(environment.render_named_str("report.html", page, self.to_json())?)
    }
}
