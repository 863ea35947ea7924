//! The columns of a CSV file: which there are, and what their fields are.

use super::csv::{Form, Record, Records, form, mark, parse};
use super::some_of;
use super::table::{Missing, TableOptions, TableTask};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The words that a column of features may have: each is a value of `x`.
const WORDS: usize = 256;

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    /// Its header, or its number.
    pub(super) name: String,
    /// Its different words; `None` for one of numbers.
    pub(super) words: Option<Vec<String>>,
}

/// The values of a column: `None` where one is missing.
type Cells = Vec<Option<f64>>;

/// A file, split into fields.
pub(super) struct Sheet {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<Record>,
    by_commas: bool,
    stop: bool,
}

/// Whether the first row has names: no numbers, and numbers below one of its words, or no word that occurs again below it.
fn has_header(rows: &[Record]) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let numbers =
        |row: &Record, position: usize| row.fields.get(position).is_some_and(|field| form(field).is_number());
    let words = 0..first.fields.len();
    if words.clone().any(|position| numbers(first, position)) {
        return false;
    }
    let again =
        |position: usize| below.iter().any(|row| row.fields.get(position) == first.fields.get(position));
    words.clone().any(|position| below.iter().any(|row| numbers(row, position)))
        || !words.into_iter().any(again)
}

impl Sheet {
    /// The fields of a text; errors call it `path`.
    pub(super) fn of(path: &Path, text: &str, options: &TableOptions) -> Result<Self> {
        let records = Records::of(text, options.separator).map_err(|row| {
            Error::file(path, format!("the end of a quote that begins in row {row}"), "none")
        })?;
        let by_commas = records.separator == Some(',');
        let mut rows: Vec<Record> = records.rows.into_iter().filter(|row| !row.is_blank()).collect();
        let header = options.header.unwrap_or_else(|| has_header(&rows));
        let Some(first) = rows.first().cloned() else {
            return Err(Error::file(path, "a header or a row", "nothing"));
        };
        if header {
            rows.remove(0);
        }
        if rows.is_empty() {
            return Err(Error::file(path, "rows below the header", "none"));
        }
        let width = first.fields.len();
        if let Some(bad) = rows.iter().find(|row| row.fields.len() != width) {
            let expected = format!("{width} fields, as in row {}", first.row);
            return Err(Error::file(path, expected, format!("{} in row {}", bad.fields.len(), bad.row)));
        }
        let name = |(position, field): (usize, &String)| match field.trim() {
            name if header && !name.is_empty() => name.to_owned(),
            _ => (position + 1).to_string(),
        };
        let names = first.fields.iter().enumerate().map(name).collect();
        let stop = options.missing == Missing::Stop;
        Ok(Self { path: path.to_owned(), names, rows, by_commas, stop })
    }

    /// What a column is called.
    fn name(&self, position: usize) -> &str {
        self.names.get(position).map_or("", String::as_str)
    }

    /// The position of a column by its name or its number.
    fn position(&self, wanted: &str) -> Result<usize> {
        let mut named = self
            .names
            .iter()
            .enumerate()
            .filter(|(_, name)| *name == wanted.trim())
            .map(|(position, _)| position);
        match (named.next(), named.next(), wanted.trim().parse::<usize>()) {
            (Some(position), None, _) => Ok(position),
            (Some(one), Some(other), _) => {
                let got = format!("columns {} and {}: say a number", one + 1, other + 1);
                Err(Error::file(&self.path, format!("one column {wanted}"), got))
            }
            (None, _, Ok(number)) if (1..=self.names.len()).contains(&number) => Ok(number - 1),
            _ => Err(Error::file(&self.path, format!("a column {wanted}"), some_of(&self.names))),
        }
    }

    fn target_position(&self, options: &TableOptions) -> Result<usize> {
        options.target.as_ref().map_or(Ok(self.names.len() - 1), |target| self.position(target))
    }

    /// The fields of a column, with their rows.
    fn fields(&self, position: usize) -> impl Iterator<Item = (&Record, &str)> + Clone {
        self.rows.iter().map(move |row| (row, row.fields.get(position).map_or("", |field| field.trim())))
    }

    fn bad(&self, row: &Record, position: usize, expected: &str, got: &str) -> Error {
        Error::file(
            &self.path,
            expected,
            format!("{got} in row {}, column '{}'", row.row, self.name(position)),
        )
    }

    /// Stops at the first missing value, where that is the policy.
    fn check_missing(&self, position: usize) -> Result<()> {
        let missing = self.fields(position).find(|(_, field)| form(field) == Form::Gap);
        match missing {
            Some((row, field)) if self.stop => {
                let got = if field.is_empty() { "nothing".to_owned() } else { format!("'{field}'") };
                Err(self.bad(row, position, "a value (or a policy for missing ones)", &got))
            }
            _ => Ok(()),
        }
    }

    /// A column of numbers.
    fn numbers(&self, position: usize) -> Result<(Column, Cells)> {
        self.check_missing(position)?;
        let own: Vec<Form> = self.fields(position).map(|(_, field)| form(field)).collect();
        let file = self.rows.iter().flat_map(|row| &row.fields).map(|field| form(field));
        let Some(mark) = mark(&own, file, self.by_commas) else {
            let open = self.fields(position).find(|(_, field)| matches!(form(field), Form::Either(_)));
            let Some((row, field)) = open else { return Err(Error::file(&self.path, "numbers", "none")) };
            return Err(self.bad(
                row,
                position,
                "decimals or thousands",
                &format!("'{field}', which could be both,"),
            ));
        };
        let value = |((row, field), form): ((&Record, &str), &Form)| {
            if *form == Form::Gap {
                return Ok(None);
            }
            parse(field, mark).map(Some).map_err(|(expected, got)| self.bad(row, position, &expected, &got))
        };
        let values = self.fields(position).zip(&own).map(value).collect::<Result<_>>()?;
        Ok((Column { name: self.name(position).to_owned(), words: None }, values))
    }

    /// A column of words; whole numbers are in their own order.
    fn words(&self, position: usize) -> Result<(Column, Cells)> {
        self.check_missing(position)?;
        let filled = self.fields(position).map(|(_, field)| field).filter(|field| form(field) != Form::Gap);
        let mut words: Vec<String> = filled.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect();
        if words.iter().all(|word| word.parse::<i64>().is_ok()) {
            words.sort_by_key(|word| word.parse::<i64>().unwrap_or_default());
        }
        let positions: std::collections::HashMap<&str, f64> =
            words.iter().enumerate().map(|(i, word)| (word.as_str(), i as f64)).collect();
        let values = self.fields(position).map(|(_, field)| positions.get(field).copied()).collect();
        Ok((Column { name: self.name(position).to_owned(), words: Some(words.clone()) }, values))
    }

    /// The column to be predicted.
    pub(super) fn target(&self, options: &TableOptions) -> Result<(Column, Cells)> {
        let position = self.target_position(options)?;
        if options.task == TableTask::Regression {
            return self.numbers(position);
        }
        let (column, values) = self.words(position)?;
        match column.words.as_deref() {
            Some([]) => Err(Error::file(&self.path, "at least 2 classes", "none")),
            Some([one]) => Err(Error::file(&self.path, "at least 2 classes", format!("only {one}"))),
            _ => Ok((column, values)),
        }
    }

    /// The other columns but those that are left out.
    pub(super) fn features(&self, options: &TableOptions) -> Result<(Vec<Column>, Vec<Cells>)> {
        let target = self.target_position(options)?;
        let ignored = options.ignore.iter().map(|name| self.position(name)).collect::<Result<Vec<_>>>()?;
        let kept =
            (0..self.names.len()).filter(|position| *position != target && !ignored.contains(position));
        let columns = kept.map(|position| self.feature(position)).collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(Error::file(&self.path, format!("columns besides {}", self.name(target)), "none"));
        }
        Ok(columns.into_iter().unzip())
    }

    /// The values of a column that another file has, too, as it had them.
    pub(super) fn like(&self, column: &Column) -> Result<Cells> {
        let position = self.position(&column.name)?;
        let Some(words) = &column.words else { return Ok(self.numbers(position)?.1) };
        self.check_missing(position)?;
        let cell = |(row, field): (&Record, &str)| {
            let known = words.iter().position(|word| word == field);
            match known {
                None if self.stop && form(field) != Form::Gap => {
                    let expected = format!("one of {} as before", some_of(words));
                    Err(self.bad(row, position, &expected, &format!("'{field}'")))
                }
                known => Ok(known.map(|position| position as f64)),
            }
        };
        self.fields(position).map(cell).collect()
    }

    /// The line of each row.
    pub(super) fn lines(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().map(|row| row.row)
    }

    /// A column of numbers, where most of its fields are, else of words.
    fn feature(&self, position: usize) -> Result<(Column, Cells)> {
        let filled = self.fields(position).map(|(_, field)| form(field)).filter(|form| *form != Form::Gap);
        let (all, numbers) = (filled.clone().count(), filled.filter(|form| form.is_number()).count());
        if all == 0 || 2 * numbers >= all {
            return self.numbers(position);
        }
        let (column, values) = self.words(position)?;
        match column.words.as_ref().map_or(0, Vec::len) {
            count if count > WORDS => {
                let got = format!("{count} different words in column '{}': ignore it", column.name);
                Err(Error::file(&self.path, format!("at most {WORDS} words in a column"), got))
            }
            _ => Ok((column, values)),
        }
    }
}
