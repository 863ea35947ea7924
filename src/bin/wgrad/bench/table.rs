//! Results on the terminal.

use wgrad::bench::{Report, Roofs, Row, Status, Summary, peaks};

/// Three digits and a unit.
pub fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "us"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// Three digits.
pub fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), digits)
}

/// The shortest form of what ran: the first kernel and its tile.
fn short(variant: &str) -> String {
    let first = variant.split("; ").next().unwrap_or("");
    let more = variant.matches("; ").count();
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    format!("{}{more}", first.split(", subgroups of").next().unwrap_or(first))
}

/// The line above [`row`].
pub fn header() {
    println!(
        "{:22} {:5} {:34} {:>8} {:>8} {:>17} {:>4} {:>7} {:>7} {:>6} {:>5}  check; variant",
        "op", "pass", "shape", "median", "min", "p10 .. p90", "n", "GFLOP/s", "nominal", "GB/s", "roof"
    );
}

/// One case.
pub fn row(row: &Row, roofs: Option<&Roofs>) {
    let op = if row.requested.is_empty() { row.op.clone() } else { format!("{} {}", row.op, row.requested) };
    let start = format!("{op:22} {:5} {:34}", row.pass, row.shape);
    match (&row.status, row.summary()) {
        (Status::Ok, Some(s)) => {
            let Summary { median, min, p10, p90, count, .. } = s;
            let share = roofs
                .and_then(|r| row.share(r))
                .map_or_else(|| "-".into(), |s| format!("{:.0} %", s * 100.0));
            println!(
                "{start} {:>8} {:>8} {:>17} {count:>4} {:>7} {:>7} {:>6} {share:>5}  {}; {}{}",
                time(median),
                time(min),
                format!("{} .. {}", time(p10), time(p90)),
                optional(row.rate(row.flops)),
                optional(row.rate(row.nominal_flops)),
                optional(row.rate(row.bytes)),
                row.check,
                short(&row.variant),
                marks(row)
            );
        }
        (Status::Failed(why), _) => {
            let again = if row.case.is_empty() { String::new() } else { format!(" [--case '{}']", row.case) };
            println!("{start} FAILED: {why}{again}");
        }
        (Status::Skipped(why), _) => println!("{start} SKIPPED: {why}"),
        (Status::Ok, None) => println!("{start} not measured"),
    }
}

/// What makes a number less trustworthy.
pub fn marks(row: &Row) -> String {
    let mut marks = String::new();
    if let Some(slower) = row.timing.as_ref().and_then(|t| t.disturbed) {
        marks += &format!(" [busy or throttled: a reference kernel ran up to {slower:.2} x slower]");
    }
    if let Some(timing) = row.timing.as_ref().filter(|t| t.dropped > 0) {
        marks += &format!(" [{} wrong measurements dropped]", timing.dropped);
    }
    if row.timing.as_ref().is_some_and(|t| !t.stable) {
        marks += " [still warming up]";
    }
    marks
}

/// Arithmetic, and bandwidth by working set.
pub fn roofs(roofs: &Roofs) -> String {
    let stream = |(bytes, rate): &(u64, f64)| format!("{} GB/s in {} MiB", digits(rate / 1e9), bytes >> 20);
    let streams: Vec<_> = roofs.streams.iter().map(stream).collect();
    format!("{} GFLOP/s f32; copies {}", digits(roofs.flops / 1e9), streams.join(", "))
}

/// The line above [`peak`].
pub fn peaks_header() {
    println!(
        "{:20} {:>10} {:8} {:>10} {:>10} {:>22} {:>4}",
        "peak", "rate", "", "median", "min", "p10 .. p90", "n"
    );
}

/// One peak.
pub fn peak(row: &Row) {
    match (&row.status, row.summary(), peaks::rate(row)) {
        (Status::Ok, Some(s), Some((rate, unit))) => {
            let spread = format!("{} .. {}", time(s.p10), time(s.p90));
            let (rate, median, min) = (digits(rate), time(s.median), time(s.min));
            println!(
                "{:20} {rate:>10} {unit:8} {median:>10} {min:>10} {spread:>22} {:>4}",
                row.layer, s.count
            );
        }
        (Status::Skipped(why) | Status::Failed(why), ..) => println!("{:20} SKIPPED: {why}", row.layer),
        _ => println!("{:20} not measured", row.layer),
    }
}

/// The line above [`train`].
pub fn train_header() {
    println!(
        "{:32} {:14} {:>9} {:>9} {:>9} {:>9} {:>7} {:>6} {:>7} {:>6} {:>6} {:>9} {:>9} {:>5}  check",
        "model",
        "batch",
        "images/s",
        "step",
        "device",
        "encode",
        "submits",
        "passes",
        "disp.",
        "pipes",
        "MB up",
        "MB bound",
        "MB peak",
        "roof"
    );
}

/// One training step.
pub fn train(row: &Row, roofs: Option<&Roofs>) {
    let start = format!("{:32} {:14}", row.layer, row.shape);
    match (&row.status, row.summary(), &row.footprint) {
        (Status::Ok, Some(s), Some(f)) => {
            let mb = |bytes: u64| digits(bytes as f64 / 1e6);
            let share = roofs
                .and_then(|r| row.share(r))
                .map_or_else(|| "-".into(), |s| format!("{:.0} %", s * 100.0));
            println!(
                "{start} {:>9} {:>9} {:>9} {:>9} {:>7} {:>6} {:>7} {:>6} {:>6} {:>9} {:>9} {share:>5}  {}{}",
                digits(f.images as f64 / f.step_seconds),
                time(f.step_seconds),
                time(s.median),
                time(f.encode_seconds),
                f.submits,
                f.passes,
                f.dispatches,
                f.pipelines,
                mb(f.uploaded),
                mb(f.bound_bytes),
                mb(f.peak_bytes),
                row.check,
                marks(row)
            );
        }
        (Status::Failed(why), ..) => println!("{start} FAILED: {why}"),
        (Status::Skipped(why), ..) => println!("{start} SKIPPED: {why}"),
        _ => println!("{start} not measured"),
    }
}

/// The line above [`start`].
pub fn start_header() {
    println!("{:32} {:6} {:>9} {:>21} {:>3}  parts", "model", "caches", "median", "min .. p90", "n");
}

/// From the start of a process to its first step.
pub fn start(row: &Row) {
    let start = format!("{:32} {:6}", row.layer, row.pass);
    match (&row.status, row.summary()) {
        (Status::Ok, Some(s)) => {
            let range = format!("{} .. {}", time(s.min), time(s.p90));
            println!("{start} {:>9} {range:>21} {:>3}  {}", time(s.median), s.count, row.variant);
        }
        (Status::Failed(why), _) => println!("{start} FAILED: {why}"),
        (Status::Skipped(why), _) => println!("{start} SKIPPED: {why}"),
        (Status::Ok, None) => println!("{start} not measured"),
    }
}

/// The line above [`plan`].
pub fn plan_header() {
    println!("{:16} {:10} {:>9} {:>21} {:>3}  size", "graph", "part", "median", "min .. p90", "n");
}

/// A part of the way from a description to the first run.
pub fn plan(row: &Row) {
    let start = format!("{:16} {:10}", row.layer, row.pass);
    match (&row.status, row.summary()) {
        (Status::Ok, Some(s)) => {
            let range = format!("{} .. {}", time(s.min), time(s.p90));
            println!(
                "{start} {:>9} {range:>21} {:>3}  {}, {}",
                time(s.median),
                s.count,
                row.shape,
                row.variant
            );
        }
        (Status::Failed(why), _) => println!("{start} FAILED: {why}"),
        (Status::Skipped(why), _) => println!("{start} SKIPPED: {why}"),
        (Status::Ok, None) => println!("{start} not measured"),
    }
}

/// How many cases there are of each kind, and the geometric mean of their shares of the roof.
pub fn totals(report: &Report) -> String {
    let count = |wanted: fn(&Row) -> bool| report.rows.iter().filter(|r| wanted(r)).count();
    let ok = count(|r| r.status == Status::Ok);
    let (failed, skipped) =
        (count(|r| matches!(r.status, Status::Failed(_))), count(|r| matches!(r.status, Status::Skipped(_))));
    let busy = count(|r| r.timing.as_ref().is_some_and(|t| t.disturbed.is_some()));
    let mut text = format!("{ok} measured, {failed} failed, {skipped} skipped");
    if busy > 0 {
        text += &format!(", {busy} while the device was throttled or busy");
    }
    let shares: Vec<f64> =
        report.roofs.iter().flat_map(|r| report.rows.iter().filter_map(|row| row.share(r))).collect();
    if !shares.is_empty() && report.rows.iter().all(|r| r.set != "peaks") {
        let mean = (shares.iter().map(|s| s.ln()).sum::<f64>() / shares.len() as f64).exp();
        text += &format!("; {:.0} % of the roof in the geometric mean", mean * 100.0);
    }
    text
}
