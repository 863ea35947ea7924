//! Numbers as people write them into CSV files: with a decimal point or comma, and what only looks like a number.

/// What stands before the decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Mark {
    /// 1.5
    Point,
    /// 1,5
    Comma,
}

impl Mark {
    fn character(self) -> char {
        match self {
            Mark::Point => '.',
            Mark::Comma => ',',
        }
    }

    /// As `--decimal` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Mark::Point => "point",
            Mark::Comma => "comma",
        }
    }
}

/// What a field is by its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing, or a word for it.
    Gap,
    /// A number without a mark.
    Whole,
    /// A number with decimals behind this mark.
    Decimal(Mark),
    /// `1,234`: with decimals, or with thousands behind this mark.
    Either(Mark),
    /// A number that can only have thousands apart.
    Thousands,
    /// A date or a time.
    Date,
    /// Anything else.
    Word,
}

impl Form {
    /// Whether it is a number, of whatever kind.
    pub fn is_number(self) -> bool {
        matches!(self, Form::Whole | Form::Decimal(_) | Form::Either(_) | Form::Thousands)
    }
}

/// What stands for no value, besides nothing, in lower case.
const GAPS: [&str; 10] = ["na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?", "."];

/// The number without spaces around it, with the one minus that programs know.
fn plain(field: &str) -> String {
    field.trim().replace('\u{2212}', "-")
}

/// The form of a field.
pub fn form(field: &str) -> Form {
    let text = plain(field);
    if text.is_empty() || GAPS.contains(&text.to_lowercase().as_str()) {
        return Form::Gap;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let scaled = exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)));
    if digits(mantissa) && scaled {
        return Form::Whole;
    }
    for mark in [Mark::Point, Mark::Comma] {
        let Some((whole, decimals)) = mantissa.split_once(mark.character()) else { continue };
        let known = |part: &str| part.is_empty() || digits(part);
        if scaled && known(whole) && known(decimals) && whole.len() + decimals.len() > 0 {
            let thousands = (1..=3).contains(&whole.len()) && !whole.starts_with('0') && decimals.len() == 3;
            let either = thousands && exponent.is_none();
            return if either { Form::Either(mark) } else { Form::Decimal(mark) };
        }
    }
    if is_grouped(unsigned) {
        return Form::Thousands;
    }
    let parts = || text.split(['-', '/', '.', ':', ' ', 'T', 'Z', '+']).filter(|part| !part.is_empty());
    if parts().count() > 1 && parts().all(digits) { Form::Date } else { Form::Word }
}

/// Whether digits stand in groups of three, with decimals behind the last mark or without.
fn is_grouped(text: &str) -> bool {
    let apart = [' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}', '.', ','];
    apart.into_iter().any(|group| {
        let mut decimal = ['.', ','].into_iter().filter(|mark| *mark != group);
        decimal.any(|mark| {
            let (whole, decimals) = text.split_once(mark).unwrap_or((text, ""));
            let mut groups = whole.split(group);
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
            let first = groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && digits(first));
            let rest: Vec<_> = groups.collect();
            first
                && !rest.is_empty()
                && digits(decimals)
                && rest.iter().all(|part| part.len() == 3 && digits(part))
        })
    })
}

/// The decimal mark of a column by the forms of its fields, and where they leave it open by those of the whole file.
/// `None` where both are possible and would be different numbers.
pub fn mark(own: &[Form], file: impl Iterator<Item = Form>, by_commas: bool) -> Option<Mark> {
    let marks = |forms: &[Form]| [Mark::Point, Mark::Comma].map(|mark| forms.contains(&Form::Decimal(mark)));
    let file: Vec<Form> = file.filter(|form| matches!(form, Form::Decimal(_))).collect();
    for forms in [own, &file[..]] {
        match marks(forms) {
            [true, false] => return Some(Mark::Point),
            [false, true] => return Some(Mark::Comma),
            // Of a column with both, the first counts, and the other is named where it stands.
            [true, true] if std::ptr::eq(forms, own) => {
                return forms
                    .iter()
                    .find_map(|form| if let Form::Decimal(mark) = form { Some(*mark) } else { None });
            }
            _ => {}
        }
    }
    let whole = own.contains(&Form::Whole);
    match [Mark::Point, Mark::Comma].map(|mark| own.contains(&Form::Either(mark))) {
        [_, true] => None,
        // Programs write 1.234 beside 0.125 or 2.000; below a thousand, only grouped numbers are whole.
        [true, false] if whole && !by_commas => None,
        _ => Some(Mark::Point),
    }
}

/// The value of a field that is no gap.
///
/// # Errors
/// What was expected and what came, in words.
pub fn parse(field: &str, mark: Mark) -> Result<f64, (String, String)> {
    let text = field.trim();
    let bad = |expected: &str, got: String| Err((expected.to_owned(), got));
    match form(field) {
        Form::Decimal(own) if own != mark => bad(
            &format!("a number with a decimal {}, as elsewhere in the file", mark.name()),
            format!("'{text}'"),
        ),
        Form::Thousands | Form::Either(_) if form(field) != Form::Either(mark) => {
            bad("a number without thousands separators", format!("'{text}'"))
        }
        Form::Date => bad("a number", format!("the date or time '{text}'")),
        Form::Whole | Form::Decimal(_) | Form::Either(_) => {
            match plain(field).replace(mark.character(), ".").parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => bad("a finite number", format!("'{text}'")),
            }
        }
        Form::Gap if text.is_empty() => bad("a number", "nothing".to_owned()),
        Form::Gap | Form::Word | Form::Thousands => bad("a number", format!("'{text}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_by_their_looks() {
        let expected = [
            (Form::Gap, &["", "  ", "NA", "NaN", "null", "-", "#N/A"][..]),
            (Form::Whole, &["5", "-12", "+3", "2e3", "1E-5", "\u{2212}4", "20200101"]),
            (Form::Decimal(Mark::Point), &["1.5", ".5", "5.", "0.125", "1234.567", "1.234e2", "-1.25"]),
            (Form::Decimal(Mark::Comma), &["1,5", ",5", "0,125", "1234,567", "-1,25"]),
            (Form::Either(Mark::Point), &["1.234", "-12.345"]),
            (Form::Either(Mark::Comma), &["1,234", "123,456"]),
            (
                Form::Thousands,
                &["1,234.5", "1.234,5", "1.234.567", "1 234,5", "1'234", "1\u{a0}234", "1,234,567"],
            ),
            (
                Form::Date,
                &["2020-01-02", "1.2.2020", "01/02/2020", "12:30", "2020-01-02T12:30:00Z", "2020-01"],
            ),
            (Form::Word, &["many", "5 %", "EUR 5", "1e", "e5", "inf", "1.5.x", "Jan 2020", "1_000"]),
        ];
        for (form_of, fields) in expected {
            for field in fields {
                assert_eq!(form(field), form_of, "{field:?}");
            }
        }
    }

    #[test]
    fn the_mark_is_the_columns_or_the_files() {
        let mark_of = |own: &[&str], file: &[&str], by_commas| {
            let own: Vec<_> = own.iter().map(|f| form(f)).collect();
            mark(&own, file.iter().map(|f| form(f)), by_commas)
        };
        assert_eq!(mark_of(&["1", "1,5"], &["2.5"], false), Some(Mark::Comma));
        assert_eq!(mark_of(&["1", "2"], &[], false), Some(Mark::Point));
        assert_eq!(mark_of(&["1.234", "2"], &["2,5"], false), Some(Mark::Comma));
        assert_eq!(mark_of(&["1,234", "2"], &["2,5"], false), Some(Mark::Comma));
        assert_eq!(mark_of(&["1,234", "2,345"], &[], false), None);
        assert_eq!(mark_of(&["1.234", "950"], &[], false), None);
        assert_eq!(mark_of(&["1.234", "950"], &[], true), Some(Mark::Point));
        assert_eq!(mark_of(&["1.234", "9.500"], &[], false), Some(Mark::Point));
    }

    #[test]
    fn values_are_read_and_what_is_none_is_named() {
        assert_eq!(parse(" -1,25 ", Mark::Comma), Ok(-1.25));
        assert_eq!(parse("\u{2212}1.5e2", Mark::Point), Ok(-150.0));
        assert_eq!(parse("1,234", Mark::Comma), Ok(1.234));
        let refused = |field: &str, mark, part: &str| {
            let (expected, got) = parse(field, mark).unwrap_err();
            let words = format!("{expected}, got {got}");
            assert!(words.contains(part), "{words}");
        };
        refused("1,234", Mark::Point, "without thousands separators, got '1,234'");
        refused("1.234", Mark::Comma, "without thousands separators");
        refused("1.234,5", Mark::Comma, "without thousands separators");
        refused("1,5", Mark::Point, "decimal point, as elsewhere in the file, got '1,5'");
        refused("2020-01-02", Mark::Point, "the date or time '2020-01-02'");
        refused("1e999", Mark::Point, "a finite number, got '1e999'");
        refused("many", Mark::Point, "a number, got 'many'");
        refused("", Mark::Point, "got nothing");
    }
}
