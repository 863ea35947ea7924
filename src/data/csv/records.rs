//! The rows and fields of a CSV file, whatever separates them.

/// What separates fields, in the order in which equally good ones are taken: commas are decimal marks, too.
const SEPARATORS: [char; 4] = [';', '\t', '|', ','];

/// A row of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The line it begins in, counted from 1.
    pub row: usize,
    /// Without quotes; a single empty one for an empty line.
    pub fields: Vec<String>,
}

impl Record {
    /// Whether there is nothing at all.
    pub fn is_blank(&self) -> bool {
        self.fields.iter().all(String::is_empty) && self.fields.len() == 1
    }
}

/// A file's rows, empty ones at its end left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// `None` where there is but one column.
    pub separator: Option<char>,
    /// Whether the file or the user named it.
    pub named: bool,
    /// In order.
    pub rows: Vec<Record>,
}

impl Records {
    /// Splits a text at `separator`; without one, at that of a first line `sep=`, or at the one that gives most rows
    /// as many fields as the first.
    ///
    /// # Errors
    /// The row in which a quote begins that does not end.
    pub fn of(text: &str, separator: Option<char>) -> Result<Self, usize> {
        let (own, text, before) = own_separator(text);
        if let Some(separator) = separator.or(own) {
            return Ok(Self {
                separator: Some(separator),
                named: true,
                rows: split(text, Some(separator), before)?,
            });
        }
        let (mut best, mut best_share, mut open) = (None, 0.0, None);
        for separator in SEPARATORS {
            let rows = match split(text, Some(separator), before) {
                Ok(rows) => rows,
                Err(row) => {
                    open = Some(row);
                    continue;
                }
            };
            let share = agreement(&rows);
            if share > best_share {
                (best, best_share) = (Some((separator, rows)), share);
            }
        }
        match best {
            Some((separator, rows)) => Ok(Self { separator: Some(separator), named: false, rows }),
            // A quote that does not end may be why no separator fitted.
            None => match open {
                Some(row) => Err(row),
                None => Ok(Self { separator: None, named: false, rows: split(text, None, before)? }),
            },
        }
    }

    /// The separator, in words.
    pub fn separated(&self) -> String {
        match self.separator {
            None => "one column".into(),
            Some(';') => "semicolons".into(),
            Some('\t') => "tabs".into(),
            Some('|') => "bars".into(),
            Some(',') => "commas".into(),
            Some(other) => format!("{other:?} as separator"),
        }
    }
}

/// The separator that a first line `sep=;` names, the text below that line, and the number of lines above it.
fn own_separator(text: &str) -> (Option<char>, &str, usize) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let plain = line.strip_prefix('"').and_then(|l| l.strip_suffix('"')).unwrap_or(line);
    let named = plain.get(..4).filter(|head| head.eq_ignore_ascii_case("sep=")).map(|_| &plain[4..]);
    let mut named = named.unwrap_or("").chars();
    match (named.next(), named.next()) {
        (Some(separator), None) if separator != '"' => (Some(separator), rest, 1),
        _ => (None, text, 0),
    }
}

/// The fraction of rows with as many fields as the first has, 0 if that has but one.
fn agreement(rows: &[Record]) -> f64 {
    let written = || rows.iter().filter(|row| !row.is_blank());
    let width = written().next().map_or(0, |row| row.fields.len());
    if width < 2 {
        return 0.0;
    }
    let same = written().filter(|row| row.fields.len() == width).count();
    same as f64 / written().count() as f64
}

/// Where the splitting stands.
struct Splitter {
    rows: Vec<Record>,
    fields: Vec<String>,
    field: String,
    quoted: bool,
    /// The line of the character, and that in which the record began.
    line: usize,
    begin: usize,
}

impl Splitter {
    fn end_field(&mut self) {
        self.fields.push(std::mem::take(&mut self.field));
    }

    fn end_record(&mut self) {
        self.end_field();
        self.rows.push(Record { row: self.begin, fields: std::mem::take(&mut self.fields) });
    }
}

/// Fields between separators, quoted as RFC 4180 has it; lines are counted from `before` on.
fn split(text: &str, separator: Option<char>, before: usize) -> Result<Vec<Record>, usize> {
    let begin = before + 1;
    let mut now =
        Splitter { rows: vec![], fields: vec![], field: String::new(), quoted: false, line: begin, begin };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        now.line += usize::from(c == '\n');
        match c {
            '"' if now.quoted && chars.peek() == Some(&'"') => now.field.extend(chars.next()),
            '"' if now.quoted => now.quoted = false,
            _ if now.quoted => now.field.push(c),
            '"' if now.field.trim().is_empty() => {
                now.field.clear();
                now.quoted = true;
            }
            '\n' => {
                now.end_record();
                now.begin = now.line;
            }
            _ if Some(c) == separator => now.end_field(),
            _ => now.field.push(c),
        }
    }
    if now.quoted {
        return Err(now.begin);
    }
    if !now.field.is_empty() || !now.fields.is_empty() {
        now.end_record();
    }
    let written = now.rows.iter().rposition(|row| !row.is_blank()).map_or(0, |last| last + 1);
    now.rows.truncate(written);
    Ok(now.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> (Option<char>, Vec<(usize, Vec<String>)>) {
        let records = Records::of(text, None).unwrap();
        (records.separator, records.rows.into_iter().map(|r| (r.row, r.fields)).collect())
    }

    #[test]
    fn the_separator_is_the_one_on_which_rows_agree() {
        let separator = |text: &str| fields(text).0;
        for (text, expected) in [
            ("a,b\n1,2\n", Some(',')),
            ("a;b\n1,5;2,5\n", Some(';')),
            ("a\tb\n1,5\t2;5\n", Some('\t')),
            ("a|b\n1|2", Some('|')),
            ("1,5;2,5\n3,5;4,5", Some(';')),
            ("a\n1,5\n2,5\n", None),
            ("a,b\n1,\"x;y;z\"\n2,\"u;v\"", Some(',')),
            ("a,b\n1,x;y\n2,z\n", Some(',')),
            ("sep=,\na;b,c\n", Some(',')),
            ("SEP=\t\na;b\tc\n", Some('\t')),
            ("\"sep=;\"\na;b\n", Some(';')),
            ("", None),
        ] {
            assert_eq!(separator(text), expected, "{text:?}");
        }
        assert_eq!(Records::of("a;b,c", Some(',')).unwrap().rows[0].fields, ["a;b", "c"]);
    }

    #[test]
    fn rows_are_counted_by_lines_whatever_they_hold() {
        let text = "sep=;\n\"a\nb\";\"c \"\"d\"\"\"\n\n1; \"2;3\"\n\n\n";
        let expected = [
            (2, vec!["a\nb".to_owned(), "c \"d\"".to_owned()]),
            (4, vec![String::new()]),
            (5, vec!["1".to_owned(), "2;3".to_owned()]),
        ];
        assert_eq!(fields(text), (Some(';'), expected.to_vec()));
        assert_eq!(Records::of("a,b\n1,\"2\n3,4\n", None).unwrap_err(), 2);
    }
}
