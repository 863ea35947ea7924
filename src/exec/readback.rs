//! Reading results back, now or later.

use super::counters::count;
use super::gpu::Gpu;
use super::staging;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::tensor::{HostTensor, TensorType};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// A tensor on its way to the host.
#[derive(Debug)]
pub struct Pending {
    state: State,
    /// What the programs behind it found wrong.
    watches: Vec<Arc<Watch>>,
}

#[derive(Debug)]
enum State {
    Ready(HostTensor),
    Mapping(Mapping),
    Taken,
}

#[derive(Debug)]
struct Mapping {
    gpu: Arc<Gpu>,
    staging: wgpu::Buffer,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
    ty: TensorType,
}

impl Pending {
    pub(super) fn ready(tensor: HostTensor) -> Self {
        Self { state: State::Ready(tensor), watches: Vec::new() }
    }

    /// Copies the tensor out of `buffer` as it is after all work submitted so far.
    pub(super) fn start(gpu: &Arc<Gpu>, buffer: &wgpu::Buffer, ty: TensorType) -> Result<Self> {
        let none = || Error::device("a readback", "none");
        Self::start_all(gpu, &[(buffer.clone(), ty)])?.pop().ok_or_else(none)
    }

    /// Copies tensors out of their buffers as they are after all work submitted so far, in one submission.
    pub(super) fn start_all(gpu: &Arc<Gpu>, buffers: &[(wgpu::Buffer, TensorType)]) -> Result<Vec<Self>> {
        let mut encoder = gpu.encoder();
        let mut copies = Vec::with_capacity(buffers.len());
        for (buffer, ty) in buffers {
            // Whole words are copied; the last may hold one f16 only.
            let bytes = ty.bytes().next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT);
            let staging = staging::readback(gpu, bytes);
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
            count(&gpu.tally.copies, 1);
            count(&gpu.tally.read_back, bytes);
            copies.push((staging, ty.clone()));
        }
        gpu.submit(encoder);
        let map = |(staging, ty): (wgpu::Buffer, TensorType)| {
            let (sender, mapped) = channel();
            // The receiver may be gone: the result was not wanted any more.
            staging.map_async(wgpu::MapMode::Read, .., move |result| drop(sender.send(result)));
            let state = State::Mapping(Mapping { gpu: gpu.clone(), staging, mapped, ty });
            Self { state, watches: Vec::new() }
        };
        let pending = copies.into_iter().map(map).collect();
        gpu.check()?;
        Ok(pending)
    }

    /// With the tensor comes what these have found wrong until then.
    pub(super) fn watched(mut self, watches: impl IntoIterator<Item = Arc<Watch>>) -> Self {
        self.watches.extend(watches);
        self
    }

    /// The tensor if it has arrived; `None` if not yet, or if it was taken before.
    ///
    /// # Errors
    /// When the device failed, or a run before it met an index out of range.
    pub fn try_get(&mut self) -> Result<Option<HostTensor>> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ready(tensor) => Ok(Some(tensor)),
            State::Taken => Ok(None),
            State::Mapping(mapping) => {
                let polled = mapping.gpu.device.poll(wgpu::PollType::Poll);
                polled.map_err(|e| Error::device("a readback", e.to_string()))?;
                match mapping.mapped.try_recv() {
                    Ok(result) => mapping.take(result, &self.watches).map(Some),
                    Err(TryRecvError::Empty) => {
                        self.state = State::Mapping(mapping);
                        Ok(None)
                    }
                    Err(TryRecvError::Disconnected) => Err(mapping.failed()),
                }
            }
        }
    }

    /// Waits for the tensor.
    ///
    /// # Errors
    /// When the device failed, the tensor was taken before, or a run before it met an index out of range.
    pub fn wait(self) -> Result<HostTensor> {
        match self.state {
            State::Ready(tensor) => Ok(tensor),
            State::Taken => Err(Error::device("a readback", "one that was taken before")),
            State::Mapping(mapping) => {
                mapping.gpu.wait(None)?;
                match mapping.mapped.recv() {
                    Ok(result) => mapping.take(result, &self.watches),
                    Err(_) => Err(mapping.failed()),
                }
            }
        }
    }
}

/// The first `bytes` (a multiple of 4) of a buffer; waits for them.
pub(super) fn read_bytes(gpu: &Arc<Gpu>, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
    let ty = TensorType::u32([(bytes / 4) as usize]);
    Pending::start(gpu, buffer, ty)?.wait().map(|tensor| tensor.as_bytes().to_vec())
}

impl Mapping {
    fn take(self, result: Result<(), wgpu::BufferAsyncError>, watches: &[Arc<Watch>]) -> Result<HostTensor> {
        result.map_err(|_| self.failed())?;
        self.gpu.check()?;
        // Those of earlier runs are there by now: they were asked for first.
        watches.iter().try_for_each(|watch| watch.look(&self.gpu))?;
        let view =
            self.staging.get_mapped_range(..).map_err(|e| Error::device("a readback", e.to_string()))?;
        let tensor = HostTensor::from_bytes(&self.ty, view.get(..self.ty.bytes() as usize).unwrap_or(&view));
        drop(view);
        staging::keep(&self.gpu, self.staging);
        tensor
    }

    fn failed(&self) -> Error {
        self.gpu.check().err().unwrap_or_else(|| Error::device("a readback", "a mapping that failed"))
    }
}
