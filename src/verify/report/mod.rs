//! What a parity run found, as data: read and written as JSON, joined with what other machines found, shown as one page
//! of HTML. No file is opened here, so that a browser can use it too.
//!
//! # The JSON
//! `schema` names the form, `wgrad-parity/2`. Files of the first form, which had no such field and adapters that were a
//! line of text each, are read too. Fields are added and never change their meaning; what a reader does not know, it may
//! skip.
//!
//! | field | what |
//! |---|---|
//! | `complete` | whether the run came to its end |
//! | `of`, `model` | `cases`, or `nodes and outputs` of this network |
//! | `adapters` | a [`Column`] each: adapter, driver, backend, system, program, date |
//! | `cases` | a [`Row`] each: op, case, the adapter's position in `adapters`, verdict, numbers |
//! | `notes` | what is said besides |
//! | `matrix` | op by adapter, counted from `cases`; not read again |
//!
//! A number that JSON has no word for is the text `inf`, `-inf` or `NaN`.

mod column;
mod html;
mod known;
mod matrix;
mod merge;
mod number;
mod row;

pub use column::Column;
pub use known::{KnownDifference, KnownDifferences};
pub use matrix::Cell;
pub use number::Number;
pub use row::{Element, HeatMap, Kind, Refused, Row, rerun};

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The form of the JSON that is written.
pub const SCHEMA: &str = "wgrad-parity/2";

/// Cases on adapters, as far as the run has come.
///
/// ```
/// use wgrad::verify::report::{Column, Report, Row, rerun};
/// use wgrad::verify::{Adapter, Case, Effort, Line, run};
///
/// # fn main() -> wgrad::Result<()> {
/// let Ok(adapter) = Adapter::open(None, None) else { return Ok(()) }; // no GPU here
/// let mut report = Report::new(vec![Column::of(&adapter, Effort::quick())]);
/// let line: Line = "relu input=5".parse()?;
/// let outcome = run(&Case::build(&line)?, &adapter, Effort::quick())?;
/// report.rows.push(Row::new(0, &line, outcome, &rerun(&line, "auto")));
/// report.complete = true;
/// let again = Report::from_json("report.json", &report.to_json()?)?;
/// assert!(again == report && again.to_html()?.contains("relu"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether the run came to its end.
    #[serde(default)]
    pub complete: bool,
    /// What the rows are: `cases`, or the `nodes and outputs` of a network.
    #[serde(default = "cases")]
    pub of: String,
    /// The network, empty where there is none.
    #[serde(default)]
    pub model: String,
    /// What is said besides, a line each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Where the rows ran.
    pub adapters: Vec<Column>,
    /// In the order they ran.
    #[serde(rename = "cases")]
    pub rows: Vec<Row>,
}

fn cases() -> String {
    "cases".to_owned()
}

impl Report {
    /// No case yet.
    pub fn new(adapters: Vec<Column>) -> Self {
        let (rows, notes, model) = (Vec::new(), Vec::new(), String::new());
        Self { complete: false, of: cases(), model, notes, adapters, rows }
    }

    /// No node of this network yet.
    pub fn of_nodes(adapters: Vec<Column>, model: &str) -> Self {
        Self { of: "nodes and outputs".to_owned(), model: model.to_owned(), ..Self::new(adapters) }
    }

    /// Rows with this verdict.
    pub fn count(&self, verdict: Kind) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    /// Rows that failed, those with a known reason too.
    pub fn failures(&self) -> usize {
        self.count(Kind::Fail)
    }

    /// Rows that failed for which no reason is known.
    pub fn unexplained(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Kind::Fail && row.known.is_none()).count()
    }

    /// The adapter of a row, in words.
    pub fn adapter_of(&self, row: &Row) -> String {
        self.adapters.get(row.adapter).map_or_else(|| format!("adapter {}", row.adapter), Column::describe)
    }

    /// Everything, for programs.
    ///
    /// # Errors
    /// When it does not become JSON, which does not happen.
    pub fn to_json(&self) -> Result<String> {
        let failed =
            |error: serde_json::Error| Error::argument("report", "what JSON can hold", error.to_string());
        let matrix = self.cells().into_iter().map(|(op, cells)| json!({"op": op, "cells": cells}));
        let mut value = serde_json::to_value(self).map_err(failed)?;
        value["schema"] = json!(SCHEMA);
        value["matrix"] = matrix.collect();
        Ok(format!("{value:#}\n"))
    }

    /// Reads what [`Report::to_json`] wrote, now or before; `name` is that of the file, for errors.
    ///
    /// # Errors
    /// When it is no such JSON.
    pub fn from_json(name: &str, text: &str) -> Result<Self> {
        let bad = |got: String| Error::argument(name, "the JSON of `wgrad parity`", got);
        if text.trim().is_empty() {
            return Err(bad("nothing".to_owned()));
        }
        let mut value: Value = serde_json::from_str(text).map_err(|e| bad(format!("no JSON: {e}")))?;
        match value.get("schema") {
            None => upgrade(&mut value),
            Some(schema) if schema == SCHEMA => {}
            Some(schema) => return Err(bad(format!("the schema {schema}; this program knows {SCHEMA}"))),
        }
        let found = value.as_object().map(|fields| ["adapters", "cases"].map(|f| fields.contains_key(f)));
        if found != Some([true, true]) {
            return Err(bad("JSON without 'adapters' and 'cases'".to_owned()));
        }
        let report: Self = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
        let count = report.adapters.len();
        match report.rows.iter().find(|row| row.adapter >= count) {
            Some(row) => Err(bad(format!("'{}' on adapter {} of {count}", row.case, row.adapter))),
            None => Ok(report),
        }
    }
}

/// The first form as the second: its adapters were a line of text each, and the program's version stood beside them.
fn upgrade(value: &mut Value) {
    let version = value.get("version").cloned().unwrap_or_default();
    let Some(adapters) = value.get_mut("adapters").and_then(Value::as_array_mut) else { return };
    for adapter in adapters {
        if let Some(name) = adapter.as_str() {
            *adapter = json!({"name": name, "version": version.as_str().unwrap_or_default()});
        }
    }
}

#[cfg(test)]
mod tests;
