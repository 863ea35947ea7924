//! Recurrent layers over all steps: `shaders/recurrent.wgsl`, `shaders/recurrent_backward.wgsl`.
//!
//! Small hidden sizes run in one launch for the whole sequence, or for as many steps as an invocation's loops may take, large
//! ones in one launch a step. The choice depends on the shapes and the device's limits alone.

use super::channels_last::ChannelsLast;
use super::recurrent_held::Held;
use super::recurrent_tiling::{Part, Tiling};
use super::{Access, Binding, Launch, Limits, Lower, Lowering, Operand, Refusal, Site, iterations, launch};
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

/// A launch with these parts; `offsets` names elements of parts by the step they begin at.
fn build(
    name: &'static str,
    tiling: &Tiling,
    parts: &[Part],
    offsets: &[(&str, &str, usize)],
    iterations: usize,
    values: Value,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let mut bindings = Vec::new();
    let mut declared: Vec<Value> = Vec::new();
    let mut found: Vec<(String, usize)> = Vec::new();
    for part in parts {
        let (binding, start) = part.bind(tiling.whole, limits);
        bindings.push(binding);
        let access = if part.access == Access::Read { "read" } else { "read_write" };
        declared.push(context! { name => part.name, access });
        for (offset, _, step) in offsets.iter().filter(|(_, of, _)| *of == part.name) {
            let steps_in = if tiling.whole { 0 } else { step - part.steps.0 };
            found.push((format!("{offset}_offset"), start + steps_in * part.item.unwrap_or(0)));
        }
    }
    let offsets = Value::from_iter(found);
    let values = context! { bindings => declared, ..context! { ..offsets, ..values } };
    launch(limits, name, tiling.groups(), iterations, bindings, tiling.why(), values)
}

fn forward(o: &Recurrent, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let sizes = RecurrentSizes::of_gates(o.kind, inputs[0])?;
    if let Some(held) = Held::choose(o.kind, sizes, limits) {
        return held.forward(o, limits);
    }
    let tiling = Tiling::choose(o.kind, sizes, limits);
    let (iterations, load) = (
        tiling.forward_iterations(o.kind),
        if tiling.whole { iterations::of_loop(tiling.tiles(), 0) } else { 0 },
    );
    let transposed = transposed(o.kind, &tiling);
    let mut launches = vec![transposed.launch(Binding::read(Operand::Input(1)), WEIGHT, limits)?];
    for steps in tiling.runs(sizes.steps, iterations, load, limits) {
        let iterations =
            if tiling.whole { load + iterations::of_loop(steps.len(), iterations) } else { iterations };
        launches.push(forward_steps(o, &tiling, steps, iterations, limits)?);
    }
    Ok(Lowering { launches, workspaces: vec![transposed.bytes()], ..Lowering::default() })
}

/// Where the forward pass has its weights, `(H, G, H)`, and the backward pass those whose rows are padded: neighbouring
/// units lie side by side.
const WEIGHT: Operand = Operand::Workspace(0);

/// `weight_hh (G, H, H)` with the terms first, the units of a gate padded to whole words.
fn transposed(kind: RecurrentKind, tiling: &Tiling) -> ChannelsLast {
    let (hidden, gates) = (tiling.sizes.hidden, kind.gates());
    let packed = |sizes, channels, strides| ChannelsLast {
        sizes,
        channels,
        strides,
        together: tiling.fours,
        zeros: false,
    };
    if tiling.padded() == hidden {
        return packed([1, hidden, 1], gates * hidden, [0, 1, 0, hidden]);
    }
    packed([hidden, gates, 1], hidden, [1, hidden * hidden, 0, hidden])
}

/// `weight_hh (G H, H)` with its rows padded to whole words, where they are not.
fn padded(kind: RecurrentKind, tiling: &Tiling) -> Option<ChannelsLast> {
    let hidden = tiling.sizes.hidden;
    let (sizes, strides) = ([1, kind.gates() * hidden, 1], [0, hidden, 0, 1]);
    let packed = ChannelsLast { sizes, channels: hidden, strides, together: tiling.fours, zeros: false };
    (tiling.padded() != hidden).then_some(packed)
}

/// The launch of some steps, numbered in the order of the pass: of one where a launch is a step.
fn forward_steps(
    o: &Recurrent,
    tiling: &Tiling,
    steps: Range<usize>,
    iterations: usize,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (kind, s) = (o.kind, steps.start);
    let lstm = kind == RecurrentKind::Lstm;
    let last = tiling.sizes.steps - 1;
    let (t, before) = if o.reverse { (last - s, last - s + 1) } else { (s, s.saturating_sub(1)) };
    let first = s == 0;
    let (here, both) = if first { ((t, 1), (t, 1)) } else { ((t, 1), (t.min(before), 2)) };
    let input = Operand::Input;
    let mut parts = vec![tiling.steps_of("gates", input(0), kind.gates(), here), Part::all("weight", WEIGHT)];
    if first {
        parts.push(Part::all("first_h", input(2)));
        parts.extend(lstm.then(|| Part::all("first_c", input(3))));
    }
    let next = 2 + kind.states();
    parts.extend(o.bias.then(|| Part::all("bias_hh", input(next))));
    let mask = Part {
        item: Some(tiling.sizes.batch),
        steps: here,
        ..Part::all("mask", input(next + usize::from(o.bias)))
    };
    parts.extend(o.masked.then_some(mask));
    parts.push(tiling.steps_of("hidden", Operand::Output(0), 1, both).write());
    if kind.reserve() > 0 {
        parts.push(tiling.steps_of("reserve", Operand::Output(1), kind.reserve(), here).write());
    }
    parts.extend(lstm.then(|| tiling.steps_of("cells", Operand::Output(2), 1, both).write()));
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
        row => kind.gates() * tiling.padded(),
        first_step => steps.start, last_step => steps.end, before,
        ..tiling.values(kind)
    };
    build("recurrent", tiling, &parts, &offsets, iterations, values, limits)
}

fn backward(o: &RecurrentBackward, inputs: &[&TensorType], limits: &Limits) -> Result<Lowering, Mismatch> {
    let sizes = RecurrentSizes::of_hidden(inputs[0])?;
    if let Some(held) = Held::choose(o.forward.kind, sizes, limits) {
        return held.backward(o, limits);
    }
    let tiling = Tiling::choose(o.forward.kind, sizes, limits);
    let iterations = tiling.backward_iterations(o.forward.kind);
    let runs = tiling.runs(sizes.steps + 1, iterations, 0, limits).into_iter();
    let packed = padded(o.forward.kind, &tiling);
    let weight = if packed.is_some() { WEIGHT } else { Operand::Input(1) };
    let pack = packed.iter().map(|packed| packed.launch(Binding::read(Operand::Input(1)), WEIGHT, limits));
    let steps = runs.map(|steps| {
        // The first step has no product, and the last launch nothing else.
        let alone = [steps.start > 0, steps.start < sizes.steps];
        let iterations = if tiling.whole {
            iterations::of_loop(steps.len(), iterations)
        } else {
            tiling
                .backward_passes(o.forward.kind)
                .into_iter()
                .zip(alone)
                .filter(|(_, has)| *has)
                .map(|(t, _)| t)
                .sum()
        };
        backward_steps(o, &tiling, weight, steps, iterations, limits)
    });
    let launches = pack.chain(steps).collect::<Result<_, _>>()?;
    let workspaces = packed.iter().map(ChannelsLast::bytes).collect();
    Ok(Lowering { launches, workspaces, ..Lowering::default() })
}

/// The launch of some steps on the way back, of one where a launch is a step; the last of all only has the product left.
fn backward_steps(
    o: &RecurrentBackward,
    tiling: &Tiling,
    weight: Operand,
    run: Range<usize>,
    iterations: usize,
    limits: &Limits,
) -> Result<Launch, Mismatch> {
    let (kind, steps, s) = (o.forward.kind, tiling.sizes.steps, run.start);
    let (first, pointwise) = (s == 0, tiling.whole || s < steps);
    let step = |s: usize| if o.forward.reverse { s } else { (steps - 1).saturating_sub(s) };
    let after = step(s.saturating_sub(1));
    let t = if pointwise { step(s) } else { after };
    let here = (t, 1);
    let both = (t.min(after), 1 + t.abs_diff(after));
    let saved = kind.reserve().max(1);
    let input = Operand::Input;
    let mut parts = Vec::new();
    if tiling.whole || !first {
        parts.push(Part::all("weight_hh", weight));
    }
    if pointwise {
        parts.push(tiling.steps_of("grad_hidden", input(0), 1, here));
        parts.push(tiling.steps_of("reserve", input(2), saved, here));
        parts.extend(o.grad_cells.then(|| tiling.steps_of("grad_cells", input(3), 1, here)));
        let mask = Part {
            item: Some(tiling.sizes.batch),
            steps: here,
            ..Part::all("mask", input(3 + usize::from(o.grad_cells)))
        };
        parts.extend(o.forward.masked.then_some(mask));
    }
    let own = kind.own_hidden_gates();
    let errors = if own { "grad_hidden_gates" } else { "grad_gates" };
    if pointwise || !own {
        parts.push(tiling.steps_of("grad_gates", Operand::Output(0), kind.gates(), both).write());
    }
    if own {
        parts.push(tiling.steps_of(errors, Operand::Output(1), kind.gates(), both).write());
    }
    // The first step of an RNN carries nothing: all of its error comes back by the product.
    let carries = kind.reserve() > 0 || o.forward.masked;
    if tiling.whole || !first || carries {
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
        ..tiling.values(kind)
    };
    build("recurrent_backward", tiling, &parts, &offsets, iterations, values, limits)
}
