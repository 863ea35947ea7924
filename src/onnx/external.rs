//! Values that lie in a file beside the model.

use super::proto::{StringStringEntryProto, TensorProto};
use crate::error::Mismatch;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// The file in which a tensor's values lie, beside the model.
pub(super) fn location(tensor: &TensorProto) -> Option<&str> {
    let outside = tensor.data_location == Some(1);
    let found = tensor.external_data.iter().find(|entry| outside && entry.key.as_deref() == Some("location"));
    found.and_then(|entry| entry.value.as_deref())
}

/// The bytes that `location`, `offset` and `length` say. The file has to lie in the model's folder or below it.
pub(super) fn read(entries: &[StringStringEntryProto], folder: Option<&Path>) -> Result<Vec<u8>, Mismatch> {
    let entry = |key: &str| {
        let found = entries.iter().find(|entry| entry.key.as_deref() == Some(key));
        found.and_then(|entry| entry.value.as_deref())
    };
    let number = |key: &str| {
        let refused =
            |text: &str| Mismatch::new(format!("a number of bytes as {key} of external data"), text);
        entry(key).map(|text| text.parse::<u64>().map_err(|_| refused(text))).transpose()
    };
    let location = entry("location").ok_or_else(|| Mismatch::new("the location of external data", "none"))?;
    let Some(folder) = folder else {
        return Err(Mismatch::new("a model with all its values in it, as it is read from memory", location));
    };
    let plain =
        Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let inside = "external data in the model's folder or below it";
    Mismatch::check(plain && !location.is_empty(), inside, location)?;
    let missing = |e: std::io::Error| Mismatch::new("a file of external data", format!("{location}: {e}"));
    let path = folder.join(location).canonicalize().map_err(missing)?;
    let root = folder.canonicalize().map_err(missing)?;
    Mismatch::check(path.starts_with(&root), inside, format!("{location}, a link to {}", path.display()))?;
    let mut file = File::open(&path).map_err(missing)?;
    let size = file.metadata().map_err(missing)?.len();
    let offset = number("offset")?.unwrap_or(0);
    let length = number("length")?.unwrap_or_else(|| size.saturating_sub(offset));
    let within = offset.checked_add(length).is_some_and(|end| end <= size);
    let expected = || format!("{length} bytes of external data from byte {offset} of {location}");
    Mismatch::check(within, expected(), format!("a file of {size} bytes"))?;
    file.seek(SeekFrom::Start(offset)).map_err(missing)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(missing)?;
    Ok(bytes)
}
