//! Memory that a program needs beside what there is.

use super::gpu::Gpu;
use crate::error::{Error, Result};
use crate::plan::Plan;

/// How many of the largest tensors are named.
const NAMED: usize = 4;

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// What a plan needs, in words.
pub(super) struct Needs {
    peak: u64,
    largest: String,
}

impl Needs {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { peak: plan.memory.peak, largest: largest(plan) }
    }

    fn refused(&self, room: String) -> Error {
        let (needed, largest) = (mib(self.peak), self.largest.clone());
        Error::Memory { room, needed, largest, hint: String::new() }
    }

    /// Refuses what does not fit into what programs may hold, before anything is made.
    pub(super) fn check(&self, gpu: &Gpu) -> Result<()> {
        let room = gpu.room();
        if self.peak <= room { Ok(()) } else { Err(self.refused(mib(room))) }
    }

    /// Makes what a plan needs; where the device has no memory for it, that is an error and no failure of the device.
    pub(super) async fn make<T>(&self, gpu: &Gpu, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let made = gpu.within_memory(make).await;
        made.unwrap_or_else(|message| Err(self.refused(format!("what the device has ({message})"))))
    }
}

/// The largest tensors of a plan, with their sizes.
fn largest(plan: &Plan) -> String {
    let states = plan.states.iter().map(|state| (state.named.name.clone(), state.named.ty.bytes()));
    let inputs = plan.inputs.iter().map(|input| (format!("input {}", input.name), input.ty.bytes()));
    let lives = plan.lives.iter().map(|life| (life.what.clone(), life.bytes));
    let mut all: Vec<(String, u64)> = states.chain(inputs).chain(lives).collect();
    all.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let words = all.iter().take(NAMED).map(|(what, bytes)| format!("{what} {}", mib(*bytes)));
    let memory = plan.memory;
    format!(
        "parameters {}, states {}, activations {}; the largest: {}",
        mib(memory.parameters),
        mib(memory.states),
        mib(memory.activations),
        words.collect::<Vec<_>>().join(", ")
    )
}
