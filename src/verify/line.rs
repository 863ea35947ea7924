//! A case as one line of text: `conv2d input=1x3x8x8 weight=4x3x3x3 bias padding=1 data=integers:3 seed=2`.

use super::Fill;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{Padding, Pair};
use crate::{Dim, Dims};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// An op and its fields, `key=value` or a bare `key`, in their order. Shapes are sizes joined by `x`, a
/// scalar's is `scalar`; a pair is one number or `HxW`, padding one number, `HxW` or `top,bottom,left,right`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The op.
    pub op: String,
    /// Its attributes, shapes and data.
    pub fields: Vec<(String, String)>,
}

impl Line {
    /// The line with another value of a field, which is added where it is missing.
    pub fn with(&self, key: &str, value: impl Into<String>) -> Self {
        let mut line = self.clone();
        let value = value.into();
        match line.fields.iter_mut().find(|(k, _)| k == key) {
            Some((_, held)) => *held = value,
            None => line.fields.push((key.to_owned(), value)),
        }
        line
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.op)?;
        for (key, value) in &self.fields {
            if value.is_empty() { write!(f, " {key}")? } else { write!(f, " {key}={value}")? }
        }
        Ok(())
    }
}

impl FromStr for Line {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let op = words.next().ok_or_else(|| Error::argument("case", "an op and its fields", "nothing"))?;
        let field = |word: &str| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key.to_owned(), value.to_owned())
        };
        let fields: Vec<_> = words.map(field).collect();
        let mut keys = BTreeSet::new();
        if let Some((twice, _)) = fields.iter().find(|(key, _)| !keys.insert(key.clone())) {
            return Err(Error::argument("case", "each field once", format!("'{twice}' twice in '{text}'")));
        }
        Ok(Self { op: op.to_owned(), fields })
    }
}

/// Reads the fields of a line and remembers which were asked for, so that a misspelt one is found.
pub(super) struct Fields<'a> {
    line: &'a Line,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self { line, asked: RefCell::default() }
    }

    fn bad(&self, key: &str, expected: &str, got: &str) -> Error {
        Error::argument(&format!("case '{}', field '{key}'", self.line), expected, got)
    }

    /// The text of a field, empty for a bare key.
    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.asked.borrow_mut().insert(key);
        self.line.fields.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, key: &'static str) -> bool {
        self.text(key).is_some()
    }

    /// A parsed field; `None` where it is not given.
    pub(super) fn optional<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<Option<T>> {
        let parse = |text: &str| text.parse().map_err(|_| self.bad(key, expected, text));
        self.text(key).map(parse).transpose()
    }

    pub(super) fn number<T: FromStr>(&self, key: &'static str) -> Result<T> {
        self.optional(key, "a number")?.ok_or_else(|| self.bad(key, "a number", "nothing"))
    }

    fn numbers(&self, key: &'static str, text: &str, separator: char) -> Result<Vec<usize>> {
        let number = |part: &str| part.parse().map_err(|_| self.bad(key, "whole numbers", text));
        text.split(separator).map(number).collect()
    }

    pub(super) fn shape(&self, key: &'static str) -> Result<Vec<usize>> {
        match self.text(key) {
            None => Err(self.bad(key, "a shape such as 2x3", "nothing")),
            Some("scalar") => Ok(vec![]),
            Some(text) => self.numbers(key, text, 'x'),
        }
    }

    /// A dimension, counted from the first or, negative, from the last.
    pub(super) fn dim(&self, key: &'static str) -> Result<Dim> {
        self.number::<i64>(key).map(Dim::from)
    }

    /// Some dimensions, or `all`.
    pub(super) fn dims(&self, key: &'static str) -> Result<Dims> {
        let dim =
            |part: &str| part.parse::<i64>().map_err(|_| self.bad(key, "dimensions such as 0,-1", part));
        match self.text(key) {
            None => Err(self.bad(key, "dimensions such as 0,-1, or all", "nothing")),
            Some("all") => Ok(Dims::from(())),
            Some(text) => Ok(Dims::from(&text.split(',').map(dim).collect::<Result<Vec<_>>>()?)),
        }
    }

    /// Parsed parts, joined by commas.
    pub(super) fn each<T: FromStr>(&self, key: &'static str, expected: &str) -> Result<Vec<T>> {
        let text = self.text(key).ok_or_else(|| self.bad(key, expected, "nothing"))?;
        let part = |part: &str| part.parse().map_err(|_| self.bad(key, expected, part));
        text.split(',').map(part).collect()
    }

    pub(super) fn list(&self, key: &'static str) -> Result<Vec<usize>> {
        match self.text(key) {
            None => Err(self.bad(key, "numbers such as 0,2", "nothing")),
            Some(text) => self.numbers(key, text, ','),
        }
    }

    pub(super) fn pair(&self, key: &'static str) -> Result<Option<Pair>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match self.numbers(key, text, 'x')?[..] {
            [both] => Ok(Some(both.into())),
            [h, w] => Ok(Some((h, w).into())),
            _ => Err(self.bad(key, "one number or HxW", text)),
        }
    }

    pub(super) fn padding(&self, key: &'static str) -> Result<Option<Padding>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        if text.contains(',') {
            let sides = self.numbers(key, text, ',')?;
            let [top, bottom, left, right] = sides[..] else {
                return Err(self.bad(key, "top,bottom,left,right", text));
            };
            return Ok(Some(Padding { top, bottom, left, right }));
        }
        Ok(self.pair(key)?.map(|Pair { h, w }| (h, w).into()))
    }

    pub(super) fn seed(&self) -> Result<u64> {
        Ok(self.optional("seed", "a seed")?.unwrap_or(0))
    }

    /// How inputs are stored: `dtype=f16`; as `f32` where it is not given.
    pub(super) fn dtype(&self) -> Result<DType> {
        match self.text("dtype") {
            None | Some("f32") => Ok(DType::F32),
            Some("f16") => Ok(DType::F16),
            Some(other) => Err(self.bad("dtype", "f32 or f16", other)),
        }
    }

    /// How the inputs are filled: `data=integers:3`, `data=late:3`, `data=real:2.5`, `data=offset:1e6`, `data=special`,
    /// `data=edges`, `data=denormals`, `data=masked`; integers to 3 where it is not given.
    pub(super) fn data(&self) -> Result<Fill> {
        let Some(text) = self.text("data") else { return Ok(Fill::Integers(3)) };
        let expected =
            "integers:MOST, late:MOST, real:RANGE, offset:NUMBER, special, edges, denormals or masked";
        let bad = || self.bad("data", expected, text);
        let named = [
            ("special", Fill::Special),
            ("edges", Fill::Edges),
            ("denormals", Fill::Denormals),
            ("masked", Fill::Masked),
        ];
        if let Some((_, fill)) = named.iter().find(|(name, _)| *name == text) {
            return Ok(*fill);
        }
        let (kind, size) = text.split_once(':').ok_or_else(bad)?;
        match kind {
            "integers" => size.parse().map(Fill::Integers).map_err(|_| bad()),
            "late" => size.parse().map(Fill::Late).map_err(|_| bad()),
            "offset" => size.parse().map_err(|_| bad()).map(Fill::Offset),
            "real" => {
                let range: f64 = size.parse().map_err(|_| bad())?;
                if range.is_finite() && range > 0.0 { Ok(Fill::Real(range)) } else { Err(bad()) }
            }
            _ => Err(bad()),
        }
    }

    /// # Errors
    /// When the line has a field that was not asked for.
    pub(super) fn finish(&self) -> Result<()> {
        let asked = self.asked.borrow();
        let unknown = self.line.fields.iter().find(|(key, _)| !asked.contains(key.as_str()));
        match unknown {
            Some((key, _)) => {
                let known: Vec<_> = asked.iter().copied().collect();
                Err(self.bad(key, &format!("one of {}", known.join(", ")), key))
            }
            None => Ok(()),
        }
    }
}

/// A shape as a field's value.
pub(super) fn sizes(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".into();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
