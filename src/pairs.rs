//! Options in a text: `KEY=NUMBER,KEY=NUMBER`.

use crate::error::{Error, Result};
use std::str::FromStr;

/// Options by name, as they are taken from a text.
pub(crate) struct Pairs<'a> {
    what: &'static str,
    text: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Pairs<'a> {
    /// Those of `list`, a part of the `text` of a `what`.
    pub(crate) fn of(what: &'static str, text: &'a str, list: &'a str) -> Result<Self> {
        let pairs = list.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
            let bad = || Error::argument(what, "KEY=NUMBER,KEY=NUMBER", text);
            pair.split_once('=').map(|(key, words)| (key.trim(), words.trim())).ok_or_else(bad)
        });
        Ok(Self { what, text, pairs: pairs.collect::<Result<_>>()? })
    }

    fn words(&mut self, key: &str) -> Option<&'a str> {
        let position = self.pairs.iter().position(|(name, _)| *name == key)?;
        Some(self.pairs.remove(position).1)
    }

    fn parse<T: FromStr>(&self, key: &str, words: &str) -> Result<T> {
        let got = || format!("'{words}' in {}", self.text);
        let bad = || Error::argument(self.what, format!("a number for {key}"), got());
        words.trim().parse().map_err(|_| bad())
    }

    /// The number `key`, or what it is where it is left out.
    pub(crate) fn number<T: FromStr>(&mut self, key: &str, default: Option<T>) -> Result<T> {
        match (self.words(key), default) {
            (Some(words), _) => self.parse(key, words),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(Error::argument(self.what, format!("a number for {key}"), self.text)),
        }
    }

    /// Two numbers, such as `0.8/1`, or what they are where they are left out.
    pub(crate) fn range(&mut self, key: &str, default: (f64, f64)) -> Result<(f64, f64)> {
        let Some(words) = self.words(key) else { return Ok(default) };
        let bad = || Error::argument(self.what, format!("two numbers such as {key}=0.8/1"), self.text);
        let (low, high) = words.split_once('/').ok_or_else(bad)?;
        Ok((self.parse(key, low)?, self.parse(key, high)?))
    }

    /// Whether `key` is there and not 0.
    pub(crate) fn flag(&mut self, key: &str) -> Result<bool> {
        self.number(key, Some(0u8)).map(|number| number != 0)
    }

    /// The numbers `key=1/2/3`.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<u64>> {
        let expected = || Error::argument(self.what, format!("steps such as {key}=30/60/90"), self.text);
        let words =
            self.pairs.iter().position(|(name, _)| *name == key).map(|position| self.pairs[position].1);
        let steps = words.ok_or_else(expected)?.split('/').map(|word| word.parse().map_err(|_| expected()));
        let steps = steps.collect::<Result<_>>()?;
        self.words(key);
        Ok(steps)
    }

    /// Refuses what `name` does not take.
    pub(crate) fn end(&self, name: &str) -> Result<()> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => {
                let got = format!("{key} in {}", self.text);
                Err(Error::argument(self.what, format!("what {name} takes"), got))
            }
        }
    }
}
