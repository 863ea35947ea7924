//! What was found, in words.

use super::findings::{Adapter, Findings, Tried, Verdict};
use std::fmt::Write as _;

/// Wrong answers that are told of an adapter; there may be many, and one reason.
const SHOWN: usize = 3;
/// Lines of a driver's own words that are told.
const SAID: usize = 4;

/// Three digits.
fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// An adapter's answers and its speed, or why there are none.
fn results(adapter: &Adapter) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(lacks) = &adapter.lacks {
        lines.push(format!("cannot be used: it has no {lacks}"));
    }
    if let Some(problem) = &adapter.problem {
        lines.push(format!("FAILED: {problem}"));
    }
    if let Some(tried) = &adapter.tried {
        let Tried { cases, step, speed, no_speed, .. } = tried;
        let word = if adapter.failed() { "WRONG" } else { "right" };
        lines.push(format!("{word}: {} cases, {} nodes of a training step", cases.count(), step.count()));
        if let Some(speed) = speed {
            lines.push(format!(
                "speed: product of {size}x{size} {} GFLOP/s, copy of {} MiB {} GB/s ({})",
                digits(speed.product_gflops),
                speed.copy_mib,
                digits(speed.copy_gb_s),
                speed.clock,
                size = speed.product_size,
            ));
        }
        lines.extend(no_speed.iter().map(|reason| format!("speed: not known, {reason}")));
    }
    for row in adapter.wrong().take(SHOWN) {
        lines.push(format!("{}: {}", row.case, row.reason.as_deref().unwrap_or("wrong")));
        lines.extend(row.rerun.iter().map(|command| format!("  again: {command}")));
    }
    let more = adapter.wrong().count().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if adapter.failed() {
        lines.extend(adapter.said.iter().take(SAID).map(|line| format!("its driver said: {line}")));
    }
    lines
}

/// An adapter, for who looks on.
pub fn summary(adapter: &Adapter) -> Vec<String> {
    let lines = results(adapter).into_iter().map(|line| format!("   {line}"));
    std::iter::once(adapter.describe()).chain(lines).collect()
}

/// What an adapter is and can do.
fn abilities(adapter: &Adapter) -> Vec<String> {
    let limit = |name: &str| adapter.limits.get(name).map_or("?", String::as_str);
    let features = |has: bool| {
        let names: Vec<&str> =
            adapter.features.iter().filter(|f| *f.1 == has).map(|f| f.0.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    vec![
        format!("driver: {}", adapter.driver),
        format!(
            "limits: buffer {}, binding {}, {} storage buffers, workgroups of {} with {}, subgroups of {}",
            limit("largest buffer"),
            limit("largest binding"),
            limit("storage buffers per shader"),
            limit("invocations per workgroup"),
            limit("workgroup memory"),
            limit("subgroup size"),
        ),
        format!("features: {}; not {}", features(true), features(false)),
    ]
}

/// What is missing, and how to get it.
pub fn advice(found: &Findings) -> String {
    let lines = found.advice.iter().map(|advice| format!("   {}\n      {}\n", advice.what, advice.how));
    lines.collect()
}

/// How it is, in a sentence.
pub fn verdict(found: &Findings) -> String {
    let failed = found.adapters.iter().filter(|adapter| adapter.failed()).count();
    let best = found.best.and_then(|index| found.adapters.iter().find(|adapter| adapter.index == index));
    let taken = |adapter: &Adapter| {
        let other = found.adapters.iter().find(|other| other.works());
        let other = other.map_or_else(
            || "use --device cpu until then".to_owned(),
            |other| format!("use --device {} until then", other.index),
        );
        match adapter.works() {
            true => format!("commands take adapter {} if no other is named", adapter.index),
            false => format!("commands would take adapter {}, which failed: {other}", adapter.index),
        }
    };
    let taken =
        best.map_or_else(|| "without one, commands use the CPU reference, right and slow".to_owned(), taken);
    match found.verdict {
        Verdict::Well => format!("All is well: {taken}."),
        Verdict::NoAdapter => format!("No adapter: {taken}."),
        Verdict::Wrong if failed == 0 => format!("A backend failed: {taken}."),
        Verdict::Wrong => format!("{failed} of {} adapters failed: {taken}.", found.adapters.len()),
    }
}

/// What a bug report needs, in Markdown.
pub fn block(found: &Findings) -> String {
    let mut text = format!("```text\n{}\n", found.program.line());
    let mut line = |indent: &str, line: &str| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{indent}{line}");
    };
    found.machine.lines().iter().for_each(|words| line("", words));
    found.variables.iter().for_each(|(name, value)| line("", &format!("{name}={value}")));
    for (backend, problem) in &found.failed_backends {
        line("", &format!("{backend}: FAILED: {problem}"));
    }
    for adapter in &found.adapters {
        line("", &adapter.describe());
        abilities(adapter).iter().chain(&results(adapter)).for_each(|words| line("   ", words));
    }
    if found.adapters.is_empty() {
        line("", "no adapter");
    }
    found.advice.iter().for_each(|advice| line("", &format!("missing: {}", advice.what)));
    text + "```\n"
}
