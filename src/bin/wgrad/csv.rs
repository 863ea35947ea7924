//! A column of numbers from a CSV file as people have them: any separator, a header or none, decimal points or commas,
//! gaps. What was found is said; what could be read in two ways is refused, with the option that settles it.

use crate::resume::Words;
use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use std::path::Path;
use wgrad::data::csv::{Form, Mark, Record, Records, form, mark, parse};
use wgrad::data::read_text;

/// What to do with rows without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gaps {
    /// Fail at the first.
    Error,
    /// Leave them out: the values around a gap become neighbours.
    Drop,
    /// Fill them by linear interpolation; gaps at both ends are left out.
    Linear,
}

/// Which column of a file is read, and how.
#[derive(Debug, Clone, Args)]
pub struct ColumnArgs {
    /// The column, by its header or its number, counted from 1 [default: the last one with anything in it].
    #[arg(long, value_name = "NAME|NUMBER", value_parser = crate::device::name, requires = "data")]
    column: Option<String>,
    /// What separates fields: a character, or `tab` [default: detected].
    #[arg(long, value_name = "CHARACTER", value_parser = separator, requires = "data")]
    separator: Option<char>,
    /// The decimal separator [default: detected].
    #[arg(long, value_enum, requires = "data")]
    decimal: Option<Mark>,
    /// The first row holds names, even if they look like numbers.
    #[arg(long, requires = "data", conflicts_with = "no_header")]
    header: bool,
    /// The first row has values.
    #[arg(long, requires = "data")]
    no_header: bool,
    /// What to do with rows without a value.
    #[arg(long, value_enum, default_value = "error")]
    gaps: Gaps,
}

/// Numbers of a file, and where they were found.
pub struct Column {
    /// Its header, or its number.
    pub name: String,
    /// From the first row to the last.
    pub values: Vec<f64>,
    /// What was found, in words.
    pub found: String,
}

impl ColumnArgs {
    /// What was asked for, as a command line that asks for it again.
    pub fn words(&self, words: &mut Words) {
        let name =
            |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        words.add("column", self.column.as_ref());
        words.add("separator", self.separator.map(|c| if c == '\t' { "tab".into() } else { c.to_string() }));
        words.add("decimal", self.decimal.and_then(|mark| name(mark.to_possible_value())));
        words.flag("header", self.header);
        words.flag("no-header", self.no_header);
        words.add("gaps", name(self.gaps.to_possible_value()));
    }
}

fn separator(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (chars.next(), chars.next(), text) {
        (_, _, "tab" | "\\t") => Ok('\t'),
        (Some(c), None, _) if !c.is_alphanumeric() && !['"', '\n', '.', '-', '+'].contains(&c) => Ok(c),
        _ => Err("expected one character, such as ; or |, or tab".into()),
    }
}

/// A file that is being read.
struct Sheet<'a> {
    path: &'a Path,
    args: &'a ColumnArgs,
    records: Records,
}

impl ColumnArgs {
    /// Reads the column.
    ///
    /// # Errors
    /// Names the row, counted by lines from 1, and the column of what is no number, and all that is ambiguous.
    pub fn read(&self, path: &Path) -> anyhow::Result<Column> {
        let mut records = Records::of(&read_text(path)?, self.separator)
            .map_err(|row| anyhow!("{}: row {row}: expected the end of a quote, got none", path.display()))?;
        let Some(first) = records.rows.iter().position(|row| !row.is_blank()) else {
            bail!("{}: expected a header or a value in row 1, got nothing", path.display());
        };
        records.rows.drain(..first);
        let sheet = Sheet { path, args: self, records };
        let header = sheet.has_header()?;
        let (place, name) = sheet.place(header)?;
        sheet.column(header, place, name)
    }
}

impl Sheet<'_> {
    fn first(&self) -> &[String] {
        &self.records.rows[0].fields
    }

    fn body(&self, header: bool) -> &[Record] {
        &self.records.rows[usize::from(header)..]
    }

    /// Whether the first row has names: words, and no numbers unless there are numbers below a word.
    fn has_header(&self) -> anyhow::Result<bool> {
        if self.args.header || self.args.no_header {
            return Ok(self.args.header);
        }
        let forms: Vec<Form> = self.first().iter().map(|field| form(field)).collect();
        let words =
            || forms.iter().enumerate().filter(|(_, form)| **form == Form::Word).map(|(place, _)| place);
        if words().count() == 0 {
            self.check_two_numbers()?;
            return Ok(false);
        }
        let below = |place: usize| {
            let fields = self.body(true).iter().filter_map(move |row| row.fields.get(place));
            fields.map(|field| form(field)).any(|form| form.is_number() || form == Form::Date)
        };
        let named = |place: usize| self.args.column.as_deref() == Some(self.first()[place].trim());
        if !forms.iter().any(|form| form.is_number()) || words().any(below) || words().any(named) {
            return Ok(true);
        }
        let row = self.first().join(", ");
        bail!(
            "{}: row {}: expected a header or values, got both ({row}): say --header or --no-header",
            self.path.display(),
            self.records.rows[0].row
        )
    }

    /// Whole numbers in two columns apart by commas could be one column with decimal commas.
    fn check_two_numbers(&self) -> anyhow::Result<()> {
        let told = self.records.named || self.args.column.is_some() || self.args.decimal.is_some();
        let whole = |row: &Record| row.fields.iter().all(|f| form(f) == Form::Whole) && row.fields.len() == 2;
        if told || self.records.separator != Some(',') || !self.records.rows.iter().all(whole) {
            return Ok(());
        }
        bail!(
            "{}: row {}: expected one column with decimal commas, or two, got '{}': say --separator ';' for one, \
             --column 1 or 2 for two",
            self.path.display(),
            self.records.rows[0].row,
            self.first().join(",")
        )
    }

    /// The place of the wanted column, and what it is called.
    fn place(&self, header: bool) -> anyhow::Result<(usize, String)> {
        let width = self.first().len();
        let called = |place: usize| match self.first()[place].trim() {
            name if header && !name.is_empty() => name.to_owned(),
            _ => (place + 1).to_string(),
        };
        let Some(wanted) = self.args.column.as_deref() else {
            let filled = |place: &usize| {
                let mut fields = self.body(header).iter().filter_map(|row| row.fields.get(*place));
                fields.any(|field| !field.trim().is_empty())
            };
            let place = (0..width).rev().find(filled).unwrap_or(width - 1);
            return Ok((place, called(place)));
        };
        let mut places = (0..width).filter(|&place| header && self.first()[place].trim() == wanted.trim());
        let number = wanted.trim().parse::<usize>().ok().filter(|number| (1..=width).contains(number));
        match (places.next(), places.next(), number) {
            (Some(place), None, _) => Ok((place, called(place))),
            (Some(one), Some(other), _) => bail!(
                "{}: expected one column {wanted:?}, got columns {} and {}: say its number",
                self.path.display(),
                one + 1,
                other + 1
            ),
            (None, _, Some(number)) => Ok((number - 1, called(number - 1))),
            (None, _, None) if header => {
                let known: Vec<&str> = self.first().iter().map(|name| name.trim()).collect();
                bail!(
                    "{}: expected the column {wanted:?}, got only {}",
                    self.path.display(),
                    known.join(", ")
                )
            }
            (None, _, None) => bail!(
                "{}: expected a column from 1 to {width}, for row {} has values (else say --header), got {wanted:?}",
                self.path.display(),
                self.records.rows[0].row
            ),
        }
    }

    /// The values of the column.
    fn column(&self, header: bool, place: usize, name: String) -> anyhow::Result<Column> {
        let width = self.first().len();
        let at = |row: &Record| format!("{}: row {}, column '{name}'", self.path.display(), row.row);
        let mut fields = Vec::new();
        for row in self.body(header) {
            if !row.is_blank() && row.fields.len() != width {
                let like = if header { "the header" } else { "the first row" };
                bail!("{}: expected {width} fields as in {like}, got {}", at(row), row.fields.len());
            }
            fields.push(row.fields.get(place).map_or("", String::as_str));
        }
        let own: Vec<Form> = fields.iter().map(|field| form(field)).collect();
        let file = self.body(header).iter().flat_map(|row| &row.fields).map(|field| form(field));
        let by_commas = self.records.separator == Some(',');
        let Some(mark) = self.args.decimal.or_else(|| mark(&own, file, by_commas)) else {
            let open = own.iter().position(|form| matches!(form, Form::Either(_))).unwrap_or(0);
            let (row, field) = (&self.body(header)[open], fields[open].trim());
            bail!(
                "{}: expected decimals or thousands, got '{field}', which could be both: say --decimal comma or \
                 --decimal point",
                at(row)
            );
        };
        let mut values = Vec::new();
        for ((row, field), form) in self.body(header).iter().zip(&fields).zip(&own) {
            if *form == Form::Gap && self.args.gaps != Gaps::Error {
                values.push(None);
                continue;
            }
            let settled = "--gaps drop or linear goes on without it";
            match parse(field, mark) {
                Ok(value) => values.push(Some(value)),
                Err(_) if row.is_blank() => {
                    bail!("{}: expected a number, got an empty line; {settled}", at(row))
                }
                Err((expected, got)) if *form == Form::Gap => {
                    bail!("{}: expected {expected}, got {got}; {settled}", at(row))
                }
                Err((expected, got)) => bail!("{}: expected {expected}, got {got}", at(row)),
            }
        }
        let (values, gaps) = without_gaps(values, self.args.gaps);
        let decimals = own.iter().any(|form| matches!(form, Form::Decimal(_) | Form::Either(_)));
        let found = self.found(header, decimals.then_some(mark), (place, &name), &gaps);
        Ok(Column { name, values, found })
    }

    /// What was found, in words.
    fn found(&self, header: bool, mark: Option<Mark>, (place, name): (usize, &str), gaps: &str) -> String {
        let (first, width) = (self.records.rows[0].row, self.first().len());
        let separated = self.records.separated();
        let head = if header {
            format!("header in row {first}")
        } else {
            format!("no header, row {first} has values")
        };
        let decimal = mark.map_or(String::new(), |mark| format!(", decimal {}", mark.name()));
        let rows = self.body(header).len();
        format!("{separated}, {head}{decimal}, column '{name}' ({} of {width}), {rows} rows{gaps}", place + 1)
    }
}

/// The values with their gaps closed, and what was done, in words.
fn without_gaps(values: Vec<Option<f64>>, gaps: Gaps) -> (Vec<f64>, String) {
    let missing = values.iter().filter(|value| value.is_none()).count();
    if missing == 0 {
        return (values.into_iter().flatten().collect(), String::new());
    }
    let known: Vec<(usize, f64)> = values.iter().enumerate().filter_map(|(i, v)| Some((i, (*v)?))).collect();
    if gaps != Gaps::Linear {
        return (known.into_iter().map(|(_, value)| value).collect(), format!(", {missing} gaps left out"));
    }
    let mut filled: Vec<f64> = known.iter().take(1).map(|(_, value)| *value).collect();
    for pair in known.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        let share = |i: usize| (i - from) as f64 / (to - from) as f64;
        filled.extend((from + 1..to).map(|i| low + share(i) * (high - low)));
        filled.push(high);
    }
    let ends = values.len() - filled.len();
    let words = format!(", {} gaps filled on a line, {ends} at the ends left out", missing - ends);
    (filled, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_closed_by_policy() {
        let values = [None, Some(1.0), None, None, Some(4.0), Some(2.0), None].to_vec();
        assert_eq!(without_gaps(values.clone(), Gaps::Drop).0, [1.0, 4.0, 2.0]);
        let (filled, words) = without_gaps(values, Gaps::Linear);
        assert_eq!(filled, [1.0, 2.0, 3.0, 4.0, 2.0]);
        assert_eq!(words, ", 2 gaps filled on a line, 2 at the ends left out");
        assert!(without_gaps(vec![None, None], Gaps::Linear).0.is_empty());
    }
}
