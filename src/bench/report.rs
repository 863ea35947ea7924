//! What a run of benchmarks found, and the file it is kept in.

use super::statistics::Summary;
use crate::error::{Error, Result};
use crate::exec::Clock;
use crate::files::write_atomically;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::path::Path;

/// The name of the format of a result file.
pub const SCHEMA: &str = "wgrad-bench";
/// The version of the result file's layout.
pub const VERSION: u32 = 1;

/// Where and with what it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Environment {
    /// The adapter's name.
    pub adapter: String,
    /// Its graphics interface.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Its driver and version.
    pub driver: String,
    /// Operating system and architecture.
    pub system: String,
    /// Threads the host can run at once.
    pub threads: usize,
    /// Name and version of this crate and those that decide about speed.
    pub versions: Vec<(String, String)>,
    /// The commit, as `git describe` names it in the working directory; `None` outside a repository.
    pub git: Option<String>,
    /// Whether the host's part was built without optimisation.
    pub debug: bool,
    /// When it began, in seconds since 1970.
    pub started: u64,
}

impl Environment {
    /// What must agree for two measurements to be comparable.
    pub fn identity(&self) -> String {
        format!("{} ({}, {}, {})", self.adapter, self.kind, self.backend, self.driver)
    }
}

/// Whether a case was measured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Correct, and timed.
    #[default]
    Ok,
    /// The result is wrong or the device failed: not timed.
    Failed(String),
    /// Not run, and why.
    Skipped(String),
}

/// How long a case took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// What measured it.
    pub clock: Clock,
    /// Runs of one sample.
    pub runs: usize,
    /// Seconds for one run, as measured.
    pub samples: Vec<f64>,
    /// How many samples each burst gave that followed one another without a break; empty in files of earlier
    /// versions.
    #[serde(default)]
    pub bursts: Vec<usize>,
    /// Measurements the device gave wrongly: negative differences.
    pub dropped: usize,
    /// Samples that are not used because the device was throttled or busy when they were taken.
    pub set_aside: usize,
    /// The device was throttled or busy all the time: how many times slower than at its best a reference
    /// kernel ran. The samples are what there is.
    pub disturbed: Option<f64>,
    /// Whether warm-up ended with stable times.
    pub stable: bool,
}

impl Timing {
    /// Joins another visit to the same case. A visit to a busy device does not count beside one to a quiet
    /// device; of two busy ones the less busy counts.
    pub fn join(&mut self, other: Timing) {
        let busy = |timing: &Timing| timing.disturbed.unwrap_or(1.0);
        let dropped = self.dropped + other.dropped;
        match busy(self).total_cmp(&busy(&other)) {
            Ordering::Less => self.set_aside += other.set_aside + other.samples.len(),
            Ordering::Greater => {
                let aside = self.set_aside + self.samples.len();
                *self = Timing { set_aside: aside + other.set_aside, ..other };
            }
            Ordering::Equal => {
                self.samples.extend(other.samples);
                self.bursts.extend(other.bursts);
                self.set_aside += other.set_aside;
                self.stable |= other.stable;
            }
        }
        self.dropped = dropped;
    }

    /// No samples yet.
    pub(super) fn new(clock: Clock, runs: usize, stable: bool) -> Self {
        let (samples, bursts) = (Vec::new(), Vec::new());
        Self { clock, runs, samples, bursts, dropped: 0, set_aside: 0, disturbed: None, stable }
    }

    /// Takes a burst in.
    pub(super) fn add(&mut self, burst: Vec<f64>) {
        if !burst.is_empty() {
            self.bursts.push(burst.len());
            self.samples.extend(burst);
        }
    }

    /// The samples, burst by burst.
    pub(super) fn in_bursts(&self) -> Vec<&[f64]> {
        let mut rest = &self.samples[..];
        let mut cut = |count: &usize| {
            let (burst, after) = rest.split_at((*count).min(rest.len()));
            rest = after;
            burst
        };
        self.bursts.iter().map(&mut cut).filter(|burst| !burst.is_empty()).collect()
    }
}

/// What a training step asks of the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Images of a batch.
    pub images: usize,
    /// Seconds of a step as the host sees it, inputs and loss included: the mean over all steps.
    pub step_seconds: f64,
    /// Seconds the host takes to encode and submit a step.
    pub encode_seconds: f64,
    /// Submissions of a step.
    pub submits: u64,
    /// Compute passes of a step.
    pub passes: u64,
    /// Dispatches of a step.
    pub dispatches: u64,
    /// Distinct pipelines.
    pub pipelines: u64,
    /// Bytes that the dispatches of a step bind.
    pub bound_bytes: u64,
    /// Bytes uploaded in a step.
    pub uploaded: u64,
    /// Device memory of the program, in bytes.
    pub peak_bytes: u64,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// The network or collection.
    pub set: String,
    /// The layer, model or file.
    pub layer: String,
    /// How often the network has it.
    pub count: usize,
    /// The op.
    pub op: String,
    /// `fwd`, `dgrad`, `wgrad`, `bgrad`, `step` or `peak`.
    pub pass: String,
    /// Its shape.
    pub shape: String,
    /// The case in one line, as `--case` takes it; empty for what is none, and in files of earlier versions.
    #[serde(default)]
    pub case: String,
    /// The variant that was asked for; empty for the planner's choice.
    pub requested: String,
    /// The variants that ran, and why.
    pub variant: String,
    /// Whether it was measured.
    pub status: Status,
    /// How the result was checked.
    pub check: String,
    /// Floating-point operations without those of taps in the padding.
    pub flops: u64,
    /// Floating-point operations as libraries count them.
    pub nominal_flops: u64,
    /// Bytes of all operands and results, each once.
    pub bytes: u64,
    /// How long it took.
    pub timing: Option<Timing>,
    /// Of a training step.
    pub footprint: Option<Footprint>,
    /// Whether each run had buffers that were not in a cache.
    pub cold: bool,
}

impl Row {
    /// What makes a case the same in two reports.
    pub fn key(&self) -> String {
        let Self { set, layer, op, pass, shape, requested, .. } = self;
        let cold = if self.cold { "cold" } else { "" };
        let words = [set, layer, op, pass, shape, requested, cold];
        words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The times, summarised.
    pub fn summary(&self) -> Option<Summary> {
        self.timing.as_ref().and_then(|t| Summary::of(&t.samples))
    }

    /// Billions a second of something a run does `amount` of.
    pub fn rate(&self, amount: u64) -> Option<f64> {
        self.summary().filter(|_| amount > 0).map(|s| amount as f64 / s.median / 1e9)
    }

    /// The fraction of what the roofs allow: the time the device needs at least, over the time it took.
    pub fn share(&self, roofs: &Roofs) -> Option<f64> {
        let bandwidth = if self.cold { roofs.memory() } else { roofs.bandwidth(self.bytes) };
        let least = (self.flops as f64 / roofs.flops).max(self.bytes as f64 / bandwidth);
        self.summary().filter(|_| least > 0.0).map(|s| least / s.median)
    }
}

/// What the device can do at most, measured in the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roofs {
    /// f32 operations a second.
    pub flops: f64,
    /// `(bytes, bytes a second)`: what a copy of arrays of this size together moves. Small ones stay in caches.
    pub streams: Vec<(u64, f64)>,
}

impl Roofs {
    /// Bytes a second that a working set of this size can move at most: the best of all copies that were as
    /// large or larger.
    pub fn bandwidth(&self, bytes: u64) -> f64 {
        let rates = self.streams.iter().filter(|(size, _)| *size >= bytes).map(|(_, rate)| *rate);
        rates.reduce(f64::max).unwrap_or_else(|| self.memory())
    }

    /// Bytes a second to and from memory, where no cache helps.
    pub fn memory(&self) -> f64 {
        self.streams.iter().max_by_key(|(size, _)| *size).map_or(f64::INFINITY, |(_, rate)| *rate)
    }
}

/// A run of benchmarks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// What was asked for.
    pub command: String,
    /// False when it was interrupted: the rows are those measured by then.
    pub complete: bool,
    /// What another report has, too, that was measured side by side with this one, interleaved burst by burst.
    #[serde(default)]
    pub beside: Option<String>,
    /// Where it was measured.
    pub environment: Environment,
    /// What the device can do at most; `None` where that was not measured.
    pub roofs: Option<Roofs>,
    /// The cases.
    pub rows: Vec<Row>,
}

/// Writes a report as JSON, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, report: &Report) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)
        .map_err(|e| Error::file(path, "a report that can be written", e.to_string()))?;
    write_atomically(path, &json)
}

/// Just enough to tell what a file is.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
    version: Option<u32>,
}

/// Reads a report.
///
/// # Errors
/// When the file is missing, is no report, or one of another version.
pub fn load(path: &Path) -> Result<Report> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let expected = format!("a {SCHEMA} result file, version {VERSION}");
    let header: Header = serde_json::from_slice(&bytes)
        .map_err(|e| Error::file(path, &expected, format!("no such JSON ({e})")))?;
    match (header.schema.as_deref(), header.version) {
        (Some(SCHEMA), Some(VERSION)) => {}
        (Some(SCHEMA), Some(other)) => return Err(Error::file(path, expected, format!("version {other}"))),
        (schema, _) => {
            return Err(Error::file(path, expected, format!("schema {}", schema.unwrap_or("none"))));
        }
    }
    serde_json::from_slice(&bytes).map_err(|e| Error::file(path, expected, format!("a broken one ({e})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_to_a_busy_device_does_not_count_beside_one_to_a_quiet_one() {
        let visit = |disturbed, seconds| {
            let samples = vec![seconds; 5];
            Timing { disturbed, samples, ..Timing::new(Clock::Timestamps, 1, true) }
        };
        let joined = |mut a: Timing, b: Timing| {
            a.join(b);
            (a.samples.len(), a.samples[0], a.set_aside, a.disturbed)
        };
        assert_eq!(joined(visit(None, 1.0), visit(None, 1.0)), (10, 1.0, 0, None));
        assert_eq!(joined(visit(None, 1.0), visit(Some(2.0), 2.0)), (5, 1.0, 5, None));
        assert_eq!(joined(visit(Some(2.0), 2.0), visit(None, 1.0)), (5, 1.0, 5, None));
        assert_eq!(joined(visit(Some(2.0), 2.0), visit(Some(1.5), 1.5)), (5, 1.5, 5, Some(1.5)));
    }
}
