//! The roofs of the adapter, and the smoke set of benchmarks.

use crate::opened::Opened;
use crate::value::{Options, Thrown, object};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wgrad::bench::measure::{Policy, Unwatched, measure_async};
use wgrad::bench::{Case, Environment, Report, Row, SCHEMA, Status, VERSION, check, parse_table, peaks};
use wgrad::exec::Stopwatch;
use wgrad::{Error, Result};

/// The shapes of the smoke set.
const SMOKE: &str = include_str!("../../benches/shapes/smoke.csv");
/// For how long a case of it is measured.
const BUDGET: Duration = Duration::from_millis(200);

/// What is measured next.
enum Item {
    Peak(peaks::Peak),
    Case(Box<Case>),
    /// A line of the table that is none.
    Bad(String),
}

/// A run of measurements, one after the other.
#[wasm_bindgen]
pub struct Bench {
    opened: Opened,
    stopwatch: Stopwatch,
    items: Vec<Item>,
    report: Report,
    done: usize,
}

#[wasm_bindgen]
impl Bench {
    /// `kind` is `peaks` or `smoke`.
    pub async fn open(kind: &str, options: JsValue) -> Thrown<Bench> {
        let items = match kind {
            "peaks" => peaks::ALL.into_iter().map(Item::Peak).collect(),
            "smoke" => smoke(),
            other => return Err(Error::argument("benchmark", "peaks or smoke", other).into()),
        };
        let opened = Opened::new(&options).await?;
        let stopwatch = Stopwatch::new(&opened.device, false)?;
        let report = Report {
            schema: SCHEMA.into(),
            version: VERSION,
            command: format!("{kind} in a browser"),
            complete: false,
            beside: None,
            environment: environment(&opened, &Options(&options)),
            roofs: None,
            rows: Vec::new(),
        };
        Ok(Self { opened, stopwatch, items, report, done: 0 })
    }

    /// What the adapter is and can do.
    pub fn device(&self) -> JsValue {
        self.opened.describe()
    }

    /// How many measurements there are.
    #[wasm_bindgen(getter)]
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// What [`Bench::next`] will measure.
    pub fn following(&self) -> String {
        match self.items.get(self.done) {
            Some(Item::Peak(peak)) => peak.to_string(),
            Some(Item::Case(case)) => case.to_string(),
            Some(Item::Bad(_)) => "a line of the table".to_owned(),
            None => String::new(),
        }
    }

    /// Measures the next one.
    pub async fn next(&mut self) -> Thrown {
        let what = self.following();
        let row = match self.items.get(self.done) {
            Some(Item::Peak(peak)) => self.peak(*peak).await?,
            Some(Item::Case(case)) => self.case(case).await,
            Some(Item::Bad(reason)) => Row { status: Status::Skipped(reason.clone()), ..Row::default() },
            None => return Err(Error::argument("benchmark", "one that is left", "none").into()),
        };
        self.done += 1;
        let median = row.summary().map(|summary| time(summary.median)).unwrap_or_default();
        let check = match &row.status {
            Status::Ok => "ok".to_owned(),
            Status::Failed(reason) => format!("failed: {reason}"),
            Status::Skipped(reason) => format!("skipped: {reason}"),
        };
        let told = object([
            ("what", what.into()),
            ("median", median.into()),
            ("rate", rate(&row).into()),
            ("check", check.into()),
        ]);
        self.report.rows.push(row);
        Ok(told)
    }

    async fn peak(&self, peak: peaks::Peak) -> Result<Row> {
        let stop = AtomicBool::new(false);
        let rows =
            peaks::measure_rows_async(&self.opened.device, &[peak], &self.stopwatch, &stop, |_| {}).await?;
        rows.into_iter().next().ok_or_else(|| Error::argument("peaks", "a row", "none"))
    }

    /// Whatever goes wrong stays with the case.
    async fn case(&self, case: &Case) -> Row {
        let mut row = Row {
            set: case.set.clone(),
            layer: case.layer.clone(),
            count: case.count,
            op: case.op.clone(),
            pass: case.pass.to_string(),
            shape: case.shape.clone(),
            case: case.line.to_string(),
            ..Row::default()
        };
        if let Err(error) = self.measured(case, &mut row).await {
            row.status = Status::Failed(error.to_string());
        }
        row
    }

    async fn measured(&self, case: &Case, row: &mut Row) -> Result<()> {
        let mut prepared = match case.prepare_async(&self.opened.device, false).await {
            Ok(prepared) => prepared,
            Err(error) => {
                row.status = Status::Skipped(error.to_string());
                return Ok(());
            }
        };
        row.variant = prepared.variant();
        (row.flops, row.nominal_flops, row.bytes) = (prepared.flops, prepared.nominal_flops, prepared.bytes);
        row.check = check::check_async(&mut prepared).await?;
        prepared.fill()?;
        let (policy, stop) = (Policy { budget: BUDGET, ..Policy::default() }, AtomicBool::new(false));
        let mut workload = prepared.workload();
        row.timing = measure_async(&mut workload, &self.stopwatch, &mut Unwatched, &policy, &stop).await?;
        Ok(())
    }

    /// The results, as JSON and in words.
    pub fn finish(&mut self) -> Thrown {
        let report = &mut self.report;
        report.complete = self.done == self.items.len();
        if report.rows.iter().any(|row| row.pass == "peak") {
            report.roofs = peaks::roofs(&report.rows);
        }
        let failed = report.rows.iter().filter(|row| matches!(row.status, Status::Failed(_))).count();
        let measured = report.rows.iter().filter(|row| row.timing.is_some()).count();
        let words = format!("{measured} of {} measured, {failed} failed", self.items.len());
        let json = serde_json::to_string_pretty(report)
            .map_err(|error| Error::argument("results", "what JSON can hold", error.to_string()))?;
        Ok(object([
            ("complete", report.complete.into()),
            ("words", words.into()),
            ("json", format!("{json}\n").into()),
        ]))
    }
}

/// Every pass of each line of the set.
fn smoke() -> Vec<Item> {
    let mut items = Vec::new();
    for line in parse_table("smoke.csv", SMOKE) {
        match line.and_then(|line| Case::of_table(&line)) {
            Ok(cases) => items.extend(cases.into_iter().map(|case| Item::Case(Box::new(case)))),
            Err(error) => items.push(Item::Bad(error.to_string())),
        }
    }
    items
}

fn environment(opened: &Opened, options: &Options<'_>) -> Environment {
    let identity = opened.device.identity();
    Environment {
        adapter: opened.plain_name(),
        backend: identity.map(|identity| identity.backend.to_string()).unwrap_or_default(),
        kind: identity.map(|identity| identity.kind.clone()).unwrap_or_default(),
        driver: identity.map(|identity| identity.driver.clone()).unwrap_or_default(),
        system: format!("{}, {}", options.text("system"), options.text("browser")),
        threads: options.number("threads") as usize,
        versions: vec![("wgrad".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
        git: None,
        debug: cfg!(debug_assertions),
        started: options.number("started") as u64,
    }
}

/// Seconds in a unit that suits.
fn time(seconds: f64) -> String {
    match seconds {
        long if long >= 1.0 => format!("{long:.2} s"),
        middle if middle >= 1e-3 => format!("{:.2} ms", middle * 1e3),
        short => format!("{:.1} us", short * 1e6),
    }
}

/// What it does in a second; of what computes next to nothing, the bytes.
fn rate(row: &Row) -> String {
    if row.pass == "peak" {
        return peaks::rate(row).map(|(rate, unit)| format!("{rate:.1} {unit}")).unwrap_or_default();
    }
    let of = |amount: u64, unit: &str| row.rate(amount).map(|rate| format!("{rate:.1} {unit}"));
    let found = match (row.flops, row.bytes) {
        (0, 0) => None,
        (0, bytes) => of(bytes, "GB/s"),
        (flops, _) => of(flops, "GFLOP/s"),
    };
    found.unwrap_or_default()
}
