//! What a plan's values take up: the slots they share, and the sum of it.

use super::memory::{END, Life, Rules, assign, padded};
use super::{BufferId, BufferKind, BufferPlan, Memory, Plan, Step};
use crate::kernels::Limits;
use crate::ops::Role;
use crate::tensor::TensorType;
use std::collections::HashMap;

/// Lets lives that do not overlap lie in one buffer, where each had one of its own. Gives the new number of every
/// buffer.
pub(super) fn settle(plan: &mut Plan, mut lives: Vec<Life>, limits: &Limits) -> Vec<BufferId> {
    let requested = lives.iter().map(|life| life.bytes).sum();
    let rules = rules(plan, &lives, limits);
    let end = plan.steps.len().saturating_sub(1);
    lives.iter_mut().for_each(|life| life.last = life.last.min(end).max(life.first));
    let (spots, sizes) = assign(&lives, &rules);
    let mut moved = vec![(0, 0); plan.buffers.len()];
    let mut buffers = Vec::new();
    for (old, buffer) in plan.buffers.iter().enumerate().filter(|(_, b)| b.kind != BufferKind::Slot) {
        moved[old] = (buffers.len(), 0);
        buffers.push(buffer.clone());
    }
    for (life, spot) in lives.iter_mut().zip(spots) {
        let buffer = buffers.len() + spot.slot;
        moved[life.buffer] = (buffer, spot.offset);
        (life.buffer, life.offset) = (buffer, spot.offset);
    }
    buffers.extend(sizes.into_iter().map(|bytes| BufferPlan { bytes, kind: BufferKind::Slot }));
    plan.buffers = buffers;
    for step in &mut plan.steps {
        match step {
            Step::Dispatch(d) => d.bindings.iter_mut().for_each(|b| {
                let (buffer, offset) = moved[b.buffer];
                (b.buffer, b.offset) = (buffer, b.offset + offset);
            }),
            Step::Copy { from, to, .. } => (*from, *to) = (moved[*from].0, moved[*to].0),
        }
    }
    let named = plan.inputs.iter_mut().chain(plan.states.iter_mut().map(|s| &mut s.named));
    named.for_each(|n| n.buffer = moved[n.buffer].0);
    plan.outputs.iter_mut().for_each(|o| o.buffer = moved[o.buffer].0);
    plan.checked = plan.checked.map(|buffer| moved[buffer].0);
    plan.lives = lives;
    plan.memory = memory(plan, requested);
    moved.into_iter().map(|(buffer, _)| buffer).collect()
}

/// What is copied or outlives the run begins its slot. WebGPU forbids a dispatch to write into a buffer that it also
/// reads.
fn rules(plan: &Plan, lives: &[Life], limits: &Limits) -> Rules {
    let life_of: HashMap<BufferId, usize> =
        lives.iter().enumerate().map(|(i, life)| (life.buffer, i)).collect();
    let mut first: Vec<bool> = lives.iter().map(|life| life.last == END).collect();
    let mut conflicts = vec![Vec::new(); lives.len()];
    for step in &plan.steps {
        match step {
            Step::Copy { from, to, .. } => {
                [from, to].iter().filter_map(|b| life_of.get(b)).for_each(|&life| first[life] = true);
            }
            Step::Dispatch(d) => {
                let bound = d.bindings.iter().filter_map(|b| Some((*life_of.get(&b.buffer)?, b.write)));
                let bound: Vec<(usize, bool)> = bound.collect();
                for (i, &(a, a_writes)) in bound.iter().enumerate() {
                    for &(b, _) in bound[..i].iter().filter(|(b, writes)| *b != a && (a_writes || *writes)) {
                        conflicts[a].push(b);
                        conflicts[b].push(a);
                    }
                }
            }
        }
    }
    for others in &mut conflicts {
        others.sort_unstable();
        others.dedup();
    }
    let Limits { offset_alignment: alignment, max_buffer_bytes: largest, .. } = *limits;
    Rules { conflicts, first, alignment, largest }
}

/// The memory of a plan whose buffers are settled.
fn memory(plan: &Plan, activations_without_reuse: u64) -> Memory {
    let of = |ty: &TensorType| padded(ty.bytes());
    let saved = |role: Role| matches!(role, Role::Parameter | Role::Buffer);
    let states = |wanted: bool| {
        plan.states.iter().filter(|s| saved(s.role) == wanted).map(|s| of(&s.named.ty)).sum::<u64>()
    };
    let slots = plan.buffers.iter().filter(|b| b.kind == BufferKind::Slot);
    Memory {
        parameters: states(true),
        states: states(false),
        inputs: plan.inputs.iter().map(|i| of(&i.ty)).sum(),
        activations: slots.map(|b| b.bytes).sum(),
        activations_without_reuse,
        activations_at_least: plan.alive().into_iter().max().unwrap_or(0),
        peak: plan.buffers.iter().map(|b| b.bytes).sum(),
    }
}
