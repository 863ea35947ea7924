//! Measuring kernels and training steps on a device, so that the numbers can be trusted.
//!
//! A [`Case`] is a pass of a line of the table that [`verify`](crate::verify) runs from: one op of given shapes. It is
//! [checked](check::check) against the CPU reference on the device that
//! is measured, then [timed](measure::measure) with device timestamps: warm-up until stable, at least ten samples, random
//! data. The [roofs](peaks::roofs) that results are put in relation to are measured on the same device in the
//! same run. A [`Report`] holds all of it with the environment and the raw samples, and two reports can be
//! [compared](compare()).
//!
//! [Odd shapes](odd::lines) are measured [beside](beside::beside) the CPU reference: no shape should be slower than its plain
//! loops.
//!
//! The `wgrad bench` command is a thin layer over this module.

pub mod beside;
mod case;
mod catalog;
pub mod check;
mod compare;
pub mod measure;
mod models;
pub mod odd;
#[cfg(feature = "onnx")]
mod onnx;
mod operands;
pub mod peaks;
pub mod plan;
mod report;
pub mod sentinel;
pub mod shader;
mod shapes;
mod statistics;
pub mod trace;
pub mod train;
pub mod tune;

pub use case::{Case, Prepared};
pub use catalog::{OpEntry, Pass, catalog, op};
pub use compare::{Compared, Comparison, Rules, SetMean, Verdict, compare};
#[cfg(feature = "onnx")]
pub use onnx::OnnxModel;
pub use report::{Environment, Footprint, Report, Roofs, Row, SCHEMA, Status, Timing, VERSION, load, save};
pub use shapes::{Dims, Line, parse_table};
pub use statistics::{Summary, interval_of_pairs, interval_of_ratio};
