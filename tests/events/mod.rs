//! Event files of TensorBoard, read by a parser that shares nothing with the writer.

use std::collections::BTreeMap;
use std::fs;

/// A field's number and its bytes; numbers of a varint or a fixed width as little-endian bytes of eight.
pub type Fields = Vec<(u64, Vec<u8>)>;

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

/// The fields of a message.
pub fn fields(mut bytes: &[u8]) -> Fields {
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
pub fn events(path: &std::path::Path) -> Vec<BTreeMap<u64, Vec<u8>>> {
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

/// A number of a varint.
pub fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Packed doubles.
pub fn doubles(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(8).map(|chunk| f64::from_le_bytes(chunk.try_into().unwrap())).collect()
}

/// Step and value of the summary of an event.
pub fn value(event: &BTreeMap<u64, Vec<u8>>) -> (u64, BTreeMap<u64, Vec<u8>>) {
    let summary = fields(&event[&5]);
    assert_eq!((summary.len(), summary[0].0), (1, 1));
    (number(&event[&2]), fields(&summary[0].1).into_iter().collect())
}
