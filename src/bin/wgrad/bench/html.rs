//! Reports that a browser shows without a network: one file, style and plots inside.

use super::{plots, table};
use std::fmt::Write;
use wgrad::bench::{Compared, Comparison, Report, Row, Status, Verdict, peaks};

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(title: &str, body: &str) -> String {
    let style = include_str!("page.css");
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// Where and with what it was measured.
fn environment(report: &Report) -> String {
    let e = &report.environment;
    let versions: Vec<_> = e.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let clock = report.rows.iter().find_map(|r| r.timing.as_ref()).map(|t| t.clock.to_string());
    let build = if e.debug { ", host code not optimised" } else { "" };
    let pairs = [
        ("adapter", e.identity()),
        ("system", format!("{}, {} threads{build}", e.system, e.threads)),
        ("versions", versions.join(", ")),
        ("git", e.git.clone().unwrap_or_else(|| "not in a repository".into())),
        ("clock", clock.unwrap_or_else(|| "nothing was measured".into())),
        ("roofs", report.roofs.as_ref().map_or_else(|| "not measured".into(), table::roofs)),
    ];
    let pairs = pairs.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value)));
    let state =
        if report.complete { "" } else { "<p class=\"bad\">Interrupted: not all cases were measured.</p>" };
    format!("<p><code>{}</code></p>{state}<dl>{}</dl>\n", escape(&report.command), pairs.join(""))
}

/// The page of a report.
pub fn report(report: &Report) -> anyhow::Result<String> {
    let title = "wgrad benchmarks";
    let mut body = format!("<h1>{title}</h1>\n{}", environment(report));
    writeln!(body, "<p>{}</p>", escape(&table::totals(report)))?;
    body += &plots(report)?;
    body += &rows(report);
    Ok(page(title, &body))
}

/// The roofline, and bars for each set.
fn plots(report: &Report) -> anyhow::Result<String> {
    let mut body = String::new();
    let cases: Vec<Row> = report.rows.iter().filter(|r| r.flops > 0 && r.set != "peaks").cloned().collect();
    if let (Some(roofs), false) = (&report.roofs, cases.is_empty()) {
        let dots = plots::legend(&cases);
        let dots =
            dots.iter().map(|(c, name)| format!("<span><i style=\"background:{c}\"></i>{name}</span>"));
        let dots: String = dots.collect();
        writeln!(
            body,
            "<h2>Roofline</h2>\n<p class=\"legend\">{dots}</p>\n{}",
            plots::roofline(&cases, roofs)?
        )?;
        body += "<p class=\"note\">Each dot is a case. The lines are what copies and multiply-adds reached in the \
                 same run: memory for working sets larger than all caches, caches for the smallest.</p>\n";
    }
    let mut sets: Vec<&str> = report.rows.iter().map(|r| r.set.as_str()).collect();
    sets.dedup();
    for set in sets {
        body += &bars(report, set);
    }
    Ok(body)
}

/// A bar a case: its share of the roof, or of the longest time where there is no roof.
fn bars(report: &Report, set: &str) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|r| r.set == set && r.timing.is_some()).collect();
    let median = |row: &Row| row.summary().map_or(0.0, |s| s.median);
    let longest = rows.iter().map(|r| median(r)).fold(0.0, f64::max);
    if rows.is_empty() || set == "peaks" {
        return String::new();
    }
    let shares = rows.iter().any(|r| report.roofs.as_ref().is_some_and(|roofs| r.share(roofs).is_some()));
    let what = if shares { "share of the roof; median time" } else { "median time" };
    let bar = |row: &&Row| {
        let share = report.roofs.as_ref().and_then(|r| row.share(r)).filter(|_| shares);
        let width = if shares { share.unwrap_or(0.0) } else { median(row) / longest };
        let share = share.map_or_else(String::new, |s| format!("{:.0} %, ", s * 100.0));
        let images = row.footprint.as_ref().map_or_else(String::new, |_| format!("{}, ", rate(row)));
        let times = if row.count > 1 { format!(" &times;{}", row.count) } else { String::new() };
        let label = format!("{} {} {} {}", row.layer, row.op, row.pass, row.requested);
        format!(
            "<div class=\"label\" title=\"{}\">{} <small>{}{times}</small></div><div class=\"track\"><div \
             style=\"width:{:.1}%;background:{}\"></div></div><div class=\"value\">{images}{share}{}</div>\n",
            escape(&row.variant),
            escape(label.trim()),
            escape(&row.shape),
            (width * 100.0).min(100.0),
            plots::colour(&row.op),
            table::time(median(row))
        )
    };
    let bars: String = rows.iter().map(bar).collect();
    format!("<h2>{}: {what}</h2>\n<div class=\"bars\">\n{bars}</div>\n", escape(set))
}

fn cells(values: &[String]) -> String {
    values.iter().map(|v| format!("<td class=\"n\">{}</td>", escape(v))).collect()
}

/// Every number.
fn rows(report: &Report) -> String {
    let head = ["median", "min", "p10", "p90", "samples", "rate", "GFLOP/s", "nominal", "GB/s", "roof"];
    let head: String = head.iter().map(|h| format!("<th class=\"n\">{h}</th>")).collect();
    let mut text = format!(
        "<h2>All numbers</h2>\n<div class=\"scroll\"><table>\n<tr><th>case</th><th>pass</th><th>shape</th>{head}\
         <th>check</th><th>variant</th></tr>\n"
    );
    for row in &report.rows {
        let name = format!("{} {} {}", row.layer, row.op, row.requested);
        let start = format!(
            "<tr><td>{}</td><td>{}</td><td title=\"{}\">{}</td>",
            escape(name.trim()),
            row.pass,
            escape(&row.case),
            escape(&row.shape)
        );
        text += &start;
        text += &match (&row.status, row.summary()) {
            (Status::Ok, Some(s)) => {
                let number = |v: Option<f64>| v.map_or_else(|| "-".into(), table::digits);
                let share = report.roofs.as_ref().and_then(|r| row.share(r)).filter(|_| row.set != "peaks");
                let mut values: Vec<String> = [s.median, s.min, s.p10, s.p90].map(table::time).to_vec();
                values.push(s.count.to_string());
                values.push(rate(row));
                values.extend(
                    [row.rate(row.flops), row.rate(row.nominal_flops), row.rate(row.bytes)].map(number),
                );
                values.push(share.map_or_else(|| "-".into(), |s| format!("{:.0} %", s * 100.0)));
                let marks = table::marks(row);
                let variant =
                    format!("{}<span class=\"bad\">{}</span>", escape(&row.variant), escape(&marks));
                format!("{}<td>{}</td><td>{variant}</td></tr>\n", cells(&values), escape(&row.check))
            }
            (Status::Failed(why), _) => {
                format!("<td colspan=\"12\" class=\"bad\">failed: {}</td></tr>\n", escape(why))
            }
            (Status::Skipped(why), _) => {
                format!("<td colspan=\"12\" class=\"note\">skipped: {}</td></tr>\n", escape(why))
            }
            (Status::Ok, None) => "<td colspan=\"12\" class=\"note\">not measured</td></tr>\n".into(),
        };
    }
    text + "</table></div>\n"
}

/// What a row is about: images a second, or the rate of a peak.
fn rate(row: &Row) -> String {
    if let Some(f) = &row.footprint {
        return format!("{} images/s", table::digits(f.images as f64 / f.step_seconds));
    }
    let peak = peaks::rate(row).filter(|_| row.set == "peaks");
    peak.map_or_else(|| "-".into(), |(value, unit)| format!("{} {unit}", table::digits(value)))
}

/// The page of a comparison.
pub fn comparison(old: &Report, new: &Report, comparison: &Comparison) -> anyhow::Result<String> {
    let title = "wgrad benchmarks, compared";
    let mut body = format!("<h1>{title}</h1>\n");
    for (name, report) in [("Old", old), ("New", new)] {
        writeln!(body, "<h2>{name}</h2>\n{}", environment(report))?;
    }
    let verdicts = [Verdict::Slower, Verdict::Faster, Verdict::Same, Verdict::Ambiguous, Verdict::Missing];
    let counts = verdicts.map(|v| format!("<span class=\"{v}\">{} {v}</span>", comparison.count(v)));
    writeln!(body, "<h2>{}</h2>", counts.join(", "))?;
    for set in &comparison.sets {
        let name = escape(&set.set);
        writeln!(
            body,
            "<p>{name}: geometric mean of the ratios {:.3} over {} cases.</p>",
            set.ratio, set.cases
        )?;
    }
    for note in &comparison.notes {
        writeln!(body, "<p class=\"bad\">{}</p>", escape(note))?;
    }
    body += "<p class=\"note\">Ratio of the lower quartiles, new over old, with its 98 % interval, from half to double; \
             right of the line is slower.</p>\n<div class=\"scroll\"><table>\n<tr><th>case</th><th>verdict</th>\
             <th class=\"n\">old</th><th class=\"n\">new</th><th class=\"n\">ratio</th><th>interval</th><th></th></tr>\n";
    comparison.cases.iter().for_each(|case| body += &compared(case));
    body += "</table></div>\n<h1>The new run</h1>\n";
    body += &plots(new)?;
    body += &rows(new);
    Ok(page(title, &body))
}

fn compared(case: &Compared) -> String {
    let quartiles =
        case.quartiles.map_or_else(|| cells(&["-".into(), "-".into()]), |m| cells(&m.map(table::time)));
    let ratio = case.ratio.map_or_else(
        || "<td></td><td></td>".into(),
        |(ratio, interval)| format!("<td class=\"n\">{ratio:.3}</td><td>{}</td>", forest(ratio, interval)),
    );
    let verdict = case.verdict;
    format!(
        "<tr><td>{}</td><td class=\"{verdict}\">{verdict}</td>{quartiles}{ratio}<td class=\"note\">{}</td></tr>\n",
        escape(&case.key),
        escape(&case.remark)
    )
}

/// An interval on a logarithmic axis from a half to double.
fn forest(ratio: f64, [low, high]: [f64; 2]) -> String {
    let x = |r: f64| 130.0 + 120.0 * r.log2().clamp(-1.0, 1.0);
    format!(
        "<svg class=\"forest\" viewBox=\"0 0 260 14\"><line x1=\"130\" x2=\"130\" y1=\"0\" y2=\"14\" stroke=\"#999\"/>\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"7\" y2=\"7\" stroke=\"#444\" stroke-width=\"2\"/>\
         <circle cx=\"{:.1}\" cy=\"7\" r=\"3.5\" fill=\"#0072b2\"/></svg>",
        x(low),
        x(high),
        x(ratio)
    )
}
