//! Event files, read back by a parser that shares nothing with the writer.

mod events;

use events::{doubles, events, fields, number, value};
use std::collections::BTreeMap;
use std::fs;
use wgrad::train::EventWriter;

/// A PNG of one grey pixel, as far as its head.
const PNG: [u8; 26] = *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\0";

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(&folder.path().join("a/b")).unwrap();
    writer.scalar("train/loss", 300, 0.25).unwrap();
    writer.scalar("train/loss", 1 << 40, f64::NAN).unwrap();
    writer.histogram("weights", 2, &[0.5, -0.5, 0.5, f32::INFINITY]).unwrap();
    writer.image("filters", 3, &PNG, 200, 1).unwrap();
    writer.flush().unwrap();
    let events = events(writer.path());
    assert_eq!(events.len(), 6);
    assert_eq!(events[0][&3], b"brain.Event:2");
    let times: Vec<f64> = events.iter().map(|event| doubles(&event[&1])[0]).collect();
    assert!(times.is_sorted() && times[0] > 1.6e9, "{times:?}");
    let (step, scalar) = value(&events[1]);
    assert_eq!(
        (step, &scalar[&1][..], &scalar[&2][..]),
        (300, &b"train/loss"[..], &0.25f32.to_le_bytes()[..])
    );
    let (step, scalar) = value(&events[2]);
    assert!(step == 1 << 40 && f32::from_le_bytes(scalar[&2][..].try_into().unwrap()).is_nan());
    let (_, lost) = value(&events[3]);
    assert_eq!((&lost[&1][..], &lost[&2][..]), (&b"weights/not_finite"[..], &1f32.to_le_bytes()[..]));
    let histogram: BTreeMap<u64, Vec<u8>> = fields(&value(&events[4]).1[&5]).into_iter().collect();
    let numbers: Vec<f64> = (1..=5).map(|field| doubles(&histogram[&field])[0]).collect();
    assert_eq!(numbers, [-0.5, 0.5, 3.0, 0.5, 0.75]);
    let (limits, counts) = (doubles(&histogram[&6]), doubles(&histogram[&7]));
    assert!(limits.is_sorted() && limits.len() == counts.len());
    assert_eq!(counts.iter().copied().filter(|&count| count > 0.0).collect::<Vec<_>>(), [1.0, 2.0]);
    let image: BTreeMap<u64, Vec<u8>> = fields(&value(&events[5]).1[&4]).into_iter().collect();
    assert_eq!((number(&image[&1]), number(&image[&2]), number(&image[&3])), (200, 1, 1));
    assert_eq!(image[&4], PNG);
}

#[test]
fn a_run_that_goes_on_has_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let first = EventWriter::create(folder.path()).unwrap();
    let second = EventWriter::resume(folder.path(), 40).unwrap();
    assert_ne!(first.path(), second.path());
    let events = events(second.path());
    assert_eq!((number(&events[1][&2]), &events[1][&7][..]), (41, &[8, 1][..]), "a session starts");
}

#[test]
fn what_is_no_picture_or_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(folder.path()).unwrap();
    for bytes in [&b"GIF89a"[..], &[], &PNG[..20]] {
        assert!(writer.image("x", 0, bytes, 1, 1).unwrap_err().to_string().contains("PNG"));
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(EventWriter::create(&file).unwrap_err().to_string().contains("file"));
}
