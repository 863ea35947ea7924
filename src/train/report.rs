//! An epoch in a row of a table.

use super::measures::Measures;
use crate::error::{Error, Result};

/// One epoch of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Over the training examples, while they were learned.
    pub train: Measures,
    /// Over the examples that it is evaluated on, after the epoch.
    pub test: Measures,
    /// The time of the training part.
    pub seconds: f64,
}

/// The columns beside those of the metrics.
const EPOCH: &str = "epoch";
const SECONDS: &str = "seconds";
const RATE: &str = "images_per_second";

impl EpochReport {
    /// Training examples a second.
    pub fn examples_per_second(&self) -> f64 {
        self.train.examples as f64 / self.seconds.max(1e-9)
    }

    /// The head of a table of what training and `evaluated`, `test` or `validation`, measure: these words and `_` before the
    /// names.
    pub fn head(evaluated: &str, [train, test]: &[Vec<String>; 2]) -> String {
        let of = |pass: &str, names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{pass}_{name}")).collect()
        };
        let ends = vec![SECONDS.to_owned(), RATE.to_owned()];
        [vec![EPOCH.to_owned()], of("train", train), of(evaluated, test), ends].concat().join(",")
    }

    /// A row under its head.
    pub fn csv_row(&self) -> String {
        let of = |measures: &Measures| -> Vec<String> {
            measures.values().iter().map(|(_, value)| format!("{value:.6}")).collect()
        };
        let ends = vec![format!("{:.3}", self.seconds), format!("{:.1}", self.examples_per_second())];
        [vec![self.epoch.to_string()], of(&self.train), of(&self.test), ends].concat().join(",")
    }

    /// A report from its row under a head, as exact as that is.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_csv(head: &str, row: &str) -> Result<Self> {
        let bad = || Error::argument("metrics", format!("numbers under {head}"), row);
        let numbers: Vec<f64> =
            row.split(',').map(|field| field.parse().map_err(|_| bad())).collect::<Result<_>>()?;
        let names: Vec<&str> = head.split(',').collect();
        if names.len() != numbers.len() {
            return Err(bad());
        }
        let number = |name: &str| {
            names.iter().position(|known| *known == name).map(|position| numbers[position]).ok_or_else(bad)
        };
        let (epoch, seconds, rate) = (number(EPOCH)?, number(SECONDS)?, number(RATE)?);
        let of = |pass: &str, examples: f64| {
            let own = names.iter().zip(&numbers);
            let own = own.filter_map(|(name, value)| Some((name.strip_prefix(pass)?.to_owned(), *value)));
            Measures::new(examples as usize, own.collect())
        };
        let evaluated = if head.contains("validation_") { "validation_" } else { "test_" };
        // On how many examples it was evaluated is not noted.
        let (train, test) = (of("train_", (seconds * rate).round().max(1.0)), of(evaluated, 1.0));
        Ok(Self { epoch: epoch as usize, train, test, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_is_written() {
        let of = |examples, loss, accuracy| {
            Measures::new(examples, vec![("loss".into(), loss), ("accuracy".into(), accuracy)])
        };
        let report = EpochReport { epoch: 1, train: of(100, 0.5, 0.9), test: of(1, 0.2, 0.9), seconds: 0.5 };
        let names = || vec!["loss".to_owned(), "accuracy".to_owned()];
        let (head, row) = (EpochReport::head("test", &[names(), names()]), report.csv_row());
        assert_eq!(head, "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds,images_per_second");
        assert_eq!(row, "1,0.500000,0.900000,0.200000,0.900000,0.500,200.0");
        assert_eq!(EpochReport::of_csv(&head, &row).unwrap(), report);
        for bad in ["1,2", "", "1,0.5,x,0.2,0.9,0.5,200"] {
            let error = EpochReport::of_csv(&head, bad).unwrap_err().to_string();
            assert!(error.contains("numbers under epoch,train_loss"), "{error}");
        }
    }
}
