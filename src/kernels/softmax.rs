//! Softmax and its logarithm: `shaders/softmax.wgsl`, `shaders/softmax_backward.wgsl`.

use super::ranges::{Lies, Part, parts};
use super::{
    Access, Binding, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, lanes, launch, tile,
};
use crate::error::Mismatch;
use crate::ops::{Softmax, SoftmaxBackward};
use crate::tensor::TensorType;
use minijinja::{Value, context};

impl Lower for Softmax {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        forward(self, site.inputs, site.limits)
    }
}

impl Lower for SoftmaxBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        backward(&self.0, site.inputs, site.limits)
    }
}

/// The longest row that is an invocation's on a CPU adapter: joining what eight found takes longer there.
const SHORT: usize = 64;
/// Rows of a workgroup there, and the rows from which on there are workgroups enough.
const ROWS: usize = 8;
const MANY_ROWS: usize = 4 * ROWS;

/// How rows are distributed to workgroups that go through them.
pub(super) struct RowPlan {
    /// As `common/row.wgsl` names it.
    pub(super) values: Value,
    /// Workgroups.
    pub(super) groups: usize,
    /// Iterations of an invocation.
    pub(super) iterations: usize,
    /// In words.
    pub(super) why: &'static str,
}

/// Rows of these sizes that are gone through so many times; how follows from those of all launches, so that the order of
/// sums does not change where rows are cut.
pub(super) fn row_plan(
    [outer, length, inner]: [usize; 3],
    all: [usize; 3],
    passes: usize,
    limits: &Limits,
) -> RowPlan {
    let short = tile::shuffles(limits) && length <= SHORT && all[0] * all[2] >= MANY_ROWS;
    let fewest = if short { 1 } else { lanes(length, limits) };
    let lanes = iterations::lanes(fewest, length, passes, limits);
    let rows = if lanes == 1 { ROWS } else { 1 };
    RowPlan {
        values: context! { outer, length, inner, lanes, rows, tree => tree(lanes) },
        groups: (outer * inner).div_ceil(rows),
        iterations: passes * iterations::of_loop(length.div_ceil(lanes), 0),
        why: if lanes == 1 { "one row per invocation" } else { "one row per workgroup" },
    }
}

/// The steps of a tree that joins a power of two of lanes: half of them, a quarter, down to 1.
pub(super) fn tree(lanes: usize) -> Vec<usize> {
    (0..lanes.ilog2()).rev().map(|bit| 1 << bit).collect()
}

/// Some of the rows along a dimension, for a launch of their own.
pub(super) struct Rows<'a> {
    part: Part,
    sizes: [usize; 3],
    limits: &'a Limits,
}

/// How a tensor of so many numbers a row lies.
fn lies([outer, _, inner]: [usize; 3], operand: Operand, numbers: usize) -> Lies {
    let item = numbers * inner;
    Lies::of(operand, vec![item], outer * item).item(item)
}

impl Rows<'_> {
    /// Sizes of what it has.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.part.positions(), self.sizes[1], self.sizes[2]]
    }

    fn bind(&self, operand: Operand, numbers: usize, access: Access) -> (Binding, usize) {
        self.part.bind(&lies(self.sizes, operand, numbers), access, self.limits)
    }

    /// The binding of a tensor of the rows' elements.
    pub(super) fn long(&self, operand: Operand, access: Access) -> Binding {
        self.bind(operand, self.sizes[1], access).0
    }

    /// The binding of a tensor of two numbers a row.
    pub(super) fn pairs(&self, operand: Operand, access: Access) -> Binding {
        self.bind(operand, 2, access).0
    }

    /// The binding of a tensor of a number a row.
    pub(super) fn short(&self, operand: Operand, access: Access) -> Binding {
        self.bind(operand, 1, access).0
    }

    /// Where the first row begins in what is bound, and how many are before it.
    pub(super) fn values(&self) -> Value {
        let first = |numbers: usize| self.bind(Operand::Output(0), numbers, Access::Read).1;
        context! {
            first_element => first(self.sizes[1]),
            first_pair => first(2),
            first_row => first(1),
            rows_before => self.part.ranges[0].start * self.sizes[2],
        }
    }

    pub(super) fn why(&self) -> String {
        self.part.why()
    }
}

/// The rows, cut where the tensor `long` of their elements, or one of a number or two a row, does not fit a binding.
pub(super) fn rows<'a>(
    sizes: [usize; 3],
    long: Operand,
    short: &[Operand],
    pairs: &[Operand],
    limits: &'a Limits,
) -> Result<Vec<Rows<'a>>, Refusal> {
    let mut tensors = vec![lies(sizes, long, sizes[1])];
    tensors.extend(short.iter().map(|&operand| lies(sizes, operand, 1)));
    tensors.extend(pairs.iter().map(|&operand| lies(sizes, operand, 2)));
    let parts = parts(&sizes[..1], &[1], &tensors, limits)?.into_iter();
    Ok(parts.map(|part| Rows { part, sizes, limits }).collect())
}

fn forward(options: &Softmax, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    build("softmax", 3, options, inputs, limits)
}

fn backward(options: &Softmax, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Refusal> {
    build("softmax_backward", if options.log { 2 } else { 3 }, options, inputs, limits)
}

/// A kernel that goes through each row so many times.
fn build(
    name: &'static str,
    passes: usize,
    options: &Softmax,
    inputs: &[&TensorType],
    limits: &Limits,
) -> Result<Lowering, Refusal> {
    let sizes = inputs[0].shape.axis(options.dim)?;
    let part = |rows: Rows| {
        let read = |i| rows.long(Operand::Input(i), Access::Read);
        let mut bindings: Vec<_> = (0..inputs.len()).map(read).collect();
        bindings.push(rows.long(Operand::Output(0), Access::Write));
        let plan = row_plan(rows.sizes(), sizes, passes, limits);
        let values = context! { log => options.log, ..context! { ..plan.values, ..rows.values() } };
        let why = format!("{}{}", plan.why, rows.why());
        launch(limits, name, plan.groups, plan.iterations, bindings, why, values)
    };
    let launches = rows(sizes, Operand::Input(0), &[], &[], limits)?.into_iter().map(part);
    Ok(Lowering { launches: launches.collect::<Result<_, Mismatch>>()?, ..Lowering::default() })
}
