//! A plan run once on memory given byte by byte: what tests need to poison, guard and inspect everything a
//! kernel may touch.

use super::device::{Device, Kind};
use super::program::Program;
use super::readback::Pending;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::tensor::TensorType;

impl Device {
    /// Makes the buffers of `plan` anew, fills each with its bytes of `memory`, runs the plan once and gives
    /// the bytes of all buffers back, in the order of [`Plan::buffers`].
    ///
    /// Not public: on a device without bounds checks the kernels of a plan must keep to their bindings, which only
    /// those of this crate are known to do.
    ///
    /// # Errors
    /// On the CPU reference, which has no memory of a plan; when a buffer's bytes are not as many as planned;
    /// when the device failed.
    pub(crate) fn replay(&self, plan: &Plan, memory: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let Kind::Gpu(gpu) = &self.0 else {
            return Err(Error::device("an adapter to run a plan on", "the CPU reference"));
        };
        let given: Vec<u64> = memory.iter().map(|bytes| bytes.len() as u64).collect();
        let planned: Vec<u64> = plan.buffers.iter().map(|b| b.bytes).collect();
        if given != planned {
            return Err(Error::argument("memory", format!("{planned:?} bytes"), format!("{given:?}")));
        }
        let mut program = Program::build(gpu, plan.clone(), |_| None)?;
        for (buffer, bytes) in program.buffers.iter().zip(memory) {
            gpu.queue.write_buffer(buffer, 0, bytes);
        }
        program.run()?;
        let words = |bytes: u64| TensorType { shape: [(bytes / 4) as usize].into(), dtype: DType::U32 };
        let read = program.buffers.iter().zip(&planned);
        read.map(|(buffer, &bytes)| {
            Ok(Pending::start(gpu, buffer, words(bytes))?.wait()?.as_bytes().to_vec())
        })
        .collect()
    }
}
