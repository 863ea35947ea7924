//! Reading results back, now or later.

use super::arrival::{Arrival, promise};
use super::counters::count;
use super::gpu::Gpu;
use super::staging;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::platform::{BROWSER, block_on};
use crate::tensor::{HostTensor, TensorType};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A tensor on its way to the host: a future of it. Awaited, it holds up no thread; [`Pending::wait`] does.
///
/// ```
/// # fn main() -> wgrad::Result<()> {
/// use wgrad::{Device, Graph, HostTensor, Parameters};
///
/// async fn doubled(values: Vec<f32>) -> wgrad::Result<Vec<f32>> {
///     let (graph, device) = (Graph::new(), Device::auto_async().await?);
///     let x = graph.input("x", [values.len()])?;
///     let y = x.scale(2.0)?;
///     let mut program = Parameters::new(&device, 0).compile_async(&graph, &[&y]).await?;
///     program.run_async(&[(&x, &HostTensor::from_f32([values.len()], values)?)]).await?;
///     Ok(program.read_async(&y)?.await?.as_f32()?.to_vec())
/// }
/// # assert_eq!(pollster::block_on(doubled(vec![1.0, 2.5]))?, [2.0, 5.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a tensor on its way is read by awaiting it or by `wait`"]
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
    mapping: Arrival<bool>,
    /// Whether that worked, once it is known.
    mapped: Option<bool>,
    /// In a browser, whether what earlier runs found wrong is there: mappings come in any order, this behind all of them.
    settled: Option<Arrival<()>>,
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
            let (promise, mapping) = promise(&gpu.poller);
            staging.map_async(wgpu::MapMode::Read, .., move |result| promise.keep(result.is_ok()));
            let (gpu, settled) = (gpu.clone(), BROWSER.then(|| gpu.submitted()));
            let state = State::Mapping(Mapping { gpu, staging, mapping, mapped: None, settled, ty });
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
            State::Mapping(mut mapping) => match mapping.poll(None) {
                Poll::Ready(arrived) => arrived.and_then(|()| mapping.take(&self.watches)).map(Some),
                Poll::Pending => {
                    self.state = State::Mapping(mapping);
                    Ok(None)
                }
            },
        }
    }

    /// Waits for the tensor; in a browser, which does not wait, an error unless it is there.
    ///
    /// # Errors
    /// When the device failed, the tensor was taken before, or a run before it met an index out of range.
    pub fn wait(self) -> Result<HostTensor> {
        block_on("the `Pending` awaited", self)
    }
}

/// # Errors
/// As [`Pending::wait`].
impl Future for Pending {
    type Output = Result<HostTensor>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ready(tensor) => Poll::Ready(Ok(tensor)),
            State::Taken => Poll::Ready(Err(Error::device("a readback", "one that was taken before"))),
            State::Mapping(mut mapping) => match mapping.poll(Some(context)) {
                Poll::Ready(arrived) => Poll::Ready(arrived.and_then(|()| mapping.take(&self.watches))),
                Poll::Pending => {
                    self.state = State::Mapping(mapping);
                    Poll::Pending
                }
            },
        }
    }
}

/// The first `bytes` (a multiple of 4) of a buffer.
pub(super) async fn read_bytes(gpu: &Arc<Gpu>, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>> {
    let ty = TensorType::u32([(bytes / 4) as usize]);
    Pending::start(gpu, buffer, ty)?.await.map(|tensor| tensor.as_bytes().to_vec())
}

impl Mapping {
    /// Ready when all is there; with no context the device is only asked.
    fn poll(&mut self, mut context: Option<&mut Context<'_>>) -> Poll<Result<()>> {
        if self.mapped.is_none() {
            let mapped = ready!(self.mapping.poll_with(context.as_deref_mut()))?;
            self.mapped = Some(mapped.unwrap_or(false));
        }
        if let Some(settled) = &self.settled {
            ready!(settled.poll_with(context))?;
            self.settled = None;
        }
        Poll::Ready(Ok(()))
    }

    fn take(self, watches: &[Arc<Watch>]) -> Result<HostTensor> {
        self.gpu.check()?;
        if self.mapped != Some(true) {
            return Err(Error::device("a readback", "a mapping that failed"));
        }
        // Those of earlier runs are there by now: they were asked for first.
        watches.iter().try_for_each(|watch| watch.look(&self.gpu))?;
        let view =
            self.staging.get_mapped_range(..).map_err(|e| Error::device("a readback", e.to_string()))?;
        let tensor = HostTensor::from_bytes(&self.ty, view.get(..self.ty.bytes() as usize).unwrap_or(&view));
        drop(view);
        staging::keep(&self.gpu, self.staging);
        tensor
    }
}
