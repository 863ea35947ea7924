//! Which tensors of what a pickle made are meant: those of one dictionary.

use super::pickle::{Arena, Object, Pickle, Tensor, Value};
use crate::error::Mismatch;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Keys under which training checkpoints keep the weights.
const USUAL: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The most dictionaries that are looked through for tensors, and the most that are named.
const LOOKED_THROUGH: usize = 10_000;
const NAMED: usize = 12;

/// The tensors that are meant, and what is said of the choice.
pub(super) struct Chosen<'p> {
    pub(super) tensors: Vec<(String, &'p Tensor)>,
    pub(super) remarks: Vec<String>,
}

/// The entries of a dictionary, or of a list by their positions; `None` for other values.
fn entries(arena: &Arena<'_>, value: Value) -> Option<Vec<(String, Value)>> {
    let of_pairs = |pairs: &[(Value, Value)]| {
        let named = pairs.iter().filter_map(|(key, value)| Some((name(arena, *key)?, *value)));
        // Of those of one key the last counts.
        named.collect::<BTreeMap<_, _>>().into_iter().collect()
    };
    match arena.object(value)? {
        Object::Dict(pairs) => Some(of_pairs(pairs)),
        Object::List(items) | Object::Tuple(items) => {
            Some(items.iter().enumerate().map(|(at, value)| (at.to_string(), *value)).collect())
        }
        _ => None,
    }
}

fn name(arena: &Arena<'_>, key: Value) -> Option<String> {
    match key {
        Value::Int(number) => Some(number.to_string()),
        key => arena.text(key).map(str::to_owned),
    }
}

fn tensor<'p>(arena: &'p Arena<'_>, value: Value) -> Option<&'p Tensor> {
    match arena.object(value)? {
        Object::Tensor(tensor) => Some(tensor),
        _ => None,
    }
}

/// Entries in words.
fn words(arena: &Arena<'_>, entries: &[(String, Value)]) -> String {
    let of = |(name, value): &(String, Value)| format!("{} ({})", short(name), arena.kind(*value));
    listed(&entries.iter().map(of).collect::<Vec<_>>())
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Paths of the dictionaries below `root` that hold tensors, those of the fewest keys first.
fn holders(arena: &Arena<'_>, root: Value) -> Vec<String> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let mut queue = VecDeque::from([(String::new(), root)]);
    while let Some((path, value)) = queue.pop_front() {
        let Value::Object(at) = value else { continue };
        if seen.len() >= LOOKED_THROUGH || found.len() >= LOOKED_THROUGH || !seen.insert(at) {
            continue;
        }
        let below = entries(arena, value).unwrap_or_default();
        if !path.is_empty() && below.iter().any(|(_, value)| tensor(arena, *value).is_some()) {
            found.push(path.clone());
        }
        // Paths that nobody would type are not worth their memory.
        let next = below.into_iter().filter(|(key, _)| path.len() + key.len() < 200);
        let next = next.filter(|(_, value)| {
            matches!(arena.object(*value), Some(Object::Dict(_) | Object::List(_) | Object::Tuple(_)))
        });
        let room = LOOKED_THROUGH.saturating_sub(queue.len());
        queue.extend(
            next.take(room)
                .map(|(key, value)| (if path.is_empty() { key } else { format!("{path}.{key}") }, value)),
        );
    }
    found
}

/// What lies under `key`: the entry of that name, else that of the longest part of it up to a dot, and so on in there.
fn descend(arena: &Arena<'_>, root: Value, key: &str) -> Result<Value, Mismatch> {
    let (mut at, mut rest) = (root, key);
    while !rest.is_empty() {
        let below = entries(arena, at).unwrap_or_default();
        let ends = rest.match_indices('.').map(|(end, _)| end).chain([rest.len()]);
        let ends: Vec<usize> = ends.collect();
        let found = ends.iter().rev().find_map(|&end| {
            let (_, value) = below.iter().find(|(name, _)| *name == rest[..end])?;
            Some((*value, rest.get(end + 1..).unwrap_or_default()))
        });
        (at, rest) = found.ok_or_else(|| {
            let got = format!("one of {}", words(arena, &below));
            Mismatch::new(format!("an entry {rest} (--key {key})"), got)
        })?;
    }
    Ok(at)
}

/// The tensors of the dictionary under `key`, and where there is no key of the one that is meant; see
/// [`super::ReadOptions::key`].
pub(super) fn choose<'p>(pickle: &'p Pickle<'_>, key: Option<&str>) -> Result<Chosen<'p>, Mismatch> {
    let arena = &pickle.arena;
    let (mut remarks, mut at, mut last) = (Vec::new(), pickle.root, "");
    if let Some(key) = key {
        at = descend(arena, at, key)?;
        last = key.rsplit('.').next().unwrap_or(key);
    } else if let Some((key, others)) = usual(arena, at) {
        at = descend(arena, at, &key)?;
        let others =
            if others.is_empty() { String::new() } else { format!("; others are under {}", listed(&others)) };
        remarks.push(format!("the tensors are those under the key {key}{others}"));
    }
    if let Some(tensor) = tensor(arena, at) {
        // A tensor alone; without a key it is called as the file.
        return Ok(Chosen { tensors: vec![(last.to_owned(), tensor)], remarks });
    }
    let below = entries(arena, at).ok_or_else(|| {
        Mismatch::new("a dictionary of tensors", format!("a value of type {}", arena.kind(at)))
    })?;
    let (tensors, others): (Vec<_>, Vec<_>) =
        below.into_iter().partition(|(_, value)| tensor(arena, *value).is_some());
    if tensors.is_empty() {
        let got = format!(
            "a dictionary of {}",
            if others.is_empty() { "nothing".into() } else { words(arena, &others) }
        );
        return Err(Mismatch::new(one_of(&holders(arena, at)), got));
    }
    if !others.is_empty() {
        remarks.push(format!("left out, for they are no tensors: {}", words(arena, &others)));
    }
    let named = tensors.into_iter().filter_map(|(name, value)| Some((name, tensor(arena, value)?)));
    Ok(Chosen { tensors: named.collect(), remarks })
}

/// The usual key of the one dictionary of tensors right below `root`, and where else there are tensors. None where there are
/// several of them, or one under another key.
fn usual(arena: &Arena<'_>, root: Value) -> Option<(String, Vec<String>)> {
    let below = entries(arena, root)?;
    let mut holders = holders(arena, root);
    let direct = |holder: &&String| below.iter().any(|(name, _)| name == *holder);
    let direct: Vec<String> = holders.iter().filter(direct).cloned().collect();
    let [key] = &direct[..] else { return None };
    if !USUAL.contains(&key.as_str()) {
        return None;
    }
    // A state dict has no dictionaries in it: tensors beside one are those of a random generator, say.
    holders.retain(|holder| holder != key);
    holders
        .extend(below.into_iter().filter(|(_, value)| tensor(arena, *value).is_some()).map(|(name, _)| name));
    Some((key.clone(), holders))
}

/// Keys in words.
fn listed(keys: &[String]) -> String {
    let shown: Vec<String> = keys.iter().take(NAMED).map(|key| short(key)).collect();
    let rest = keys.len().saturating_sub(NAMED);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    shown.join(", ") + &more
}

/// What is expected where a key is missing.
fn one_of(holders: &[String]) -> String {
    if holders.is_empty() {
        return "a dictionary of tensors".to_owned();
    }
    format!("a key (--key) of tensors, one of {}", listed(holders))
}
