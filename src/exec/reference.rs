//! A program on the CPU reference.

use super::store::{Store, lock};
use crate::error::{Error, Result};
use crate::graph::{GraphData, Node, ValueId};
use crate::ops::Op;
use crate::plan::{Check, Plan};
use crate::reference::{Array, Interpreter, out_of_range};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A program on the CPU reference. What goes wrong while it runs is said as on a device: by the next read or run.
#[derive(Debug)]
pub(super) struct Reference {
    interpreter: Interpreter,
    store: Arc<Mutex<Store>>,
    pub(super) inputs: HashMap<String, Array>,
    pub(super) outputs: HashMap<ValueId, Array>,
    /// What a device of WebGPU's guaranteed limits would do; only to be looked at.
    pub(super) plan: Option<Plan>,
    /// Among the programs over the same parameters.
    number: usize,
    /// Whether every value is looked at.
    finite: bool,
}

impl Reference {
    pub(super) fn new(
        interpreter: Interpreter,
        store: Arc<Mutex<Store>>,
        plan: Option<Plan>,
        number: usize,
        finite: bool,
    ) -> Self {
        let (inputs, outputs) = (HashMap::new(), HashMap::new());
        Self { interpreter, store, inputs, outputs, plan, number, finite }
    }

    /// Runs with the inputs that it holds.
    pub(super) fn run(&mut self) -> Result<()> {
        self.reported()?;
        let (graph, finite) = (self.interpreter.graph(), self.finite);
        let mut failure = None;
        let mut watch = |node: &Node, inputs: &[&Array], outputs: &[Array]| {
            if failure.is_none() {
                failure = bad_row(node, inputs);
            }
            if failure.is_none() && finite {
                failure = not_finite(graph, node, outputs);
            }
        };
        let mut store = lock(&self.store);
        self.outputs = self.interpreter.run_watched(&self.inputs, &mut store.host, &mut watch)?;
        store.failures.add(self.number, failure);
        Ok(())
    }

    /// Says what a run so far met, once.
    pub(super) fn reported(&self) -> Result<()> {
        lock(&self.store).failures.take(Some(self.number))
    }
}

fn bad_row(node: &Node, inputs: &[&Array]) -> Option<Error> {
    let row = out_of_range(&node.op, inputs)?;
    let types: Vec<_> = inputs.iter().map(|array| &array.ty).collect();
    Check::indices(node, &types)?.bad_row(row)
}

fn not_finite(graph: &GraphData, node: &Node, outputs: &[Array]) -> Option<Error> {
    // What was given as it is; inputs and states are looked at.
    if matches!(node.op, Op::Constant(_) | Op::Table(_)) {
        return None;
    }
    let numbers = outputs.iter().enumerate().filter(|(_, array)| array.ty.dtype.is_float());
    let first = |(number, array): (usize, &Array)| {
        let at = array.data.iter().position(|v| !v.is_finite())?;
        Check::finite(graph, node, number).not_finite(at, &array.data[at].to_string())
    };
    numbers.into_iter().find_map(first)
}
