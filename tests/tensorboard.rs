//! Event files, read back by a parser that shares nothing with the writer.

use std::collections::BTreeMap;
use std::fs;
use wgrad::train::EventWriter;

/// A field's number and its bytes; numbers of a varint or a fixed width as little-endian bytes of eight.
type Fields = Vec<(u64, Vec<u8>)>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

fn fields(mut bytes: &[u8]) -> Fields {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            wire => panic!("wire type {wire}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        found.push((key >> 3, value.to_vec()));
    }
    found
}

/// CRC-32C bit by bit, and the mask.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc % 2 == 1 { (crc / 2) ^ 0x82f6_3b78 } else { crc / 2 };
        }
    }
    let crc = u64::from(!crc);
    (((crc >> 15 | crc << 17) + 0xa282_ead8) & 0xffff_ffff) as u32
}

/// The events of a file, their sums checked.
fn events(path: &std::path::Path) -> Vec<BTreeMap<u64, Vec<u8>>> {
    let (bytes, mut at, mut events) = (fs::read(path).unwrap(), 0, Vec::new());
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        assert_eq!(word(at + 8), masked(&bytes[at..at + 8]), "the sum of a length");
        let data = &bytes[at + 12..at + 12 + length];
        assert_eq!(word(at + 12 + length), masked(data), "the sum of a record");
        events.push(fields(data).into_iter().collect());
        at += length + 16;
    }
    events
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

/// Step and value of the summary of an event.
fn value(event: &BTreeMap<u64, Vec<u8>>) -> (u64, BTreeMap<u64, Vec<u8>>) {
    let summary = fields(&event[&5]);
    assert_eq!((summary.len(), summary[0].0), (1, 1));
    (number(&event[&2]), fields(&summary[0].1).into_iter().collect())
}

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
