//! What "correct" means, and how a device is held to it.
//!
//! Every adapter is compared with the CPU reference in f64, the oracle, never with another adapter. One
//! tolerance for all would hide bugs or refuse correct kernels, so there are tiers, and all must hold:
//!
//! - **Exact.** With integers small enough that every partial sum is exact, the bits must agree. Neither order
//!   nor fused operations can matter; any indexing mistake shows.
//! - **Bound.** With real numbers every element has a bound of its own, from the magnitudes of its terms.
//! - **Norm.** The errors of a long sum are small together too, and point in no preferred direction.
//! - **Repeat.** The same op, run ten times in fresh memory, gives the same bits.
//!
//! Which of the first two holds for an output is computed, not declared: see [`Estimate`]. What hides mistakes is
//! undone: outputs and scratch are full of NaN before a run, canaries lie around all data inside the bindings,
//! inputs must be unchanged, shaders run with and without bounds checks, and every variant of a kernel is
//! run.
//!
//! A kernel of your own is held to a CPU function of your own in the same way: see [`run_kernel`]; an element-wise function
//! of your own by [`check_function`]; an op of your own, gradient and all, by [`check_custom`].
//!
//! The nodes of a whole [`Network`] are held to the reference on the values that really flow through it: a kernel that is right
//! for what the table has may be wrong for what a model has.
//!
//! A [`Case`] is one line of text, and that line brings it back: `wgrad parity --case '...'`.

mod adapter;
mod bound;
mod bound_ctc;
mod bound_custom;
mod bound_grid;
mod bound_map;
mod bound_norm;
mod bound_reduce;
mod bound_rows;
mod bound_sequence;
mod bound_winograd;
mod case;
mod cases;
mod custom;
mod data;
mod estimates;
mod function;
mod halves;
mod iterations;
mod judge;
mod kernel;
mod line;
mod memory;
mod network;
mod oracle;
mod plans;
pub mod report;
mod rounding;
mod shrink;
mod trial;
mod whole;

pub use adapter::{Adapter, Replay, Runner};
pub use case::{Case, Kink};
pub use cases::{ops, random, refused_convolutions, stems, table};
pub use custom::{CustomReport, check_custom};
pub use data::{Fill, Input};
pub use estimates::Estimate;
pub use function::{FunctionReport, check_function, derivatives};
pub use iterations::{Iterations, iterations, iterations_async, loops};
pub use judge::{Heat, Judgement, Worst, judge};
pub use kernel::{UserKernel, run_kernel};
pub use line::Line;
pub use network::{Network, See, Site};
pub(crate) use oracle::first_value;
pub use oracle::{TileOf, estimate, estimate_tiled};
pub use shrink::shrink;
pub use trial::{Effort, Failure, Outcome, Verdict, run, run_async, run_on, run_variant};
pub use whole::{Compared, Whole};
