//! The options with which commands read tables.

use crate::data::{Like, Sets};
use crate::resume::Words;
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::path::Path;
use std::sync::Arc;
use wgrad::data::{self, Missing, Table, TableOptions, TableTask};

/// Rows of the generated tables.
const ROWS: (usize, usize) = (600, 200);
/// The fraction of a table without a test file that becomes one, and the seed of the choice.
const TEST_SHARE: (f64, u64) = (0.2, 0);

/// Classification or regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A class: every different word or number is one.
    Class,
    /// A number.
    Number,
}

/// What to do with rows in which a value is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Gaps {
    /// Fail at the first.
    Stop,
    /// Leave them out, and count them.
    Drop,
    /// Fill a missing number with the mean; a missing word is none of the known ones.
    Mean,
}

/// How a table is read.
#[derive(Debug, Clone, Args)]
pub struct TableArgs {
    /// Of a table, the column that is predicted from the others: its header, or its number from 1 [default: the last].
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Whether it is a class or a number.
    #[arg(long, value_enum, default_value = "class")]
    tell: Target,
    /// A column to ignore; may be given several times.
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// What to do with rows in which a value is missing.
    #[arg(long, value_enum, default_value = "stop")]
    missing: Gaps,
}

impl TableArgs {
    /// What was asked for, as options.
    pub fn words(&self, words: &mut Words) {
        words.add("target", self.target.as_ref());
        words.add("tell", self.tell.to_possible_value().map(|value| value.get_name().to_owned()));
        self.ignore.iter().for_each(|column| words.add("ignore", Some(column)));
        words.add("missing", self.missing.to_possible_value().map(|value| value.get_name().to_owned()));
    }

    /// As the library has them.
    pub fn options(&self) -> TableOptions {
        TableOptions {
            target: self.target.clone(),
            task: match self.tell {
                Target::Class => TableTask::Classification,
                Target::Number => TableTask::Regression,
            },
            ignore: self.ignore.clone(),
            missing: match self.missing {
                Gaps::Stop => Missing::Stop,
                Gaps::Drop => Missing::Drop,
                Gaps::Mean => Missing::Mean,
            },
            ..TableOptions::default()
        }
    }

    /// A CSV file, of which a part is evaluated on; or a folder with `train.csv` and `test.csv`; or what the program makes.
    /// Where it is
    /// `like` another table, a whole file is evaluated on.
    ///
    /// # Errors
    /// When it is no such table.
    pub fn load(&self, path: Option<&Path>, like: Like<'_>) -> anyhow::Result<Sets> {
        let options = self.options();
        let Some(path) = path else {
            let name = Path::new("generated birds");
            let text = data::birds(ROWS.0 + ROWS.1, 1)?;
            let table = Table::parse(name, &text, &options)?;
            let (train, test) = table.split(ROWS.1 as f64 / (ROWS.0 + ROWS.1) as f64, 1)?;
            return Ok(sets(train, test, "a generated table of birds"));
        };
        let from = path.display().to_string();
        if path.is_dir() {
            let [first, second] = ["train.csv", "test.csv"].map(|name| path.join(name));
            if !first.is_file() || !second.is_file() {
                bail!("{from}: expected a CSV file, or a folder with train.csv and test.csv");
            }
            let train = match like.table {
                Some(schema) => Table::open_like(&first, schema, &options)?,
                None => Table::open(&first, &options)?,
            };
            let test = Table::open_like(&second, train.schema(), &options)?;
            return Ok(sets(train, test, &from));
        }
        if let Some(schema) = like.table.filter(|_| like.other) {
            let table = Table::open_like(path, schema, &options)?;
            return Ok(sets(table.clone(), table, &from));
        }
        let (train, test) = Table::open(path, &options)?.split(TEST_SHARE.0, TEST_SHARE.1)?;
        Ok(sets(train, test, &from))
    }
}

fn sets(train: Table, test: Table, from: &str) -> Sets {
    let dropped = match train.dropped().max(test.dropped()) {
        0 => String::new(),
        count => format!(" ({count} left out, for values are missing)"),
    };
    let (schema, what) =
        (train.schema().clone(), format!("rows{dropped}, target {}", train.schema().target()));
    Sets { table: Some(schema), ..Sets::new(Arc::new(train), Arc::new(test), from, &what) }
}
