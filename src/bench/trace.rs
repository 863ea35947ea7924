//! Profiles of runs as a trace that Chrome (`chrome://tracing`) and Perfetto show, and as a table.

use crate::error::{Error, Result};
use crate::exec::{Profile, ProfiledStep};
use crate::files::write_atomically;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// Runs, profiled.
#[derive(Debug, Default)]
pub struct Trace {
    runs: Vec<(String, Profile)>,
}

/// The time all launches of a kernel for an op took together.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// The op.
    pub op: String,
    /// The kernel; empty for a copy.
    pub kernel: String,
    /// The labels of the nodes, the most expensive first.
    pub labels: Vec<String>,
    /// Launches.
    pub launches: usize,
    /// Seconds of all of them.
    pub seconds: f64,
    /// Their share of all device time.
    pub share: f64,
    /// Bytes bound by all of them.
    pub bytes: u64,
    /// Operations of all of them.
    pub flops: u64,
}

fn seconds(step: &ProfiledStep) -> f64 {
    step.span.map_or(0.0, |(_, seconds)| seconds)
}

impl Trace {
    /// No runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a run, such as `step 12`.
    pub fn add(&mut self, name: impl Into<String>, profile: Profile) {
        self.runs.push((name.into(), profile));
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// What the durations were measured with.
    pub fn clock(&self) -> String {
        self.runs.first().map_or_else(|| "nothing measured".into(), |(_, p)| p.clock.to_string())
    }

    /// Writes the trace: a row of runs and below it a row of kernels, with the graph node, the kernel and
    /// its variant, grid, bytes and operations of each.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(&self.json());
        write_atomically(
            path,
            &text.map_err(|e| Error::file(path, "a trace that can be written", e.to_string()))?,
        )
    }

    fn json(&self) -> Value {
        let steps = |profile: &Profile| profile.steps.iter().filter_map(|s| s.span).collect::<Vec<_>>();
        let first =
            self.runs.iter().flat_map(|(_, p)| steps(p)).map(|(start, _)| start).fold(f64::MAX, f64::min);
        let name = |thread: u32, name: &str| json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": thread, "args": {"name": name}});
        let mut events = vec![name(1, "runs"), name(2, &format!("kernels ({})", self.clock()))];
        let event = |thread: u32, name: &str, (start, seconds): (f64, f64), args: Value| {
            let (start, duration) = ((start - first) * 1e6, seconds * 1e6);
            json!({"ph": "X", "pid": 1, "tid": thread, "name": name, "ts": start, "dur": duration, "args": args})
        };
        for (name, profile) in &self.runs {
            let spans = steps(profile);
            let (Some(begin), Some(end)) = (spans.first(), spans.last()) else { continue };
            let sum: f64 = spans.iter().map(|(_, seconds)| seconds).sum();
            let args = json!({"kernels": profile.steps.len(), "device_us": sum * 1e6});
            events.push(event(1, name, (begin.0, end.0 + end.1 - begin.0), args));
            for step in &profile.steps {
                let Some(span) = step.span else { continue };
                let rate = |amount: u64| amount as f64 / span.1 / 1e9;
                let args = json!({
                    "node": step.label,
                    "kernel": step.kernel,
                    "variant": step.why,
                    "grid": step.grid,
                    "bytes": step.bytes,
                    "flops": step.flops,
                    "GB/s": rate(step.bytes),
                    "GFLOP/s": rate(step.flops),
                });
                events.push(event(2, &step.op, span, args));
            }
        }
        json!({"traceEvents": events, "displayTimeUnit": "ms"})
    }

    /// Ops and their kernels by the time they took, the most expensive first.
    pub fn totals(&self) -> Vec<Total> {
        let mut totals: Vec<Total> = Vec::new();
        let mut index: HashMap<(&str, &str), usize> = HashMap::new();
        let mut by_label: Vec<HashMap<&str, f64>> = Vec::new();
        for step in self.runs.iter().flat_map(|(_, p)| &p.steps) {
            let at = *index.entry((&step.op, &step.kernel)).or_insert_with(|| {
                let (op, kernel) = (step.op.clone(), step.kernel.clone());
                let zero = (0, 0.0, 0.0, 0, 0);
                let (launches, seconds, share, bytes, flops) = zero;
                totals.push(Total { op, kernel, labels: vec![], launches, seconds, share, bytes, flops });
                by_label.push(HashMap::new());
                totals.len() - 1
            });
            let total = &mut totals[at];
            total.launches += 1;
            total.seconds += seconds(step);
            total.bytes += step.bytes;
            total.flops += step.flops;
            *by_label[at].entry(&step.label).or_insert(0.0) += seconds(step);
        }
        let all: f64 = totals.iter().map(|t| t.seconds).sum();
        for (total, labels) in totals.iter_mut().zip(by_label) {
            total.share = if all > 0.0 { total.seconds / all } else { 0.0 };
            let mut labels: Vec<_> = labels.into_iter().filter(|(label, _)| !label.is_empty()).collect();
            labels.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
            total.labels = labels.into_iter().map(|(label, _)| label.to_owned()).collect();
        }
        totals.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        totals
    }

    /// The `most` most expensive kernels with their share, as a table.
    pub fn table(&self, most: usize) -> String {
        let runs = self.runs.len().max(1) as f64;
        let mut text = format!(
            "{:>6} {:>10} {:>8} {:24} {:24} {:>8} {:>7}  nodes\n",
            "share", "ms a run", "launches", "op", "kernel", "GFLOP/s", "GB/s"
        );
        for t in self.totals().iter().take(most) {
            let rate = |amount: u64| if t.seconds > 0.0 { amount as f64 / t.seconds / 1e9 } else { 0.0 };
            let more = t.labels.len().saturating_sub(3);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let labels = t.labels.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{:5.1} % {:10.3} {:8.0} {:24} {:24} {:8.2} {:7.2}  {labels}{more}",
                t.share * 100.0,
                t.seconds * 1e3 / runs,
                t.launches as f64 / runs,
                t.op,
                t.kernel,
                rate(t.flops),
                rate(t.bytes)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Clock;

    fn step(op: &str, label: &str, span: Option<(f64, f64)>) -> ProfiledStep {
        ProfiledStep {
            op: op.into(),
            label: label.into(),
            kernel: op.into(),
            why: "the only one".into(),
            grid: [2, 1],
            bytes: 4000,
            flops: 1000,
            span,
        }
    }

    #[test]
    fn a_trace_has_every_kernel_with_its_node_and_the_table_its_share() {
        let steps = vec![
            step("conv2d", "features.0", Some((10.0, 0.003))),
            step("relu", "features.1", Some((10.003, 0.001))),
            step("conv2d", "features.3", Some((10.004, 0.001))),
            step("sum", "loss", None),
        ];
        let mut trace = Trace::new();
        trace.add("step 1", Profile { clock: Clock::Timestamps, steps });
        let json = trace.json();
        let events = json["traceEvents"].as_array().unwrap();
        let kernels: Vec<_> = events.iter().filter(|e| e["tid"] == 2 && e["ph"] == "X").collect();
        assert_eq!(kernels.len(), 3, "a wrong measurement is left out");
        assert_eq!(
            (&kernels[0]["name"], &kernels[0]["args"]["node"]),
            (&json!("conv2d"), &json!("features.0"))
        );
        assert!(kernels[0]["ts"] == json!(0.0) && (kernels[1]["ts"].as_f64().unwrap() - 3000.0).abs() < 1e-3);
        let totals = trace.totals();
        assert_eq!((totals[0].op.as_str(), totals[0].launches), ("conv2d", 2));
        assert!((totals[0].share - 0.8).abs() < 1e-9);
        assert_eq!(totals[0].labels, ["features.0", "features.3"]);
        assert_eq!(trace.table(1).lines().count(), 2);
    }
}
