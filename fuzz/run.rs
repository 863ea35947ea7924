//! Gives a reader some bytes, in a folder that is kept from one time to the next.

use super::readers::READERS;
use std::sync::OnceLock;

static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();

pub fn one(name: &str, bytes: &[u8]) {
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let reader = READERS.iter().find(|reader| reader.name == name).expect("a reader of this name");
    (reader.read)(bytes, folder.path());
}
