//! Graph to plan: kernels for each needed node, in graph order, and buffers by liveness.

use super::memory::{Slots, padded};
use super::{Bound, BufferId, BufferKind, BufferPlan, Dispatch, Memory, Named, Output, Plan, State, Step};
use crate::error::{Error, Mismatch, Result};
use crate::graph::{GraphData, Node, NodeId, ValueId};
use crate::kernels::{Access, Kernel, Limits, Lowering, Operand, lower};
use crate::ops::{Op, Role};
use crate::tensor::TensorType;
use std::collections::HashMap;

/// Plans a run that computes `outputs` and writes the graph's updates.
///
/// # Errors
/// When a tensor does not fit the device.
pub fn plan(graph: &GraphData, outputs: &[ValueId], limits: &Limits) -> Result<Plan> {
    let mut builder = Builder::new(graph, outputs, limits);
    for id in 0..graph.nodes.len() {
        if builder.needed[id] {
            builder.node(id)?;
        }
    }
    builder.write_updates();
    builder.finish(outputs)
}

/// A position behind the last node.
const END: NodeId = NodeId::MAX;

struct Builder<'a> {
    graph: &'a GraphData,
    limits: &'a Limits,
    needed: Vec<bool>,
    /// The value whose memory a value shares: itself, or what a reshape renames.
    root: Vec<ValueId>,
    /// The last node that reads a root, [`END`] for what must outlive the run.
    last_use: Vec<NodeId>,
    /// The buffer of each root that has one by now.
    buffer: HashMap<ValueId, BufferId>,
    slots: Slots,
    kernels: HashMap<Kernel, usize>,
    plan: Plan,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a GraphData, outputs: &[ValueId], limits: &'a Limits) -> Self {
        let needed = graph.reachable(outputs);
        let mut root: Vec<ValueId> = (0..graph.values.len()).collect();
        let mut last_use: Vec<NodeId> = graph.values.iter().map(|v| v.node).collect();
        for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
            if let Op::Reshape { .. } = node.op {
                root[node.outputs[0]] = root[node.inputs[0]];
            }
            for &input in &node.inputs {
                last_use[root[input]] = id;
            }
        }
        for value in outputs.iter().copied().chain(graph.updates.iter().map(|u| u.1)) {
            last_use[root[value]] = END;
        }
        Self {
            graph,
            limits,
            needed,
            root,
            last_use,
            buffer: HashMap::new(),
            slots: Slots::default(),
            kernels: HashMap::new(),
            plan: Plan::default(),
        }
    }

    fn node(&mut self, id: NodeId) -> Result<()> {
        let node = &self.graph.nodes[id];
        if self.leaf(node) {
            return Ok(());
        }
        let types = |ids: &'a [ValueId]| ids.iter().map(|&v| self.graph.ty(v)).collect::<Vec<_>>();
        let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
        let fail = |m| Error::op(node.op.name(), &node.label, m);
        let lowering = lower(&node.op, &inputs, &outputs, self.limits).map_err(fail)?;
        let flops = node.op.flops(&inputs, &outputs);
        self.place_outputs(id, &lowering);
        let workspaces: Vec<BufferId> =
            lowering.workspaces.iter().map(|&bytes| self.slots.take(&mut self.plan.buffers, bytes)).collect();
        self.dispatches(node, lowering, &workspaces, flops);
        workspaces.into_iter().for_each(|w| self.slots.give(w));
        self.release(id);
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
    fn place_outputs(&mut self, id: NodeId, lowering: &Lowering) {
        let node = &self.graph.nodes[id];
        for (i, &output) in node.outputs.iter().enumerate() {
            let source =
                lowering.in_place.iter().find(|(out, _)| *out == i).map(|&(_, input)| node.inputs[input]);
            if let Some(state) = source.filter(|&s| self.may_overwrite(s, output, id)) {
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

    /// Whether node `id` may write `output` over `state`: it is the state's update, and nobody reads the
    /// old value later.
    fn may_overwrite(&self, state: ValueId, output: ValueId, id: NodeId) -> bool {
        let is_state = matches!(self.graph.producer(state).op, Op::State { .. });
        is_state && self.graph.updates.contains(&(state, output)) && self.last_use[state] == id
    }

    fn dispatches(&mut self, node: &Node, lowering: Lowering, workspaces: &[BufferId], flops: u64) {
        for (number, launch) in lowering.launches.into_iter().enumerate() {
            let bindings = launch.bindings.iter().map(|binding| {
                let buffer = match binding.operand {
                    Operand::Input(i) => self.buffer[&self.root[node.inputs[i]]],
                    Operand::Output(i) => self.buffer[&self.root[node.outputs[i]]],
                    Operand::Workspace(i) => workspaces[i],
                };
                let whole = match binding.operand {
                    Operand::Input(i) => self.graph.ty(node.inputs[i]).bytes(),
                    Operand::Output(i) => self.graph.ty(node.outputs[i]).bytes(),
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

    /// Frees the slots of values that node `id` was the last to use.
    fn release(&mut self, id: NodeId) {
        let node = &self.graph.nodes[id];
        let mut roots: Vec<ValueId> =
            node.inputs.iter().chain(&node.outputs).map(|&v| self.root[v]).collect();
        roots.sort_unstable();
        roots.dedup();
        for root in roots {
            let buffer = self.buffer[&root];
            if self.last_use[root] == id && self.plan.buffers[buffer].kind == BufferKind::Slot {
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
