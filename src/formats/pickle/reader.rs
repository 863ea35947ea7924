//! The bytes of a pickle, one after another, and the texts and numbers in them.

use super::value::Value;
use crate::error::Mismatch;
use std::borrow::Cow;

/// Where in the bytes of a pickle the reading is.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A number of at most 64 bits out of its two's complement; `None` for larger ones.
pub(super) fn little_endian(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let (low, high) = bytes.split_at(bytes.len().min(8));
    let mut word = [fill; 8];
    word.iter_mut().zip(low).for_each(|(to, from)| *to = *from);
    let number = i64::from_le_bytes(word);
    (high.iter().all(|&byte| byte == fill) && (number < 0) == negative).then_some(number)
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn short(&self) -> Mismatch {
        Mismatch::new("a whole pickle", format!("one that is cut off after {} bytes", self.bytes.len()))
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Mismatch> {
        let end = self.at.checked_add(count);
        let part = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| self.short())?;
        self.at += count;
        Ok(part)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Mismatch> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// A number without a sign of `width` little-endian bytes.
    pub(super) fn count(&mut self, width: usize) -> Result<usize, Mismatch> {
        let number = self.take(width)?.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| self.short())
    }

    /// As many bytes as a number of `width` bytes says.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], Mismatch> {
        let count = self.count(width)?;
        self.take(count)
    }

    /// The same, as text.
    pub(super) fn text(&mut self, width: usize) -> Result<Cow<'a, str>, Mismatch> {
        utf8(self.counted(width)?)
    }

    /// A line without its end.
    pub(super) fn line(&mut self) -> Result<&'a str, Mismatch> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.short())?;
        let line = self.take(end)?;
        self.at += 1;
        std::str::from_utf8(line).map_err(|_| Mismatch::new("a line of text in a pickle", "other bytes"))
    }

    /// The number of a line: whole, with an `L` behind it in old pickles, or a truth value as `00` and `01`.
    pub(super) fn number_line(&mut self) -> Result<Option<Value>, Mismatch> {
        let line = self.line()?;
        let digits = line.strip_suffix('L').unwrap_or(line);
        match (line, digits.parse()) {
            ("00", _) => Ok(Some(Value::Bool(false))),
            ("01", _) => Ok(Some(Value::Bool(true))),
            (_, Ok(number)) => Ok(Some(Value::Int(number))),
            _ if digits.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => Ok(None),
            _ => Err(Mismatch::new("a number in a pickle", format!("{line:?}"))),
        }
    }
}

/// Text; half of a pair of UTF-16, which Python lets through, becomes the sign for what cannot be read.
fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Mismatch> {
    Ok(String::from_utf8_lossy(bytes))
}

/// The bytes of a text in quotes, as Python 2 shows it.
pub(super) fn quoted(line: &str) -> Result<Vec<u8>, Mismatch> {
    let wrong = || {
        Mismatch::new(
            "a text in quotes in a pickle",
            format!("{:?}", line.chars().take(20).collect::<String>()),
        )
    };
    let quote = line.chars().next().filter(|c| ['\'', '"'].contains(c)).ok_or_else(wrong)?;
    let inner = line.get(1..).and_then(|rest| rest.strip_suffix(quote)).ok_or_else(wrong)?;
    unescaped(inner, false)
        .map(|letters| letters.iter().map(|&letter| letter as u8).collect())
        .ok_or_else(wrong)
}

/// The text of a line in which other letters than ASCII may be escaped.
pub(super) fn escaped(line: &str) -> Result<String, Mismatch> {
    let wrong = || Mismatch::new("an escaped text in a pickle", "another");
    unescaped(line, true).map(|letters| letters.into_iter().collect()).ok_or_else(wrong)
}

/// Letters, with what stands behind a backslash made one: of `unicode`, `\u` and `\U` alone.
fn unescaped(text: &str, unicode: bool) -> Option<Vec<char>> {
    let (mut letters, mut out) = (text.chars(), Vec::with_capacity(text.len()));
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        let kind = letters.next()?;
        let digits = match (kind, unicode) {
            ('u', true) => 4,
            ('U', true) => 8,
            ('x', false) => 2,
            (_, true) => {
                out.extend(['\\', kind]);
                continue;
            }
            ('n' | 'r' | 't' | '\\' | '\'' | '"', false) => {
                out.push(match kind {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
                continue;
            }
            _ => return None,
        };
        let number = (0..digits).try_fold(0u32, |n, _| Some(n << 4 | letters.next()?.to_digit(16)?))?;
        out.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_sign_and_may_be_longer_than_they_need() {
        assert_eq!(little_endian(&[]), Some(0));
        assert_eq!(little_endian(&[0xff]), Some(-1));
        assert_eq!(little_endian(&[0xff, 0]), Some(255));
        assert_eq!(little_endian(&[0xff; 20]), Some(-1));
        assert_eq!(little_endian(&[0, 0, 0, 0, 0, 0, 0, 0x80]), Some(i64::MIN));
        assert_eq!(little_endian(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0]), None);
        assert_eq!(little_endian(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff]), None);
        assert_eq!(little_endian(&[0; 300]), Some(0));
    }

    #[test]
    fn texts_are_unescaped() {
        assert_eq!(quoted(r"'a\n\x41\\'").unwrap(), b"a\nA\\");
        assert!(
            quoted("'").is_err() && quoted("a").is_err() && quoted(r"'\'").is_err() && quoted("").is_err()
        );
        assert_eq!(escaped(r"\u00e4\n\U0001f600").unwrap(), "ä\\n😀");
        assert!(escaped(r"\u00").is_err());
    }
}
