//! Shapes as text, `n16c64h28w28k64r3s3p1`, and tables of them.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;

/// Sizes by letter: `n16c64` is 16 for `n` and 64 for `c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dims {
    text: String,
    values: BTreeMap<String, usize>,
}

impl Dims {
    /// Reads letters, each followed by a number.
    ///
    /// # Errors
    /// What is malformed, and where.
    pub fn parse(text: &str) -> Result<Self> {
        let fail =
            |got: String| Error::argument("shape", "letters each followed by a number, as in n16c64", got);
        let mut values = BTreeMap::new();
        let mut rest = text;
        while !rest.is_empty() {
            let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            let (key, after) = rest.split_at(letters);
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let (number, after) = after.split_at(digits);
            let value = number.parse().map_err(|_| fail(format!("'{rest}' in '{text}'")))?;
            if key.is_empty() || values.insert(key.to_owned(), value).is_some() {
                return Err(fail(format!("'{rest}' in '{text}'")));
            }
            rest = after;
        }
        if values.is_empty() {
            Err(fail(format!("'{text}'")))
        } else {
            Ok(Self { text: text.into(), values })
        }
    }

    /// Refuses letters that `keys` (space-separated) does not list.
    ///
    /// # Errors
    /// Names the letter and those that are known.
    pub fn check(&self, op: &str, keys: &str) -> Result<()> {
        let known: Vec<&str> = keys.split(' ').map(|k| k.trim_matches(['[', ']'])).collect();
        match self.values.keys().find(|k| !known.contains(&k.as_str())) {
            Some(key) => {
                Err(Error::argument("shape", format!("{keys} for {op}"), format!("'{key}' in '{self}'")))
            }
            None => Ok(()),
        }
    }

    /// The number of a letter that must be there, at least 1.
    ///
    /// # Errors
    /// When it is missing or 0.
    pub fn need(&self, key: &str) -> Result<usize> {
        match self.values.get(key) {
            Some(&value) if value > 0 => Ok(value),
            Some(_) => {
                Err(Error::argument("shape", format!("at least 1 for {key}"), format!("0 in '{self}'")))
            }
            None => Err(Error::argument("shape", format!("a number for {key}"), format!("none in '{self}'"))),
        }
    }

    /// The number of a letter, or what it is where it is missing.
    pub fn or(&self, key: &str, default: usize) -> usize {
        self.values.get(key).copied().unwrap_or(default)
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One line of a table of shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The network or collection.
    pub set: String,
    /// The layer.
    pub layer: String,
    /// How often the network has it.
    pub count: usize,
    /// The op's name.
    pub op: String,
    /// Its shape.
    pub shape: Dims,
}

/// Reads a table with the header `set,layer,count,op,shape`; empty lines and those that begin with `#` are
/// skipped. A malformed line does not spoil the others.
pub fn parse_table(name: &str, text: &str) -> Vec<Result<Line>> {
    let lines = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim()));
    let mut lines = lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')).peekable();
    let header = "set,layer,count,op,shape";
    if let Some((number, line)) = lines.next_if(|(_, l)| *l != header) {
        let error = Error::argument(&format!("{name}, line {number}"), format!("the header {header}"), line);
        return vec![Err(error)];
    }
    lines.skip(1).map(|(number, line)| parse_line(&format!("{name}, line {number}"), line)).collect()
}

fn parse_line(position: &str, line: &str) -> Result<Line> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [set, layer, count, op, shape] = fields[..] else {
        return Err(Error::argument(position, "5 fields: set, layer, count, op, shape", format!("'{line}'")));
    };
    let count =
        count.parse().map_err(|_| Error::argument(position, "a number as count", format!("'{count}'")))?;
    let shape = Dims::parse(shape).map_err(|e| Error::argument(position, "a shape", e.to_string()))?;
    Ok(Line { set: set.into(), layer: layer.into(), count, op: op.into(), shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_numbers_alternate() {
        let dims = Dims::parse("n16c64uw2").unwrap();
        assert_eq!((dims.need("n").unwrap(), dims.need("uw").unwrap(), dims.or("p", 7)), (16, 2, 7));
        for bad in ["", "16", "n", "n16c", "n1n2", "n-1", "n16 c4", "N16", "n99999999999999999999999"] {
            let error = Dims::parse(bad).unwrap_err().to_string();
            assert!(error.contains("expected letters") && error.contains(bad), "{error}");
        }
        assert!(dims.check("conv2d", "n c [uw]").is_ok());
        assert!(dims.check("conv2d", "n c").unwrap_err().to_string().contains("'uw'"));
        assert!(Dims::parse("n0").unwrap().need("n").is_err());
    }

    #[test]
    fn a_malformed_line_does_not_spoil_the_others() {
        let text =
            "set,layer,count,op,shape\n\n# remark\na,b,1,relu,e16\na,b,x,relu,e16\na,b\na,c,2,relu,e\n";
        let lines = parse_table("t.csv", text);
        assert_eq!(lines.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false]);
        assert!(lines[1].as_ref().unwrap_err().to_string().starts_with("t.csv, line 5"));
        assert!(parse_table("t.csv", "a,b\n")[0].as_ref().unwrap_err().to_string().contains("header"));
        assert!(parse_table("t.csv", "").is_empty());
    }
}
