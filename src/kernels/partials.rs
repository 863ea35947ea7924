//! The second pass of sums that were split: `shaders/sum_partials.wgsl`.

use super::{Binding, Launch, Limits, Operand, launch};
use crate::error::Mismatch;
use minijinja::context;

/// Adds `count` runs of `elements` numbers in a workspace into the first output, in order.
pub(super) fn sum(
    workspace: Operand,
    count: usize,
    elements: usize,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let bindings = vec![Binding::read(workspace), Binding::write(Operand::Output(0))];
    let why = format!("{count} partial sums, in order");
    launch(limits, "sum_partials", elements.div_ceil(64), bindings, why, context! { count, elements })
}
