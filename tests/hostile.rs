//! Files and texts that are a little wrong, by the thousand: readers say what is wrong and never panic.
//!
//! `WGRAD_HOSTILE=100000 cargo test --test hostile` tries more; `fuzz/` looks for hours, led by coverage.
#![cfg(feature = "cli")]

mod readers;

use readers::READERS;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wgrad::random::Rng;

/// Bytes with a few changes: flipped, cut, doubled, replaced by those at the edges of numbers.
fn changed(seed: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len() + 1);
        match rng.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'-', b'\n'][rng.below(8)],
            3 => bytes.insert(at, rng.next_u64() as u8),
            4 => {
                let end = (at + rng.below(16)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            5 => {
                let end = (at + rng.below(64)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, part);
            }
            6 if at + 4 <= bytes.len() => {
                let number = [0u32, 1, u32::MAX, i32::MAX as u32, 1 << 31, 1 << 16][rng.below(6)];
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            }
            _ => {
                let from = rng.below(other.len() + 1);
                let part = other[from..(from + rng.below(32)).min(other.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

#[test]
fn readers_survive_what_is_a_little_wrong() {
    let count = std::env::var("WGRAD_HOSTILE").ok().and_then(|n| n.parse().ok()).unwrap_or(1500);
    let folder = tempfile::tempdir().expect("a folder");
    let mut bad = Vec::new();
    for reader in &READERS {
        let seeds = (reader.seeds)();
        for seed in &seeds {
            assert!((reader.read)(seed, folder.path()), "{}: a seed that is not well-formed", reader.name);
        }
        let (mut rng, mut accepted) = (Rng::named(1, reader.name), 0);
        // What a panic says is told below.
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        for _ in 0..count {
            let bytes = changed(&seeds[rng.below(seeds.len())], &seeds[rng.below(seeds.len())], &mut rng);
            match catch_unwind(AssertUnwindSafe(|| (reader.read)(&bytes, folder.path()))) {
                Ok(good) => accepted += usize::from(good),
                Err(panic) => {
                    let message = panic.downcast_ref::<String>().cloned();
                    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                    bad.push(format!("{}: {message:?} of {bytes:?}", reader.name));
                    break;
                }
            }
        }
        std::panic::set_hook(told);
        println!("{}: {accepted} of {count} well-formed", reader.name);
        assert!(accepted < count, "{}: nothing is refused", reader.name);
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
