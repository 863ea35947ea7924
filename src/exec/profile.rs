//! A run with a timestamp before and after every step.

use super::program::Program;
use super::stopwatch::{Clock, Stopwatch};
use crate::error::Result;
use crate::plan::Step;

/// How long one step of a plan took, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfiledStep {
    /// The op, `copy` for a copy.
    pub op: String,
    /// The node's label, such as `features.0.backward`.
    pub label: String,
    /// The kernel, empty for a copy.
    pub kernel: String,
    /// Its variant and why it was chosen.
    pub why: String,
    /// Workgroups along x and y.
    pub grid: [u32; 2],
    /// Bytes bound to it.
    pub bytes: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// When it began and how long it took, in seconds on the device's clock; `None` where the device gave a
    /// wrong measurement.
    pub span: Option<(f64, f64)>,
}

/// The steps of one run, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What the durations were measured with. The host's clock includes the cost of a submission each.
    pub clock: Clock,
    /// The steps.
    pub steps: Vec<ProfiledStep>,
}

/// Runs the program once, each step in passes of its own.
pub(super) async fn run(program: &Program) -> Result<Profile> {
    let stopwatch = Stopwatch::of(&program.gpu, false);
    let groups: Vec<_> = program.commands.iter().map(std::iter::once).collect();
    let spans = stopwatch.measure(None, &groups).await?;
    let spans = spans.into_iter().map(|s| s.map(|s| (s.start, s.seconds)));
    let steps = program.plan.steps.iter().zip(spans).map(|(step, span)| match step {
        Step::Dispatch(d) => ProfiledStep {
            op: d.op.to_owned(),
            label: d.label.clone(),
            kernel: program.plan.kernels[d.kernel].name.to_owned(),
            why: d.why.clone(),
            grid: d.grid,
            bytes: step.bound_bytes(),
            flops: d.flops,
            span,
        },
        Step::Copy { .. } => ProfiledStep {
            op: "copy".to_owned(),
            label: String::new(),
            kernel: String::new(),
            why: String::new(),
            grid: [0, 0],
            bytes: step.bound_bytes(),
            flops: 0,
            span,
        },
    });
    Ok(Profile { clock: stopwatch.clock(), steps: steps.collect() })
}
