//! A report as one page of HTML with nothing outside it.

use super::row::{HeatMap, Kind, Row};
use super::{Cell, Report};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// Differences that are shown one by one, and those of them with a map of where the errors lie. All are in the JSON.
const SHOWN: usize = 500;
const MAPPED: usize = 40;

/// What the template shows.
#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    version: &'static str,
    counts: Counts,
    columns: Vec<Counts>,
    matrix: Vec<Op<'a>>,
    differences: Vec<Difference<'a>>,
    /// Differences that are not among them.
    more: usize,
    others: Vec<Other<'a>>,
}

#[derive(Serialize)]
struct Counts {
    rows: usize,
    pass: usize,
    fail: usize,
    known: usize,
    skipped: usize,
    mistrusted: usize,
}

impl Counts {
    fn of<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Self {
        let count = |kind: Kind| rows.clone().filter(|row| row.verdict == kind).count();
        Self {
            rows: rows.clone().count(),
            pass: count(Kind::Pass),
            fail: count(Kind::Fail),
            known: rows.clone().filter(|row| row.verdict == Kind::Fail && row.known.is_some()).count(),
            skipped: count(Kind::Skipped),
            mistrusted: count(Kind::Mistrusted),
        }
    }
}

#[derive(Serialize)]
struct Op<'a> {
    op: &'a str,
    cells: Vec<Shown>,
}

/// A cell as it is shown.
#[derive(Serialize)]
struct Shown {
    class: &'static str,
    text: String,
    /// How many passed, of how many where that is not all.
    count: String,
    /// A line each.
    details: Vec<String>,
    case: Option<String>,
}

impl From<&Cell> for Shown {
    fn from(cell: &Cell) -> Self {
        let Cell { pass, fail, known, skipped, mistrusted, .. } = *cell;
        let worst = cell.worst.0;
        let class = match cell {
            _ if cell.is_empty() => "none",
            _ if fail > known => "fail",
            _ if fail > 0 => "known",
            _ if mistrusted > 0 => "other",
            _ if pass == 0 => "other",
            _ if worst == 0.0 => "exact",
            _ if worst <= 0.25 => "low",
            _ if worst <= 0.5 => "middle",
            _ => "high",
        };
        let share = match worst {
            0.0 => "exact".to_owned(),
            small if small < 0.01 => "<0.01".to_owned(),
            _ => format!("{worst:.2}"),
        };
        let text = match (fail, pass) {
            _ if cell.is_empty() => "–".to_owned(),
            (0, 0) if mistrusted > 0 => format!("{mistrusted} mistrusted"),
            (0, 0) => "skipped".to_owned(),
            (0, _) => share,
            _ => format!("{fail} fail"),
        };
        let all = pass + fail + skipped + mistrusted;
        let count = if all == 0 {
            String::new()
        } else if all == pass {
            pass.to_string()
        } else {
            format!("{pass}/{all}")
        };
        let parts = [
            (pass, "passed".to_owned()),
            (fail, format!("failed, {known} of them for a known reason")),
            (skipped, "skipped".to_owned()),
            (mistrusted, "mistrusted".to_owned()),
        ];
        // Where all passed, the count says so already.
        let parts = parts.into_iter().filter(|(count, _)| *count > 0 && pass < all);
        let mut details: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        if cell.worst_case.is_some() {
            details.push(format!("worst {worst:.3} of its bound:"));
        }
        Self { class, text, count, details, case: cell.worst_case.clone() }
    }
}

#[derive(Serialize)]
struct Difference<'a> {
    row: &'a Row,
    adapter: String,
    heat: Vec<&'static str>,
    columns: usize,
}

/// Rows that were skipped or are mistrusted, for one reason on one adapter.
#[derive(Serialize)]
struct Other<'a> {
    adapter: usize,
    verdict: &'static str,
    reason: &'a str,
    count: usize,
    first: &'a str,
}

/// The cells of a map by how far off they are.
fn heat(map: &HeatMap) -> Vec<&'static str> {
    let class = |fraction: f64| match fraction {
        near if near <= 0.5 => "",
        within if within <= 1.0 => "near",
        _ => "bad",
    };
    map.cells.iter().map(|cell| class(cell.0)).collect()
}

impl Report {
    fn page(&self) -> Page<'_> {
        let of = |number: usize| Counts::of(self.rows.iter().filter(move |row| row.adapter == number));
        let failed = self.rows.iter().filter(|row| row.verdict == Kind::Fail);
        let difference = |(position, row): (usize, &'_ Row)| {
            let map = row.heat.as_ref().filter(|_| position < MAPPED);
            let adapter = format!("[{}] {}", row.adapter, self.adapter_of(row));
            (adapter, map.map(heat).unwrap_or_default(), map.map_or(1, |map| map.columns))
        };
        let mut failed: Vec<&Row> = failed.collect();
        // Those that nobody explained come first.
        failed.sort_by_key(|row| row.known.is_some());
        let differences = failed.iter().enumerate().take(SHOWN).map(|(position, &row)| {
            let (adapter, heat, columns) = difference((position, row));
            Difference { row, adapter, heat, columns }
        });
        Page {
            report: self,
            version: env!("CARGO_PKG_VERSION"),
            counts: Counts::of(self.rows.iter()),
            columns: (0..self.adapters.len()).map(of).collect(),
            matrix: self.cells().into_iter().map(op).collect(),
            differences: differences.collect(),
            more: failed.len().saturating_sub(SHOWN),
            others: self.others(),
        }
    }

    fn others(&self) -> Vec<Other<'_>> {
        let mut reasons: BTreeMap<(usize, &str, &str), (usize, &str)> = BTreeMap::new();
        let kinds = [Kind::Skipped, Kind::Mistrusted];
        for row in self.rows.iter().filter(|row| kinds.contains(&row.verdict)) {
            let reason = row.reason.as_deref().unwrap_or_default();
            reasons.entry((row.adapter, row.verdict.name(), reason)).or_insert((0, &row.case)).0 += 1;
        }
        let other =
            |((adapter, verdict, reason), (count, first))| Other { adapter, verdict, reason, count, first };
        reasons.into_iter().map(other).collect()
    }

    /// Everything, for people: one page with nothing outside it.
    ///
    /// # Errors
    /// When the template is wrong, which does not happen.
    pub fn to_html(&self) -> Result<String> {
        let mut environment = minijinja::Environment::new();
        // Names of adapters and files are nobody's HTML.
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
        let page = environment.render_named_str("report.html", include_str!("report.html"), self.page());
        page.map_err(|error| Error::argument("report", "a page of it", error.to_string()))
    }
}

fn op<'a>((op, cells): (&'a str, Vec<Cell>)) -> Op<'a> {
    Op { op, cells: cells.iter().map(Shown::from).collect() }
}
