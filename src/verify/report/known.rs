//! Differences whose reason is known, as data.

use super::Report;
use super::row::Kind;
use serde::{Deserialize, Serialize};

/// A difference of a driver or a compiler whose reason is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDifference {
    /// Which adapters, a pattern: `*` is any text. It is held to name, kind, backend, driver, system and browser, joined
    /// by `, `.
    pub adapter: String,
    /// Which cases, a pattern.
    pub case: String,
    /// Why.
    pub reason: String,
    /// The shader that shows it with nothing around it, a path in the repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wgsl: String,
}

/// All that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDifferences {
    /// One after the other; the first that fits holds.
    #[serde(default)]
    pub difference: Vec<KnownDifference>,
}

impl KnownDifferences {
    /// Gives the failures of a report their reasons, instead of those they had.
    pub fn explain(&self, report: &mut Report) {
        let adapters: Vec<String> = report.adapters.iter().map(|column| column.for_patterns()).collect();
        for row in report.rows.iter_mut().filter(|row| row.verdict == Kind::Fail) {
            let adapter = adapters.get(row.adapter).map_or("", String::as_str);
            let fits =
                |known: &&KnownDifference| fits(&known.adapter, adapter) && fits(&known.case, &row.case);
            row.known = self.difference.iter().find(fits).cloned();
        }
    }
}

/// Whether a pattern fits a text: `*` is any text, also none; all else is itself.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("*", "", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b", "ab", true),
            ("ab*b", "ab", false),
            ("*b*", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*e*c*", "abcde", false),
            ("a**c", "abc", true),
            ("*é*", "an é", true),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} of {text}");
        }
    }
}
