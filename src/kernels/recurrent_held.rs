//! Recurrent layers of few units over all steps on a CPU adapter, weights held in registers: `shaders/recurrent_held.wgsl`,
//! `shaders/recurrent_held_backward.wgsl`.

use super::iterations::{self, Piece};
use super::{Binding, Launch, Limits, Lowering, Operand, launch, tile};
use crate::error::Mismatch;
use crate::ops::RecurrentSizes;
use crate::ops::{Recurrent, RecurrentBackward, RecurrentKind};
use minijinja::{Value, context};

/// Weights of a lane at most: the driver takes about a second to compile a kernel of so many.
const MOST_HELD: usize = 512;
/// Weights that a lane loads before its first step, for each step of a row, at most: every step saves about as many loads.
const PAYS: usize = 40;
/// Batch rows up to which any units are held; of more rows, units that are whole fours have kernels that share their loads.
const FEW_ROWS: usize = 4;
/// Workgroups that are enough for all cores: more rows are a workgroup's.
const ENOUGH_GROUPS: usize = 8;

/// Rows and units of a workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    kind: RecurrentKind,
    sizes: RecurrentSizes,
    rows: usize,
    /// Units of a lane.
    own: usize,
}

impl Held {
    /// `None` where a lane would have too many weights, or loads more than it saves.
    pub(super) fn choose(kind: RecurrentKind, sizes: RecurrentSizes, limits: &Limits) -> Option<Self> {
        let RecurrentSizes { steps, batch, hidden } = sizes;
        let own = hidden.div_ceil(tile::LANES);
        let (held, rows) = (own * hidden * kind.gates(), batch.div_ceil(ENOUGH_GROUPS));
        let shared = batch > FEW_ROWS && hidden.is_multiple_of(4);
        let pays = !shared && held <= MOST_HELD && held <= PAYS * steps * rows;
        (limits.software && tile::shuffles(limits) && pays).then_some(Self { kind, sizes, rows, own })
    }

    /// A launch for each run of steps, as many as an invocation's loops may take.
    fn launches(
        &self,
        limits: &Limits,
        one: impl Fn(&Piece) -> Result<(Vec<Named>, Value), Mismatch>,
        name: &'static str,
    ) -> Result<Lowering, Mismatch> {
        let &Self { kind, sizes: RecurrentSizes { steps, batch, hidden }, rows, own } = self;
        // Rows and their steps.
        let most = (iterations::most(limits).saturating_sub(1) / rows).saturating_sub(2).max(1);
        let limit = Limits { max_iterations: (most + 1) as u32, ..limits.clone() };
        let launches = iterations::runs(steps, &limit).into_iter().map(|run| {
            let (named, values) = one(&run)?;
            let groups = batch.div_ceil(rows);
            let write = |write: bool| if write { "read_write" } else { "read" };
            let declared = named.iter().map(|n| context! { name => n.name, access => write(n.write) });
            let declared: Vec<Value> = declared.collect();
            let values = context! {
                kind => kind.name(),
                gates => kind.gates(),
                bindings => declared,
                wide => limits.wide_loads,
                first_step => run.outer.start, last_step => run.outer.end,
                steps, batch, hidden, rows, own, ..values
            };
            let bind = |n: &Named| if n.write { Binding::write(n.operand) } else { Binding::read(n.operand) };
            let bindings = named.iter().map(bind).collect();
            let iterations = iterations::of_loop(rows, iterations::of_loop(run.outer.len(), 0));
            let why = format!(
                "whole sequence; weights of {own} units per lane in registers, {rows} rows{}",
                run.why()
            );
            launch(limits, name, groups, iterations, bindings, why, values)
        });
        Ok(Lowering { launches: launches.collect::<Result<Vec<Launch>, _>>()?, ..Lowering::default() })
    }

    pub(super) fn forward(&self, o: &Recurrent, limits: &Limits) -> Result<Lowering, Mismatch> {
        let (lstm, next, last) =
            (self.kind == RecurrentKind::Lstm, 2 + self.kind.states(), self.sizes.steps - 1);
        let input = |name, i| Named { name, operand: Operand::Input(i), write: false };
        let output = |name, i| Named { name, operand: Operand::Output(i), write: true };
        let one = |run: &Piece| {
            let mut named = vec![input("gates", 0), input("weight_hh", 1)];
            if run.first {
                named.push(input("first_h", 2));
                named.extend(lstm.then(|| input("first_c", 3)));
            }
            named.extend(o.bias.then(|| input("bias_hh", next)));
            named.extend(o.masked.then(|| input("mask", next + usize::from(o.bias))));
            named.push(output("hidden", 0));
            named.extend((self.kind.reserve() > 0).then(|| output("reserve", 1)));
            named.extend(lstm.then(|| output("cells", 2)));
            let start = run.outer.start;
            let before = if o.reverse { last + 1 - start.max(1) } else { start.max(1) - 1 };
            let (reverse, bias, masked) = (o.reverse, o.bias, o.masked);
            Ok((named, context! { reverse, bias, masked, before }))
        };
        self.launches(limits, one, "recurrent_held")
    }

    pub(super) fn backward(&self, o: &RecurrentBackward, limits: &Limits) -> Result<Lowering, Mismatch> {
        let (own, saved) = (self.kind.own_hidden_gates(), self.kind.reserve().max(1));
        let input = |name, i| Named { name, operand: Operand::Input(i), write: false };
        let output = |name, i| Named { name, operand: Operand::Output(i), write: true };
        let one = |_: &Piece| {
            let mut named = vec![input("grad_hidden", 0), input("weight_hh", 1), input("reserve", 2)];
            named.extend(o.grad_cells.then(|| input("grad_cells", 3)));
            named.extend(o.forward.masked.then(|| input("mask", 3 + usize::from(o.grad_cells))));
            named.push(output("grad_gates", 0));
            named.extend(own.then(|| output("grad_hidden_gates", 1)));
            named.push(output("grad_state", 1 + usize::from(own)));
            let (reverse, masked, grad_cells) = (o.forward.reverse, o.forward.masked, o.grad_cells);
            Ok((named, context! { reverse, masked, grad_cells, saved }))
        };
        self.launches(limits, one, "recurrent_held_backward")
    }
}

/// A binding and its name in the shader.
struct Named {
    name: &'static str,
    operand: Operand,
    write: bool,
}
