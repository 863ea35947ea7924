//! PyTorch's files of before 1.6: a pickle of a magic number, of a version, of the machine, of what was saved, of the names of
//! storages; then the storages, each as its length and its elements. And pickles alone, of NumPy arrays.

use super::dictionary::{Chosen, choose};
use super::entry::{Contents, Entry, Format, Location};
use super::pickle::{self, Arena, Object, Pickle, Source, Storage, Tensor, Value};
use super::torch_zip::{Parts, held, of_tensor};
use crate::error::Mismatch;
use std::collections::HashMap;
use std::ops::Range;

/// The number in the first pickle, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Bytes within which it stands.
const WITHIN: usize = 32;

/// Whose pickle it is.
pub(super) fn recognise(bytes: &[u8]) -> Result<Format, Mismatch> {
    let first = bytes.get(..WITHIN).unwrap_or(bytes);
    let magic = first.windows(MAGIC.len()).any(|window| window == MAGIC);
    Ok(if magic { Format::TorchLegacy } else { Format::Pickle })
}

/// The tensors of a file under `key`.
pub(super) fn parse(bytes: &[u8], key: Option<&str>) -> Result<Contents, Mismatch> {
    let mut rest = bytes;
    let mut next = |name: &str| -> Result<Pickle<'_>, Mismatch> {
        let made = pickle::load(rest, name)?;
        rest = rest.get(made.length..).unwrap_or_default();
        Ok(made)
    };
    if recognise(bytes)? == Format::Pickle {
        let made = next("the pickle")?;
        return entries(&made, key, &HashMap::new());
    }
    next("the first pickle, the magic number")?;
    let version = next("the second pickle, the version")?.root;
    Mismatch::check(version == Value::Int(1001), "a PyTorch file of version 1001", format!("{version:?}"))?;
    next("the third pickle, the machine")?;
    let made = next("the fourth pickle, what was saved")?;
    let names = next("the fifth pickle, the names of storages")?;
    let names: Option<Vec<String>> = names
        .arena
        .items(names.root)
        .and_then(|items| items.iter().map(|&name| names.arena.text(name).map(str::to_owned)).collect());
    let names = names.ok_or_else(|| Mismatch::new("a list of names of storages", "something else"))?;
    let storages = storages(&made.arena, names, bytes, bytes.len() - rest.len())?;
    entries(&made, key, &storages)
}

/// Where each storage lies, by its name.
fn storages(
    arena: &Arena<'_>,
    names: Vec<String>,
    bytes: &[u8],
    mut at: usize,
) -> Result<HashMap<String, Range<usize>>, Mismatch> {
    let mut sizes = HashMap::new();
    for storage in arena.storages() {
        sizes.insert(storage.key.as_str(), storage.element.map_or(1, |element| element.size()));
    }
    let mut found = HashMap::new();
    for name in names {
        let short = || Mismatch::new("all storages of the file", format!("the end before storage {name}"));
        let size = sizes.get(name.as_str()).ok_or_else(|| {
            Mismatch::new("storages of the tensors that were saved", format!("also one called {name}"))
        })?;
        let count = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or_else(short)?;
        let length =
            usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(*size));
        let from = at + 8;
        at = length
            .and_then(|length| from.checked_add(length))
            .filter(|&end| end <= bytes.len())
            .ok_or_else(short)?;
        found.insert(name, from..at);
    }
    Ok(found)
}

/// The tensors under `key`.
fn entries(
    made: &Pickle<'_>,
    key: Option<&str>,
    storages: &HashMap<String, Range<usize>>,
) -> Result<Contents, Mismatch> {
    let Chosen { tensors, remarks } = choose(made, key)?;
    let (mut entries, mut parts) = (Vec::new(), Parts::default());
    for (name, tensor) in tensors {
        let entry = match tensor.source {
            Source::Bytes(at, big_endian) => {
                parts.add(&made.arena, at, tensor).map(|location| (tensor.clone(), location, big_endian))
            }
            Source::Storage(at) => match made.arena.object(Value::Object(at)) {
                Some(Object::Storage(storage)) => {
                    in_file(tensor, storage, storages).map(|(t, location)| (t, location, false))
                }
                _ => Err(Mismatch::new("a storage", "none")),
            },
        };
        let (Tensor { element, layout, .. }, location, big_endian) =
            entry.map_err(|m| of_tensor(&name, m))?;
        entries.push((name, Entry { element, layout, big_endian, location }));
    }
    Ok(Contents { entries, parts: parts.list, remarks, ..Contents::default() })
}

/// A tensor by its whole storage, and where that is.
fn in_file(
    tensor: &Tensor,
    storage: &Storage,
    storages: &HashMap<String, Range<usize>>,
) -> Result<(Tensor, Location), Mismatch> {
    let missing = || Mismatch::new("a storage that the file has", format!("one called {}", storage.key));
    let range = storages.get(&storage.key).ok_or_else(missing)?.clone();
    let mut tensor = tensor.clone();
    if let Some((offset, elements)) = storage.view {
        tensor.layout = tensor.layout.within(offset, elements)?;
    }
    held(&tensor, range.len())?;
    Ok((tensor, Location::File(range)))
}
