//! DNA: sequences with a planted motif, FASTA files, one channel a base.

use super::csv::Records;
use super::signals::{SignalSet, generated};
use super::{read_text, some_of};
use crate::error::{Error, Result};
use crate::random::Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The bases, in the order of the channels.
const BASES: [char; 4] = ['A', 'C', 'G', 'T'];

/// The motif: its likeliest base in each place.
const MOTIF: [usize; 12] = [2, 3, 0, 1, 1, 0, 2, 3, 3, 0, 2, 1];
/// How likely that is; the others share the rest.
const LIKELY: f64 = 0.88;

/// `count` sequences of `length` bases drawn from `seed`: half of them hold a motif of 12 bases at a random place, the others
/// the same bases in a random order, so that composition tells nothing. Field `sequence`, `(4, length)`.
///
/// # Errors
/// When `count` is 0 or the sequences are shorter than the motif.
pub fn motifs(count: usize, length: usize, seed: u64) -> Result<SignalSet> {
    if count == 0 || length < MOTIF.len() {
        let got = format!("{count} of {length}");
        return Err(Error::argument("motifs", format!("sequences of at least {} bases", MOTIF.len()), got));
    }
    let (values, labels) = generated(count, 4 * length, |number, channels| {
        let mut rng = Rng::named(seed, &format!("motifs {number}"));
        let (holds, strong) = (rng.below(2), rng.range(0.3, 0.7));
        let base = |rng: &mut Rng| match (rng.uniform() < strong, rng.below(2)) {
            (true, second) => 1 + second,
            (false, second) => 3 * second,
        };
        let mut bases: Vec<usize> = (0..length).map(|_| base(&mut rng)).collect();
        let mut planted: Vec<usize> = MOTIF.to_vec();
        for place in &mut planted {
            if rng.uniform() >= LIKELY {
                *place = (*place + 1 + rng.below(3)) % 4;
            }
        }
        if holds == 0 {
            rng.shuffle(&mut planted);
        }
        let begin = rng.below(length - planted.len() + 1);
        bases.iter_mut().skip(begin).zip(&planted).for_each(|(base, planted)| *base = *planted);
        for (channel, values) in channels.chunks_exact_mut(length).enumerate() {
            values
                .iter_mut()
                .zip(&bases)
                .for_each(|(value, &base)| *value = f32::from(u8::from(base == channel)));
        }
        holds as u32
    });
    let names = vec!["shuffled".to_owned(), "motif".to_owned()];
    SignalSet::new("sequence", [4, length], values, labels, names)
}

/// What a letter of IUPAC's code may be.
fn letter(letter: char) -> Option<&'static [usize]> {
    Some(match letter.to_ascii_uppercase() {
        'A' => &[0],
        'C' => &[1],
        'G' => &[2],
        'T' | 'U' => &[3],
        'R' => &[0, 2],
        'Y' => &[1, 3],
        'S' => &[1, 2],
        'W' => &[0, 3],
        'K' => &[2, 3],
        'M' => &[0, 1],
        'B' => &[1, 2, 3],
        'D' => &[0, 2, 3],
        'H' => &[0, 1, 3],
        'V' => &[0, 1, 2],
        'N' => &[0, 1, 2, 3],
        '-' | '.' => &[],
        _ => return None,
    })
}

/// A sequence of letters as `(4, length)`: 1 in the channel of its base, shares where a letter stands for several, zeros for
/// gaps and behind its end. What is longer is cut.
///
/// # Errors
/// When a letter is none of IUPAC's: it and its place, from 1.
pub fn one_hot_dna(sequence: &str, length: usize) -> Result<Vec<f32>> {
    let mut channels = vec![0.0; BASES.len() * length];
    for (place, code) in sequence.chars().enumerate() {
        let bases = letter(code).ok_or_else(|| {
            let expected =
                format!("{} or another letter of IUPAC's code", BASES.map(String::from).join(", "));
            Error::argument("DNA", expected, format!("'{code}' at {}", place + 1))
        })?;
        for base in bases.iter().filter(|_| place < length) {
            if let Some(value) = channels.get_mut(base * length + place) {
                *value = 1.0 / bases.len() as f32;
            }
        }
    }
    Ok(channels)
}

/// A sequence of a FASTA file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastaRecord {
    /// What follows `>`.
    pub header: String,
    /// Its letters, without the ends of lines.
    pub sequence: String,
    /// The line of its header, from 1.
    pub line: usize,
}

impl FastaRecord {
    /// The word behind `label=` or `class=` in its header, which may be parted by spaces, `|` or `;`.
    pub fn label(&self) -> Option<&str> {
        let mut words = self.header.split(|c: char| c.is_whitespace() || c == '|' || c == ';');
        words.find_map(|word| word.strip_prefix("label=").or_else(|| word.strip_prefix("class=")))
    }
}

/// The sequences of a FASTA text, with either end of line, lower or upper case.
///
/// # Errors
/// When a line comes before the first header, a header has no sequence, or a letter is none of IUPAC's: file and line.
pub fn parse_fasta(path: &Path, text: &str) -> Result<Vec<FastaRecord>> {
    let mut records: Vec<FastaRecord> = Vec::new();
    let bad = |line: usize, expected: &str, got: String| {
        Err(Error::file(path, expected, format!("{got} in line {line}")))
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim_end());
        if let Some(header) = line.strip_prefix('>') {
            let header = header.trim().to_owned();
            records.push(FastaRecord { header, sequence: String::new(), line: number });
        } else if line.is_empty() || line.starts_with(';') {
            continue;
        } else if let Some(record) = records.last_mut() {
            if let Some((place, code)) = line.chars().enumerate().find(|(_, code)| letter(*code).is_none()) {
                return bad(number, "letters of IUPAC's code", format!("'{code}' in column {}", place + 1));
            }
            record.sequence += line;
        } else {
            return bad(number, "a header that begins with '>' before a sequence", format!("'{line}'"));
        }
    }
    if let Some(empty) = records.iter().find(|record| record.sequence.is_empty()) {
        return bad(empty.line, "a sequence behind each header", format!("none behind '{}'", empty.header));
    }
    if records.is_empty() {
        return Err(Error::file(path, "sequences in FASTA, each behind a line '>name'", "none"));
    }
    Ok(records)
}

fn fasta(path: &Path) -> Result<Vec<FastaRecord>> {
    let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::file(path, "text in UTF-8", format!("another byte at {at}"))
    })?;
    parse_fasta(path, &text)
}

/// The sequences of a CSV file with a header: of its column `sequence` (or `seq`), with the classes of its column `label` (or
/// `class`) where it has one. What a record is called is its row.
fn of_table(path: &Path) -> Result<Vec<(Option<String>, FastaRecord)>> {
    let open =
        |row: usize| Error::file(path, "the end of a quote", format!("none, which begins in row {row}"));
    let mut rows = Records::of(&read_text(path)?, None).map_err(open)?.rows;
    rows.retain(|row| !row.is_blank());
    let Some((head, body)) = rows.split_first() else {
        return Err(Error::file(path, "a header with a column sequence", "nothing"));
    };
    let names: Vec<String> = head.fields.iter().map(|field| field.trim().to_ascii_lowercase()).collect();
    let place = |known: [&str; 2]| names.iter().position(|name| known.contains(&name.as_str()));
    let Some(sequences) = place(["sequence", "seq"]) else {
        return Err(Error::file(path, "a header with a column sequence", some_of(&names)));
    };
    let labels = place(["label", "class"]);
    let mut records = Vec::with_capacity(body.len());
    for row in body {
        let bad =
            |expected: &str, got: String| Error::file(path, expected, format!("{got} in row {}", row.row));
        let field = |place: usize| row.fields.get(place).map(|field| field.trim());
        let sequence = field(sequences).filter(|sequence| !sequence.is_empty());
        let sequence = sequence.ok_or_else(|| bad("a sequence", "none".to_owned()))?;
        if let Some((place, code)) = sequence.chars().enumerate().find(|(_, code)| letter(*code).is_none()) {
            return Err(bad("letters of IUPAC's code", format!("'{code}' at {}", place + 1)));
        }
        let label = labels.map(|place| {
            let label = field(place).filter(|label| !label.is_empty());
            label.map(str::to_owned).ok_or_else(|| bad("a label", "none".to_owned()))
        });
        let record =
            FastaRecord { header: format!("row {}", row.row), sequence: sequence.to_owned(), line: row.row };
        records.push((label.transpose()?, record));
    }
    if records.is_empty() { Err(Error::file(path, "rows below the header", "none")) } else { Ok(records) }
}

/// Whether a file is called as tables are.
fn is_table(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["csv", "tsv"].contains(&ending.to_ascii_lowercase().as_str()))
}

/// The sequences of a FASTA file, or of a CSV file as of [`load_dna`], whatever their classes.
///
/// # Errors
/// When it is missing, holds no sequences, or one with another letter than IUPAC's.
pub fn read_dna(path: &Path) -> Result<Vec<FastaRecord>> {
    match is_table(path) {
        true => Ok(of_table(path)?.into_iter().map(|(_, record)| record).collect()),
        false => fasta(path),
    }
}

/// Whether a file is called as FASTA files are.
fn is_fasta(path: &Path) -> bool {
    let known = ["fa", "fasta", "fna", "ffn", "fas"];
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| known.contains(&e.to_ascii_lowercase().as_str()))
}

/// Labelled DNA: a FASTA file whose headers say `label=` or `class=`, a folder of FASTA files, each a class called like it, or
/// a CSV file (`.csv`, `.tsv`) whose header names a column `sequence` and a column `label`.
/// The length is that of the longest sequence unless it is given.
///
/// # Errors
/// When a file is missing or no FASTA, a sequence has no class, or there are fewer than two classes.
pub fn load_dna(path: &Path, length: Option<usize>) -> Result<SignalSet> {
    let records = match path.is_dir() {
        true => of_folder(path)?,
        false if is_table(path) => labelled_table(path)?,
        false => of_file(path)?,
    };
    let mut classes: BTreeMap<&str, u32> = records.iter().map(|(class, _)| (class.as_str(), 0)).collect();
    classes.values_mut().zip(0..).for_each(|(label, number)| *label = number);
    if classes.len() < 2 {
        let got = classes.keys().copied().collect::<Vec<_>>().join(", ");
        return Err(Error::file(path, "sequences of at least two classes", format!("of {got} alone")));
    }
    let longest = records.iter().map(|(_, record)| record.sequence.chars().count()).max().unwrap_or(0);
    let length = length.unwrap_or(longest).max(1);
    let mut values = Vec::with_capacity(records.len() * 4 * length);
    for (_, record) in &records {
        values.extend(one_hot_dna(&record.sequence, length)?);
    }
    let labels = records.iter().map(|(class, _)| classes.get(class.as_str()).copied().unwrap_or(0)).collect();
    let names = classes.keys().map(|class| (*class).to_owned()).collect();
    SignalSet::new("sequence", [4, length], values, labels, names)
}

fn labelled_table(path: &Path) -> Result<Vec<(String, FastaRecord)>> {
    let none = || Error::file(path, "a header with a column label", "none");
    of_table(path)?.into_iter().map(|(label, record)| Ok((label.ok_or_else(none)?, record))).collect()
}

fn of_file(path: &Path) -> Result<Vec<(String, FastaRecord)>> {
    let labelled = |record: FastaRecord| match record.label().map(str::to_owned) {
        Some(label) => Ok((label, record)),
        None => {
            let got = format!("'{}' in line {}", record.header, record.line);
            Err(Error::file(path, "headers with label=CLASS", got))
        }
    };
    fasta(path)?.into_iter().map(labelled).collect()
}

fn of_folder(folder: &Path) -> Result<Vec<(String, FastaRecord)>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|p| is_fasta(p)).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::file(folder, "FASTA files, one a class (.fa, .fasta, .fna)", "none"));
    }
    let mut all = Vec::new();
    for path in files {
        let class = path.file_stem().and_then(|stem| stem.to_str());
        let class = class.ok_or_else(|| Error::file(&path, "a name in UTF-8", "another"))?.to_owned();
        all.extend(fasta(&path)?.into_iter().map(|record| (class.clone(), record)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Examples;

    #[test]
    fn sequences_depend_on_seed_and_number_alone_and_hold_their_motif() {
        let (few, many) = (motifs(20, 60, 3).unwrap(), motifs(90, 60, 3).unwrap());
        assert!((0..20).all(|i| few.signal(i) == many.signal(i) && few.labels()[i] == many.labels()[i]));
        assert!(motifs(5, 11, 0).is_err() && motifs(0, 60, 0).is_err());
        let best = |i: usize| -> usize {
            let signal = many.signal(i).unwrap();
            let fits = |begin: usize| (0..12).filter(|k| signal[MOTIF[*k] * 60 + begin + k] == 1.0).count();
            (0..=48).map(fits).max().unwrap()
        };
        let mean = |class: u32| {
            let own: Vec<usize> = (0..90).filter(|&i| many.labels()[i] == class).collect();
            assert!(own.len() > 25, "{class}");
            own.iter().map(|&i| best(i) as f64).sum::<f64>() / own.len() as f64
        };
        assert!(mean(1) > 10.0 && mean(0) < 8.5, "{} {}", mean(1), mean(0));
    }

    #[test]
    fn letters_that_stand_for_several_are_shared() {
        let channels = one_hot_dna("acRN-t", 5).unwrap();
        let column = |place: usize| [0, 1, 2, 3].map(|base| channels[base * 5 + place]);
        assert_eq!(column(0), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(column(2), [0.5, 0.0, 0.5, 0.0]);
        assert_eq!((column(3), column(4)), ([0.25; 4], [0.0; 4]));
        assert!(one_hot_dna("ACX", 9).unwrap_err().to_string().contains("'X' at 3"));
    }

    #[test]
    fn fasta_is_read_and_what_is_none_is_named_by_line() {
        let path = Path::new("a.fa");
        let read = |text: &str| parse_fasta(path, text);
        let records = read("\u{feff}>one label=x\r\nACG\r\nTTN\r\n\r\n>two|class=y z\nac\n").unwrap();
        let of = |i: usize| (records[i].label(), records[i].sequence.as_str(), records[i].line);
        assert_eq!((of(0), of(1)), ((Some("x"), "ACGTTN", 1), (Some("y"), "ac", 5)));
        let refused = |text: &str, part: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.starts_with("a.fa"), "{part}: {error}");
        };
        refused("", "got none");
        refused("ACGT\n>x\nA\n", "'ACGT' in line 1");
        refused(">x\nACGT\n>y\n>z\nA", "none behind 'y' in line 3");
        refused(">x\nAC1T\n", "'1' in column 3 in line 2");
    }

    #[test]
    fn files_are_classes_or_headers_say_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("all.fa"), ">a label=x\nACGT\n>b label=w\nAC\n").unwrap();
        let set = load_dna(&at("all.fa"), None).unwrap();
        assert_eq!(
            (set.shape(), set.labels(), set.classes()),
            ([4, 4], &[1, 0][..], &["w".to_owned(), "x".to_owned()][..])
        );
        assert_eq!(set.signal(1).unwrap()[..4], [1.0, 0.0, 0.0, 0.0]);
        fs::write(at("bad.fa"), ">a\nACGT\n").unwrap();
        let error = load_dna(&at("bad.fa"), None).unwrap_err().to_string();
        assert!(error.contains("headers with label=CLASS, got 'a' in line 1"), "{error}");
        let classes = at("classes");
        fs::create_dir(&classes).unwrap();
        assert!(load_dna(&classes, None).unwrap_err().to_string().contains("FASTA files"));
        fs::write(classes.join("on.fasta"), ">1\nACGTAC\n>2\nGG\n").unwrap();
        assert!(load_dna(&classes, None).unwrap_err().to_string().contains("two classes, got of on alone"));
        fs::write(classes.join("off.fna"), ">1\nTT\n").unwrap();
        let set = load_dna(&classes, Some(3)).unwrap();
        assert_eq!((set.shape(), set.labels()), ([4, 3], &[0, 1, 1][..]));
        fs::write(at("bytes.fa"), b">a\nAC\xff\n").unwrap();
        assert!(load_dna(&at("bytes.fa"), None).unwrap_err().to_string().contains("another byte at 5"));
    }
}
