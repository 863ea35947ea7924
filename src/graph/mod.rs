//! The static graph: nodes are ops, values are typed, every shape is checked while it is built.

mod autodiff;
mod constants;
mod dump;
mod names;
mod parametrized;
mod rules;
mod tensor;

pub use autodiff::{Flow, gradients, gradients_from};
pub(crate) use names::matches;
pub(crate) use rules::Dropped;
pub use rules::RunningStatistics;
pub use tensor::Tensor;

use crate::error::{Error, Mismatch, Result};
use crate::ops::{Constant, Increment, Init, Input, Op, Role, State};
use crate::shape::Shape;
use crate::tensor::TensorType;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The index of a node in [`GraphData::nodes`]; nodes are in topological order.
pub type NodeId = usize;
/// The index of a value in [`GraphData::values`].
pub type ValueId = usize;

/// One op of a graph, with its inputs and outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// What it writes.
    pub outputs: Vec<ValueId>,
    /// The layer it belongs to, such as `features.0`; may be empty.
    pub label: String,
}

/// One result of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The node that computes it.
    pub node: NodeId,
    /// Shape and element type.
    pub ty: TensorType,
}

/// The graph as plain data, for the passes that read it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GraphData {
    /// In topological order.
    pub nodes: Vec<Node>,
    /// In the order of the nodes.
    pub values: Vec<Value>,
    /// `(state, new value)`: what the end of a step writes into the states.
    pub updates: Vec<(ValueId, ValueId)>,
}

impl GraphData {
    /// The type of a value.
    pub fn ty(&self, value: ValueId) -> &TensorType {
        &self.values[value].ty
    }

    /// The node that computes a value.
    pub fn producer(&self, value: ValueId) -> &Node {
        &self.nodes[self.values[value].node]
    }

    /// The number that a value is made of throughout, where a scalar constant was only stretched and reshaped.
    pub(crate) fn constant(&self, value: ValueId) -> Option<f32> {
        let mut node = self.producer(value);
        loop {
            match node.op {
                Op::Constant(Constant { value }) => return Some(value),
                Op::BroadcastTo(_) | Op::Reshape(_) => node = self.producer(node.inputs[0]),
                // What any other op gives is folded where a plan is made, and not known here.
                _ => return None,
            }
        }
    }

    /// For each node, whether `outputs` or an update needs it.
    pub fn reachable(&self, outputs: &[ValueId]) -> Vec<bool> {
        let updates = self.updates.iter().flat_map(|&(s, v)| [s, v]);
        self.needed(&outputs.iter().copied().chain(updates).collect::<Vec<_>>())
    }

    /// For each node, whether `values` depend on it.
    pub(crate) fn needed(&self, values: &[ValueId]) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        values.iter().for_each(|&value| needed[self.values[value].node] = true);
        for id in (0..self.nodes.len()).rev() {
            if needed[id] {
                for &input in &self.nodes[id].inputs {
                    needed[self.values[input].node] = true;
                }
            }
        }
        needed
    }
}

#[derive(Debug, Default)]
struct Inner {
    data: GraphData,
    /// The first leaf of each name.
    leaves: HashMap<String, NodeId>,
    /// The states that have an update.
    updated: HashSet<ValueId>,
    /// The parameters that are not to be trained.
    frozen: HashSet<String>,
    /// The parameters that are made of others.
    normed: Vec<parametrized::Normed>,
    scope: Vec<String>,
    evaluation: bool,
    step: Option<usize>,
}

/// A static graph. Clones are handles to the same graph.
#[derive(Debug, Clone, Default)]
pub struct Graph(Rc<RefCell<Inner>>);

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An input of type `f32`; its values are given with each run.
    ///
    /// # Errors
    /// When the shape is empty or too large, or the name is taken by a value of another type.
    pub fn input(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        self.leaf(Op::Input(Input { name: name.into(), ty: TensorType::f32(shape) }))
    }

    /// An input of type `f16`; its values are given with each run.
    ///
    /// # Errors
    /// As [`Graph::input`].
    pub fn input_f16(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        self.leaf(Op::Input(Input { name: name.into(), ty: TensorType::f16(shape) }))
    }

    /// An input of type `u32`, such as class labels or indices; its values are given with each run.
    ///
    /// # Errors
    /// As [`Graph::input`].
    pub fn input_u32(&self, name: &str, shape: impl Into<Shape>) -> Result<Tensor> {
        self.leaf(Op::Input(Input { name: name.into(), ty: TensorType::u32(shape) }))
    }

    /// A trainable parameter, stored under its PyTorch state-dict key.
    ///
    /// Asking for the same name again gives the same parameter, so weights can be shared.
    ///
    /// # Errors
    /// When the shape is empty or too large, or the name is taken by a value of another type or for something else.
    pub fn parameter(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        let ty = TensorType::f32(shape);
        if let Some(dim) = self.normed_along(name) {
            return self.normed(name, dim, ty.shape, init);
        }
        self.leaf(Op::State(State { name: name.into(), ty, init, role: Role::Parameter }))
    }

    /// A value kept on the device from run to run, written by [`Graph::assign`].
    ///
    /// # Errors
    /// As [`Graph::parameter`].
    pub fn state(&self, name: &str, ty: TensorType, init: Init, role: Role) -> Result<Tensor> {
        self.leaf(Op::State(State { name: name.into(), ty, init, role }))
    }

    /// Whether layers added from now on behave as in training (at first they do) or, as dropout does, differently.
    pub fn set_training(&self, training: bool) {
        self.0.borrow_mut().evaluation = !training;
    }

    /// Whether layers behave as in training.
    pub fn is_training(&self) -> bool {
        !self.0.borrow().evaluation
    }

    /// A counter on the device that grows by one each run: what random ops draw from.
    ///
    /// # Errors
    /// When its name, `random.counter`, is taken.
    pub fn random_counter(&self) -> Result<Tensor> {
        Ok(self.counter("random.counter")?.0)
    }

    /// A counter of runs: what it is in this run, from 0, and what it is after it.
    pub(crate) fn counter(&self, name: &str) -> Result<(Tensor, Tensor)> {
        let counter = self.state(name, TensorType::u32([]), Init::Zeros, Role::Optimizer)?;
        if let Some(after) = self.update_of(&counter) {
            return Ok((counter, after));
        }
        let after = self.apply(Increment, &[&counter])?.remove(0);
        self.assign(&counter, &after)?;
        Ok((counter, after))
    }

    /// A constant scalar.
    ///
    /// # Errors
    /// None today.
    pub fn scalar(&self, value: f32) -> Result<Tensor> {
        self.leaf(Op::Constant(Constant { value }))
    }

    fn leaf(&self, op: Op) -> Result<Tensor> {
        let name = op.leaf_name().map(str::to_owned);
        let Some(node) = name.as_deref().and_then(|name| self.named(name)) else {
            return self.apply(op, &[]).map(|mut out| out.remove(0));
        };
        self.with(|data| {
            let (value, held) = (data.nodes[node].outputs[0], &data.nodes[node].op);
            let words = |op: &Op| match op {
                Op::State(State { ty, role, .. }) => format!("a {role} {ty}"),
                // An input.
                op => format!("an {} {}", op.name(), op.leaf_type()),
            };
            let (expected, got) = (words(held), words(&op));
            if expected == got {
                Ok(self.handle(value))
            } else {
                Err(Error::op(op.name(), name.as_deref().unwrap_or(""), Mismatch::new(expected, got)))
            }
        })
    }

    /// The input, parameter or state of this name.
    pub(crate) fn named(&self, name: &str) -> Option<NodeId> {
        self.0.borrow().leaves.get(name).copied()
    }

    /// At the end of each run, `state` takes the value of `new`. All reads in the run see the old value.
    ///
    /// # Errors
    /// When `state` is not a state, is assigned twice, or the types differ.
    pub fn assign(&self, state: &Tensor, new: &Tensor) -> Result<()> {
        self.owns("assign", &[state, new])?;
        let fail = |expected: &str, got: String| {
            Err(Error::op(
                "assign",
                &self.with(|d| d.producer(state.value).label.clone()),
                Mismatch::new(expected, got),
            ))
        };
        if !self.with(|d| matches!(d.producer(state.value).op, Op::State(_))) {
            return fail("a parameter or state", self.with(|d| d.producer(state.value).op.name().to_owned()));
        }
        if state.ty() != new.ty() {
            return fail(&state.ty().to_string(), new.ty().to_string());
        }
        let mut inner = self.0.borrow_mut();
        if !inner.updated.insert(state.value) {
            drop(inner);
            return fail("one assignment to a state", "a second one".into());
        }
        inner.data.updates.push((state.value, new.value));
        Ok(())
    }

    /// What a state becomes at the end of a run, where it is assigned.
    pub(crate) fn update_of(&self, state: &Tensor) -> Option<Tensor> {
        let found = self.with(|data| data.updates.iter().find(|update| update.0 == state.value).copied());
        found.map(|(_, new)| self.handle(new))
    }

    /// Lets every state that is assigned become something else: what `change` makes of it and its new value.
    pub(crate) fn change_updates(&self, change: impl Fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<()> {
        let updates = self.with(|data| data.updates.clone());
        let changed = updates.iter().map(|&(state, new)| {
            let new = change(&self.handle(state), &self.handle(new))?;
            Ok((state, new.value))
        });
        let changed = changed.collect::<Result<_>>()?;
        self.0.borrow_mut().data.updates = changed;
        Ok(())
    }

    /// Runs `build` with `label` appended (after a dot) to the label of every node it adds.
    pub fn scoped<T>(&self, label: &str, build: impl FnOnce() -> T) -> T {
        self.0.borrow_mut().scope.push(label.to_owned());
        let result = build();
        self.0.borrow_mut().scope.pop();
        result
    }

    /// Runs `build` with this label alone, whatever the scope is: what it declares is the same from everywhere.
    pub fn scoped_as<T>(&self, label: &str, build: impl FnOnce() -> T) -> T {
        let outer = std::mem::replace(&mut self.0.borrow_mut().scope, vec![label.to_owned()]);
        let result = build();
        self.0.borrow_mut().scope = outer;
        result
    }

    /// Runs `build` with ` t=` and the step appended to the label of every node it adds. Parameters keep their
    /// names, so that all steps share them.
    pub fn stepped<T>(&self, step: usize, build: impl FnOnce() -> T) -> T {
        let outer = self.0.borrow_mut().step.replace(step);
        let result = build();
        self.0.borrow_mut().step = outer;
        result
    }

    /// The current scope, and `name` appended to it: the key of a parameter of this layer.
    pub fn scoped_name(&self, name: &str) -> String {
        let scope = self.scope();
        if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
    }

    fn scope(&self) -> String {
        let inner = self.0.borrow();
        inner.scope.iter().filter(|s| !s.is_empty()).map(String::as_str).collect::<Vec<_>>().join(".")
    }

    /// The label of a node that is added now: the scope and the step.
    pub(crate) fn label(&self) -> String {
        let scope = self.scope();
        match self.0.borrow().step {
            Some(step) if scope.is_empty() => format!("t={step}"),
            Some(step) => format!("{scope} t={step}"),
            None => scope,
        }
    }

    /// Reads the graph's data.
    pub fn with<T>(&self, read: impl FnOnce(&GraphData) -> T) -> T {
        read(&self.0.borrow().data)
    }

    /// The trainable parameters, in the order they were declared, without those that are frozen.
    pub fn parameters(&self) -> Vec<Tensor> {
        let inner = self.0.borrow();
        let trainable = |n: &&Node| match &n.op {
            Op::State(State { role: Role::Parameter, name, .. }) => !inner.frozen.contains(name),
            // Other states and what is computed.
            _ => false,
        };
        inner.data.nodes.iter().filter(trainable).map(|n| self.handle(n.outputs[0])).collect()
    }

    /// Adds a node and gives its outputs. The tensor methods are the readable form of this.
    ///
    /// # Errors
    /// When an input is of another graph, or the op does not accept the inputs.
    pub fn apply(&self, op: impl Into<Op>, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let op = op.into();
        if inputs.is_empty() && op.leaf_name().is_some_and(|name| self.named(name).is_some()) {
            return self.leaf(op).map(|leaf| vec![leaf]);
        }
        self.owns(op.name(), inputs)?;
        let label = op.leaf_name().map_or_else(|| self.label(), str::to_owned);
        let types: Vec<TensorType> = inputs.iter().map(|t| t.ty()).collect();
        let refs: Vec<&TensorType> = types.iter().collect();
        let fail = |m| Error::op(op.name(), &label, m);
        let outputs = op.infer(&refs).map_err(fail)?;
        for ty in &outputs {
            ty.shape.check().map_err(fail)?;
        }
        let mut inner = self.0.borrow_mut();
        let Inner { data, leaves, .. } = &mut *inner;
        let (node, first) = (data.nodes.len(), data.values.len());
        let ids: Vec<ValueId> = (first..first + outputs.len()).collect();
        data.values.extend(outputs.into_iter().map(|ty| Value { node, ty }));
        let inputs = inputs.iter().map(|t| t.value).collect();
        if op.leaf_name().is_some() {
            leaves.entry(label.clone()).or_insert(node);
        }
        data.nodes.push(Node { op, inputs, outputs: ids.clone(), label });
        drop(inner);
        Ok(ids.into_iter().map(|value| self.handle(value)).collect())
    }

    pub(crate) fn handle(&self, value: ValueId) -> Tensor {
        Tensor { graph: self.clone(), value }
    }

    pub(crate) fn owns(&self, op: &str, tensors: &[&Tensor]) -> Result<()> {
        if tensors.iter().all(|t| Rc::ptr_eq(&t.graph.0, &self.0)) {
            return Ok(());
        }
        Err(Error::op(op, &self.scope(), Mismatch::new("tensors of one graph", "tensors of two graphs")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_leaf() -> Result<()> {
        let graph = Graph::new();
        let (x, w) = (graph.input("x", [2])?, graph.parameter("w", [2], Init::Zeros)?);
        x.add(&w)?;
        assert_eq!(graph.input("x", [2])?.id(), x.id());
        assert_eq!(graph.parameter("w", [2], Init::Zeros)?.id(), w.id());
        assert!(graph.input("x", [3]).is_err() && graph.input("w", [2]).is_err());
        assert_eq!((graph.named("w"), graph.named("y")), (graph.with(|d| Some(d.values[w.id()].node)), None));
        graph.assign(&w, &x)?;
        assert!(graph.assign(&w, &x).is_err(), "a second update");
        Ok(())
    }

    #[test]
    fn a_number_behind_many_reshapes_is_known() -> Result<()> {
        let graph = Graph::new();
        let zero = graph.scalar(0.0)?.broadcast_to([6])?;
        let far = (0..50_000).try_fold(zero, |y, i| y.reshape(if i % 2 == 0 { [2, 3] } else { [3, 2] }))?;
        assert_eq!(graph.with(|data| data.constant(far.id())), Some(0.0));
        let other = far.relu()?;
        assert_eq!(graph.with(|data| data.constant(other.id())), None);
        Ok(())
    }
}
