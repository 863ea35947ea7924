//! `wgrad parity --merge`: the results of several machines, browsers and backends as one.

use crate::output;
use crate::parity::{ParityArgs, save};
use crate::report;
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use wgrad::verify::report::{KnownDifferences, Report};

/// Joins the files, and writes and prints what there is in all of them.
pub fn run(args: &ParityArgs) -> anyhow::Result<()> {
    output::check_all([("--json", &args.json), ("--html", &args.html)])?;
    let known = known(args)?;
    let mut merged = Report::merge(read(&args.merge)?)?;
    known.explain(&mut merged);
    let saved = save(args, &merged, output::write);
    report::print(&merged);
    saved?;
    match (merged.unexplained(), &merged.of) {
        (0, _) => Ok(()),
        (count, of) => bail!("{count} of {} {of} failed for no known reason", merged.rows.len()),
    }
}

/// What is known of differences: what the file given says, or what came with the program.
pub fn known(args: &ParityArgs) -> anyhow::Result<KnownDifferences> {
    let Some(path) = &args.known else { return report::known() };
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, Report)>> {
    let mut seen: HashMap<PathBuf, &Path> = HashMap::new();
    let mut reports = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        let bytes = fs::read(path).with_context(|| name.clone())?;
        if let Ok(real) = path.canonicalize()
            && let Some(other) = seen.insert(real, path)
        {
            bail!("{name}: expected each file once, got it twice, the first time as {}", other.display());
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| anyhow::anyhow!("{name}: expected the JSON of `wgrad parity`, got no text"))?;
        reports.push((name.clone(), Report::from_json(&name, &text)?));
    }
    Ok(reports)
}
