//! Texts as numbers: a vocabulary of characters, and parallel streams cut into windows.

use crate::error::{Error, Result};
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::path::Path;

/// A small text written for this project, so that training needs no files.
pub const SAMPLE_TEXT: &str = include_str!("sample.txt");

/// The text of a file in UTF-8. A byte order mark at its beginning is no character of it, and its lines end in LF,
/// whether the file has LF, CR LF or CR.
///
/// # Errors
/// When the file cannot be read or is no text in UTF-8; the message names the first wrong byte.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let bad = |got: String| Error::file(path, "text in UTF-8", got);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(bad("a byte order mark of UTF-16".to_owned()));
    }
    let line = |at: usize| 1 + bytes.iter().take(at).filter(|&&b| b == b'\n').count();
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        return Err(bad(format!("a zero byte at {at}, in line {}: UTF-16, or no text", line(at))));
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let got = format!(
                "the byte 0x{:02x} at {at}, in line {}: another encoding, or no text",
                bytes.get(at).unwrap_or(&0),
                line(at)
            );
            return Err(bad(got));
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The characters a model knows, each with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    characters: Vec<char>,
    numbers: HashMap<char, u32>,
}

impl Vocabulary {
    /// The distinct characters of a text, in Unicode's order.
    ///
    /// # Errors
    /// When there are fewer than two.
    pub fn of(text: &str) -> Result<Self> {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        if characters.len() < 2 {
            let got = format!("{} distinct characters", characters.len());
            return Err(Error::argument("text", "at least 2 distinct characters", got));
        }
        let numbers = characters.iter().enumerate().map(|(i, &c)| (c, i as u32)).collect();
        Ok(Self { characters, numbers })
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.characters.len()
    }

    /// Whether there are none; never, for a vocabulary that could be made.
    pub fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// All characters in their order: [`Vocabulary::of`] gives the same vocabulary back.
    pub fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// The numbers of a text's characters.
    ///
    /// # Errors
    /// When the vocabulary lacks some; the message names the first with its line and column, counted from 1, and the
    /// others.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let (mut line, mut column) = (1, 1);
        let mut numbers = Vec::with_capacity(text.len());
        for c in text.chars() {
            let Some(&number) = self.numbers.get(&c) else {
                let expected = format!("the {} characters of the vocabulary", self.len());
                let got = format!("{c:?} in line {line}, column {column}{}", self.also_lacking(text, c));
                return Err(Error::argument("text", expected, got));
            };
            numbers.push(number);
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Ok(numbers)
    }

    /// In words, the characters of a text but `first` that the vocabulary lacks.
    fn also_lacking(&self, text: &str, first: char) -> String {
        const NAMED: usize = 20;
        let mut others = Vec::new();
        for c in text.chars() {
            if c != first && !self.numbers.contains_key(&c) && !others.contains(&c) {
                others.push(c);
            }
        }
        let named: Vec<_> = others.iter().take(NAMED).map(|c| format!("{c:?}")).collect();
        let more = if others.len() > NAMED { ", .." } else { "" };
        if named.is_empty() { String::new() } else { format!("; it lacks {}{more} too", named.join(", ")) }
    }

    /// The character of a number.
    pub fn decode(&self, number: u32) -> Option<char> {
        self.characters.get(number as usize).copied()
    }
}

/// A text's last characters are evaluated on, one of so many.
const JUDGED: usize = 10;

/// The training part of a text, in `batch` streams, and the validation part, its last tenth, in windows of `steps`.
///
/// # Errors
/// When either part is too short, the last tenth for a single window; the message tells how long the text must be.
pub fn split_text(mut numbers: Vec<u32>, batch: usize, steps: usize) -> Result<(Vec<u32>, Vec<u32>)> {
    // The last window of a part is followed by one more character, its target.
    let learned = batch.saturating_mul(steps).saturating_mul(JUDGED) / (JUDGED - 1);
    let least = steps.saturating_add(1).saturating_mul(JUDGED).max(learned + 1);
    if numbers.len() < least {
        let expected = format!(
            "at least {least} characters, so that {batch} streams of {steps} can be learned from and the last \
             tenth, {} of them, judges on a window of {steps} and what follows it",
            least / JUDGED
        );
        return Err(Error::argument("text", expected, numbers.len().to_string()));
    }
    let evaluated = numbers.split_off(numbers.len() - numbers.len() / JUDGED);
    Ok((numbers, evaluated))
}

/// A text cut into `batch` streams that are read side by side, a window of steps at a time: what truncated
/// backpropagation through time learns from, the state carried from window to window.
#[derive(Debug, Clone)]
pub struct Streams {
    numbers: Vec<u32>,
    batch: usize,
    steps: usize,
    windows: usize,
}

impl Streams {
    /// Streams of a text; what does not fill a window of every stream is left out.
    ///
    /// # Errors
    /// When the text is too short for one window of every stream.
    pub fn new(numbers: Vec<u32>, batch: usize, steps: usize) -> Result<Self> {
        if batch == 0 || steps == 0 {
            return Err(Error::argument(
                "batch-size and window",
                "at least 1",
                format!("{batch} and {steps}"),
            ));
        }
        // Every window is followed by one more character, the last one's target.
        let windows = numbers.len().saturating_sub(1) / batch / steps;
        if windows == 0 {
            let least = batch.saturating_mul(steps).saturating_add(1);
            let expected = format!("at least {least} characters for {batch} streams of {steps}");
            return Err(Error::argument("text", expected, numbers.len().to_string()));
        }
        Ok(Self { numbers, batch, steps, windows })
    }

    /// As many streams of a text as have a window, at most `most`.
    ///
    /// # Errors
    /// When the text is too short for a single window.
    pub fn fitting(numbers: Vec<u32>, most: usize, steps: usize) -> Result<Self> {
        let fit = numbers.len().saturating_sub(1).checked_div(steps).unwrap_or(0);
        Self::new(numbers, most.min(fit.max(1)), steps)
    }

    /// Streams read side by side.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Windows of each stream.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Window `index`: tokens `(T, B)` and the characters that follow them, `(T B)`.
    ///
    /// # Errors
    /// When there is no such window.
    pub fn window(&self, index: usize) -> Result<(HostTensor, HostTensor)> {
        if index >= self.windows {
            return Err(Error::argument("window", format!("below {}", self.windows), index.to_string()));
        }
        let length = self.windows * self.steps;
        let at = |t: usize, b: usize| b * length + index * self.steps + t;
        let positions = (0..self.steps).flat_map(|t| (0..self.batch).map(move |b| at(t, b)));
        // As many as the windows were cut for.
        let pairs = positions.filter_map(|at| Some((*self.numbers.get(at)?, *self.numbers.get(at + 1)?)));
        let (tokens, targets) = pairs.unzip();
        Ok((
            HostTensor::from_u32([self.steps, self.batch], tokens)?,
            HostTensor::from_u32([self.steps * self.batch], targets)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_gives_the_text_back_and_names_what_it_lacks() {
        let vocabulary = Vocabulary::of("to be\nor not").unwrap();
        let numbers = vocabulary.encode("not\nto").unwrap();
        assert_eq!(numbers.iter().filter_map(|&n| vocabulary.decode(n)).collect::<String>(), "not\nto");
        assert_eq!(Vocabulary::of(&vocabulary.text()).unwrap(), vocabulary);
        let error = vocabulary.encode("to be\nor nöt").unwrap_err().to_string();
        assert!(error.ends_with("'ö' in line 2, column 5"), "{error}");
        let error = vocabulary.encode("not\näöaöü").unwrap_err().to_string();
        assert!(error.ends_with("'ä' in line 2, column 1; it lacks 'ö', 'a', 'ü' too"), "{error}");
        assert!(Vocabulary::of("aaaa").is_err());
    }

    #[test]
    fn files_of_all_systems_have_the_same_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.txt");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_text(&path).map_err(|e| e.to_string())
        };
        for bytes in [&b"a\nb\n"[..], b"a\r\nb\r\n", b"a\rb\r", b"\xef\xbb\xbfa\r\nb\n"] {
            assert_eq!(read(bytes).unwrap(), "a\nb\n");
        }
        let wrong = |bytes: &[u8], part: &str| {
            let error = read(bytes).unwrap_err();
            assert!(error.contains("text.txt") && error.contains("UTF-8") && error.contains(part), "{error}");
        };
        wrong(b"a\nb\xffc", "0xff at 3, in line 2");
        wrong(
            "Größe".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(),
            "a zero byte at 1",
        );
        wrong(b"\xff\xfea\0", "byte order mark of UTF-16");
        wrong("Größe".as_bytes().split_at(3).0, "0xc3 at 2");
        std::fs::remove_file(&path).unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("text.txt: No such file"));
    }

    #[test]
    fn windows_follow_each_other_in_every_stream() {
        let streams = Streams::new((0..25).collect(), 2, 4).unwrap();
        assert_eq!(streams.windows(), 3);
        let (tokens, targets) = streams.window(1).unwrap();
        assert_eq!(tokens.as_u32().unwrap(), [4, 16, 5, 17, 6, 18, 7, 19]);
        assert_eq!(targets.as_u32().unwrap(), [5, 17, 6, 18, 7, 19, 8, 20]);
        assert!(streams.window(3).is_err() && Streams::new((0..8).collect(), 2, 4).is_err());
    }

    #[test]
    fn a_short_text_has_as_many_streams_as_fit() {
        let size = |length: u32, most| {
            Streams::fitting((0..length).collect(), most, 4).map(|s| (s.batch(), s.windows()))
        };
        assert_eq!(size(25, 2).unwrap(), (2, 3));
        assert_eq!(size(25, 6).unwrap(), (6, 1));
        assert_eq!(size(24, 6).unwrap(), (5, 1), "the last window lacks its target");
        assert_eq!(size(5, 32).unwrap(), (1, 1));
        let error = size(4, 32).unwrap_err().to_string();
        assert!(error.contains("at least 5 characters for 1 streams of 4, got 4"), "{error}");
        assert!(size(25, 0).is_err() && Streams::fitting(vec![0; 9], 2, 0).is_err());
    }

    #[test]
    fn the_last_tenth_is_judged_on_and_both_parts_have_their_windows() {
        let (learned, evaluated) = split_text((0..59).collect(), 2, 4).unwrap();
        assert_eq!((learned.len(), evaluated), (54, (54..59).collect()));
        let least = |batch, steps| {
            let fits = |n: &u32| split_text((0..*n).collect(), batch, steps).is_ok();
            (0..300).find(fits).map(|n| n as usize)
        };
        for (batch, steps) in [(2, 4), (32, 4), (33, 4), (9, 7), (0, 3)] {
            let least = least(batch, steps).unwrap();
            let evaluated = least / 10;
            assert!(
                evaluated > steps && least - evaluated > batch * steps,
                "{least} for {batch} and {steps}"
            );
            let fewer = (least - 1) / 10;
            assert!(fewer <= steps || least - 1 - fewer <= batch * steps, "{least} for {batch} and {steps}");
        }
        let error = split_text(vec![0; 140], 32, 4).unwrap_err().to_string();
        assert!(error.contains("at least 143 characters") && error.contains("tenth, 14 of"), "{error}");
        assert!(split_text(vec![0; 9], 2, usize::MAX).is_err());
    }
}
