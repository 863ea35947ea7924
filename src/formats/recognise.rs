//! Files recognised by their first bytes.

use super::entry::{Contents, Format};
#[cfg(feature = "pytorch")]
use super::{archive, npz, torch_legacy, torch_zip};
use super::{npy, safetensors};
use crate::error::Mismatch;

/// Of safetensors, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// What the first bytes say.
pub(super) fn recognise(bytes: &[u8]) -> Result<Format, Mismatch> {
    let begins = |with: &[u8]| bytes.starts_with(with);
    // A header of JSON behind its length, which is never as large as what the other formats have there.
    let length = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    if bytes.get(8) == Some(&b'{') && length.is_some_and(|length| length <= LONGEST_HEADER) {
        return Ok(Format::Safetensors);
    }
    if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") {
        return recognise_packed(bytes);
    }
    if begins(npy::MAGIC) {
        return Ok(Format::Npy);
    }
    if begins(&[0x80]) && bytes.get(1).is_some_and(|protocol| (2..=5).contains(protocol)) {
        return recognise_packed(bytes);
    }
    let expected =
        "a safetensors file, a PyTorch file of tensors (zip or pickles) or a NumPy file (.npz, .npy)";
    let got = match bytes.get(257..262) {
        Some(b"ustar") => {
            "a tar archive, which PyTorch wrote before 2017: load it there and save it again".into()
        }
        _ if begins(b"\x89HDF") => "an HDF5 file".to_owned(),
        _ => format!("{} bytes that are not one", bytes.len()),
    };
    Err(Mismatch::new(expected, got))
}

/// What a file of this format holds, under `key` where it has dictionaries.
pub(super) fn parse(format: Format, bytes: &[u8], key: Option<&str>) -> Result<Contents, Mismatch> {
    if let (Format::Safetensors | Format::Npy | Format::Npz, Some(key)) =
        (format, key.filter(|k| !k.is_empty()))
    {
        let got = format!("--key {key} for {format}, which has no dictionaries in it");
        return Err(Mismatch::new("no key", got));
    }
    match format {
        Format::Safetensors => safetensors::parse(bytes),
        Format::Npy => npy::parse(bytes),
        Format::Npz | Format::TorchZip | Format::TorchLegacy | Format::Pickle => {
            parse_packed(format, bytes, key)
        }
    }
}

#[cfg(feature = "pytorch")]
fn recognise_packed(bytes: &[u8]) -> Result<Format, Mismatch> {
    if bytes.starts_with(b"PK") { archive::recognise(bytes) } else { torch_legacy::recognise(bytes) }
}

#[cfg(feature = "pytorch")]
fn parse_packed(format: Format, bytes: &[u8], key: Option<&str>) -> Result<Contents, Mismatch> {
    match format {
        Format::Npz => npz::parse(bytes),
        Format::TorchZip => torch_zip::parse(bytes, key),
        _ => torch_legacy::parse(bytes, key),
    }
}

#[cfg(not(feature = "pytorch"))]
fn recognise_packed(bytes: &[u8]) -> Result<Format, Mismatch> {
    let got = if bytes.starts_with(b"PK") { "a zip archive" } else { "a pickle" };
    Err(Mismatch::new("a safetensors file or a .npy file, or a build with the feature `pytorch`", got))
}

#[cfg(not(feature = "pytorch"))]
fn parse_packed(_: Format, bytes: &[u8], _: Option<&str>) -> Result<Contents, Mismatch> {
    recognise_packed(bytes).map(|_| Contents::default())
}
