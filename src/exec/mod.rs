//! The executor: the only part that knows wgpu. It builds every pipeline, buffer and bind group of a plan
//! once, and replays the plan with one submit a run. The CPU reference runs behind the same interface.

mod device;
mod executable;
mod gpu;
mod parameters;
mod program;
mod readback;
mod replay;
mod weights;

pub use device::{AdapterReport, Backend, Device, NO_ADAPTER, adapters};
pub use executable::Executable;
pub use parameters::Parameters;
pub use readback::Pending;
