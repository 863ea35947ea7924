//! `wgrad bench compare`.

use super::{html, table};
use crate::output;
use clap::Args;
use std::path::PathBuf;
use wgrad::bench::{Compared, Comparison, Report, Rules, Verdict, compare, load};

/// `wgrad bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The result file to compare with.
    old: PathBuf,
    /// The result file that may be better or worse.
    new: PathBuf,
    #[command(flatten)]
    judge: JudgeArgs,
}

/// How two results are compared, and where the comparison goes.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Changes below this many percent are not mentioned.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    threshold: f64,
    /// Fail when a case became slower by more than this many percent, or fails now.
    #[arg(long, value_name = "PERCENT")]
    fail_above: Option<f64>,
    /// Compare even where the adapters differ.
    #[arg(long)]
    across_adapters: bool,
    /// List cases that are the same, too.
    #[arg(long)]
    all: bool,
    /// Write the comparison for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the comparison as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &CompareArgs) -> anyhow::Result<()> {
    args.judge.check()?;
    args.judge.compare(&load(&args.old)?, &load(&args.new)?)
}

impl JudgeArgs {
    /// Whether the options make sense and the files can be written.
    pub fn check(&self) -> anyhow::Result<()> {
        let percent = 0.0..=1000.0;
        for (name, value) in [("--threshold", Some(self.threshold)), ("--fail-above", self.fail_above)] {
            anyhow::ensure!(
                value.is_none_or(|v| percent.contains(&v)),
                "{name}: expected percent from 0 to 1000"
            );
        }
        output::check_all([("--json", &self.json), ("--html", &self.html)])
    }

    /// Compares, prints, writes files, and fails where a limit is given and a case is beyond it.
    pub fn compare(&self, old: &Report, new: &Report) -> anyhow::Result<()> {
        let rules = Rules { threshold: self.threshold / 100.0, across_adapters: self.across_adapters };
        let comparison = compare(old, new, &rules)?;
        print(&comparison, self.all);
        if let Some(path) = &self.json {
            output::write(path, &serde_json::to_vec_pretty(&comparison)?)?;
            println!("wrote {}", path.display());
        }
        if let Some(path) = &self.html {
            output::write(path, html::comparison(old, new, &comparison)?.as_bytes())?;
            println!("wrote {}", path.display());
        }
        if let Some(limit) = self.fail_above {
            let worse = comparison.regressions(limit / 100.0);
            let keys: Vec<_> = worse.iter().map(|c| c.key.as_str()).collect();
            anyhow::ensure!(
                worse.is_empty(),
                "{} regressions beyond {limit} %: {}",
                worse.len(),
                keys.join(", ")
            );
        }
        Ok(())
    }
}

fn print(comparison: &Comparison, all: bool) {
    println!("{:9} {:>7} {:>17} {:>9} {:>9}  case", "verdict", "ratio", "98 % interval", "old", "new");
    let shown = |c: &&Compared| all || c.verdict != Verdict::Same;
    for case in comparison.cases.iter().filter(shown) {
        let ratio = case.ratio.map_or_else(Default::default, |(r, [low, high])| {
            (format!("{r:.3}"), format!("{low:.3} .. {high:.3}"))
        });
        let quartiles =
            case.quartiles.map_or_else(Default::default, |m| (table::time(m[0]), table::time(m[1])));
        let remark = if case.remark.is_empty() { String::new() } else { format!(" [{}]", case.remark) };
        let (verdict, (ratio, interval), (old, new)) = (case.verdict, ratio, quartiles);
        println!("{verdict:9} {ratio:>7} {interval:>17} {old:>9} {new:>9}  {}{remark}", case.key);
    }
    let counts = [Verdict::Slower, Verdict::Faster, Verdict::Same, Verdict::Ambiguous, Verdict::Missing];
    let counts = counts.map(|v| format!("{} {v}", comparison.count(v)));
    println!("{} of {} cases", counts.join(", "), comparison.cases.len());
    comparison.notes.iter().for_each(|note| println!("note: {note}"));
    for set in &comparison.sets {
        println!("{}: geometric mean of the ratios {:.3} over {} cases", set.set, set.ratio, set.cases);
    }
}
