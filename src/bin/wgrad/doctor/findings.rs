//! What was found, as data: printed, written as JSON, and what one process tells another.

use super::advice::Advice;
use crate::machine::{Machine, Program};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use wgrad::AdapterReport;
use wgrad::verify::report::{Kind, Row};

/// The form of the JSON. Fields are added and keep their meaning.
pub const SCHEMA: &str = "wgrad-doctor/1";

/// How a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There is an adapter, and every one that can be used is right.
    Well,
    /// An adapter, or a whole backend, failed.
    Wrong,
    /// There is none that can be used.
    NoAdapter,
}

/// Everything.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    pub schema: &'static str,
    pub verdict: Verdict,
    pub program: Program,
    pub machine: Machine,
    /// Variables that the user set and that drivers or this crate read.
    pub variables: BTreeMap<String, String>,
    pub cache: Cache,
    /// Backends that could not even be asked for their adapters: which, and why.
    pub failed_backends: BTreeMap<String, String>,
    pub adapters: Vec<Adapter>,
    /// The adapter that commands take if no other is named.
    pub best: Option<usize>,
    pub advice: Vec<Advice>,
}

/// Where compiled kernels are kept.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cache {
    /// `None` where there is none, by wish or for want of a place.
    pub folder: Option<PathBuf>,
    /// Why it cannot be written.
    pub problem: Option<String>,
}

/// An adapter, and how it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    pub index: usize,
    pub name: String,
    pub kind: String,
    pub backend: String,
    pub driver: String,
    pub limits: BTreeMap<String, String>,
    pub features: BTreeMap<String, bool>,
    /// What kernels need and it has not.
    pub lacks: Option<String>,
    /// Why it did not answer: it does not open, crashed or hangs.
    pub problem: Option<String>,
    /// What its driver printed.
    pub said: Vec<String>,
    pub tried: Option<Tried>,
}

/// What an adapter that opens answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Cases with known answers.
    pub cases: Answers,
    /// Nodes and results of a network's training step.
    pub step: Answers,
    pub speed: Option<Speed>,
    /// Why its speed is not known.
    pub no_speed: Option<String>,
    /// Where its compiled kernels are kept.
    pub cache: Option<PathBuf>,
    pub seconds: f64,
}

/// How many answers were right, and those that were not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    pub right: usize,
    /// What the adapter cannot do, and results on which there is no verdict.
    pub skipped: usize,
    pub wrong: Vec<Row>,
}

impl Answers {
    /// Counts a result.
    pub fn add(&mut self, row: Row) {
        match row.verdict {
            Kind::Pass => self.right += 1,
            Kind::Skipped | Kind::Mistrusted => self.skipped += 1,
            Kind::Fail => self.wrong.push(row),
        }
    }

    /// As in `14 of 15`, without those that were skipped.
    pub fn count(&self) -> String {
        format!("{} of {}", self.right, self.right + self.wrong.len())
    }
}

/// How fast an adapter is, measured in about a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Billions of operations a second in a product of square matrices of this size.
    pub product_gflops: f64,
    pub product_size: usize,
    /// Billions of bytes a second, read and written, in a copy of so many MiB.
    pub copy_gb_s: f64,
    pub copy_mib: u64,
    pub clock: String,
}

impl From<AdapterReport> for Adapter {
    fn from(report: AdapterReport) -> Self {
        Self {
            index: report.index,
            name: report.name,
            kind: report.kind,
            backend: report.backend.to_string(),
            driver: report.driver,
            limits: report.limits.into_iter().collect(),
            features: report.features.into_iter().collect(),
            lacks: report.lacks,
            ..Self::default()
        }
    }
}

impl Adapter {
    /// Its name, kind and backend.
    pub fn describe(&self) -> String {
        format!("{}: {}, {}, {}", self.index, self.name, self.kind, self.backend)
    }

    /// Every answer that was wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Row> {
        self.tried.iter().flat_map(|tried| tried.cases.wrong.iter().chain(&tried.step.wrong))
    }

    /// Whether it failed: one that cannot be used by its nature did not.
    pub fn failed(&self) -> bool {
        self.problem.is_some() || self.wrong().next().is_some()
    }

    /// Whether programs run on it, and right.
    pub fn works(&self) -> bool {
        self.lacks.is_none() && !self.failed()
    }

    /// Smaller is better, as the library ranks adapters.
    fn rank(&self) -> (usize, bool) {
        let kinds = ["discrete", "integrated", "virtual", "other", "software"];
        let kind = kinds.iter().position(|kind| *kind == self.kind).unwrap_or(kinds.len());
        (kind, self.backend == "gl")
    }
}

/// The adapter that is taken if none is named.
pub fn best(adapters: &[Adapter]) -> Option<usize> {
    let usable = adapters.iter().filter(|adapter| adapter.lacks.is_none());
    usable.min_by_key(|adapter| adapter.rank()).map(|adapter| adapter.index)
}

/// How adapters are.
pub fn verdict(adapters: &[Adapter], failed_backends: &BTreeMap<String, String>) -> Verdict {
    if !failed_backends.is_empty() || adapters.iter().any(Adapter::failed) {
        return Verdict::Wrong;
    }
    if adapters.iter().any(Adapter::works) { Verdict::Well } else { Verdict::NoAdapter }
}
