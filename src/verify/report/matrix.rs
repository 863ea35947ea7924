//! Op by adapter.

use super::Report;
use super::number::Number;
use super::row::{Kind, Row};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The cases of one op on one adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Those that passed.
    pub pass: usize,
    /// Those that failed.
    pub fail: usize,
    /// Those of them whose reason is known.
    pub known: usize,
    /// Those that did not run.
    pub skipped: usize,
    /// Those that would pass where they should not.
    pub mistrusted: usize,
    /// The worst error as a fraction of its bound, of those that passed.
    pub worst: Number,
    /// The case of that error; `None` where all is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_case: Option<String>,
}

impl Default for Cell {
    fn default() -> Self {
        let worst = Number(0.0);
        Self { pass: 0, fail: 0, known: 0, skipped: 0, mistrusted: 0, worst, worst_case: None }
    }
}

impl Cell {
    /// Counts a row.
    pub fn add(&mut self, row: &Row) {
        match row.verdict {
            Kind::Pass => self.pass += 1,
            Kind::Fail => self.fail += 1,
            Kind::Skipped => self.skipped += 1,
            Kind::Mistrusted => self.mistrusted += 1,
        }
        self.known += usize::from(row.verdict == Kind::Fail && row.known.is_some());
        if let (Some(worst), Kind::Pass) = (row.worst, row.verdict)
            && worst.0 > self.worst.0
        {
            self.worst = worst;
            self.worst_case = Some(row.case.clone());
        }
    }

    /// Whether no case was counted.
    pub fn is_empty(&self) -> bool {
        self.pass + self.fail + self.skipped + self.mistrusted == 0
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.pass, "pass"),
            (self.fail, "FAIL"),
            (self.skipped, "skipped"),
            (self.mistrusted, "mistrusted"),
        ];
        let parts =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        write!(f, "{} ({:.2})", parts.collect::<Vec<_>>().join(", "), self.worst.0)
    }
}

impl Report {
    /// The cases of each op, counted for each adapter.
    pub fn cells(&self) -> BTreeMap<&str, Vec<Cell>> {
        let mut cells: BTreeMap<&str, Vec<Cell>> = BTreeMap::new();
        for row in &self.rows {
            let line = cells.entry(&row.op).or_insert_with(|| vec![Cell::default(); self.adapters.len()]);
            if let Some(cell) = line.get_mut(row.adapter) {
                cell.add(row);
            }
        }
        cells
    }
}
