//! Average pooling: `shaders/avg_pool2d.wgsl` and its backward pass; large windows are added up along one side and then along
//! the other, `shaders/avg_pool2d_side.wgsl`.

use super::avg_pool2d_side::{self as side, Sides};
use super::pool2d::{Pool, PoolKernel, windows};
use super::{Binding, Chain, Limits, Lower, Lowering, Operand, Refusal, Site, iterations};
use crate::ops::{AvgPool2d, AvgPool2dBackward};
use crate::shape::{Shape, Window};
use minijinja::{Value, context};

impl Lower for AvgPool2d {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, &site.inputs[0].shape, site.limits)
    }
}

impl Lower for AvgPool2dBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.options, &self.input, site.limits)
    }
}

fn values(options: &AvgPool2d, whole: [Window; 2]) -> Value {
    let (override_, whole) = (options.divisor_override.unwrap_or(0), windows(whole));
    context! { count_include_pad => options.count_include_pad, override_, whole }
}

/// Windows that contain a position, at most.
pub(super) fn around(along: &Window) -> usize {
    along.extent().div_ceil(along.stride).min(along.output("").unwrap_or(usize::MAX))
}

/// The divisor of all windows, where it is the same.
fn common_divisor(options: &AvgPool2d, sides: [Window; 2]) -> Result<Option<usize>, Refusal> {
    if options.divisor_override.is_some() {
        return Ok(options.divisor_override);
    }
    let mut area = 1;
    for side in sides {
        let reach = (side.output("side")? - 1) * side.stride + side.kernel;
        let inside = reach <= side.input + side.before + side.after;
        if !inside || !options.count_include_pad && side.before + side.after > 0 {
            return Ok(None);
        }
        area *= side.kernel;
    }
    Ok(Some(area))
}

/// How many times as many loads and stores one pass over windows may take before two along a side each, a launch more, pay.
const PAYS: f64 = 1.5;

/// The two passes along a side each, where they take so many fewer loads and stores than `whole`, those of a plane.
fn sides(
    options: &AvgPool2d,
    input: &Shape,
    backward: bool,
    whole: usize,
    limits: &Limits,
) -> Result<Option<Lowering>, Refusal> {
    let windows = options.windows(input[2], input[3]);
    let area = common_divisor(options, windows)?;
    let sides = Sides { options, windows, planes: input[..2].iter().product(), backward, area };
    let (cost, first) = sides.cost(limits)?;
    let pays = cost as f64 * PAYS < whole as f64 * sides.planes as f64;
    if pays { side::lower(&sides, first, limits).map(Some) } else { Ok(None) }
}

fn forward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let whole = options.windows(input[2], input[3]);
    let pool = Pool::new(input, whole)?;
    let taps = whole[0].kernel.saturating_mul(whole[1].kernel);
    if let Some(sides) = sides(options, input, false, pool.output.saturating_mul(taps + 1), limits)? {
        return Ok(sides);
    }
    let (from, to) = (Operand::Input(0), Operand::Output(0));
    let bindings = [(Binding::read(from), pool.input), (Binding::write(to), pool.output)];
    let kernel = PoolKernel {
        name: "avg_pool2d",
        per_plane: pool.output,
        bindings: &bindings,
        pieces: iterations::pieces(whole.map(|along| along.kernel.min(along.input)), 0, limits),
        fused: &Chain::default(),
        vec4: false,
        why: "one element per invocation".into(),
        values: values(options, whole),
    };
    pool.lower(kernel, limits)
}

fn backward(options: &AvgPool2d, input: &Shape, limits: &Limits) -> Result<Lowering, Refusal> {
    let whole = options.windows(input[2], input[3]);
    let pool = Pool::new(input, whole)?;
    // Neighbours between two borders of windows.
    let columns = &whole[1];
    let borders = [columns.input, columns.before, columns.kernel, columns.stride];
    let fits = |unit: &usize| borders.iter().all(|n| n.is_multiple_of(*unit));
    let unit = [4, 2].into_iter().find(fits).unwrap_or(1);
    let cost = (pool.input / unit).saturating_mul(around(&whole[0]) * around(&whole[1]) + 1);
    if let Some(sides) = sides(options, input, true, cost, limits)? {
        return Ok(sides);
    }
    let (from, to) = (Operand::Input(0), Operand::Output(0));
    let bindings = [(Binding::read(from), pool.output), (Binding::write(to), pool.input)];
    let values = context! { unit, wide => limits.wide_loads, ..values(options, whole) };
    let what = if unit > 1 { format!("{unit} elements") } else { "one element".into() };
    let kernel = PoolKernel {
        name: "avg_pool2d_backward",
        per_plane: pool.input / unit,
        bindings: &bindings,
        pieces: iterations::pieces(whole.each_ref().map(around), 0, limits),
        fused: &Chain::default(),
        vec4: false,
        why: format!("{what} per invocation"),
        values,
    };
    pool.lower(kernel, limits)
}
