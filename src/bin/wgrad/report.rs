//! What `wgrad parity` found, as a table on the terminal; and what is said of a run besides: when, where, of what source.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use wgrad::verify::Effort;
use wgrad::verify::report::{Column, Kind, KnownDifferences, Report, Row};

use crate::machine;
use crate::parity::Opened;

/// The differences of drivers and compilers that are known, with their reasons.
pub fn known() -> anyhow::Result<KnownDifferences> {
    Ok(toml::from_str(include_str!("../../../tests/drivers/known.toml"))?)
}

/// The adapters of a run that begins now.
pub fn columns(adapters: &[Opened], effort: Effort) -> Vec<Column> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Scripts that run a checkout know its commit; a program does not.
    let commit = std::env::var("WGRAD_COMMIT").unwrap_or_default();
    let system = machine::system();
    let column = |opened: &Opened| {
        let column = match &opened.adapter {
            Ok(adapter) => Column::of(adapter, effort),
            Err(_) => Column::named(&opened.name, effort),
        };
        let os = system.as_ref().map_or_else(|| column.os.clone(), |name| format!("{name}, {}", column.os));
        Column { os, date: rfc3339(now), commit: commit.clone(), ..column }
    };
    adapters.iter().map(column).collect()
}

/// Seconds since 1970 as a date and time of UTC.
fn rfc3339(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    loop {
        let length = 365 + u64::from(leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (day, hour, minute, second) = (days + 1, second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Prints the table op by adapter, then what did not pass.
pub fn print(report: &Report) {
    for (number, adapter) in report.adapters.iter().enumerate() {
        println!("[{number}] {}", adapter.describe());
    }
    println!("\n{}, and in brackets the worst error as a fraction of its bound", report.of);
    let cells = report.cells();
    let text =
        |cell: &wgrad::verify::report::Cell| if cell.is_empty() { "-".to_owned() } else { cell.to_string() };
    let width = cells.values().flatten().map(|c| text(c).len()).max().unwrap_or(0) + 2;
    let names = cells.keys().map(|op| op.len()).max().unwrap_or(0) + 2;
    let head: Vec<_> = (0..report.adapters.len()).map(|n| format!("{:width$}", format!("[{n}]"))).collect();
    println!("{:names$}{}", "", head.concat().trim_end());
    for (op, line) in &cells {
        let texts: Vec<_> = line.iter().map(|c| format!("{:width$}", text(c))).collect();
        println!("{op:names$}{}", texts.concat().trim_end());
    }
    println!(
        "\n{} {}: {} passed, {} failed, {} skipped, {} mistrusted",
        report.rows.len(),
        report.of,
        report.count(Kind::Pass),
        report.failures(),
        report.count(Kind::Skipped),
        report.count(Kind::Mistrusted)
    );
    let explained = report.failures() - report.unexplained();
    if explained > 0 {
        println!("of those that failed, {explained} do for a known reason");
    }
    let passed = report.rows.iter().filter(|row| row.verdict == Kind::Pass && row.node.is_some());
    let fraction = |row: &&Row| row.worst.map_or(0.0, |worst| worst.0);
    if let Some(row) = passed.max_by(|a, b| fraction(a).total_cmp(&fraction(b))) {
        println!("the nearest to its bound, {:.2} of it: {}", fraction(&row), row.case);
    }
    report.notes.iter().for_each(|note| println!("{note}"));
    print_reasons(report);
}

/// Failures one by one; skipped and mistrusted ones by reason.
fn print_reasons(report: &Report) {
    for row in report.rows.iter().filter(|r| r.verdict == Kind::Fail) {
        // A case is in the command that runs it again.
        let what =
            if row.node.is_some() || row.rerun.is_none() { format!("{}: ", row.case) } else { String::new() };
        println!(
            "\nFAIL on {}\n  {what}{}",
            report.adapter_of(row),
            row.reason.as_deref().unwrap_or_default()
        );
        if let Some(known) = &row.known {
            println!("  known: {}", known.reason);
        }
        if let Some(rerun) = &row.rerun {
            println!("  rerun: {rerun}");
        }
    }
    let mut reasons: BTreeMap<(Kind, usize, &str), (usize, &Row)> = BTreeMap::new();
    for row in report.rows.iter().filter(|r| [Kind::Skipped, Kind::Mistrusted].contains(&r.verdict)) {
        let reason = row.reason.as_deref().unwrap_or_default();
        reasons.entry((row.verdict, row.adapter, reason)).or_insert((0, row)).0 += 1;
    }
    for ((verdict, _, reason), (count, row)) in reasons {
        println!("\n{count} {} on {}: {reason}", verdict.name(), report.adapter_of(row));
        println!("  the first: {}", row.case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn the_known_differences_name_shaders_that_are_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for known in known().unwrap().difference {
            assert!(!known.reason.is_empty() && !known.adapter.is_empty(), "{known:?}");
            assert!(known.wgsl.is_empty() || root.join(&known.wgsl).is_file(), "{known:?}");
        }
    }
}
