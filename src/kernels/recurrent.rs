//! Recurrent layers over all steps: `shaders/recurrent.wgsl`, `shaders/recurrent_backward.wgsl`.
//!
//! Small hidden sizes run in one launch for the whole sequence, or for as many steps as an invocation's loops may turn, large
//! ones in one launch a step. The choice depends on the shapes and the device's limits alone.

use super::channels_last::ChannelsLast;
use super::recurrent_held::Held;
use super::softmax::tree;
use super::{Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, launch, turns};
use crate::error::Mismatch;
use crate::ops::{Recurrent, RecurrentBackward, RecurrentKind, RecurrentSizes};
use crate::tensor::TensorType;
use minijinja::{Value, context};
use std::ops::Range;

impl Lower for Recurrent {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        Ok(forward(self, site.inputs, site.limits)?)
    }
}

impl Lower for RecurrentBackward {
    fn lower(&self, site: &Site<'_>) -> Result<Lowering, Refusal> {
        Ok(backward(self, site.inputs, site.limits)?)
    }
}

/// Invocations of a CPU adapter's workgroup that runs a whole sequence: with 4 units each, hidden sizes up to 256.
const MOST_LANES: usize = 64;
/// Fours of units up to which one launch runs a whole sequence on a GPU: every workgroup reads all weights each step.
const MOST_WHOLE: usize = 32;
/// Invocations of a GPU's workgroup along the units, where a launch runs a step.
const UNIT_LANES: usize = 16;
/// Invocations of a GPU's workgroup in all.
const MOST_INVOCATIONS: usize = 512;
/// Rows of an invocation on a GPU.
const MOST_ROWS: usize = 4;
/// Workgroups that are enough for invocations to have more than one row on a GPU.
const ENOUGH_GROUPS: usize = 64;
/// Sums of eight units, of all rows and gates, that one turn of a CPU adapter's loop adds to: its code grows with them.
const MOST_SUMS: usize = 4;
/// Bytes of workgroup memory every device has.
const WORKGROUP_BYTES: usize = 16 << 10;
/// The subgroup size for which rows are passed round by shuffles.
const SUBGROUP: usize = 8;

/// How the rows and units of a step are dealt out.
#[derive(Debug, Clone, Copy)]
struct Shares {
    sizes: RecurrentSizes,
    /// One launch runs all steps.
    whole: bool,
    /// Batch rows of an invocation.
    rows: usize,
    /// Fours of neighbouring units, and of terms, that are loaded as one word.
    fours: usize,
    /// Invocations of a workgroup along the units.
    lanes: usize,
    /// Parts of a workgroup among which the terms of the product are shared: a power of two.
    slices: usize,
    shuffle: bool,
    /// Whether a subgroup shares the loads of terms that do not lie in words.
    spread: bool,
    wide: bool,
}

impl Shares {
    fn choose(kind: RecurrentKind, sizes: RecurrentSizes, limits: &Limits) -> Self {
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
        // A load takes a turn for each lane, whatever its width: four words of 64 bits are the widest there are.
        let eight = if shuffle {
            sizes.hidden.is_multiple_of(8) && vec4s >= 2 * SUBGROUP
        } else {
            spread && vec4s > SUBGROUP
        };
        let fours = if eight && limits.wide_loads { 2 } else { 1 };
        Self { sizes, whole, rows, fours, lanes, slices: 1, shuffle, spread, wide: limits.wide_loads }
    }

    /// A GPU hides the latency of its memory behind other invocations: the terms of a unit are dealt out to slices of
    /// the workgroup, as many as there is workgroup memory to add their sums in.
    fn on_gpu(kind: RecurrentKind, sizes: RecurrentSizes, limits: &Limits) -> Self {
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
    fn all_tiles(&self) -> usize {
        self.sizes.hidden.div_ceil(4 * self.lanes * self.fours)
    }

    /// Workgroups along the units.
    fn unit_tiles(&self) -> usize {
        if self.whole { 1 } else { self.all_tiles() }
    }

    fn groups(&self) -> usize {
        self.sizes.batch.div_ceil(self.rows) * self.unit_tiles()
    }

    /// Words of so many numbers that a slice of the workgroup has.
    fn words(&self, numbers: usize) -> usize {
        numbers.div_ceil(4 * self.fours).div_ceil(self.slices)
    }

    /// Gates that an invocation adds up together: a GPU's invocations share the state's loads; a CPU's code is long enough
    /// with one gate.
    fn together(&self, kind: RecurrentKind) -> usize {
        let long = self.shuffle || self.fours > 1 && self.rows * kind.gates() > MOST_SUMS;
        if long { 1 } else { kind.gates() }
    }

    /// Whether an invocation has all units of a step at once: their sums need no place between product and cell.
    fn merged(&self, kind: RecurrentKind) -> bool {
        let alone = self.whole && self.rows == 1 && self.tiles() == 1 && self.slices == 1;
        alone && self.together(kind) == kind.gates()
    }

    /// Units of a row of weights, padded to whole words.
    fn padded(&self) -> usize {
        self.sizes.hidden.next_multiple_of(4 * self.fours)
    }

    /// Units of an element of the tensors.
    fn run(&self) -> usize {
        let divides = |run: &usize| self.sizes.hidden.is_multiple_of(*run);
        [4 * self.fours, 4].into_iter().find(divides).unwrap_or(1)
    }

    /// Tiles of units that a workgroup goes through.
    fn tiles(&self) -> usize {
        if self.whole { self.all_tiles() } else { 1 }
    }

    /// Turns of an invocation for a step of the forward pass: the products, then the cell's rows.
    fn forward_turns(&self, kind: RecurrentKind) -> usize {
        let terms = self.words(self.sizes.hidden);
        let terms = turns::of_loop(terms, 0);
        let products = if self.together(kind) == 1 { turns::of_loop(kind.gates(), terms) } else { terms };
        self.passes(products).iter().sum()
    }

    /// The same of the backward pass.
    fn backward_turns(&self, kind: RecurrentKind) -> usize {
        self.backward_passes(kind).iter().sum()
    }

    /// Those of its products and of its cells.
    fn backward_passes(&self, kind: RecurrentKind) -> [usize; 2] {
        self.passes(turns::of_loop(self.words(kind.gates() * self.sizes.hidden), 0))
    }

    /// Turns of the two passes over the tiles, of which the first takes so many for a tile.
    fn passes(&self, products: usize) -> [usize; 2] {
        [products, turns::of_loop(self.rows, 0)].map(|inside| turns::of_loop(self.tiles(), inside))
    }

    /// The steps of each launch, of `count` in all, where a step takes so many turns and `before` come first.
    fn runs(&self, count: usize, turns: usize, before: usize, limits: &Limits) -> Vec<Range<usize>> {
        let most = turns::most(limits).saturating_sub(1 + before) / (1 + turns);
        let steps = if self.whole { most.clamp(1, count) } else { 1 };
        (0..count).step_by(steps).map(|first| first..(first + steps).min(count)).collect()
    }

    fn values(&self, kind: RecurrentKind) -> Value {
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

    fn why(&self) -> String {
        let Self { whole, rows, fours, lanes, slices, shuffle, .. } = self;
        let scope = if *whole { "whole sequence" } else { "a launch a step" };
        let how = match slices {
            _ if *shuffle => "subgroup shuffles, subgroups of 8".to_owned(),
            1 => "no shuffles".to_owned(),
            slices => format!("{slices} slices of the terms"),
        };
        format!("{scope}; {rows} rows x {} units, {lanes} lanes, {how}", 4 * fours)
    }

    /// A tensor of `runs` runs of `H` for each step and row, of which a launch sees `steps`.
    fn steps_of(&self, name: &'static str, operand: Operand, runs: usize, steps: (usize, usize)) -> Part {
        let item = runs * self.sizes.hidden * self.sizes.batch;
        Part { name, operand, access: Access::Read, item: Some(item), steps }
    }
}

/// One binding of a launch: all of a tensor, or some of its steps.
struct Part {
    name: &'static str,
    operand: Operand,
    access: Access,
    /// Elements of a step, where only some steps are bound.
    item: Option<usize>,
    /// The first step bound and how many.
    steps: (usize, usize),
}

impl Part {
    fn all(name: &'static str, operand: Operand) -> Self {
        Self { name, operand, access: Access::Read, item: None, steps: (0, 0) }
    }

    fn write(self) -> Self {
        Self { access: Access::Write, ..self }
    }

    /// Bound from an aligned offset on: the binding, and the element of it where step `step` begins.
    fn bind(&self, whole: bool, limits: &Limits) -> (Binding, usize) {
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

/// A launch with these parts; `offsets` names elements of parts by the step they begin at.
fn build(
    name: &'static str,
    shares: &Shares,
    parts: &[Part],
    offsets: &[(&str, &str, usize)],
    turns: usize,
    values: Value,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let mut bindings = Vec::new();
    let mut declared: Vec<Value> = Vec::new();
    let mut found: Vec<(String, usize)> = Vec::new();
    for part in parts {
        let (binding, start) = part.bind(shares.whole, limits);
        bindings.push(binding);
        let access = if part.access == Access::Read { "read" } else { "read_write" };
        declared.push(context! { name => part.name, access });
        for (offset, _, step) in offsets.iter().filter(|(_, of, _)| *of == part.name) {
            let steps_in = if shares.whole { 0 } else { step - part.steps.0 };
            found.push((format!("{offset}_offset"), start + steps_in * part.item.unwrap_or(0)));
        }
    }
    let offsets = Value::from_iter(found);
    let values = context! { bindings => declared, ..context! { ..offsets, ..values } };
    launch(limits, name, shares.groups(), turns, bindings, shares.why(), values)
}

fn forward(o: &Recurrent, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let sizes = RecurrentSizes::of_gates(o.kind, inputs[0])?;
    if let Some(held) = Held::choose(o.kind, sizes, limits) {
        return held.forward(o, limits);
    }
    let shares = Shares::choose(o.kind, sizes, limits);
    let (turns, load) =
        (shares.forward_turns(o.kind), if shares.whole { turns::of_loop(shares.tiles(), 0) } else { 0 });
    let transposed = transposed(o.kind, &shares);
    let mut launches = vec![transposed.launch(Binding::read(Operand::Input(1)), WEIGHT, limits)?];
    for steps in shares.runs(sizes.steps, turns, load, limits) {
        let turns = if shares.whole { load + turns::of_loop(steps.len(), turns) } else { turns };
        launches.push(forward_steps(o, &shares, steps, turns, limits)?);
    }
    Ok(Lowering { launches, workspaces: vec![transposed.bytes()], ..Lowering::default() })
}

/// Where the forward pass has its weights, `(H, G, H)`, and the backward pass those whose rows are padded: neighbouring
/// units lie side by side.
const WEIGHT: Operand = Operand::Workspace(0);

/// `weight_hh (G, H, H)` with the terms first, the units of a gate padded to whole words.
fn transposed(kind: RecurrentKind, shares: &Shares) -> ChannelsLast {
    let (hidden, gates) = (shares.sizes.hidden, kind.gates());
    let packed = |sizes, channels, strides| ChannelsLast {
        sizes,
        channels,
        strides,
        together: shares.fours,
        zeros: false,
    };
    if shares.padded() == hidden {
        return packed([1, hidden, 1], gates * hidden, [0, 1, 0, hidden]);
    }
    packed([hidden, gates, 1], hidden, [1, hidden * hidden, 0, hidden])
}

/// `weight_hh (G H, H)` with its rows padded to whole words, where they are not.
fn padded(kind: RecurrentKind, shares: &Shares) -> Option<ChannelsLast> {
    let hidden = shares.sizes.hidden;
    let (sizes, strides) = ([1, kind.gates() * hidden, 1], [0, hidden, 0, 1]);
    let packed = ChannelsLast { sizes, channels: hidden, strides, together: shares.fours, zeros: false };
    (shares.padded() != hidden).then_some(packed)
}

/// The launch of some steps, numbered in the order of the pass: of one where a launch is a step.
fn forward_steps(
    o: &Recurrent,
    shares: &Shares,
    steps: Range<usize>,
    turns: usize,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (kind, s) = (o.kind, steps.start);
    let lstm = kind == RecurrentKind::Lstm;
    let last = shares.sizes.steps - 1;
    let (t, before) = if o.reverse { (last - s, last - s + 1) } else { (s, s.saturating_sub(1)) };
    let first = s == 0;
    let (here, both) = if first { ((t, 1), (t, 1)) } else { ((t, 1), (t.min(before), 2)) };
    let input = Operand::Input;
    let mut parts = vec![shares.steps_of("gates", input(0), kind.gates(), here), Part::all("weight", WEIGHT)];
    if first {
        parts.push(Part::all("first_h", input(2)));
        parts.extend(lstm.then(|| Part::all("first_c", input(3))));
    }
    let next = 2 + kind.states();
    parts.extend(o.bias.then(|| Part::all("bias_hh", input(next))));
    let mask = Part {
        item: Some(shares.sizes.batch),
        steps: here,
        ..Part::all("mask", input(next + usize::from(o.bias)))
    };
    parts.extend(o.masked.then_some(mask));
    parts.push(shares.steps_of("hidden", Operand::Output(0), 1, both).write());
    if kind.reserve() > 0 {
        parts.push(shares.steps_of("reserve", Operand::Output(1), kind.reserve(), here).write());
    }
    parts.extend(lstm.then(|| shares.steps_of("cells", Operand::Output(2), 1, both).write()));
    let (previous, previous_cell) = if first { ("first_h", "first_c") } else { ("hidden", "cells") };
    let from = if first { 0 } else { before };
    let offsets = [
        ("gates", "gates", t),
        ("mask", "mask", t),
        ("hidden", "hidden", t),
        ("reserve", "reserve", t),
        ("cells", "cells", t),
        ("previous", previous, from),
        ("previous_cell", previous_cell, from),
    ];
    let values = context! {
        previous, previous_cell,
        reverse => o.reverse,
        bias => o.bias,
        masked => o.masked,
        // Elements from one row of the transposed weights to the next.
        row => kind.gates() * shares.padded(),
        first_step => steps.start, last_step => steps.end, before,
        ..shares.values(kind)
    };
    build("recurrent", shares, &parts, &offsets, turns, values, limits)
}

fn backward(o: &RecurrentBackward, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let sizes = RecurrentSizes::of_hidden(inputs[0])?;
    if let Some(held) = Held::choose(o.forward.kind, sizes, limits) {
        return held.backward(o, limits);
    }
    let shares = Shares::choose(o.forward.kind, sizes, limits);
    let turns = shares.backward_turns(o.forward.kind);
    let runs = shares.runs(sizes.steps + 1, turns, 0, limits).into_iter();
    let packed = padded(o.forward.kind, &shares);
    let weight = if packed.is_some() { WEIGHT } else { Operand::Input(1) };
    let pack = packed.iter().map(|packed| packed.launch(Binding::read(Operand::Input(1)), WEIGHT, limits));
    let steps = runs.map(|steps| {
        // The first step has no product, and the last launch nothing else.
        let alone = [steps.start > 0, steps.start < sizes.steps];
        let turns = if shares.whole {
            turns::of_loop(steps.len(), turns)
        } else {
            shares
                .backward_passes(o.forward.kind)
                .into_iter()
                .zip(alone)
                .filter(|(_, has)| *has)
                .map(|(t, _)| t)
                .sum()
        };
        backward_steps(o, &shares, weight, steps, turns, limits)
    });
    let launches = pack.chain(steps).collect::<Result<_, _>>()?;
    let workspaces = packed.iter().map(ChannelsLast::bytes).collect();
    Ok(Lowering { launches, workspaces, ..Lowering::default() })
}

/// The launch of some steps on the way back, of one where a launch is a step; the last of all only has the product left.
fn backward_steps(
    o: &RecurrentBackward,
    shares: &Shares,
    weight: Operand,
    run: Range<usize>,
    turns: usize,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (kind, steps, s) = (o.forward.kind, shares.sizes.steps, run.start);
    let (first, pointwise) = (s == 0, shares.whole || s < steps);
    let step = |s: usize| if o.forward.reverse { s } else { (steps - 1).saturating_sub(s) };
    let after = step(s.saturating_sub(1));
    let t = if pointwise { step(s) } else { after };
    let here = (t, 1);
    let both = (t.min(after), 1 + t.abs_diff(after));
    let saved = kind.reserve().max(1);
    let input = Operand::Input;
    let mut parts = Vec::new();
    if shares.whole || !first {
        parts.push(Part::all("weight_hh", weight));
    }
    if pointwise {
        parts.push(shares.steps_of("grad_hidden", input(0), 1, here));
        parts.push(shares.steps_of("reserve", input(2), saved, here));
        parts.extend(o.grad_cells.then(|| shares.steps_of("grad_cells", input(3), 1, here)));
        let mask = Part {
            item: Some(shares.sizes.batch),
            steps: here,
            ..Part::all("mask", input(3 + usize::from(o.grad_cells)))
        };
        parts.extend(o.forward.masked.then_some(mask));
    }
    let own = kind.own_hidden_gates();
    let errors = if own { "grad_hidden_gates" } else { "grad_gates" };
    if pointwise || !own {
        parts.push(shares.steps_of("grad_gates", Operand::Output(0), kind.gates(), both).write());
    }
    if own {
        parts.push(shares.steps_of(errors, Operand::Output(1), kind.gates(), both).write());
    }
    // The first step of an RNN carries nothing: all of its error comes back by the product.
    let carries = kind.reserve() > 0 || o.forward.masked;
    if shares.whole || !first || carries {
        parts.push(Part::all("grad_state", Operand::Output(1 + usize::from(own))).write());
    }
    let offsets = [
        ("grad_hidden", "grad_hidden", t),
        ("reserve", "reserve", t),
        ("grad_cells", "grad_cells", t),
        ("mask", "mask", t),
        ("grad_gates", "grad_gates", t),
        ("grad_hidden_gates", "grad_hidden_gates", t),
        ("after", errors, after),
    ];
    let values = context! {
        saved, pointwise,
        product_first => !first,
        reverse => o.forward.reverse,
        masked => o.forward.masked,
        grad_cells => o.grad_cells,
        first_step => run.start, last_step => run.end,
        ..shares.values(kind)
    };
    build("recurrent_backward", shares, &parts, &offsets, turns, values, limits)
}
