//! Sums over dimensions: `shaders/sum.wgsl`, in two passes where they are long; over leading dimensions, such as a
//! bias' gradient, `shaders/sum_columns.wgsl`.

use super::{
    Binding, FEWEST_LANES, Fused, Limits, Lowering, Operand, Refusal, chunks, lanes, launch, partials, turns,
};
use crate::error::Mismatch;
use crate::shape::Shape;
use crate::tensor::TensorType;
use minijinja::{Value, context};

/// Terms one workgroup adds at most, where there are not outputs enough for all cores.
const LONGEST: usize = 8192;
/// Outputs that are enough for a CPU adapter, whose cores are few and to which a second pass is one more launch.
const MANY: usize = 16;

/// Sizes, divisors and input strides of the dimensions that pass `keep`, neighbours joined where they can be.
fn axes(shape: &Shape, keep: impl Fn(usize) -> bool) -> (usize, Vec<Value>) {
    let strides = shape.strides();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for d in (0..shape.len()).filter(|&d| keep(d) && shape[d] > 1) {
        match merged.last_mut() {
            Some((size, stride)) if *stride == shape[d] * strides[d] => {
                (*size, *stride) = (*size * shape[d], strides[d])
            }
            _ => merged.push((shape[d], strides[d])),
        }
    }
    let mut count = 1;
    let mut values: Vec<Value> = Vec::new();
    for (size, stride) in merged.into_iter().rev() {
        values.push(context! { size, stride, div => count });
        count *= size;
    }
    (count, values)
}

/// Rows one invocation adds at most where columns are summed.
const ROWS: usize = 64;

/// The sum over leading dimensions: neighbouring invocations own neighbouring columns. `None` where the columns
/// are not whole vec4 or too few for that, or the tensor does not fit a binding.
fn columns(
    dims: &[usize],
    fused: &Fused,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Option<Lowering>, Mismatch> {
    let shape = &inputs[0].shape;
    let lead = dims.len();
    let (rows, kept) = (shape[..lead].iter().product::<usize>(), shape[lead..].iter().product::<usize>());
    let leading = dims.iter().enumerate().all(|(i, &d)| i == d);
    if !leading || !kept.is_multiple_of(4) || kept < 32 || inputs[0].bytes() > limits.max_binding_bytes {
        return Ok(None);
    }
    let columns = kept / 4;
    let lanes = columns.next_power_of_two().clamp(8, 64);
    let (tiles, parts) =
        (columns.div_ceil(lanes), rows.div_ceil(ROWS.min(turns::most(limits).saturating_sub(1).max(1))));
    let wide = limits.wide_loads;
    let target = if parts == 1 { Operand::Output(0) } else { Operand::Workspace(0) };
    let own = if parts == 1 { fused.clone() } else { fused.loading() };
    let rows_per_part = rows.div_ceil(parts);
    let values = context! {
        rows, columns, lanes, tiles, parts, wide, rows_per_part,
        ..own.values(2, true, true)
    };
    let mut bindings = vec![Binding::read(Operand::Input(0)), Binding::write(target)];
    bindings.extend(own.bindings(|b| b));
    let why = format!("leading dimensions, 4 columns a lane, {parts} parts{}", own.why());
    let sums = launch(limits, "sum_columns", tiles * parts, 1 + rows_per_part, bindings, why, values)?;
    let mut lowering = Lowering::single(sums);
    if parts > 1 {
        lowering.workspaces.push((parts * kept * 4) as u64);
        lowering.launches.extend(partials::fused(Operand::Workspace(0), parts, kept, &fused.stores, limits)?);
    }
    Ok(Some(lowering))
}

/// Whether terms lie side by side in runs of a multiple of 4: the last dimensions, if they are summed. All other
/// strides are multiples of that run.
fn of_fours(shape: &Shape, dims: &[usize]) -> bool {
    let run = (0..shape.len()).rev().take_while(|d| dims.contains(d)).map(|d| shape[d]);
    run.product::<usize>().is_multiple_of(4)
}

pub(super) fn forward(
    dims: &[usize],
    fused: &Fused,
    inputs: &[&TensorType],
    outputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    if let Some(lowering) = columns(dims, fused, inputs, limits)? {
        return Ok(lowering);
    }
    let shape = &inputs[0].shape;
    let count = outputs[0].shape.elements();
    // A tensor larger than a binding is split along its first dimension, which must then be summed.
    let lines = shape.first().copied().unwrap_or(1);
    let row = shape.iter().skip(1).product::<usize>() as u64 * 4;
    let splittable = dims.first() == Some(&0);
    let runs =
        if splittable { chunks(lines, &[(Operand::Input(0), row)], limits)? } else { vec![(0, lines)] };
    let mut lowering = Lowering::default();
    let mut first_part = 0;
    let whole = runs.len() == 1;
    for (first, rows) in runs {
        let mut run = shape.to_vec();
        run.first_mut().into_iter().for_each(|lines| *lines = rows);
        let run = Shape::from(run);
        let (outputs, kept) = axes(&run, |d| !dims.contains(&d));
        let (terms, summed) = axes(&run, |d| dims.contains(&d));
        // Four terms at a time where every run of neighbouring terms begins and ends at a multiple of 4.
        let vec4 = of_fours(&run, dims);
        let run_of = if vec4 { 4 } else { 1 };
        let terms = terms / run_of;
        let longest = if limits.software && outputs >= MANY { terms } else { LONGEST / run_of };
        let parts = terms.div_ceil(longest.min(FEWEST_LANES * turns::most(limits).saturating_sub(1).max(1)));
        let terms_per_part = terms.div_ceil(parts);
        let lanes = lanes(terms_per_part, limits);
        let turns = turns::of_loop(terms_per_part.div_ceil(lanes), 0);
        let tree: Vec<usize> = (0..lanes.ilog2()).rev().map(|b| 1 << b).collect();
        let single = whole && parts == 1;
        let own = if single { fused.clone() } else { fused.loading() };
        let values = context! {
            outputs, kept, terms, summed, parts, lanes, tree, first_part, vec4, terms_per_part,
            wide => limits.wide_loads,
            ..own.values(2, vec4, false)
        };
        let bytes = |rows: usize| rows as u64 * row;
        let target = if single { Operand::Output(0) } else { Operand::Workspace(0) };
        let part = |b: Binding| b.range(bytes(first), bytes(rows));
        let mut bindings = vec![part(Binding::read(Operand::Input(0))), Binding::write(target)];
        bindings.extend(own.bindings(part));
        let four = if vec4 { ", four terms a load" } else { "" };
        let why = format!("{lanes} lanes an output, {parts} parts{four}{}", own.why());
        lowering.launches.push(launch(limits, "sum", outputs * parts, turns, bindings, why, values)?);
        first_part += parts;
        if single {
            return Ok(lowering);
        }
    }
    lowering.workspaces.push((first_part * count * 4) as u64);
    lowering.launches.extend(partials::fused(
        Operand::Workspace(0),
        first_part,
        count,
        &fused.stores,
        limits,
    )?);
    Ok(lowering)
}
