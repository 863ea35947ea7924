//! The reports of several machines as one.

use super::{Column, Report, Row};
use crate::error::{Error, Result};
use std::collections::HashMap;

/// A column as it is put together.
struct Joined {
    column: Column,
    rows: Vec<Row>,
    /// The position of a case among them.
    positions: HashMap<Case, usize>,
    /// The files it is in, the newest last.
    files: Vec<String>,
    /// Rows that a newer file gave anew.
    replaced: usize,
}

/// Of a case: its line, a node's number, and how often it was there before in the same file.
type Case = (String, Option<usize>, usize);

/// A column of a file: what was found on one adapter.
struct Part {
    /// The file's position.
    file: usize,
    column: Column,
    rows: Vec<Row>,
    /// How many columns before it in the same file are of adapters that are called the same: two cards of one kind.
    twin: usize,
}

impl Report {
    /// Joins reports, each with the name of its file. Columns of one adapter (its name, kind, backend, driver, system and
    /// browser agree) become one: of a case that is in both, the newer holds, by the date, and of the same date that of the
    /// later file. Notes say which columns were joined.
    ///
    /// # Errors
    /// When there is none, one has no cases, one is there twice, or they are of different networks.
    pub fn merge(files: Vec<(String, Report)>) -> Result<Report> {
        check(&files)?;
        let Some((_, first)) = files.first() else {
            return Err(Error::argument("merge", "one report or more", "none"));
        };
        let mut merged = Report { complete: true, ..Report::of_nodes(Vec::new(), &first.model) };
        merged.of.clone_from(&first.of);
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let mut parts = Vec::new();
        for (number, (name, report)) in files.into_iter().enumerate() {
            if !report.complete {
                merged.complete = false;
                merged.notes.push(format!("{name}: the run did not come to its end"));
            }
            merged.notes.extend(report.notes.iter().map(|note| format!("{name}: {note}")));
            parts.extend(split(number, report));
        }
        for (number, joined) in join(parts, &names).into_iter().enumerate() {
            merged.notes.extend(joined.note(number));
            merged.adapters.push(joined.column);
            merged.rows.extend(joined.rows.into_iter().map(|row| Row { adapter: number, ..row }));
        }
        Ok(merged)
    }
}

fn check(files: &[(String, Report)]) -> Result<()> {
    for (number, (name, report)) in files.iter().enumerate() {
        if report.rows.is_empty() {
            return Err(Error::argument(name, "a report with cases", "one without"));
        }
        let (earlier, _) = files.split_at(number);
        if let Some((other, _)) = earlier.iter().find(|(_, other)| other == report) {
            let got = if other == name { "it twice".to_owned() } else { format!("what {other} holds") };
            return Err(Error::argument(name, "each report once", got));
        }
        let what = |report: &Report| match report.model.as_str() {
            "" => report.of.clone(),
            model => format!("{} of {model}", report.of),
        };
        if let Some((other, first)) = earlier.first()
            && what(first) != what(report)
        {
            let expected = format!("{} as in {other}", what(first));
            return Err(Error::argument(name, expected, what(report)));
        }
    }
    Ok(())
}

/// The columns of a report, each with its rows.
fn split(file: usize, report: Report) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for column in report.adapters {
        let twin = parts.iter().filter(|part| part.column.identity() == column.identity()).count();
        parts.push(Part { file, column, rows: Vec::new(), twin });
    }
    for row in report.rows {
        if let Some(part) = parts.get_mut(row.adapter) {
            part.rows.push(row);
        }
    }
    parts
}

/// Columns of one adapter as one, in the order of the files.
fn join(parts: Vec<Part>, names: &[String]) -> Vec<Joined> {
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for part in parts {
        let same = |group: &&mut Vec<Part>| {
            let first = group.first();
            first.is_some_and(|f| f.column.identity() == part.column.identity() && f.twin == part.twin)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    groups.into_iter().map(|group| joined(group, names)).collect()
}

/// The parts of one adapter, the newest last.
fn joined(mut group: Vec<Part>, names: &[String]) -> Joined {
    group.sort_by(|a, b| (&a.column.date, a.file).cmp(&(&b.column.date, b.file)));
    let (rows, positions, files) = (Vec::new(), HashMap::new(), Vec::new());
    let mut joined = Joined { column: Column::default(), rows, positions, files, replaced: 0 };
    for Part { file, column, rows, .. } in group {
        let date = if column.date.is_empty() { "no date" } else { &column.date };
        let name = names.get(file).map_or("", String::as_str);
        joined.files.push(format!("{name} ({date}, {} rows)", rows.len()));
        joined.column = column;
        let mut before: HashMap<(String, Option<usize>), usize> = HashMap::new();
        for row in rows {
            let times = before.entry((row.case.clone(), row.node)).or_default();
            let case = (row.case.clone(), row.node, *times);
            *times += 1;
            match joined.positions.get(&case).and_then(|&position| joined.rows.get_mut(position)) {
                Some(old) => {
                    *old = row;
                    joined.replaced += 1;
                }
                None => {
                    joined.positions.insert(case, joined.rows.len());
                    joined.rows.push(row);
                }
            }
        }
    }
    joined
}

impl Joined {
    /// That the column is of several files.
    fn note(&self, number: usize) -> Option<String> {
        (self.files.len() > 1).then(|| {
            format!(
                "[{number}] {}: joined of {}; of {} rows that are in more than one, the newer holds",
                self.column.describe(),
                self.files.join(" and "),
                self.replaced
            )
        })
    }
}
