//! How the rows and units of a recurrent step are divided among invocations, and what a launch binds.

use super::softmax::tree;
use super::{Access, Binding, Limits, Operand, iterations};
use crate::ops::{RecurrentKind, RecurrentSizes};
use minijinja::{Value, context};
use std::ops::Range;

/// Invocations of a CPU adapter's workgroup that runs a whole sequence: with 4 units each, hidden sizes up to 256.
pub(super) const MOST_LANES: usize = 64;
/// Fours of units up to which one launch runs a whole sequence on a GPU: every workgroup reads all weights each step.
pub(super) const MOST_WHOLE: usize = 32;
/// Invocations of a GPU's workgroup along the units, where a launch runs a step.
pub(super) const UNIT_LANES: usize = 16;
/// Invocations of a GPU's workgroup in all.
pub(super) const MOST_INVOCATIONS: usize = 512;
/// Rows of an invocation on a GPU.
pub(super) const MOST_ROWS: usize = 4;
/// Workgroups that are enough for invocations to have more than one row on a GPU.
pub(super) const ENOUGH_GROUPS: usize = 64;
/// Sums of eight units, of all rows and gates, that one iteration of a CPU adapter's loop adds to: its code grows with them.
pub(super) const MOST_SUMS: usize = 4;
/// Bytes of workgroup memory every device has.
pub(super) const WORKGROUP_BYTES: usize = 16 << 10;
/// The subgroup size for which rows are passed round by shuffles.
pub(super) const SUBGROUP: usize = 8;

/// How the rows and units of a step are distributed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    pub(super) sizes: RecurrentSizes,
    /// One launch runs all steps.
    pub(super) whole: bool,
    /// Batch rows of an invocation.
    pub(super) rows: usize,
    /// Fours of neighbouring units, and of terms, that are loaded as one word.
    pub(super) fours: usize,
    /// Invocations of a workgroup along the units.
    pub(super) lanes: usize,
    /// Parts of a workgroup among which the terms of the product are divided: a power of two.
    pub(super) slices: usize,
    pub(super) shuffle: bool,
    /// Whether a subgroup shares the loads of terms that do not lie in words.
    pub(super) spread: bool,
    pub(super) wide: bool,
}

impl Tiling {
    pub(super) fn choose(kind: RecurrentKind, sizes: RecurrentSizes, limits: &Limits) -> Self {
        if !limits.software && limits.subgroup_size != Some(SUBGROUP as u32) {
            return Self::on_gpu(kind, sizes, limits);
        }
        let vec4s = sizes.hidden.div_ceil(4);
        let whole = vec4s <= MOST_LANES;
        let subgroups = limits.subgroup_size == Some(SUBGROUP as u32);
        let shuffle = subgroups && sizes.batch > 4;
        let spread = subgroups && whole && !shuffle;
        // More rows share a weight that was loaded; the states of two steps must fit workgroup memory.
        let fit = if whole { WORKGROUP_BYTES / (2 * 16 * vec4s) } else { 16 };
        // Ragged units are loaded one by one: their shaders are long enough with 8 rows.
        let long = sizes.batch > 8 && fit >= 16 && sizes.hidden.is_multiple_of(4);
        let rows = if shuffle && long {
            16
        } else if shuffle {
            8
        } else {
            sizes.batch.next_power_of_two().min(4)
        };
        // A CPU adapter's workgroup is one vector wide, where no barrier has to switch between invocations.
        let lanes = if shuffle || spread {
            SUBGROUP
        } else if whole {
            vec4s.next_multiple_of(SUBGROUP)
        } else {
            MOST_LANES
        };
        // A load is repeated for each lane, whatever its width: four words of 64 bits are the widest there are.
        let eight = if shuffle {
            sizes.hidden.is_multiple_of(8) && vec4s >= 2 * SUBGROUP
        } else {
            spread && vec4s > SUBGROUP
        };
        let fours = if eight && limits.wide_loads { 2 } else { 1 };
        Self { sizes, whole, rows, fours, lanes, slices: 1, shuffle, spread, wide: limits.wide_loads }
    }

    /// A GPU hides the latency of its memory behind other invocations: the terms of a unit are distributed to slices of
    /// the workgroup, as many as there is workgroup memory to add their sums in.
    pub(super) fn on_gpu(kind: RecurrentKind, sizes: RecurrentSizes, limits: &Limits) -> Self {
        let vec4s = sizes.hidden.div_ceil(4);
        let whole = vec4s <= MOST_WHOLE;
        let lanes = if whole { vec4s.next_multiple_of(SUBGROUP) } else { UNIT_LANES };
        // Rows share the weights that are loaded, if there are workgroups enough.
        let groups = sizes.batch * if whole { 1 } else { vec4s.div_ceil(lanes) };
        let mut rows = (groups / ENOUGH_GROUPS).clamp(1, MOST_ROWS).next_power_of_two();
        let most = (limits.max_workgroup_invocations as usize).min(MOST_INVOCATIONS) / lanes;
        let mut slices = 1 << most.max(1).min(vec4s).ilog2();
        let bytes = |rows: usize, slices: usize| {
            let state = if whole { 2 * rows * vec4s } else { 0 };
            (slices / 2 * lanes * rows * kind.gates() + state) * 16
        };
        while slices > 1 && bytes(rows, slices) > limits.max_workgroup_bytes as usize {
            if rows > 1 { rows /= 2 } else { slices /= 2 }
        }
        let wide = limits.wide_loads;
        Self { sizes, whole, rows, fours: 1, lanes, slices, shuffle: false, spread: false, wide }
    }

    /// Runs of units that a workgroup's invocations compute together.
    pub(super) fn all_tiles(&self) -> usize {
        self.sizes.hidden.div_ceil(4 * self.lanes * self.fours)
    }

    /// Workgroups along the units.
    pub(super) fn unit_tiles(&self) -> usize {
        if self.whole { 1 } else { self.all_tiles() }
    }

    pub(super) fn groups(&self) -> usize {
        self.sizes.batch.div_ceil(self.rows) * self.unit_tiles()
    }

    /// Words of so many numbers that a slice of the workgroup has.
    pub(super) fn words(&self, numbers: usize) -> usize {
        numbers.div_ceil(4 * self.fours).div_ceil(self.slices)
    }

    /// Gates that an invocation adds up together: a GPU's invocations share the state's loads; a CPU's code is long enough
    /// with one gate.
    pub(super) fn together(&self, kind: RecurrentKind) -> usize {
        let long = self.shuffle || self.fours > 1 && self.rows * kind.gates() > MOST_SUMS;
        if long { 1 } else { kind.gates() }
    }

    /// Whether an invocation has all units of a step at once: their sums need no place between product and cell.
    pub(super) fn merged(&self, kind: RecurrentKind) -> bool {
        let alone = self.whole && self.rows == 1 && self.tiles() == 1 && self.slices == 1;
        alone && self.together(kind) == kind.gates()
    }

    /// Units of a row of weights, padded to whole words.
    pub(super) fn padded(&self) -> usize {
        self.sizes.hidden.next_multiple_of(4 * self.fours)
    }

    /// Units of an element of the tensors.
    pub(super) fn run(&self) -> usize {
        let divides = |run: &usize| self.sizes.hidden.is_multiple_of(*run);
        [4 * self.fours, 4].into_iter().find(divides).unwrap_or(1)
    }

    /// Tiles of units that a workgroup goes through.
    pub(super) fn tiles(&self) -> usize {
        if self.whole { self.all_tiles() } else { 1 }
    }

    /// Iterations of an invocation for a step of the forward pass: the products, then the cell's rows.
    pub(super) fn forward_iterations(&self, kind: RecurrentKind) -> usize {
        let terms = self.words(self.sizes.hidden);
        let terms = iterations::of_loop(terms, 0);
        let products =
            if self.together(kind) == 1 { iterations::of_loop(kind.gates(), terms) } else { terms };
        self.passes(products).iter().sum()
    }

    /// The same of the backward pass.
    pub(super) fn backward_iterations(&self, kind: RecurrentKind) -> usize {
        self.backward_passes(kind).iter().sum()
    }

    /// Those of its products and of its cells.
    pub(super) fn backward_passes(&self, kind: RecurrentKind) -> [usize; 2] {
        self.passes(iterations::of_loop(self.words(kind.gates() * self.sizes.hidden), 0))
    }

    /// Iterations of the two passes over the tiles, of which the first takes so many for a tile.
    pub(super) fn passes(&self, products: usize) -> [usize; 2] {
        [products, iterations::of_loop(self.rows, 0)].map(|inside| iterations::of_loop(self.tiles(), inside))
    }

    /// The steps of each launch, of `count` in all, where a step takes so many iterations and `before` come first.
    pub(super) fn runs(
        &self,
        count: usize,
        iterations: usize,
        before: usize,
        limits: &Limits,
    ) -> Vec<Range<usize>> {
        let most = iterations::most(limits).saturating_sub(1 + before) / (1 + iterations);
        let steps = if self.whole { most.clamp(1, count) } else { 1 };
        (0..count).step_by(steps).map(|first| first..(first + steps).min(count)).collect()
    }

    pub(super) fn values(&self, kind: RecurrentKind) -> Value {
        let Self { sizes, whole, rows, fours, lanes, slices, shuffle, spread, wide } = *self;
        let halves = tree(slices);
        let RecurrentSizes { steps, batch, hidden } = sizes;
        context! {
            kind => kind.name(),
            gates => kind.gates(),
            reserved => kind.reserve() > 0,
            together => self.together(kind),
            merged => self.merged(kind),
            padded => self.padded(),
            run => self.run(),
            // No invocation lies outside: nothing to guard.
            full => slices == 1 && batch.is_multiple_of(rows) && hidden.is_multiple_of(4 * lanes * fours),
            unit_tiles => self.unit_tiles(),
            tiles => self.tiles(),
            steps, batch, hidden, whole, rows, fours, lanes, slices, halves, shuffle, spread, wide,
        }
    }

    pub(super) fn why(&self) -> String {
        let Self { whole, rows, fours, lanes, slices, shuffle, .. } = self;
        let scope = if *whole { "whole sequence" } else { "one launch per step" };
        let how = match slices {
            _ if *shuffle => "subgroup shuffles, subgroups of 8".to_owned(),
            1 => "no shuffles".to_owned(),
            slices => format!("{slices} slices of the terms"),
        };
        format!("{scope}; {rows} rows x {} units, {lanes} lanes, {how}", 4 * fours)
    }

    /// A tensor of `runs` runs of `H` for each step and row, of which a launch sees `steps`.
    pub(super) fn steps_of(
        &self,
        name: &'static str,
        operand: Operand,
        runs: usize,
        steps: (usize, usize),
    ) -> Part {
        let item = runs * self.sizes.hidden * self.sizes.batch;
        Part { name, operand, access: Access::Read, item: Some(item), steps }
    }
}

/// One binding of a launch: all of a tensor, or some of its steps.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) operand: Operand,
    pub(super) access: Access,
    /// Elements of a step, where only some steps are bound.
    pub(super) item: Option<usize>,
    /// The first step bound and how many.
    pub(super) steps: (usize, usize),
}

impl Part {
    pub(super) fn all(name: &'static str, operand: Operand) -> Self {
        Self { name, operand, access: Access::Read, item: None, steps: (0, 0) }
    }

    pub(super) fn write(self) -> Self {
        Self { access: Access::Write, ..self }
    }

    /// Bound from an aligned offset on: the binding, and the element of it where step `step` begins.
    pub(super) fn bind(&self, whole: bool, limits: &Limits) -> (Binding, usize) {
        let binding = match self.access {
            Access::Read => Binding::read(self.operand),
            Access::Write => Binding::write(self.operand),
        };
        let (Some(item), false) = (self.item, whole) else { return (binding, 0) };
        let alignment = limits.offset_alignment.max(16);
        let (first, count) = self.steps;
        let start = (first * item * 4) as u64;
        let aligned = start / alignment * alignment;
        let end = ((first + count) * item * 4) as u64;
        (binding.range(aligned, end - aligned), (start - aligned) as usize / 4)
    }
}
