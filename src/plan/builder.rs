//! Adds one group of nodes after the other to a plan: kernels, bindings, buffers and their lives.

use super::check::{Check, add};
use super::divide;
use super::fuse::Group;
use super::lowered::{Lowered, Lowerings};
use super::memory::{END, Life, padded};
use super::slots::settle;
use super::views::{Alias, aliases, is_view};
use super::{Bound, BufferId, BufferKind, BufferPlan, Dispatch, Named, Output, Plan, State, Step};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::kernels::{Access, Binding, Launch, Limits, Lowering, Operand, Refusal, finite, shared_by_steps};
use crate::ops::{self, Constant, Op, Table};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A node by its op and its label.
pub(super) fn described(node: &Node) -> String {
    let label = if node.label.is_empty() { String::new() } else { format!(" '{}'", node.label) };
    format!("{}{label}", node.op.name())
}

/// The bindings of a launch, from where its operands lie: buffer, first byte, bytes.
pub(super) fn bind(launch: &Launch, lies: impl Fn(Operand) -> Option<(BufferId, u64, u64)>) -> Vec<Bound> {
    let bind = |binding: &Binding| {
        let (buffer, begin, whole) = lies(binding.operand)?;
        let (offset, bytes) = binding.range.unwrap_or((0, whole));
        let write = binding.access == Access::Write;
        // Fours of elements, whatever their type, so that all bindings of a tensor's shape are as long.
        let bytes = if binding.half { padded(2 * bytes) / 2 } else { padded(bytes) };
        Some(Bound { buffer, offset: begin + offset, bytes, write })
    };
    launch.bindings.iter().filter_map(bind).collect()
}

pub(super) struct Builder<'a> {
    pub(super) graph: &'a GraphData,
    pub(super) limits: &'a Limits,
    /// Where each value lies.
    pub(super) aliases: Vec<Alias>,
    /// The position of the last group that reads a root, [`END`] for what must outlive the run.
    pub(super) last_use: Vec<usize>,
    /// The buffer of each root that has one by now.
    pub(super) buffer: HashMap<ValueId, BufferId>,
    /// What lies in the buffers of kind [`BufferKind::Slot`], each in one of its own until the plan is finished.
    pub(super) lives: Vec<Life>,
    /// The index of each buffer's life in `lives`.
    pub(super) life_of: HashMap<BufferId, usize>,
    /// The new value of each state that has one.
    pub(super) updates: HashMap<ValueId, ValueId>,
    pub(super) lowerings: Lowerings,
    /// The buffers of tables.
    pub(super) tables: HashMap<Arc<[u32]>, BufferId>,
    /// Whether each value is looked at.
    pub(super) finite: bool,
    pub(super) plan: Plan,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        graph: &'a GraphData,
        groups: &[Group],
        outputs: &[ValueId],
        limits: &'a Limits,
    ) -> Self {
        let kept: Vec<ValueId> = outputs.iter().copied().chain(graph.updates.iter().map(|u| u.1)).collect();
        let aliases = aliases(graph, groups, &kept, limits);
        let mut last_use = vec![0; graph.values.len()];
        for (position, group) in groups.iter().enumerate() {
            for &value in group.inputs.iter().chain(&group.outputs) {
                last_use[aliases[value].root] = position;
            }
        }
        for value in kept {
            last_use[aliases[value].root] = END;
        }
        Self {
            graph,
            limits,
            aliases,
            last_use,
            buffer: HashMap::new(),
            lives: Vec::new(),
            life_of: HashMap::new(),
            updates: graph.updates.iter().copied().collect(),
            lowerings: Lowerings::default(),
            tables: HashMap::new(),
            finite: false,
            plan: Plan::default(),
        }
    }

    pub(super) fn group(&mut self, position: usize, group: &Group) -> Result<()> {
        let graph = self.graph;
        let node = group.node(graph);
        if self.leaf(node) {
            let held = node.op.leaf_name().is_some();
            return if held { self.look(group) } else { Ok(()) };
        }
        let lowered = self.lowerings.of(graph, group, self.limits);
        let lowered = lowered.map_err(|refusal| self.refused(group, refusal))?;
        self.place_outputs(position, group, &lowered.lowering);
        let what = format!("scratch of {}", described(node));
        let workspaces = lowered.lowering.workspaces.iter();
        let workspaces: Vec<BufferId> = workspaces.map(|&bytes| self.take(what.clone(), bytes)).collect();
        self.dispatches(group, &lowered, &workspaces);
        self.look(group)?;
        workspaces.into_iter().for_each(|w| self.give(w));
        self.release(position, group);
        Ok(())
    }

    /// The buffer of some words that are known: the same for the same words.
    pub(super) fn table(&mut self, words: &Arc<[u32]>) -> BufferId {
        let next = self.plan.buffers.len();
        let table = *self.tables.entry(words.clone()).or_insert(next);
        if table == next {
            let bytes = padded(words.len() as u64 * 4);
            self.plan.buffers.push(BufferPlan { bytes, kind: BufferKind::Table(words.clone()) });
        }
        table
    }

    /// A buffer of its own from now on.
    pub(super) fn take(&mut self, what: String, bytes: u64) -> BufferId {
        let buffer = self.plan.buffers.len();
        let bytes = padded(bytes);
        self.plan.buffers.push(BufferPlan { bytes, kind: BufferKind::Slot });
        let first = self.plan.steps.len();
        self.life_of.insert(buffer, self.lives.len());
        self.lives.push(Life { what, bytes, first, last: END, buffer, offset: 0 });
        buffer
    }

    /// Nothing after the steps so far needs it.
    pub(super) fn give(&mut self, buffer: BufferId) {
        let last = self.plan.steps.len().saturating_sub(1);
        if let Some(&life) = self.life_of.get(&buffer) {
            self.lives[life].last = self.lives[life].last.min(last);
        }
    }

    /// The buffer a value lies in.
    pub(super) fn buffer_of(&self, value: ValueId) -> BufferId {
        self.buffer[&self.aliases[value].root]
    }

    /// What an operand of a group's kernels is called, and its bytes.
    pub(super) fn named(&self, group: &Group, operand: Operand) -> (String, u64) {
        let value = match operand {
            Operand::Input(i) => group.inputs[i],
            Operand::Output(i) => group.outputs[i],
            Operand::Workspace(_) => {
                let node = group.node(self.graph);
                return (format!("scratch memory of {}", described(node)), 0);
            }
            Operand::Table(_) => return (format!("a table of {}", described(group.node(self.graph))), 0),
            Operand::Check => return (format!("the check of {}", described(group.node(self.graph))), 0),
        };
        (self.name(value), self.graph.ty(value).bytes())
    }

    /// A value by its own name, such as `features.0.weight`, or by the op that computes it.
    pub(super) fn name(&self, value: ValueId) -> String {
        let (root, ty) = (self.aliases[value].root, self.graph.ty(value));
        let node = self.graph.producer(root);
        if let Some(name) = node.op.leaf_name() {
            let role = if let Op::State(ops::State { role, .. }) = node.op {
                role.to_string()
            } else {
                "input".into()
            };
            return format!("{role} '{name}', {ty},");
        }
        let number = node.outputs.iter().position(|&v| v == root).unwrap_or(0);
        format!("output {number} of {}, {ty},", described(node))
    }

    /// Leaves and views need no dispatch.
    pub(super) fn leaf(&mut self, node: &Node) -> bool {
        let add = |this: &mut Self, kind| {
            let bytes = padded(this.graph.ty(node.outputs[0]).bytes());
            this.plan.buffers.push(BufferPlan { bytes, kind });
            this.buffer.insert(node.outputs[0], this.plan.buffers.len() - 1);
            this.plan.buffers.len() - 1
        };
        if let Op::Input(ops::Input { name, ty }) = &node.op {
            let buffer = add(self, BufferKind::Input(name.clone()));
            self.plan.inputs.push(Named { name: name.clone(), ty: ty.clone(), buffer });
        } else if let Op::State(ops::State { name, ty, init, role }) = &node.op {
            let buffer = add(self, BufferKind::State(name.clone()));
            let named = Named { name: name.clone(), ty: ty.clone(), buffer };
            self.plan.states.push(State { named, init: init.clone(), role: *role });
        } else if let Op::Constant(Constant { value }) = node.op {
            add(self, BufferKind::Constant(value));
        } else if let Op::Table(Table { values }) = &node.op {
            let table = self.table(&bytemuck::pod_collect_to_vec(values.as_bytes()).into());
            self.buffer.insert(node.outputs[0], table);
        } else {
            return is_view(node, &self.aliases);
        }
        true
    }

    /// Gives each output a buffer: the state's own for an update in place, else a slot, which begins as a
    /// copy of the input where the kernel updates in place but the old value is still needed.
    pub(super) fn place_outputs(&mut self, position: usize, group: &Group, lowering: &Lowering) {
        let updated: HashMap<usize, usize> = lowering.in_place.iter().copied().collect();
        for (i, &output) in group.outputs.iter().enumerate() {
            let source = updated.get(&i).map(|&input| group.inputs[input]);
            if let Some(state) = source.filter(|&s| self.may_overwrite(s, output, position)) {
                self.buffer.insert(output, self.buffer_of(state));
                continue;
            }
            let bytes = self.graph.ty(output).bytes();
            let slot = self.take(described(group.node(self.graph)), bytes);
            self.buffer.insert(output, slot);
            if let Some(input) = source {
                let from = self.buffer_of(input);
                self.plan.steps.push(Step::Copy { from, to: slot, bytes: padded(bytes) });
            }
        }
    }

    /// Whether the group at this position may write `output` over `state`: it is the state's update, and nobody
    /// reads the old value later.
    pub(super) fn may_overwrite(&self, state: ValueId, output: ValueId, position: usize) -> bool {
        let is_state = matches!(self.graph.producer(state).op, Op::State(_));
        is_state && self.updates.get(&state) == Some(&output) && self.last_use[state] == position
    }

    pub(super) fn dispatches(&mut self, group: &Group, lowered: &Lowered, workspaces: &[BufferId]) {
        let node = group.node(self.graph);
        let flops = group.nodes.iter().map(|&id| self.flops(&self.graph.nodes[id])).sum();
        let lowering = &lowered.lowering;
        let divided = lowering.divide_flops(flops);
        // The steps of a batch are side by side, not one in another's kernel.
        let alone = shared_by_steps(&node.op).is_some();
        let inside = |nodes: &[NodeId]| -> Vec<String> {
            let nodes = nodes.iter().map(|&id| &self.graph.nodes[id]).filter(|_| !alone);
            nodes.filter(|node| !matches!(node.op, Op::Reshape(_))).map(described).collect()
        };
        let (loaded, stored) = (inside(&group.nodes[..group.base]), inside(&group.nodes[group.base + 1..]));
        self.plan.fused += loaded.len() + stored.len();
        let inputs: Vec<_> = node.inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let check = Check::indices(node, &inputs).map(|check| add(&mut self.plan, check, self.limits));
        let tables: Vec<BufferId> = lowering.tables.iter().map(|words| self.table(words)).collect();
        let launches = lowering.launches.iter().zip(&lowered.kernels);
        for ((launch, &kernel), flops) in launches.zip(divided) {
            let (computes, stores) = (launch.computes(), launch.stores());
            let fused = [(computes, &loaded), (stores, &stored)].into_iter().filter(|(here, _)| *here);
            let fused = fused.flat_map(|(_, nodes)| nodes.iter().cloned()).collect();
            let lies = |operand| match operand {
                Operand::Input(i) => Some(self.lies(group.inputs[i])),
                Operand::Output(i) => Some(self.lies(group.outputs[i])),
                Operand::Workspace(i) => Some((workspaces[i], 0, lowering.workspaces[i])),
                Operand::Table(i) => Some((tables[i], 0, lowering.tables[i].len() as u64 * 4)),
                Operand::Check => check.map(|c| (c.buffer, c.offset, c.bytes)),
            };
            let bindings = bind(launch, lies);
            self.dispatch(launch, Dispatch { kernel, bindings, fused, flops, ..Dispatch::default() }, node);
        }
    }

    /// Where a value lies: buffer, first byte, bytes.
    pub(super) fn lies(&self, value: ValueId) -> (BufferId, u64, u64) {
        (self.buffer_of(value), self.aliases[value].offset, self.graph.ty(value).bytes())
    }

    /// Adds a launch of a node, in parts where it would take too long.
    pub(super) fn dispatch(&mut self, launch: &Launch, dispatch: Dispatch, node: &Node) {
        let dispatch = Dispatch {
            grid: launch.grid,
            iterations: launch.iterations,
            op: node.op.name(),
            label: node.label.clone(),
            why: launch.why.clone(),
            ..dispatch
        };
        match divide::parts(&launch.kernel, &dispatch, self.limits) {
            None => self.plan.steps.push(Step::Dispatch(dispatch)),
            Some(parts) => {
                let number = |(kernel, part)| Dispatch { kernel: self.lowerings.number(&kernel), ..part };
                self.plan.steps.extend(parts.into_iter().map(number).map(Step::Dispatch));
            }
        }
    }

    /// Looks for what is not finite in what a group gives, where that is wanted.
    pub(super) fn look(&mut self, group: &Group) -> Result<()> {
        let (graph, node) = (self.graph, group.node(self.graph));
        let wanted = |value: &ValueId| self.finite && graph.ty(*value).dtype.is_float();
        let outputs: Vec<_> = group.outputs.iter().copied().enumerate().filter(|(_, v)| wanted(v)).collect();
        for (number, value) in outputs {
            let launches = finite(graph.ty(value), self.limits).map_err(|r| self.refused(group, r))?;
            let check = add(&mut self.plan, Check::finite(graph, node, number), self.limits);
            for launch in launches {
                let lies = self.lies(value);
                let bound = |operand| match operand {
                    Operand::Check => Some((check.buffer, check.offset, check.bytes)),
                    Operand::Input(_) | Operand::Output(_) => Some(lies),
                    Operand::Workspace(_) | Operand::Table(_) => None,
                };
                let (kernel, bindings) = (self.lowerings.number(&launch.kernel), bind(&launch, bound));
                self.dispatch(&launch, Dispatch { kernel, bindings, ..Dispatch::default() }, node);
            }
        }
        Ok(())
    }

    pub(super) fn refused(&self, group: &Group, refusal: Refusal) -> Error {
        let node = group.node(self.graph);
        Error::op(node.op.name(), &node.label, refusal.words(|o| self.named(group, o)))
    }

    pub(super) fn flops(&self, node: &Node) -> u64 {
        let types = |ids: &[ValueId]| ids.iter().map(|&v| self.graph.ty(v)).collect::<Vec<_>>();
        node.op.flops(&types(&node.inputs), &types(&node.outputs))
    }

    /// Frees the slots of values that the group at this position was the last to use.
    pub(super) fn release(&mut self, position: usize, group: &Group) {
        let mut roots: Vec<ValueId> =
            group.inputs.iter().chain(&group.outputs).map(|&v| self.aliases[v].root).collect();
        roots.sort_unstable();
        roots.dedup();
        for root in roots {
            let buffer = self.buffer[&root];
            if self.last_use[root] == position && self.plan.buffers[buffer].kind == BufferKind::Slot {
                self.give(buffer);
            }
        }
    }

    /// Copies new values into their states, all as if at once: what another state would lose is saved first.
    pub(super) fn write_updates(&mut self) {
        let mut copies = Vec::new();
        for &(state, new) in &self.graph.updates {
            let (to, mut from) = (self.buffer[&state], self.buffer_of(new));
            let bytes = padded(self.graph.ty(state).bytes());
            if from == to {
                continue;
            }
            if let BufferKind::State(_) = self.plan.buffers[from].kind {
                let saved = self.take("a state's value before its update".to_owned(), bytes);
                self.plan.steps.push(Step::Copy { from, to: saved, bytes });
                from = saved;
            }
            copies.push(Step::Copy { from, to, bytes });
        }
        self.plan.steps.extend(copies);
    }

    pub(super) fn finish(mut self, outputs: &[ValueId]) -> Result<Plan> {
        for &value in outputs {
            let ty = self.graph.ty(value).clone();
            self.plan.outputs.push(Output { value, ty, buffer: self.buffer_of(value) });
        }
        self.plan.kernels = std::mem::take(&mut self.lowerings.kernels);
        let lives = std::mem::take(&mut self.lives);
        let moved = settle(&mut self.plan, lives, self.limits);
        self.buffer.values_mut().for_each(|buffer| *buffer = moved[*buffer]);
        let most = self.limits.max_buffer_bytes;
        if let Some(large) = self.plan.buffers.iter().position(|b| b.bytes > most) {
            let bytes = self.plan.buffers[large].bytes;
            let held = self.buffer.iter().filter(|(_, buffer)| **buffer == large).map(|(value, _)| *value);
            // Of several that share it one after the other, the one that made it as large; of equal ones, the first.
            let value = held.max_by_key(|&v| (self.graph.ty(v).bytes(), Reverse(v)));
            let name = value.map_or_else(|| "scratch memory".to_owned(), |v| self.name(v));
            let expected = format!("at most {most} bytes in a buffer of this device");
            return Err(Error::op("plan", "", Mismatch::new(expected, format!("{name} of {bytes} bytes"))));
        }
        Ok(self.plan)
    }
}
