//! Names of tensors without what a wrapper puts before them.

use super::entry::Entry;
use crate::error::Mismatch;
use std::collections::BTreeMap;

/// What PyTorch's wrappers begin names with.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// Whether a name begins as a wrapper makes it.
pub(crate) fn is_wrapped(name: &str) -> bool {
    WRAPPERS.iter().any(|wrapper| name.starts_with(wrapper))
}

/// The entries by their names without a prefix.
pub(super) fn strip(
    mut entries: Vec<(String, Entry)>,
    prefix: Option<&str>,
    remarks: &mut Vec<String>,
) -> Result<BTreeMap<String, Entry>, Mismatch> {
    let rest = |name: &str, prefix: &str| {
        name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned)
    };
    // Of those of one name the last counts, before names change.
    let unique: BTreeMap<String, Entry> = entries.drain(..).collect();
    let mut names: Vec<String> = unique.keys().cloned().collect();
    let told = |prefix: &str, count: usize| format!("the prefix {prefix} was taken off {count} names");
    match prefix {
        Some("") => {}
        Some(prefix) => {
            let stripped: Vec<Option<String>> = names.iter().map(|name| rest(name, prefix)).collect();
            let count = stripped.iter().flatten().count();
            if count == 0 {
                let some: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
                let expected = format!("names that begin with {prefix}");
                return Err(Mismatch::new(expected, format!("none, but such as {}", some.join(", "))));
            }
            remarks.push(told(prefix, count));
            names = names.into_iter().zip(stripped).map(|(name, rest)| rest.unwrap_or(name)).collect();
        }
        None => {
            while let Some((wrapper, stripped)) = WRAPPERS.iter().find_map(|wrapper| {
                let all: Option<Vec<String>> = names.iter().map(|name| rest(name, wrapper)).collect();
                Some((wrapper, all.filter(|all| !all.is_empty())?))
            }) {
                remarks.push(told(wrapper, stripped.len()));
                names = stripped;
            }
        }
    }
    let mut found = BTreeMap::new();
    for (name, entry) in names.into_iter().zip(unique.into_values()) {
        if let Some(twice) = found.insert(name.clone(), entry) {
            let got = format!("two called {name}, one of them {}", twice.words());
            return Err(Mismatch::new("other names without the prefix", got));
        }
    }
    Ok(found)
}
