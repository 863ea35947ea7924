//! Tables in CSV files: columns of numbers and of words, one of which is to be told from the others.

use super::table_columns::{Column, Sheet};
use super::{Examples, Field, Values, read_text};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::TensorType;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is predicted from the other columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableTask {
    /// A class: every different word or number of the target is one.
    #[default]
    Classification,
    /// A number.
    Regression,
}

/// What to do with rows in which a value is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The first is an error.
    #[default]
    Stop,
    /// They are left out, and counted.
    Drop,
    /// A missing number becomes the mean of the training rows, a missing word none of the known ones; rows without a target are
    /// left out.
    Mean,
}

/// How a table is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// The column to be told, by its header or its number, counted from 1; the last where there is none.
    pub target: Option<String>,
    /// What it is.
    pub task: TableTask,
    /// Columns that are left out, by header or number.
    pub ignore: Vec<String>,
    /// Whether the first row has names; found out where it is not said.
    pub header: Option<bool>,
    /// What separates fields; found out where it is not said.
    pub separator: Option<char>,
    /// What to do with rows in which a value is missing.
    pub missing: Missing,
}

/// Mean and deviation of a column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Scale {
    mean: f64,
    std: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count().max(1) as f64;
        let mean = values.clone().sum::<f64>() / count;
        let std = (values.map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
        Self { mean, std: if std.is_finite() && std > 0.0 { std } else { 1.0 } }
    }
}

/// What the columns of a table are: their words, their means and deviations. With it another file is read as this one was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSchema {
    columns: Vec<Column>,
    target: Column,
    scales: Vec<Scale>,
    target_scale: Scale,
}

impl TableSchema {
    /// The column to be predicted.
    pub fn target(&self) -> &str {
        &self.target.name
    }

    /// As these options, with a header where the first file had one, unless that is said.
    fn options(&self, options: &TableOptions) -> TableOptions {
        let named = |column: &Column| column.name.parse::<usize>().is_err();
        let header = options.header.unwrap_or_else(|| self.columns.iter().chain([&self.target]).any(named));
        TableOptions { header: Some(header), ..options.clone() }
    }

    /// A predicted value of `target` in its own unit.
    pub fn unscaled(&self, value: f32) -> f64 {
        f64::from(value) * self.target_scale.std + self.target_scale.mean
    }
}

/// The rows of a table as examples: numbers standardised, words one-hot.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    schema: TableSchema,
    /// Of each row the values of its columns: numbers, and the positions of words among those of the column.
    rows: Vec<Vec<Option<f64>>>,
    targets: Vec<f64>,
    /// The line of each row.
    lines: Vec<usize>,
    dropped: usize,
    width: usize,
}

impl Table {
    /// Reads a table. Numbers are standardised by all its rows until it is split.
    ///
    /// # Errors
    /// Names file, row, column, what was expected and what came: rows of different lengths, missing values, words among
    /// numbers, a column that is not there.
    pub fn open(path: &Path, options: &TableOptions) -> Result<Self> {
        Self::parse(path, &read_text(path)?, options)
    }

    /// As [`Table::open`], of a text that is already read, such as one that was generated; errors call it `path`.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn parse(path: &Path, text: &str, options: &TableOptions) -> Result<Self> {
        let sheet = Sheet::of(path, text, options)?;
        let (target, targets) = sheet.target(options)?;
        let (columns, values) = sheet.features(options)?;
        let (scales, target_scale) = (Vec::new(), Scale { mean: 0.0, std: 1.0 });
        let schema = TableSchema { columns, target, scales, target_scale };
        Ok(Self::of(path, &sheet, schema, (values, targets), options)?.standardised())
    }

    /// Reads another file as the one of `schema` was read: its columns, found by their names, its words and classes, its means
    /// and deviations. Of the options `target`, `task` and `ignore` are not looked at: other columns are left out. Words that
    /// the first file did not have are errors, or missing values where those are none.
    ///
    /// # Errors
    /// As [`Table::open`], and when a column is not there.
    pub fn open_like(path: &Path, schema: &TableSchema, options: &TableOptions) -> Result<Self> {
        let options = &schema.options(options);
        let sheet = Sheet::of(path, &read_text(path)?, options)?;
        let targets = sheet.like(&schema.target)?;
        let values = schema.columns.iter().map(|column| sheet.like(column)).collect::<Result<_>>()?;
        Self::of(path, &sheet, schema.clone(), (values, targets), options)
    }

    /// As [`Table::open_like`], of rows without a known target: the column may be absent, and is 0.
    ///
    /// # Errors
    /// As [`Table::open_like`].
    pub fn open_without_target(path: &Path, schema: &TableSchema, options: &TableOptions) -> Result<Self> {
        let options = &schema.options(options);
        let sheet = Sheet::of(path, &read_text(path)?, options)?;
        let values = schema.columns.iter().map(|column| sheet.like(column)).collect::<Result<_>>()?;
        let targets = sheet.lines().map(|_| Some(0.0)).collect();
        Self::of(path, &sheet, schema.clone(), (values, targets), options)
    }

    /// The rows that are complete, or filled.
    fn of(
        path: &Path,
        sheet: &Sheet,
        schema: TableSchema,
        (values, targets): (Vec<Vec<Option<f64>>>, Vec<Option<f64>>),
        options: &TableOptions,
    ) -> Result<Self> {
        let (mut rows, mut known, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (target, line)) in targets.iter().zip(sheet.lines()).enumerate() {
            let own: Vec<Option<f64>> =
                values.iter().map(|column| column.get(row).copied().flatten()).collect();
            let complete = own.iter().all(Option::is_some) || options.missing == Missing::Mean;
            if let (Some(target), true) = (target, complete) {
                rows.push(own);
                known.push(*target);
                lines.push(line);
            }
        }
        let dropped = targets.len() - rows.len();
        if rows.is_empty() {
            return Err(Error::file(path, "rows with a target and values", format!("{dropped} without")));
        }
        let width = schema.columns.iter().map(|column| column.words.as_ref().map_or(1, Vec::len)).sum();
        Ok(Self { schema, rows, targets: known, lines, dropped, width })
    }

    /// The same, standardised by its own rows.
    fn standardised(mut self) -> Self {
        let scale =
            |position: usize| Scale::of(self.rows.iter().filter_map(move |row| row.get(position).copied()?));
        let scales = (0..self.schema.columns.len()).map(scale).collect();
        self.schema.target_scale = Scale::of(self.targets.iter().copied());
        self.schema.scales = scales;
        self
    }

    /// What its columns are.
    pub fn schema(&self) -> &TableSchema {
        &self.schema
    }

    /// The line of the file in which row `index` begins, from 1; `None` behind the end.
    pub fn line(&self, index: usize) -> Option<usize> {
        self.lines.get(index).copied()
    }

    /// Two parts: one to learn from, and a `fraction` of the rows, drawn by `seed`, to evaluate on. Both are standardised by
    /// the rows of the first.
    ///
    /// # Errors
    /// When the fraction is not between 0 and 1, or leaves nothing for one of the parts.
    pub fn split(self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        let (learned, evaluated) = super::examples::split_indices(self.rows.len(), fraction, seed)?;
        let part = |indices: &[usize]| Self {
            rows: indices.iter().filter_map(|&i| self.rows.get(i).cloned()).collect(),
            targets: indices.iter().filter_map(|&i| self.targets.get(i).copied()).collect(),
            lines: indices.iter().filter_map(|&i| self.lines.get(i).copied()).collect(),
            ..self.clone()
        };
        let train = part(&learned).standardised();
        let test = part(&evaluated);
        Ok((train.clone(), Self { schema: train.schema, ..test }))
    }

    /// The number of values of `x`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What each value of `x` is: a column, or a column and one of its words.
    pub fn features(&self) -> Vec<String> {
        let of = |column: &Column| match &column.words {
            None => vec![column.name.clone()],
            Some(words) => words.iter().map(|word| format!("{}={word}", column.name)).collect(),
        };
        self.schema.columns.iter().flat_map(of).collect()
    }

    /// The rows that were left out, for a value was missing.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// A predicted value of `target` in its own unit.
    pub fn unscaled(&self, value: f32) -> f64 {
        self.schema.unscaled(value)
    }
}

impl Examples for Table {
    fn len(&self) -> usize {
        self.rows.len()
    }

    /// `x`, `(features)`, and `label`, or `target`, `(1)`, standardised.
    fn fields(&self) -> Vec<Field> {
        let target = match self.schema.target.words {
            Some(_) => Field::new("label", TensorType::u32([])),
            None => Field::new("target", TensorType::f32([1])),
        };
        vec![Field::new("x", TensorType::f32([self.width])), target]
    }

    fn classes(&self) -> &[String] {
        self.schema.target.words.as_deref().unwrap_or_default()
    }

    fn read(&self, index: usize, _: &mut Rng, values: &mut [Values<'_>]) -> Result<()> {
        let expected = || format!("indices below {}", self.rows.len());
        let (Some(row), Some(&known), [x, target]) = (self.rows.get(index), self.targets.get(index), values)
        else {
            return Err(Error::argument("table", expected(), index.to_string()));
        };
        let mut positions = x.f32()?.iter_mut();
        for ((column, value), scale) in self.schema.columns.iter().zip(row).zip(&self.schema.scales) {
            match &column.words {
                None => {
                    let scaled = value.map_or(0.0, |value| (value - scale.mean) / scale.std);
                    positions.by_ref().take(1).for_each(|position| *position = scaled as f32);
                }
                Some(words) => {
                    let one = positions.by_ref().take(words.len()).enumerate();
                    one.for_each(|(i, position)| *position = f32::from(u8::from(*value == Some(i as f64))));
                }
            }
        }
        match self.schema.target.words {
            Some(_) => target.u32()?.fill(known as u32),
            None => {
                let Scale { mean, std } = self.schema.target_scale;
                target.f32()?.fill(((known - mean) / std) as f32);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Batch;

    fn open(text: &str, options: &TableOptions) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        Table::open(&path, options)
    }

    fn targeted(target: &str, task: TableTask) -> TableOptions {
        TableOptions { target: Some(target.to_owned()), task, ..Default::default() }
    }

    #[test]
    fn numbers_are_standardised_and_words_one_hot() {
        let text = "\u{feff}\"size, cm\",colour,kind\r\n1.5,red,\"a, b\"\r\n2.5,blue,c\r\n3.5,red,c\r\n";
        let table = open(text, &TableOptions::default()).unwrap();
        assert_eq!(table.features(), ["size, cm", "colour=blue", "colour=red"]);
        assert_eq!((table.classes(), table.width()), (&["a, b".to_owned(), "c".into()][..], 3));
        let batch = Batch::read(&table, &[0, 1, 2], 0, 0).unwrap();
        let far = 1.5f32.sqrt();
        let expected = [-far, 0.0, 1.0, 0.0, 1.0, 0.0, far, 0.0, 1.0];
        let x = batch.tensors[0].as_f32().unwrap();
        assert!(x.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{x:?}");
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [0, 1, 1]);
    }

    #[test]
    fn a_number_is_told_from_the_others_in_its_own_unit() {
        let table = open(
            "y;x;id\n10,5;1;a\n20,5;2;b\n30,5;3;c\n",
            &TableOptions { ignore: vec!["id".to_owned()], ..targeted("y", TableTask::Regression) },
        );
        let table = table.unwrap();
        assert_eq!((table.width(), table.classes().len(), table.fields()[1].name.as_str()), (1, 0, "target"));
        let batch = Batch::read(&table, &[2, 1], 0, 0).unwrap();
        let targets = batch.tensors[1].as_f32().unwrap();
        assert!((table.unscaled(targets[0]) - 30.5).abs() < 1e-4 && targets[1] == 0.0);
    }

    #[test]
    fn both_parts_are_standardised_by_the_rows_that_are_learned_from() {
        let rows: String = (0..40).map(|i| format!("{i},{}\n", i % 4)).collect();
        let table = open(&rows, &TableOptions::default()).unwrap();
        assert_eq!((table.len(), table.classes()), (40, &["0", "1", "2", "3"].map(str::to_owned)[..]));
        let (train, test) = table.clone().split(0.25, 3).unwrap();
        assert_eq!((train.len(), test.len()), (30, 10));
        let x = |table: &Table| {
            let all: Vec<usize> = (0..table.len()).collect();
            Batch::read(table, &all, 0, 0).unwrap().tensors[0].as_f32().unwrap().to_vec()
        };
        let mean = |x: Vec<f32>| x.iter().sum::<f32>() / x.len() as f32;
        assert!(mean(x(&train)).abs() < 1e-5);
        let raw = |table: &Table| table.rows.iter().map(|row| row[0].unwrap()).collect::<Vec<_>>();
        let scale = Scale::of(raw(&train).into_iter());
        let expected = ((raw(&test)[0] - scale.mean) / scale.std) as f32;
        assert!((x(&test)[0] - expected).abs() < 1e-6);
        let mut all = [raw(&train), raw(&test)].concat();
        all.sort_by(f64::total_cmp);
        assert_eq!(all, raw(&table), "every row once");
        assert!(table.split(1.0, 3).is_err());
    }

    #[test]
    fn another_file_is_read_as_the_first_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let usual = TableOptions::default();
        let first =
            Table::open(&write("a.csv", "x,colour,kind\n1,red,p\n3,blue,q\n5,red,r\n"), &usual).unwrap();
        let text = serde_json::to_string(first.schema()).unwrap();
        let schema: TableSchema = serde_json::from_str(&text).unwrap();
        assert_eq!((&schema, schema.target()), (first.schema(), "kind"));
        // Other columns, in another order, of another file whose own mean is another.
        let other = write("b.csv", "kind,id,colour,x\nr,7,blue,3\nq,8,blue,5\n");
        let second = Table::open_like(&other, &schema, &usual).unwrap();
        assert_eq!((second.classes(), second.line(1), second.line(2)), (first.classes(), Some(3), None));
        let batch = Batch::read(&second, &[0, 1], 0, 0).unwrap();
        let far = 1.5f32.sqrt();
        assert_eq!(batch.tensors[0].as_f32().unwrap(), [0.0, 1.0, 0.0, far, 1.0, 0.0]);
        assert_eq!(batch.tensors[1].as_u32().unwrap(), [2, 1]);
        let unlabelled = write("c.csv", "x,colour\n3,red\n");
        let unlabelled = Table::open_without_target(&unlabelled, &schema, &usual).unwrap();
        assert_eq!(
            Batch::read(&unlabelled, &[0], 0, 0).unwrap().tensors[0].as_f32().unwrap(),
            [0.0, 0.0, 1.0]
        );
        for (text, part) in [
            (
                "x,colour,kind\n1,green,p\n",
                "one of blue, red as before, got 'green' in row 2, column 'colour'",
            ),
            ("x,colour,kind\n1,red,s\n", "one of p, q, r as before, got 's' in row 2, column 'kind'"),
            ("x,kind\n1,p\n", "a column colour, got x, kind"),
        ] {
            let told = Table::open_like(&write("d.csv", text), &schema, &usual).unwrap_err().to_string();
            assert!(told.contains("d.csv") && told.contains(part), "{told}");
        }
        let options = TableOptions { missing: Missing::Mean, ..usual };
        let green = write("e.csv", "x,colour,kind\n1,green,p\n1,red,s\n");
        let found = Table::open_like(&green, &schema, &options).unwrap();
        assert_eq!(
            (found.len(), found.dropped()),
            (1, 1),
            "a word that is not known, and a class that is not"
        );
        assert_eq!(Batch::read(&found, &[0], 0, 0).unwrap().tensors[0].as_f32().unwrap()[1..], [0.0, 0.0]);
    }

    #[test]
    fn missing_values_go_by_policy() {
        let text = "a,b,kind\n1,x,p\n,y,q\n3,NA,q\n5,x,\n";
        let of = |missing| open(text, &TableOptions { missing, ..Default::default() });
        let told = of(Missing::Stop).unwrap_err().to_string();
        assert!(told.contains("table.csv") && told.contains("in row 5, column 'kind'"), "{told}");
        let dropped = of(Missing::Drop).unwrap();
        assert_eq!((dropped.len(), dropped.dropped()), (1, 3));
        let filled = of(Missing::Mean).unwrap();
        assert_eq!((filled.len(), filled.dropped()), (3, 1));
        let batch = Batch::read(&filled, &[1, 2], 0, 0).unwrap();
        assert_eq!(batch.tensors[0].as_f32().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn bad_tables_are_named_with_row_and_column() {
        let refused = |text: &str, options: &TableOptions, part: &str| {
            let told = open(text, options).unwrap_err().to_string();
            assert!(told.contains("table.csv") && told.contains(part), "{told}");
        };
        let usual = TableOptions::default();
        refused("", &usual, "a header or a row, got nothing");
        refused("a,b\n", &usual, "rows below the header");
        refused("a,b,c\n1,2,p\n3,q\n", &usual, "3 fields, as in row 1, got 2 in row 3");
        refused("a,b\n1,p\n2,q\nmany,p\n3,q\n", &usual, "a number, got 'many' in row 4, column 'a'");
        refused("a,b\n1,p\n\"2,q\n", &usual, "the end of a quote");
        refused("a,b\n1,p\n2,p\n", &usual, "at least 2 classes, got only p");
        refused("a,b\n1,p\n2,q\n", &targeted("c", TableTask::Classification), "a column c, got a, b");
        refused(
            "a,b\n1,p\n2,q\n",
            &targeted("b", TableTask::Regression),
            "a number, got 'p' in row 2, column 'b'",
        );
        refused("a,a\n1,p\n2,q\n", &targeted("a", TableTask::Classification), "columns 1 and 2");
        refused("kind\np\nq\n", &usual, "columns besides kind");
        let ids: String = (0..400).map(|i| format!("name{i}x,{}\n", i % 2)).collect();
        refused(&ids, &usual, "different words in column '1'");
    }

    #[test]
    fn a_header_is_found_or_said() {
        let classes = |text: &str, header| {
            open(text, &TableOptions { header, ..Default::default() }).unwrap().classes().to_vec()
        };
        assert_eq!(classes("1,p\n2,q\n3,q\n", None), ["p", "q"]);
        assert_eq!(classes("a,b\n1,p\n2,q\n", None), ["p", "q"]);
        assert_eq!(classes("x,p\ny,q\nx,q\n", None), ["p", "q"], "words that occur again are values");
        assert_eq!(classes("2020,2021\n1,p\n2,q\n", Some(true)), ["p", "q"]);
    }
}
