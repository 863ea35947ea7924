//! Two reports, case by case.

use super::report::{Report, Row, Status};
use super::statistics::{interval_of_pairs, interval_of_ratio};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a comparison says of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Certainly slower.
    Slower,
    /// Certainly faster.
    Faster,
    /// No difference worth mentioning.
    Same,
    /// The measurements scatter too much to say.
    Ambiguous,
    /// Measured in one report only, or failed in one.
    Missing,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Slower => "slower",
            Verdict::Faster => "faster",
            Verdict::Same => "same",
            Verdict::Ambiguous => "ambiguous",
            Verdict::Missing => "missing",
        })
    }
}

/// How reports are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// A change of the lower quartile below this fraction is not worth mentioning.
    pub threshold: f64,
    /// Whether reports of different adapters may be compared.
    pub across_adapters: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { threshold: 0.05, across_adapters: false }
    }
}

/// One case in both reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The case, as in [`Row::key`].
    pub key: String,
    /// Its set.
    pub set: String,
    /// The lower quartiles in seconds, old and new.
    pub quartiles: Option<[f64; 2]>,
    /// New over old, and the interval it lies in.
    pub ratio: Option<(f64, [f64; 2])>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is missing, or `busy`: the device was throttled or busy.
    pub remark: String,
}

/// The geometric mean of the ratios of a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetMean {
    /// The set.
    pub set: String,
    /// New over old.
    pub ratio: f64,
    /// Cases in it.
    pub cases: usize,
}

/// Two reports compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The cases, in the order of the old report.
    pub cases: Vec<Compared>,
    /// The sets.
    pub sets: Vec<SetMean>,
    /// What makes the whole comparison doubtful.
    pub notes: Vec<String>,
}

impl Comparison {
    /// How many cases have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|c| c.verdict == verdict).count()
    }

    /// Cases that became slower by more than this fraction, or were correct and fail now.
    pub fn regressions(&self, limit: f64) -> Vec<&Compared> {
        let worse = |c: &&Compared| {
            let slower = c.ratio.is_some_and(|r| c.verdict == Verdict::Slower && r.0 > 1.0 + limit);
            slower || c.remark.starts_with(FAILS_NOW)
        };
        self.cases.iter().filter(worse).collect()
    }
}

const FAILS_NOW: &str = "fails now";

/// Compares two reports.
///
/// # Errors
/// When they come from different adapters and the rules do not allow that, or have no case in common.
pub fn compare(old: &Report, new: &Report, rules: &Rules) -> Result<Comparison> {
    let (a, b) = (old.environment.identity(), new.environment.identity());
    if a != b && !rules.across_adapters {
        let expected = format!("two reports of one adapter, or --across-adapters (the first is of {a})");
        return Err(Error::argument("compare", expected, format!("one of {b}")));
    }
    let index = |report: &Report| -> BTreeMap<String, Row> {
        report.rows.iter().map(|r| (r.key(), r.clone())).collect()
    };
    let (before, after) = (index(old), index(new));
    if !before.keys().any(|k| after.contains_key(k)) {
        let expected = "a case that both reports have";
        return Err(Error::argument("compare", expected, format!("'{}' and '{}'", old.command, new.command)));
    }
    let mut seen = BTreeSet::new();
    let keys = old.rows.iter().chain(&new.rows).map(Row::key).filter(|k| seen.insert(k.clone()));
    let interleaved = old.beside.is_some() && old.beside == new.beside;
    let cases: Vec<Compared> =
        keys.map(|k| case(&k, before.get(&k), after.get(&k), interleaved, rules)).collect();
    let sets = means(&cases);
    Ok(Comparison { cases, sets, notes: notes(old, new, interleaved) })
}

/// Differences between the runs that are not those of a case.
fn notes(old: &Report, new: &Report, interleaved: bool) -> Vec<String> {
    let mut notes = Vec::new();
    // What disturbed one of two runs side by side disturbed both.
    if let (Some(a), Some(b), false) = (&old.roofs, &new.roofs, interleaved) {
        let ratio = b.flops / a.flops;
        if !(1.0 / ROOFS_AGREE..=ROOFS_AGREE).contains(&ratio) {
            notes.push(format!(
                "the adapter's own peak differs: {:.1} and {:.1} GFLOP/s; one of the runs was disturbed",
                a.flops / 1e9,
                b.flops / 1e9
            ));
        }
    }
    let (a, b) = (old.environment.identity(), new.environment.identity());
    if a != b {
        notes.push(format!("different adapters: {a} and {b}"));
    }
    if old.environment.debug != new.environment.debug {
        notes.push("only one of the two was built with optimisation".into());
    }
    for (report, name) in [(old, "old"), (new, "new")] {
        if !report.complete {
            notes.push(format!("the {name} report was interrupted"));
        }
    }
    notes
}

/// Peaks of one adapter differ by less than this factor.
const ROOFS_AGREE: f64 = 1.08;

/// One case; `interleaved` where both sides were measured side by side.
fn case(key: &str, old: Option<&Row>, new: Option<&Row>, interleaved: bool, rules: &Rules) -> Compared {
    let set = old.or(new).map(|r| r.set.clone()).unwrap_or_default();
    let missing = |remark: String| Compared {
        key: key.to_owned(),
        set: set.clone(),
        quartiles: None,
        ratio: None,
        verdict: Verdict::Missing,
        remark,
    };
    let (Some(old), Some(new)) = (old, new) else {
        return missing(if new.is_some() { "new".into() } else { "not in the new report".into() });
    };
    let (Some(before), Some(after)) = (&old.timing, &new.timing) else {
        return missing(match (&old.status, &new.status) {
            (Status::Ok, Status::Failed(why)) => format!("{FAILS_NOW}: {why}"),
            (_, Status::Failed(why)) => format!("fails: {why}"),
            (Status::Failed(_), _) => "failed before".into(),
            (_, Status::Skipped(why)) => format!("skipped: {why}"),
            (_, Status::Ok) => "skipped before".into(),
        });
    };
    let pairs = || interval_of_pairs(&before.in_bursts(), &after.in_bursts());
    let ratio =
        interleaved.then(pairs).flatten().or_else(|| interval_of_ratio(&before.samples, &after.samples));
    let quartiles = old.summary().zip(new.summary()).map(|(a, b)| [a.quartile, b.quartile]);
    let busy = before.disturbed.is_some() || after.disturbed.is_some();
    let remark = if busy { "busy".into() } else { String::new() };
    let verdict = ratio.map_or(Verdict::Missing, |(ratio, interval)| judge(ratio, interval, rules.threshold));
    // A difference that a busy device may have made is none that can be claimed.
    let verdict = if busy && verdict != Verdict::Same { Verdict::Ambiguous } else { verdict };
    Compared { key: key.to_owned(), set, quartiles, ratio, verdict, remark }
}

/// Slower or faster: the interval excludes 1 and the ratio is beyond the threshold. Same: the ratio is within
/// the threshold and the interval within twice that. Everything else is ambiguous.
fn judge(ratio: f64, [low, high]: [f64; 2], threshold: f64) -> Verdict {
    let beyond = 1.0 + threshold;
    let far = 1.0 + 2.0 * threshold;
    if ratio > beyond && low > 1.0 {
        Verdict::Slower
    } else if ratio < 1.0 / beyond && high < 1.0 {
        Verdict::Faster
    } else if (1.0 / beyond..=beyond).contains(&ratio) && low >= 1.0 / far && high <= far {
        Verdict::Same
    } else {
        Verdict::Ambiguous
    }
}

fn means(cases: &[Compared]) -> Vec<SetMean> {
    let mut logs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for case in cases {
        if let Some((ratio, _)) = case.ratio {
            logs.entry(&case.set).or_default().push(ratio.ln());
        }
    }
    let mean = |(set, logs): (&str, Vec<f64>)| SetMean {
        set: set.to_owned(),
        ratio: (logs.iter().sum::<f64>() / logs.len() as f64).exp(),
        cases: logs.len(),
    };
    logs.into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_the_interval() {
        assert_eq!(judge(1.10, [1.06, 1.14], 0.05), Verdict::Slower);
        assert_eq!(judge(0.90, [0.87, 0.93], 0.05), Verdict::Faster);
        assert_eq!(judge(1.02, [1.01, 1.03], 0.05), Verdict::Same);
        assert_eq!(judge(1.10, [0.98, 1.20], 0.05), Verdict::Ambiguous);
        assert_eq!(judge(1.01, [0.80, 1.20], 0.05), Verdict::Ambiguous);
    }
}
