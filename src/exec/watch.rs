//! What a program found wrong while it ran: the words of its plan's checks, copied to the host behind each run.

use super::counters::count;
use super::gpu::Gpu;
use super::staging;
use crate::error::Result;
use crate::plan::{Check, Plan};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A staging slot that a run copies the words to.
#[derive(Debug)]
struct Slot {
    buffer: wgpu::Buffer,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    /// A run copies to it.
    Copying,
    /// The host will see it, and does from when this is set on.
    Mapping(Arc<AtomicBool>),
    /// The same of a run that began before the words were cleared: what it met was said.
    Said(Arc<AtomicBool>),
}

/// The checks of a program and where their words come to the host: as many slots as runs may be under way, so that a
/// steady state makes no buffer. Who reads a result or a parameter looks here too.
#[derive(Debug)]
pub(super) struct Watch {
    checks: Vec<Check>,
    /// Where the kernels say what is wrong.
    words: wgpu::Buffer,
    slots: Mutex<Vec<Slot>>,
}

impl Watch {
    /// `None` for a plan without checks.
    pub(super) fn new(gpu: &Gpu, plan: &Plan, buffers: &[wgpu::Buffer], runs: usize) -> Option<Arc<Self>> {
        let words = buffers[plan.checked?].clone();
        let slot = |_| Slot { buffer: staging::checks(gpu, words.size()), state: State::Free };
        let slots = Mutex::new((0..runs).map(slot).collect());
        Some(Arc::new(Self { checks: plan.checks.clone(), words, slots }))
    }

    /// Behind the steps of a run: copies the words to a free slot. Where there is none the next run does; the words
    /// stay.
    pub(super) fn encode(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.iter_mut().find(|slot| matches!(slot.state, State::Free)) else { return };
        encoder.copy_buffer_to_buffer(&self.words, 0, &slot.buffer, 0, self.words.size());
        count(&gpu.tally.copies, 1);
        slot.state = State::Copying;
    }

    /// The run is on its way.
    pub(super) fn submitted(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.iter_mut().filter(|slot| matches!(slot.state, State::Copying)) {
            let mapped = Arc::new(AtomicBool::new(false));
            slot.state = State::Mapping(mapped.clone());
            slot.buffer.map_async(wgpu::MapMode::Read, .., move |result| {
                mapped.store(result.is_ok(), Ordering::Release);
            });
        }
    }

    /// What has come from the device by now.
    ///
    /// # Errors
    /// When a run met something wrong: the first of it. It is said once; what later runs meet is said anew.
    pub(super) fn look(&self, gpu: &Gpu) -> Result<()> {
        let mut failure = None;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.iter_mut() {
            let (State::Mapping(mapped) | State::Said(mapped)) = &slot.state else { continue };
            if !mapped.load(Ordering::Acquire) {
                continue;
            }
            let new = failure.is_none() && matches!(slot.state, State::Mapping(_));
            if let (true, Ok(view)) = (new, slot.buffer.get_mapped_range(..)) {
                failure = self.checks.iter().find_map(|check| failed(check, &view));
            }
            slot.buffer.unmap();
            slot.state = State::Free;
        }
        let Some(failure) = failure else { return Ok(()) };
        gpu.upload(&self.words, &vec![u8::MAX; self.words.size() as usize]);
        for slot in slots.iter_mut() {
            if let State::Mapping(mapped) = &slot.state {
                slot.state = State::Said(mapped.clone());
            }
        }
        Err(failure)
    }
}

/// What a check found, from the words of all.
fn failed(check: &Check, words: &[u8]) -> Option<crate::Error> {
    let from = check.offset as usize;
    let word =
        |i: usize| Some(u32::from_le_bytes(words.get(from + 4 * i..from + 4 * i + 4)?.try_into().ok()?));
    check.failure([word(0)?, word(1)?, word(2)?])
}
