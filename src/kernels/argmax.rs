//! Positions of maxima: `shaders/argmax.wgsl`.

use super::softmax::{Rows, rows, tree};
use super::{Access, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, launch};
use crate::error::Mismatch;
use crate::ops::Argmax;

use crate::tensor::TensorType;
use minijinja::context;

impl Lower for Argmax {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self.dim, site.inputs, site.limits)
    }
}

/// The most invocations that scan a row together.
const MOST_LANES: usize = 64;

fn forward(dim: usize, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    let all = inputs[0].shape.axis(dim)?;
    let launches = rows(all, Operand::Input(0), &[Operand::Output(0)], &[], limits)?.into_iter();
    let launches = launches.map(|rows| part(&rows, rows.sizes(), limits));
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}

fn part(rows: &Rows, [outer, length, inner]: [usize; 3], limits: &Limits) -> Result<Launch, Mismatch> {
    let (input, output) = (Operand::Input(0), Operand::Output(0));
    let bindings = vec![rows.long(input, Access::Read), rows.short(output, Access::Write)];
    // Every lane must have an element to begin with. A CPU adapter has no invocations to spare.
    let lanes = if limits.software { 1 } else { 1 << length.min(MOST_LANES).ilog2() };
    let lanes = iterations::lanes(lanes, length, 1, limits).min(1 << length.ilog2());
    // A load takes a CPU adapter as long for four numbers as for one.
    let fits = |unit: &usize| lanes == 1 && limits.software && inner.is_multiple_of(*unit);
    let unit = [4, 2].into_iter().find(fits).unwrap_or(1);
    let count = outer * inner / unit;
    let (groups, how) = match unit {
        _ if lanes > 1 => (count, "one row per workgroup".to_owned()),
        1 => (count.div_ceil(64), "one row per invocation".to_owned()),
        _ => (count.div_ceil(64), format!("{unit} rows per invocation")),
    };
    let wide = limits.wide_loads;
    let values = context! { outer, length, inner, lanes, unit, wide, tree => tree(lanes), ..rows.values() };
    let why = format!("{how}{}", rows.why());
    launch(limits, "argmax", groups, length.div_ceil(lanes), bindings, why, values)
}
