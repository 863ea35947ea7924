//! wgrad in a web worker: what the page of `site/` calls.
//!
//! Each job of the page is a class here, made by its `open` and driven by the worker's JavaScript, one call at a time: `README.md`
//! beside this folder lists them. Errors are thrown as texts that say what was expected and what came.

#![cfg(target_family = "wasm")]

mod bench;
mod digits;
mod inside;
mod network;
mod opened;
mod parity;
mod value;
mod writer;

pub use bench::Bench;
pub use digits::Digits;
pub use parity::Parity;
pub use writer::Writer;

use std::panic::set_hook;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(text: &str);
}

/// Runs when the module is loaded: a panic, which would be a fault of the engine, is told on the console.
#[wasm_bindgen(start)]
pub fn start() {
    set_hook(Box::new(|panic| error(&panic.to_string())));
}
