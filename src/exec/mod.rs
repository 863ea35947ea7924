//! The executor: the only part that knows wgpu. It builds every pipeline, buffer and bind group of a plan
//! once, and replays the plan with one submit a run. The CPU reference runs behind the same interface.

mod adapters;
mod ahead;
mod arrival;
mod cache;
mod checkpoint;
mod command;
mod compile;
mod counters;
mod device;
mod encode;
mod executable;
mod gpu;
mod identity;
mod iterations;
mod limits;
mod loading;
mod parameters;
mod poller;
mod profile;
mod program;
mod readback;
mod reference;
mod replay;
mod room;
mod staging;
mod stopwatch;
mod store;
mod watch;
mod weights;
mod workload;

pub use adapters::{AdapterReport, NO_ADAPTER, adapters, adapters_async};
pub use checkpoint::{Checkpoint, PendingCheckpoint};
pub use counters::Counters;
pub use device::Device;
pub use executable::Executable;
pub use identity::{AdapterIdentity, Backend};
pub use parameters::Parameters;
pub use profile::{Profile, ProfiledStep};
pub use readback::Pending;
pub use stopwatch::{Clock, Stopwatch};
pub use workload::{ForeignShader, Workload};
