//! NumPy's files of several arrays: a zip archive of `.npy`.

use super::archive::Archive;
use super::entry::{Contents, Location};
use super::npy;
use crate::error::Mismatch;
use crate::tensor::HostTensor;
use std::io::Write;

/// The bytes of a `.npz` file of tensors, not packed.
pub(super) fn encode<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a HostTensor)>,
) -> Result<Vec<u8>, Mismatch> {
    let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, tensor) in tensors {
        add(&mut archive, &format!("{name}.npy"), &npy::encode(tensor)?)
            .map_err(|e| Mismatch::new("names of files in an archive", format!("{name}: {e}")))?;
    }
    archive.finish().map_err(|e| Mismatch::new("arrays that can be written", e.to_string()))
}

fn add(
    archive: &mut rawzip::ZipArchiveWriter<Vec<u8>>,
    name: &str,
    bytes: &[u8],
) -> Result<(), rawzip::Error> {
    // As it is: a name may have slashes and dots in it that a path would lose.
    let path = rawzip::path::EntryPath::verbatim(name.as_bytes());
    let (mut entry, config) = archive.new_file(path).start()?;
    let mut writer = config.wrap(&mut entry);
    writer.write_all(bytes).map_err(rawzip::Error::from)?;
    let (_, noted) = writer.finish()?;
    entry.finish(noted).map(drop)
}

/// The arrays of an archive.
pub(super) fn parse(bytes: &[u8]) -> Result<Contents, Mismatch> {
    let mut archive = Archive::open(bytes)?;
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let mut entries = Vec::new();
    for name in names {
        let location = archive.locate(&name)?;
        let of_file = |Mismatch { expected, got }| Mismatch::new(expected, format!("{got}, in {name}"));
        let within = |range: std::ops::Range<usize>| match &location {
            Location::File(file) => Location::File(file.start + range.start..file.start + range.end),
            Location::Part(part, _) => Location::Part(*part, range),
        };
        let entry = npy::entry(archive.bytes(&location), within).map_err(of_file)?;
        entries.push((name.strip_suffix(".npy").unwrap_or(&name).to_owned(), entry));
    }
    Ok(Contents { entries, parts: archive.into_parts(), ..Contents::default() })
}
