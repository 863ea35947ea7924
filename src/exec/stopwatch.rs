//! Device time: timestamps at pass boundaries, or the host's clock where the adapter has none.

use super::arrival::promise;
use super::command::Command;
use super::device::Device;
use super::encode::{Marks, encode};
use super::gpu::Gpu;
use crate::error::{Error, Result};
use crate::platform::Instant;
use std::fmt;
use std::sync::Arc;

/// What a duration was measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Timestamps that the device writes before and after the work.
    Timestamps,
    /// The host's clock, from before the submission until the host knows that it is done.
    Wall,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Timestamps => "device timestamps",
            Clock::Wall => "host clock",
        })
    }
}

/// The most intervals of one submission: WebGPU allows 4096 queries in a set.
const INTERVALS: u32 = 2048;

/// An interval of time on the device, in seconds since some fixed moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) seconds: f64,
}

#[derive(Debug)]
struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
    seconds_per_tick: f64,
}

/// Measures how long a device takes.
#[derive(Debug)]
pub struct Stopwatch {
    gpu: Arc<Gpu>,
    queries: Option<Queries>,
    created: Instant,
}

impl Stopwatch {
    /// A stopwatch for this device; with `wall`, the host's clock even where there are timestamps.
    ///
    /// # Errors
    /// For the CPU reference, which is not a device to measure.
    pub fn new(device: &Device, wall: bool) -> Result<Self> {
        device.gpu("to measure").map(|gpu| Self::of(gpu, wall))
    }

    pub(super) fn of(gpu: &Arc<Gpu>, wall: bool) -> Self {
        let available = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let queries = (available && !wall).then(|| Queries::new(gpu));
        Self { gpu: gpu.clone(), queries, created: Instant::now() }
    }

    /// What it measures with.
    pub fn clock(&self) -> Clock {
        if self.queries.is_some() { Clock::Timestamps } else { Clock::Wall }
    }

    /// When each of these groups of steps ran: all groups in one submission where there are timestamps, each
    /// in its own otherwise. Steps of a group share passes. A negative difference, which some drivers give
    /// when a counter wraps, is `None`.
    ///
    /// Of several groups in one submission the first would find a cold cache and a sleepy device, so `lead`
    /// runs before it, untimed.
    pub(super) async fn measure<'p, S>(&self, lead: Option<S>, groups: &[S]) -> Result<Vec<Option<Span>>>
    where
        S: Iterator<Item = &'p Command> + Clone,
    {
        let mut all = Vec::with_capacity(groups.len());
        for part in groups.chunks(INTERVALS as usize) {
            match &self.queries {
                Some(queries) => all.extend(self.with_timestamps(queries, lead.clone(), part).await?),
                None => {
                    for group in part {
                        all.push(Some(self.with_host_clock(group.clone()).await?));
                    }
                }
            }
        }
        Ok(all)
    }

    async fn with_timestamps<'p, S>(
        &self,
        queries: &Queries,
        lead: Option<S>,
        groups: &[S],
    ) -> Result<Vec<Option<Span>>>
    where
        S: Iterator<Item = &'p Command> + Clone,
    {
        let mut encoder = self.gpu.encoder();
        if let Some(lead) = lead {
            encode(&self.gpu, &mut encoder, lead, Marks::None);
        }
        for (number, group) in groups.iter().enumerate() {
            let marks = Marks::Around { queries: &queries.set, first: 2 * number as u32 };
            encode(&self.gpu, &mut encoder, group.clone(), marks);
        }
        let ticks = queries.read(&self.gpu, encoder, 2 * groups.len() as u32).await?;
        let span = |t: &[u64]| {
            let difference = t[1].checked_sub(t[0]).filter(|d| *d > 0);
            let seconds = |ticks: u64| ticks as f64 * queries.seconds_per_tick;
            difference.map(|d| Span { start: seconds(t[0]), seconds: seconds(d) })
        };
        Ok(ticks.chunks_exact(2).map(span).collect())
    }

    async fn with_host_clock<'p>(&self, group: impl Iterator<Item = &'p Command> + Clone) -> Result<Span> {
        self.gpu.done(None).await?;
        let mut encoder = self.gpu.encoder();
        encode(&self.gpu, &mut encoder, group, Marks::None);
        let start = Instant::now();
        let submission = self.gpu.submit(encoder);
        self.gpu.done(Some(submission)).await?;
        let start_seconds = start.duration_since(self.created).as_secs_f64();
        Ok(Span { start: start_seconds, seconds: start.elapsed().as_secs_f64() })
    }
}

impl Queries {
    fn new(gpu: &Gpu) -> Self {
        let bytes = u64::from(2 * INTERVALS) * u64::from(wgpu::QUERY_SIZE);
        let buffer = |label, usage| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        Self {
            set: gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("stopwatch"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * INTERVALS,
            }),
            resolved: buffer("timestamps", wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            staging: buffer("timestamps", wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            seconds_per_tick: f64::from(gpu.queue.get_timestamp_period()) * 1e-9,
        }
    }

    /// Submits, waits, and reads the first `count` timestamps.
    async fn read(&self, gpu: &Gpu, mut encoder: wgpu::CommandEncoder, count: u32) -> Result<Vec<u64>> {
        let bytes = u64::from(count) * u64::from(wgpu::QUERY_SIZE);
        encoder.resolve_query_set(&self.set, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging, 0, bytes);
        gpu.submit(encoder);
        let (promise, mapped) = promise(&gpu.poller);
        self.staging.map_async(wgpu::MapMode::Read, ..bytes, move |result| promise.keep(result.is_ok()));
        let mapped = mapped.await?;
        gpu.check()?;
        let failed = || Error::device("timestamps", "a readback that failed");
        mapped.filter(|mapped| *mapped).ok_or_else(failed)?;
        let view = self.staging.get_mapped_range(..bytes).map_err(|_| failed())?;
        let words = view.chunks_exact(8).map(|b| {
            let mut word = [0; 8];
            word.copy_from_slice(b);
            u64::from_le_bytes(word)
        });
        let ticks = words.collect();
        drop(view);
        self.staging.unmap();
        Ok(ticks)
    }
}
