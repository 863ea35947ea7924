//! Memory that host and device share, kept from step to step: inputs on their way to the device, results on their way
//! back. In a steady state no buffer is made.

use super::counters::count;
use super::gpu::Gpu;
use crate::plan::BufferId;
use crate::platform::BROWSER;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most memory of a staging slot for inputs; what is larger goes through the queue, which makes a buffer each time.
const MOST_BYTES: u64 = 16 << 20;

/// Bytes that an input takes up: mapped ranges begin at multiples of 8.
fn room(bytes: u64) -> u64 {
    bytes.next_multiple_of(wgpu::MAP_ALIGNMENT)
}

/// One staging slot for all inputs of a run.
#[derive(Debug)]
struct Slot {
    buffer: wgpu::Buffer,
    /// Whether the host may write to it.
    mapped: Arc<AtomicBool>,
}

/// Staging slots for the inputs of runs that are under way, taken one after the other.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    slots: Vec<Slot>,
    /// As many as runs may be under way.
    most: usize,
    /// Bytes of each.
    bytes: u64,
    next: usize,
    /// What waits in the next slot: its first byte there, its length, and the buffer it is for.
    waiting: Vec<(u64, u64, BufferId)>,
}

impl Uploads {
    /// For so many runs, each with inputs of so many bytes. A slot is made when an input first needs it. A browser's queue
    /// takes what it is given at once, where a mapped buffer would be copied twice.
    pub(super) fn new(most: usize, inputs: impl Iterator<Item = u64>) -> Self {
        let bytes = inputs.map(room).sum();
        Self { most: if bytes <= MOST_BYTES && !BROWSER { most } else { 0 }, bytes, ..Self::default() }
    }

    /// Writes an input for the next run, instead of what waits for the same buffer; false where there is no room or the
    /// device gives none.
    pub(super) fn write(&mut self, gpu: &Gpu, to: BufferId, bytes: &[u8]) -> bool {
        if self.next == self.slots.len() && self.next < self.most {
            let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
            let buffer = gpu.staging("inputs", self.bytes, usage);
            self.slots.push(Slot { buffer, mapped: Arc::new(AtomicBool::new(true)) });
        }
        let Some(slot) = self.slots.get(self.next).filter(|slot| slot.mapped.load(Ordering::Acquire)) else {
            return false;
        };
        // Whole words are copied; the last may hold one f16 only.
        let length = (bytes.len() as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
        let before = self.waiting.iter().position(|(_, _, buffer)| *buffer == to);
        let behind = self.waiting.last().map_or(0, |(begin, length, _)| begin + room(*length));
        let begin = before.map_or(behind, |at| self.waiting[at].0);
        let fits = begin + length <= self.bytes;
        let Some(Ok(mut view)) = fits.then(|| slot.buffer.get_mapped_range_mut(begin..begin + length)) else {
            return false;
        };
        view.slice(..bytes.len()).copy_from_slice(bytes);
        if before.is_none() {
            self.waiting.push((begin, length, to));
        }
        true
    }

    /// Whether an input waits.
    pub(super) fn any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Encodes the copies to where the inputs belong, before the steps of a run.
    pub(super) fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, buffers: &[wgpu::Buffer]) {
        let Some(slot) = self.slots.get(self.next).filter(|_| self.any()) else { return };
        slot.mapped.store(false, Ordering::Release);
        slot.buffer.unmap();
        for (begin, length, to) in &self.waiting {
            encoder.copy_buffer_to_buffer(&slot.buffer, *begin, &buffers[*to], 0, *length);
        }
    }

    /// The slot is free again when what was submitted is done; the next run has another.
    pub(super) fn submitted(&mut self) {
        let Some(slot) = self.slots.get(self.next).filter(|_| self.any()) else { return };
        let mapped = slot.mapped.clone();
        slot.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
            mapped.store(result.is_ok(), Ordering::Release);
        });
        self.waiting.clear();
        self.next = (self.next + 1) % self.most;
    }
}

/// The most bytes of a result whose buffer is kept, and the most buffers that are.
const MOST_KEPT: (u64, usize) = (1 << 16, 8);

/// A buffer to read a result of so many bytes from: one that was read before, or a new one.
pub(super) fn readback(gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
    let mut kept = gpu.readbacks();
    match kept.iter().position(|buffer| buffer.size() == bytes) {
        Some(at) => kept.swap_remove(at),
        None => gpu.staging("readback", bytes, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
    }
}

/// Keeps a buffer that has been read, for the next result of its size.
pub(super) fn keep(gpu: &Gpu, buffer: wgpu::Buffer) {
    let mut kept = gpu.readbacks();
    if buffer.size() <= MOST_KEPT.0 && kept.len() < MOST_KEPT.1 {
        buffer.unmap();
        kept.push(buffer);
    } else if BROWSER {
        // There its memory would stay until JavaScript's collector comes by, which does not know how large it is.
        buffer.destroy();
    }
}

/// A buffer in which a run's checks come to the host.
pub(super) fn checks(gpu: &Gpu, bytes: u64) -> wgpu::Buffer {
    gpu.staging("checks", bytes, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ)
}

impl Gpu {
    /// A buffer that the host maps; one to write to is mapped already.
    fn staging(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        count(&self.tally.buffers, 1);
        let mapped_at_creation = usage.contains(wgpu::BufferUsages::MAP_WRITE);
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation,
        })
    }
}
