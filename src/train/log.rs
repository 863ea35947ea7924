//! A run step by step: `steps.jsonl` and `steps.csv`, a line a step in each.

use crate::error::{Error, Result};
use crate::files::write_atomically;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A line a step as JSON.
const JSON: &str = "steps.jsonl";
/// The same as a table.
const CSV: &str = "steps.csv";

/// What a step gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepRow<'a> {
    /// Steps done, from 1.
    pub step: u64,
    /// The epoch it belongs to, from 1.
    pub epoch: u64,
    /// The mean loss.
    pub loss: f64,
    /// Other numbers by name, the same names at every step.
    pub metrics: &'a [(&'a str, f64)],
    /// The learning rate.
    pub rate: f64,
    /// Examples a second.
    pub examples_per_second: f64,
    /// Seconds since the run began.
    pub seconds: f64,
}

impl StepRow<'_> {
    /// All that has fractions, in the order of the columns.
    fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        let first = [("loss", self.loss)].into_iter();
        let last = [
            ("rate", self.rate),
            ("examples_per_second", self.examples_per_second),
            ("seconds", self.seconds),
        ];
        first.chain(self.metrics.iter().copied()).chain(last)
    }

    /// The head of the table.
    fn head(&self) -> String {
        let names = ["step", "epoch"].into_iter().chain(self.numbers().map(|number| number.0));
        names.map(quoted).collect::<Vec<_>>().join(",") + "\n"
    }

    fn csv(&self) -> String {
        let numbers: String = self.numbers().map(|(_, value)| format!(",{value:?}")).collect();
        format!("{},{}{numbers}\n", self.step, self.epoch)
    }

    /// JSON knows no NaN: such a number is null, and what it was stands under `not_finite`.
    fn json(&self) -> String {
        let name = |name: &str| Value::from(name).to_string();
        let field = |(key, value): (&str, f64)| {
            let value = if value.is_finite() { format!("{value:?}") } else { "null".to_owned() };
            format!(",{}:{value}", name(key))
        };
        let fields: String = self.numbers().map(field).collect();
        let lost = self.numbers().filter(|number| !number.1.is_finite());
        let lost: Vec<_> = lost.map(|(key, value)| format!("{}:\"{value}\"", name(key))).collect();
        let words =
            if lost.is_empty() { String::new() } else { format!(",\"not_finite\":{{{}}}", lost.join(",")) };
        format!("{{\"step\":{},\"epoch\":{}{fields}{words}}}\n", self.step, self.epoch)
    }
}

/// A field of a table, in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Appends to `steps.jsonl` and `steps.csv` of a run. A line is handed to the operating system whole and at once: a process
/// that is killed loses at most the one it was writing.
#[derive(Debug)]
pub struct StepLog {
    json: (PathBuf, File),
    csv: (PathBuf, File),
    /// The head of the table; empty before the first row.
    head: String,
}

impl StepLog {
    /// Begins both files in `folder`; old ones are written over.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        for name in [JSON, CSV] {
            write_atomically(&folder.join(name), b"")?;
        }
        Self::open(folder, String::new())
    }

    /// Goes on in `folder` after `step`: lines of later steps and a last line that was cut off are dropped. Files that are
    /// missing are begun.
    ///
    /// # Errors
    /// When a line is none of a step, or the files cannot be read or written.
    pub fn reopen(folder: &Path, step: u64) -> Result<Self> {
        let json = folder.join(JSON);
        write_atomically(&json, &kept(&json, step, 0, json_step)?)?;
        let csv = folder.join(CSV);
        let table = kept(&csv, step, 1, csv_step)?;
        write_atomically(&csv, &table)?;
        let head = table.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
        Self::open(folder, String::from_utf8_lossy(head).into_owned())
    }

    fn open(folder: &Path, head: String) -> Result<Self> {
        let open = |name: &str| {
            let path = folder.join(name);
            let file = OpenOptions::new().append(true).open(&path);
            file.map_err(|error| Error::io(&path, error)).map(|file| (path, file))
        };
        Ok(Self { json: open(JSON)?, csv: open(CSV)?, head })
    }

    /// Appends a step.
    ///
    /// # Errors
    /// When the metrics are not those of the rows before, or the files cannot be written.
    pub fn row(&mut self, row: &StepRow<'_>) -> Result<()> {
        let head = row.head();
        let mut csv = row.csv();
        if self.head.is_empty() {
            csv.insert_str(0, &head);
        } else if self.head != head {
            return Err(Error::file(&self.csv.0, self.head.trim_end(), head.trim_end()));
        }
        append(&mut self.csv, &csv)?;
        self.head = head;
        append(&mut self.json, &row.json())
    }
}

fn append((path, file): &mut (PathBuf, File), line: &str) -> Result<()> {
    file.write_all(line.as_bytes()).map_err(|error| Error::io(path, error))
}

fn json_step(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?.get("step")?.as_u64()
}

fn csv_step(line: &str) -> Option<u64> {
    line.split(',').next()?.parse().ok()
}

/// The whole lines of a file up to those of `step`, behind `heads` lines of none.
fn kept(path: &Path, step: u64, heads: usize, step_of: fn(&str) -> Option<u64>) -> Result<Vec<u8>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(path, error)),
    };
    let mut kept = Vec::new();
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break; // cut off
        }
        if number >= heads {
            let text = String::from_utf8_lossy(line);
            let Some(found) = step_of(text.trim_end()) else {
                let (expected, row) = ("a line of a step", number + 1);
                return Err(Error::file(path, expected, format!("{:?} in line {row}", text.trim_end())));
            };
            if found > step {
                break;
            }
        }
        kept.extend(line);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(step: u64, loss: f64, metrics: &'a [(&'a str, f64)]) -> StepRow<'a> {
        StepRow { step, epoch: 1, loss, metrics, rate: 1e-3, examples_per_second: 640.0, seconds: 0.1 }
    }

    fn texts(folder: &Path) -> [String; 2] {
        [JSON, CSV].map(|name| fs::read_to_string(folder.join(name)).unwrap())
    }

    #[test]
    fn a_step_is_a_line_of_each_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = StepLog::create(folder.path()).unwrap();
        log.row(&row(1, 0.5, &[("accuracy", 0.25), ("top, 5", 1.0)])).unwrap();
        log.row(&row(2, f64::NAN, &[("accuracy", f64::NEG_INFINITY), ("top, 5", 1e300)])).unwrap();
        let [json, csv] = texts(folder.path());
        let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["loss"], &lines[0]["top, 5"]), (&Value::from(0.5), &Value::from(1.0)));
        assert!(lines[0].get("not_finite").is_none() && lines[1]["loss"].is_null());
        assert_eq!(lines[1]["not_finite"], serde_json::json!({"loss": "NaN", "accuracy": "-inf"}));
        assert_eq!(lines[1]["top, 5"], Value::from(1e300));
        let mut lines = csv.lines();
        assert_eq!(
            lines.next(),
            Some("step,epoch,loss,accuracy,\"top, 5\",rate,examples_per_second,seconds")
        );
        assert_eq!(lines.next(), Some("1,1,0.5,0.25,1.0,0.001,640.0,0.1"));
        assert_eq!(lines.next(), Some("2,1,NaN,-inf,1e300,0.001,640.0,0.1"));
        let error = log.row(&row(3, 0.5, &[])).unwrap_err().to_string();
        assert!(error.contains("steps.csv") && error.contains("accuracy"), "{error}");
        assert_eq!(texts(folder.path())[0].lines().count(), 2, "a row that was refused");
    }

    #[test]
    fn a_run_that_goes_on_has_the_lines_of_one_that_never_stopped() {
        let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |log: &mut StepLog, steps: std::ops::RangeInclusive<u64>| {
            steps.for_each(|step| log.row(&row(step, 1.0 / step as f64, &[("accuracy", 0.5)])).unwrap());
        };
        write(&mut StepLog::create(whole.path()).unwrap(), 1..=9);
        for (until, checkpoint) in [(7, 4), (4, 4), (2, 0)] {
            write(&mut StepLog::create(cut.path()).unwrap(), 1..=until);
            for name in [JSON, CSV] {
                // Half a line, and half a letter.
                let mut file = OpenOptions::new().append(true).open(cut.path().join(name)).unwrap();
                file.write_all(b"{\"step\":8,\xc3").unwrap();
            }
            write(&mut StepLog::reopen(cut.path(), checkpoint).unwrap(), checkpoint + 1..=9);
            assert_eq!(texts(cut.path()), texts(whole.path()), "{until} steps, back to {checkpoint}");
        }
        let empty = tempfile::tempdir().unwrap();
        write(&mut StepLog::reopen(empty.path(), 0).unwrap(), 1..=9);
        assert_eq!(texts(empty.path()), texts(whole.path()), "files that were missing");
    }

    #[test]
    fn a_line_of_no_step_is_named() {
        let folder = tempfile::tempdir().unwrap();
        StepLog::create(folder.path()).unwrap();
        fs::write(folder.path().join(JSON), "{\"step\":1}\nwords\n").unwrap();
        let error = StepLog::reopen(folder.path(), 3).unwrap_err().to_string();
        assert!(
            error.contains("steps.jsonl") && error.contains("line 2") && error.contains("words"),
            "{error}"
        );
    }
}
