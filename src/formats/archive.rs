//! Zip archives: what they hold, and one file after another out of them.

use super::budget::Budget;
use super::entry::{Format, Location};
use crate::error::Mismatch;
use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};
use std::collections::BTreeMap;
use std::io::Read;

/// A zip archive in memory.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    archive: ZipSliceArchive<&'a [u8]>,
    files: BTreeMap<String, (ZipArchiveEntryWayfinder, CompressionMethod)>,
    /// What was unpacked.
    parts: Vec<Vec<u8>>,
    budget: Budget,
}

fn broken(what: &str, why: impl std::fmt::Display) -> Mismatch {
    Mismatch::new("a whole zip archive", format!("{what}: {why}"))
}

impl<'a> Archive<'a> {
    /// Reads what it holds.
    ///
    /// # Errors
    /// When it is cut off, or names two files alike.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Mismatch> {
        let archive = ZipArchive::from_slice(bytes).map_err(|e| broken("no end of one", e))?;
        let mut files = BTreeMap::new();
        let (mut entries, mut count) = (archive.entries(), 0u64);
        while let Some(entry) = entries.next_entry().map_err(|e| broken("a broken list of files", e))? {
            count += 1;
            let path = entry.file_path();
            let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
            let file = (entry.wayfinder(), entry.compression_method());
            if files.insert(name.clone(), file).is_some() {
                return Err(broken("two files of one name", name));
            }
        }
        let named = archive.entries_hint();
        if count != named {
            return Err(broken("a list of files", format!("{count} where {named} should be")));
        }
        Ok(Self { bytes, archive, files, parts: Vec::new(), budget: Budget::of(bytes.len()) })
    }

    /// The names of its files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of a file, unpacked where it is packed; its checksum is looked at where there is one.
    ///
    /// # Errors
    /// When there is none of this name, it is cut off or changed, packed in another way than `deflate`, or more than fits the
    /// size of the archive.
    pub(super) fn locate(&mut self, name: &str) -> Result<Location, Mismatch> {
        let Some((way, method)) = self.files.get(name) else {
            return Err(Mismatch::new(format!("a file {name} in the archive"), "none"));
        };
        let entry = self.archive.get_entry(*way).map_err(|e| broken(name, e))?;
        let (claims, (from, to)) = (entry.claim_verifier(), entry.compressed_data_range());
        let (location, data) = match *method {
            CompressionMethod::STORE => {
                let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let (from, to) = range.ok_or_else(|| broken(name, "beyond the end"))?;
                (Location::File(from..to), entry.data())
            }
            CompressionMethod::DEFLATE => {
                self.budget.spend(claims.uncompressed_size, &format!("a packed file {name}"))?;
                let mut part = Vec::new();
                // One byte more tells that there are more.
                let limit = claims.uncompressed_size.saturating_add(1);
                let read = DeflateDecoder::new(entry.data()).take(limit).read_to_end(&mut part);
                read.map_err(|e| broken(name, e))?;
                let location = Location::Part(self.parts.len(), 0..part.len());
                self.parts.push(part);
                (location, self.parts.last().map(Vec::as_slice).unwrap_or_default())
            }
            other => {
                return Err(Mismatch::new("files stored or deflated", format!("{name} packed by {other:?}")));
            }
        };
        if data.len() as u64 != claims.uncompressed_size {
            let got = format!("{} bytes or more, where {} are noted", data.len(), claims.uncompressed_size);
            return Err(broken(name, got));
        }
        // PyTorch can leave checksums out; they are 0 then.
        let sum = if claims.crc == 0 { 0 } else { crc32fast::hash(data) };
        if sum != claims.crc {
            return Err(broken(name, format!("a checksum of {sum:08x}, where {:08x} is noted", claims.crc)));
        }
        Ok(location)
    }

    /// The bytes of a location that [`Archive::locate`] gave.
    pub(super) fn bytes(&self, location: &Location) -> &[u8] {
        match location {
            Location::File(range) => self.bytes.get(range.clone()).unwrap_or_default(),
            Location::Part(part, range) => {
                self.parts.get(*part).and_then(|part| part.get(range.clone())).unwrap_or_default()
            }
        }
    }

    /// What was unpacked, by [`Location::Part`].
    pub(super) fn into_parts(self) -> Vec<Vec<u8>> {
        self.parts
    }
}

/// The file in the archive that PyTorch's pickle is.
pub(super) const PICKLE: &str = "data.pkl";

/// Of the files of an archive the pickle, and the folder it lies in, with the slash.
pub(super) fn pickle<'n>(names: impl Iterator<Item = &'n str>) -> Option<(&'n str, &'n str)> {
    let folder = |name: &'n str| name.strip_suffix(PICKLE).map(|folder| (folder, name));
    names.filter_map(folder).find(|(folder, _)| folder.is_empty() || folder.ends_with('/'))
}

/// Whose archive it is.
///
/// # Errors
/// When it is none of tensors.
pub(super) fn recognise(bytes: &[u8]) -> Result<Format, Mismatch> {
    let archive = Archive::open(bytes)?;
    if let Some((folder, _)) = pickle(archive.names()) {
        let of_a_program = format!("{folder}constants.pkl");
        if archive.names().any(|name| name == of_a_program) {
            let got = "a TorchScript program; torch.save(model.state_dict(), ..) of it writes its tensors";
            return Err(Mismatch::new("a PyTorch file of tensors", got));
        }
        return Ok(Format::TorchZip);
    }
    if archive.names().all(|name| name.ends_with(".npy")) {
        return Ok(Format::Npz);
    }
    let some: Vec<&str> = archive.names().take(5).collect();
    let got = format!("a zip archive of {}", some.join(", "));
    Err(Mismatch::new("a PyTorch file with data.pkl in it or a NumPy file of .npy files", got))
}
