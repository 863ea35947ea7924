//! The parity suite: kernels of the adapter beside the reference.

use crate::opened::Opened;
use crate::value::{Options, Thrown, object};
use std::collections::BTreeSet;
use wasm_bindgen::prelude::*;
use wgrad::verify::report::{Column, Kind, Number, Report, Row};
use wgrad::verify::{self, Adapter, Case, Effort, Line};

/// Cases after which the adapter is opened anew: compiled kernels are kept as long as it is open.
const REOPEN_AFTER: usize = 500;
/// The cases of one run, one after the other.
#[wasm_bindgen]
pub struct Parity {
    opened: Opened,
    adapter: Adapter,
    lines: Vec<Line>,
    effort: Effort,
    report: Report,
    /// Why no device can be had any more.
    lost: Option<String>,
    done: usize,
}

#[wasm_bindgen]
impl Parity {
    /// `set` is `one`, the first case of each op, `quick`, all of them, or `full`, all in every variant; `only` is an op, or one
    /// case as a failure prints it.
    pub async fn open(options: JsValue) -> Thrown<Parity> {
        let read = Options(&options);
        let (only, set) = (read.text("only"), read.text("set"));
        let mut lines = match only.trim() {
            "" => verify::table(None)?,
            case if case.contains(' ') => vec![case.parse()?],
            op => verify::table(Some(op))?,
        };
        if set == "one" {
            let mut known = BTreeSet::new();
            lines.retain(|line| known.insert(line.op.clone()));
        }
        let effort = if set == "full" { Effort::full() } else { Effort::quick() };
        let opened = Opened::new(&options).await?;
        let adapter = Adapter::open_async(None, None).await?;
        let column = Column {
            name: opened.plain_name(),
            os: read.text("system"),
            browser: read.text("browser"),
            date: read.text("date"),
            ..Column::of(&adapter, effort)
        };
        let report = Report::new(vec![column]);
        Ok(Self { opened, adapter, lines, effort, report, lost: None, done: 0 })
    }

    /// What the adapter is and can do.
    pub fn device(&self) -> JsValue {
        self.opened.describe()
    }

    /// The ops that there are cases of.
    pub fn ops() -> Vec<String> {
        verify::ops().into_iter().map(str::to_owned).collect()
    }

    /// How many cases there are.
    #[wasm_bindgen(getter)]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Runs the next case and tells how all are so far.
    pub async fn next(&mut self) -> Thrown {
        let Some(line) = self.lines.get(self.done).cloned() else {
            return Err(JsError::new("parity: expected a case that is left, got none"));
        };
        self.done += 1;
        if self.done.is_multiple_of(REOPEN_AFTER) && self.lost.is_none() {
            self.adapter = Adapter::open_async(None, None).await?;
        }
        let row = match &self.lost {
            Some(reason) => Row::skipped(0, &line, reason),
            None => match self.run(&line).await {
                Ok(row) => row,
                Err(error) => {
                    // A shader that does not compile, or a device that is lost: the next case has another one.
                    let again = Adapter::open_async(None, None).await;
                    match again {
                        Ok(adapter) => self.adapter = adapter,
                        Err(error) => self.lost = Some(format!("the device does not open again: {error}")),
                    }
                    Row::failed(0, &line, &error.to_string(), &rerun(&line))
                }
            },
        };
        let reason = row.reason.clone().unwrap_or_default();
        let failure =
            if row.verdict == Kind::Fail { format!("{}: {reason}", row.case) } else { String::new() };
        self.report.rows.push(row);
        let count = |kind| JsValue::from(self.report.count(kind));
        let worst = self.report.rows.iter().filter(|row| row.verdict == Kind::Pass);
        let worst =
            worst.filter_map(|row| row.worst.as_ref()).map(|Number(worst)| *worst).fold(0.0, f64::max);
        Ok(object([
            ("what", line.op.into()),
            ("pass", count(Kind::Pass)),
            ("fail", count(Kind::Fail)),
            ("skipped", (self.report.count(Kind::Skipped) + self.report.count(Kind::Mistrusted)).into()),
            ("worst", worst.into()),
            ("failure", failure.into()),
        ]))
    }

    async fn run(&self, line: &Line) -> wgrad::Result<Row> {
        let outcome = verify::run_async(&Case::build(line)?, &self.adapter, self.effort).await?;
        Ok(Row::new(0, line, outcome, &rerun(line)))
    }

    /// The results: JSON, a page of HTML, the table op by op, and a line in words.
    pub fn finish(&mut self) -> Thrown {
        self.report.complete = self.done == self.lines.len();
        let count = |kind| self.report.count(kind);
        let words = format!(
            "{} cases: {} passed, {} failed, {} skipped, {} mistrusted",
            self.report.rows.len(),
            count(Kind::Pass),
            count(Kind::Fail),
            count(Kind::Skipped),
            count(Kind::Mistrusted)
        );
        let matrix: js_sys::Array = self
            .report
            .cells()
            .into_iter()
            .filter_map(|(op, cells)| {
                let cell = cells.into_iter().next()?;
                Some(object([
                    ("op", op.into()),
                    ("pass", cell.pass.into()),
                    ("fail", cell.fail.into()),
                    ("skipped", (cell.skipped + cell.mistrusted).into()),
                    ("worst", cell.worst.0.into()),
                ]))
            })
            .collect();
        Ok(object([
            ("complete", self.report.complete.into()),
            ("words", words.into()),
            ("json", self.report.to_json()?.into()),
            ("html", self.report.to_html()?.into()),
            ("matrix", matrix.into()),
        ]))
    }
}

/// The page's address that runs a case again, beside the page.
fn rerun(line: &Line) -> String {
    format!("parity.html?case={}", String::from(js_sys::encode_uri_component(&line.to_string())))
}
