//! PyTorch's files since 1.6: a zip archive of `data.pkl`, `byteorder` and the storages as `data/0`, `data/1`, ..

use super::archive::{self, Archive};
use super::dictionary::{Chosen, choose};
use super::entry::{Contents, Entry, Location};
use super::pickle::{self, Object, Source, Tensor, Value};
use crate::error::Mismatch;
use std::collections::HashMap;

/// The tensors of an archive under `key`.
pub(super) fn parse(bytes: &[u8], key: Option<&str>) -> Result<Contents, Mismatch> {
    let mut archive = Archive::open(bytes)?;
    let found = archive::pickle(archive.names()).map(|(folder, name)| (folder.to_owned(), name.to_owned()));
    let (folder, name) =
        found.ok_or_else(|| Mismatch::new("a PyTorch file with data.pkl in it", "an archive without"))?;
    let order = format!("{folder}byteorder");
    let big_endian = archive.names().any(|name| name == order) && {
        let location = archive.locate(&order)?;
        archive.bytes(&location) == b"big"
    };
    let location = archive.locate(&name)?;
    // Reading storages changes the archive; the pickle is small beside them.
    let text = archive.bytes(&location).to_vec();
    let made = pickle::load(&text, archive::PICKLE)?;
    let Chosen { tensors, remarks } = choose(&made, key)?;
    let (mut entries, mut own) = (Vec::new(), Vec::new());
    let mut storages: HashMap<String, Location> = HashMap::new();
    for (name, tensor) in tensors {
        let (location, big_endian) = match tensor.source {
            Source::Bytes(at, big_endian) => (Err(at), big_endian),
            Source::Storage(at) => {
                let Some(Object::Storage(storage)) = made.arena.object(Value::Object(at)) else { continue };
                let location = match storages.get(&storage.key) {
                    Some(location) => location.clone(),
                    None => {
                        let location = archive.locate(&format!("{folder}data/{}", storage.key));
                        let location = location.map_err(|m| of_tensor(&name, m))?;
                        storages.insert(storage.key.clone(), location.clone());
                        location
                    }
                };
                held(tensor, archive.bytes(&location).len()).map_err(|m| of_tensor(&name, m))?;
                (Ok(location), big_endian)
            }
        };
        own.push((name, tensor, location, big_endian));
    }
    let mut parts = Parts { list: archive.into_parts(), ..Parts::default() };
    for (name, tensor, location, big_endian) in own {
        let location = match location {
            Ok(location) => location,
            Err(at) => parts.add(&made.arena, at, tensor).map_err(|m| of_tensor(&name, m))?,
        };
        let Tensor { element, layout, .. } = tensor.clone();
        entries.push((name, Entry { element, layout, big_endian, location }));
    }
    Ok(Contents { entries, parts: parts.list, remarks, ..Contents::default() })
}

/// The same about a tensor.
pub(super) fn of_tensor(name: &str, Mismatch { expected, got }: Mismatch) -> Mismatch {
    Mismatch::new(expected, format!("{got}, of {name}"))
}

/// `Err` unless a tensor lies within so many bytes.
pub(super) fn held(tensor: &Tensor, bytes: usize) -> Result<(), Mismatch> {
    // Elements that nothing here computes with are refused when they are read.
    tensor.element.dtype(None).map_or(Ok(()), |_| tensor.layout.check(bytes / tensor.element.size().max(1)))
}

/// What was unpacked of a file, and arrays whose bytes lie in its pickle.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) list: Vec<Vec<u8>>,
    /// Those that are in the list, by their object: tensors may share one.
    known: HashMap<u32, Location>,
}

impl Parts {
    /// Puts the bytes of an array into the list.
    pub(super) fn add(
        &mut self,
        arena: &pickle::Arena<'_>,
        at: u32,
        tensor: &Tensor,
    ) -> Result<Location, Mismatch> {
        let Some(Object::Bytes(bytes)) = arena.object(Value::Object(at)) else {
            return Err(Mismatch::new("the bytes of an array", "none"));
        };
        held(tensor, bytes.len())?;
        let location = self.known.entry(at).or_insert_with(|| {
            self.list.push(bytes.to_vec());
            Location::Part(self.list.len() - 1, 0..bytes.len())
        });
        Ok(location.clone())
    }
}
