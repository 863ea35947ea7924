//! Graph to plan: kernels for each group of nodes, in order, and buffers by liveness.

use super::fuse::{Group, fuse};
use super::memory::{Slots, padded};
use super::{Bound, BufferId, BufferKind, BufferPlan, Dispatch, Memory, Named, Output, Plan, State, Step};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{GraphData, Node, ValueId};
use crate::kernels::{Access, Kernel, Limits, Lowering, Operand, lower};
use crate::ops::{Op, Role};
use crate::tensor::TensorType;
use std::collections::HashMap;

/// Plans a run that computes `outputs` and writes the graph's updates.
///
/// # Errors
/// When a tensor does not fit the device.
pub fn plan(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Result<Plan> {
    let groups = fuse(graph, outputs, &graph.reachable(outputs));
    let mut builder = Builder::new(graph, &groups, outputs, limits);
    for (turn, group) in groups.iter().enumerate() {
        builder.group(turn, group)?;
    }
    builder.write_updates();
    builder.finish(outputs)
}

/// A turn behind the last group.
const END: usize = usize::MAX;

struct Builder<'a> {
    graph: &'a GraphData,
    limits: &'a Limits,
    /// The value whose memory a value shares: itself, or what a reshape renames.
    root: Vec<ValueId>,
    /// The turn of the last group that reads a root, [`END`] for what must outlive the run.
    last_use: Vec<usize>,
    /// The buffer of each root that has one by now.
    buffer: HashMap<ValueId, BufferId>,
    slots: Slots,
    kernels: HashMap<Kernel, usize>,
    plan: Plan,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a GraphData, groups: &[Group], outputs: &[ValueId], limits: &'a Limits) -> Self {
        let mut root: Vec<ValueId> = (0..graph.values.len()).collect();
        let mut last_use = vec![0; graph.values.len()];
        for (turn, group) in groups.iter().enumerate() {
            if let Op::Reshape { .. } = graph.nodes[group.nodes[0]].op {
                root[group.outputs[0]] = root[group.inputs[0]];
            }
            for &value in group.inputs.iter().chain(&group.outputs) {
                last_use[root[value]] = turn;
            }
        }
        for value in outputs.iter().copied().chain(graph.updates.iter().map(|u| u.1)) {
            last_use[root[value]] = END;
        }
        Self {
            graph,
            limits,
            root,
            last_use,
            buffer: HashMap::new(),
            slots: Slots::default(),
            kernels: HashMap::new(),
            plan: Plan::default(),
        }
    }

    fn group(&mut self, turn: usize, group: &Group) -> Result<()> {
        let graph = self.graph;
        let node = &graph.nodes[group.nodes[0]];
        if self.leaf(node) {
            return Ok(());
        }
        let types = |ids: &[ValueId]| ids.iter().map(|&v| graph.ty(v)).collect::<Vec<_>>();
        let (inputs, outputs) = (types(&group.inputs), types(&group.outputs));
        let fail = |m| Error::op(node.op.name(), &node.label, m);
        let lowering = lower(&node.op, &group.epilogue, &inputs, &outputs, self.limits).map_err(fail)?;
        self.place_outputs(turn, group, &lowering);
        let workspaces: Vec<BufferId> =
            lowering.workspaces.iter().map(|&bytes| self.slots.take(&mut self.plan.buffers, bytes)).collect();
        self.dispatches(group, lowering, &workspaces);
        workspaces.into_iter().for_each(|w| self.slots.give(w));
        self.release(turn, group);
        Ok(())
    }

    /// Leaves and reshapes need no dispatch.
    fn leaf(&mut self, node: &Node) -> bool {
        let add = |this: &mut Self, kind| {
            let bytes = padded(this.graph.ty(node.outputs[0]).bytes());
            this.plan.buffers.push(BufferPlan { bytes, kind });
            this.buffer.insert(node.outputs[0], this.plan.buffers.len() - 1);
            this.plan.buffers.len() - 1
        };
        if let Op::Input { name, ty } = &node.op {
            let buffer = add(self, BufferKind::Input(name.clone()));
            self.plan.inputs.push(Named { name: name.clone(), ty: ty.clone(), buffer });
        } else if let Op::State { name, ty, init, role } = &node.op {
            let buffer = add(self, BufferKind::State(name.clone()));
            let named = Named { name: name.clone(), ty: ty.clone(), buffer };
            self.plan.states.push(State { named, init: *init, role: *role });
        } else if let Op::Constant { value } = node.op {
            add(self, BufferKind::Constant(value));
        } else {
            return matches!(node.op, Op::Reshape { .. });
        }
        true
    }

    /// Gives each output a buffer: the state's own for an update in place, else a slot, which begins as a
    /// copy of the input where the kernel updates in place but the old value is still needed.
    fn place_outputs(&mut self, turn: usize, group: &Group, lowering: &Lowering) {
        for (i, &output) in group.outputs.iter().enumerate() {
            let source =
                lowering.in_place.iter().find(|(out, _)| *out == i).map(|&(_, input)| group.inputs[input]);
            if let Some(state) = source.filter(|&s| self.may_overwrite(s, output, turn)) {
                self.buffer.insert(output, self.buffer[&self.root[state]]);
                continue;
            }
            let bytes = self.graph.ty(output).bytes();
            let slot = self.slots.take(&mut self.plan.buffers, bytes);
            self.buffer.insert(output, slot);
            if let Some(input) = source {
                let from = self.buffer[&self.root[input]];
                self.plan.steps.push(Step::Copy { from, to: slot, bytes: padded(bytes) });
            }
        }
    }

    /// Whether the group of this turn may write `output` over `state`: it is the state's update, and nobody
    /// reads the old value later.
    fn may_overwrite(&self, state: ValueId, output: ValueId, turn: usize) -> bool {
        let is_state = matches!(self.graph.producer(state).op, Op::State { .. });
        is_state && self.graph.updates.contains(&(state, output)) && self.last_use[state] == turn
    }

    fn dispatches(&mut self, group: &Group, lowering: Lowering, workspaces: &[BufferId]) {
        let node = &self.graph.nodes[group.nodes[0]];
        let flops = group.nodes.iter().map(|&id| self.flops(&self.graph.nodes[id])).sum();
        for (number, launch) in lowering.launches.into_iter().enumerate() {
            let bindings = launch.bindings.iter().map(|binding| {
                let buffer = match binding.operand {
                    Operand::Input(i) => self.buffer[&self.root[group.inputs[i]]],
                    Operand::Output(i) => self.buffer[&self.root[group.outputs[i]]],
                    Operand::Workspace(i) => workspaces[i],
                };
                let whole = match binding.operand {
                    Operand::Input(i) => self.graph.ty(group.inputs[i]).bytes(),
                    Operand::Output(i) => self.graph.ty(group.outputs[i]).bytes(),
                    Operand::Workspace(i) => lowering.workspaces[i],
                };
                let (offset, bytes) = binding.range.unwrap_or((0, whole));
                Bound { buffer, offset, bytes: padded(bytes), write: binding.access == Access::Write }
            });
            let bindings = bindings.collect();
            let next = self.plan.kernels.len();
            let kernel = *self.kernels.entry(launch.kernel.clone()).or_insert(next);
            if kernel == next {
                self.plan.kernels.push(launch.kernel);
            }
            self.plan.steps.push(Step::Dispatch(Dispatch {
                kernel,
                bindings,
                grid: launch.grid,
                op: node.op.name(),
                label: node.label.clone(),
                why: launch.why,
                flops: if number == 0 { flops } else { 0 },
            }));
        }
    }

    fn flops(&self, node: &Node) -> u64 {
        let types = |ids: &[ValueId]| ids.iter().map(|&v| self.graph.ty(v)).collect::<Vec<_>>();
        node.op.flops(&types(&node.inputs), &types(&node.outputs))
    }

    /// Frees the slots of values that the group of this turn was the last to use.
    fn release(&mut self, turn: usize, group: &Group) {
        let mut roots: Vec<ValueId> =
            group.inputs.iter().chain(&group.outputs).map(|&v| self.root[v]).collect();
        roots.sort_unstable();
        roots.dedup();
        for root in roots {
            let buffer = self.buffer[&root];
            if self.last_use[root] == turn && self.plan.buffers[buffer].kind == BufferKind::Slot {
                self.slots.give(buffer);
            }
        }
    }

    /// Copies new values into their states, all as if at once: what another state would lose is saved first.
    fn write_updates(&mut self) {
        let mut copies = Vec::new();
        for &(state, new) in &self.graph.updates {
            let (to, mut from) = (self.buffer[&state], self.buffer[&self.root[new]]);
            let bytes = padded(self.graph.ty(state).bytes());
            if from == to {
                continue;
            }
            if let BufferKind::State(_) = self.plan.buffers[from].kind {
                let saved = self.slots.take(&mut self.plan.buffers, bytes);
                self.plan.steps.push(Step::Copy { from, to: saved, bytes });
                from = saved;
            }
            copies.push(Step::Copy { from, to, bytes });
        }
        self.plan.steps.extend(copies);
    }

    fn finish(mut self, outputs: &[ValueId]) -> Result<Plan> {
        for &value in outputs {
            let ty = self.graph.ty(value).clone();
            self.plan.outputs.push(Output { value, ty, buffer: self.buffer[&self.root[value]] });
        }
        let most = self.limits.max_buffer_bytes;
        if let Some(large) = self.plan.buffers.iter().find(|b| b.bytes > most) {
            let mismatch =
                Mismatch::new(format!("buffers of at most {most} bytes"), format!("{} bytes", large.bytes));
            return Err(Error::op("plan", "", mismatch));
        }
        self.plan.memory = self.memory();
        Ok(self.plan)
    }

    fn memory(&self) -> Memory {
        let of = |ty: &TensorType| padded(ty.bytes());
        let saved = |role: Role| matches!(role, Role::Parameter | Role::Buffer);
        let states = |wanted: bool| {
            self.plan.states.iter().filter(|s| saved(s.role) == wanted).map(|s| of(&s.named.ty)).sum::<u64>()
        };
        let slots = self.plan.buffers.iter().filter(|b| b.kind == BufferKind::Slot);
        Memory {
            parameters: states(true),
            states: states(false),
            inputs: self.plan.inputs.iter().map(|i| of(&i.ty)).sum(),
            activations: slots.map(|b| b.bytes).sum(),
            activations_without_reuse: self.slots.requested,
            peak: self.plan.buffers.iter().map(|b| b.bytes).sum(),
        }
    }
}
