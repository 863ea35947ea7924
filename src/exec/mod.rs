//! The executor: the only part that knows wgpu. It builds every pipeline, buffer and bind group of a plan
//! once, and replays the plan with one submit a run. The CPU reference runs behind the same interface.

mod ahead;
mod cache;
mod counters;
mod device;
mod encode;
mod executable;
mod gpu;
mod parameters;
mod profile;
mod program;
mod readback;
mod reference;
mod replay;
mod staging;
mod stopwatch;
mod turns;
mod watch;
mod weights;
mod workload;

pub use counters::Counters;
pub use device::{AdapterIdentity, AdapterReport, Backend, Device, NO_ADAPTER, adapters};
pub use executable::Executable;
pub use parameters::Parameters;
pub use profile::{Profile, ProfiledStep};
pub use readback::Pending;
pub use stopwatch::{Clock, Stopwatch};
pub use workload::{ForeignShader, Workload};
