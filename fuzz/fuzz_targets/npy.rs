//! See tests/readers/mod.rs.
#![no_main]

#[path = "../../tests/readers/mod.rs"]
mod readers;
#[path = "../run.rs"]
mod run;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run::one("npy", bytes));
