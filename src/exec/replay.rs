//! A plan run once on memory given byte by byte: what tests need to poison, guard and inspect everything a
//! kernel may touch.

use super::gpu::Gpu;
use super::program::Program;
use super::readback::read_bytes;
use crate::error::{Error, Result};
use crate::plan::Plan;
use std::sync::Arc;

/// As [`Device::replay`](super::Device::replay), on an adapter.
pub(super) async fn replay(gpu: &Arc<Gpu>, plan: &Plan, memory: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let given: Vec<u64> = memory.iter().map(|bytes| bytes.len() as u64).collect();
    let planned: Vec<u64> = plan.buffers.iter().map(|b| b.bytes).collect();
    if given != planned {
        return Err(Error::argument("memory", format!("{planned:?} bytes"), format!("{given:?}")));
    }
    let mut program = Program::build(gpu, plan.clone(), |_| None).await?;
    for (buffer, bytes) in program.buffers.iter().zip(memory) {
        gpu.queue.write_buffer(buffer, 0, bytes);
    }
    program.run().await?;
    let mut after = Vec::with_capacity(planned.len());
    for (buffer, bytes) in program.buffers.iter().zip(planned) {
        after.push(read_bytes(gpu, buffer, bytes).await?);
    }
    Ok(after)
}
