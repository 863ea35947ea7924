//! What every adapter is held to: the CPU reference in f64, with the largest error each element may have.

use super::bound::{errors, terms};
use super::case::Case;
use super::data::Fill;
use super::estimates::Estimate;
use super::rounding::{Errors, each};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::{GraphData, NodeId, ValueId};
use crate::ops::{self, Op};
use crate::reference::{Array, Precision, eval};
use crate::tensor::{HostTensor, TensorType};
use half::f16;
use std::collections::HashMap;

/// Of which size Winograd's tiles are, where an op of these inputs and outputs is computed so.
pub type TileOf<'a> = &'a dyn Fn(&Op, &[&TensorType], &[&TensorType]) -> Option<usize>;

/// Evaluates a graph with the errors its kernels may make, where no convolution is computed after Winograd. A state that is
/// not among the inputs has its first value, of seed 0.
///
/// # Errors
/// When an input is missing or an op refuses what it is given.
pub fn estimate(
    graph: &GraphData,
    outputs: &[ValueId],
    inputs: &HashMap<String, Array>,
) -> Result<Vec<Estimate>> {
    estimate_tiled(graph, outputs, inputs, &|_, _, _| None)
}

/// Evaluates a graph with the errors its kernels may make, where Winograd's tiles are as `tile` says: see
/// [`winograd_tile`](crate::kernels::winograd_tile).
///
/// # Errors
/// When an input is missing or an op refuses what it is given.
pub fn estimate_tiled(
    graph: &GraphData,
    outputs: &[ValueId],
    inputs: &HashMap<String, Array>,
    tile: TileOf<'_>,
) -> Result<Vec<Estimate>> {
    let needed = graph.reachable(outputs);
    let mut last_use: Vec<NodeId> = graph.values.iter().map(|v| v.node).collect();
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        node.inputs.iter().for_each(|&v| last_use[v] = id);
    }
    outputs.iter().for_each(|&v| last_use[v] = NodeId::MAX);
    let mut values: HashMap<ValueId, Estimate> = HashMap::new();
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| needed[*id]) {
        let missing = |name: &str| Error::argument(name, "a value", "nothing");
        let results = match &node.op {
            Op::Input(ops::Input { name, .. }) => {
                vec![Estimate::exact(inputs.get(name).cloned().ok_or_else(|| missing(name))?)]
            }
            Op::State(ops::State { name, ty, init, .. }) => {
                let given = inputs.get(name).cloned();
                vec![Estimate::exact(given.unwrap_or_else(|| first_value(name, ty, init)))]
            }
            // All that reads something has an oracle, or a bound is missing and does not compile.
            op => {
                let read = node.inputs.iter().map(|v| values.get(v).ok_or_else(|| missing(op.name())));
                evaluate(op, &read.collect::<Result<Vec<_>>>()?, tile)?
            }
        };
        values.extend(node.outputs.iter().copied().zip(results));
        for value in node.inputs.iter().chain(&node.outputs) {
            if last_use[*value] == id {
                values.remove(value);
            }
        }
    }
    let take =
        |v: &ValueId| values.get(v).cloned().ok_or_else(|| Error::argument("output", "a value", "none"));
    outputs.iter().map(take).collect()
}

/// A state before the first run, with seed 0.
pub(crate) fn first_value(name: &str, ty: &TensorType, init: &crate::ops::Init) -> Array {
    let values = init.values(name, 0, &ty.shape);
    Array { ty: ty.clone(), data: values.into_iter().map(f64::from).collect() }
}

fn evaluate(op: &Op, inputs: &[&Estimate], tile: TileOf<'_>) -> Result<Vec<Estimate>> {
    let arrays: Vec<&Array> = inputs.iter().map(|e| &e.array).collect();
    let outputs = eval(op, &arrays, Precision::F64)?;
    let types: Vec<&TensorType> = arrays.iter().map(|a| &a.ty).collect();
    let exact = inputs.iter().all(|e| e.error.is_none());
    let count = terms(op, &types).filter(|_| exact);
    let out_types: Vec<&TensorType> = outputs.iter().map(|a| &a.ty).collect();
    let tile = tile(op, &types, &out_types);
    let count = count.map(|terms| terms + tile.map_or(0, |m| super::bound_winograd::roundings(m, op)));
    // Kernels compute in f32, however numbers are stored.
    let single = |array: &Array| Array { ty: array.ty.single(), data: array.data.clone() };
    let singles: Vec<Estimate> =
        inputs.iter().map(|e| Estimate { array: single(&e.array), ..Estimate::clone(e) }).collect();
    let (singles, computed): (Vec<&Estimate>, Vec<Array>) =
        (singles.iter().collect(), outputs.iter().map(single).collect());
    let errors: Vec<Errors> = match tile {
        Some(m) => vec![super::bound_winograd::errors(m, op, &singles, &computed[0])?],
        None => errors(op, &singles, &computed)?,
    };
    let pairs = outputs.into_iter().zip(errors);
    let estimate = |(array, error): (Array, Errors)| {
        let half = array.ty.dtype == DType::F16;
        let error = if half { halved(&array, error) } else { error };
        // What is rounded once more says nothing of the sum.
        Estimate { array: stored(array), error, terms: count.filter(|_| !half) }
    };
    Ok(pairs.map(estimate).collect())
}

/// A denormal result may be 0, and so may a denormal operand of it; what is 0 is 0.
fn flushed(estimate: &mut Estimate) {
    let least = f64::from(f32::MIN_POSITIVE);
    let tiny = |v: f64| if v != 0.0 && v.abs() < 2.0 * least { least } else { 0.0 };
    if estimate.error.is_none() && estimate.array.data.iter().all(|&v| tiny(v) == 0.0) {
        return;
    }
    let values = estimate.array.data.iter().enumerate();
    let errors: Vec<f64> = values.map(|(i, &v)| estimate.error_at(i).max(tiny(v))).collect();
    estimate.error = Some(errors);
}

/// The errors of what is stored as `f16` besides: either neighbour.
fn halved(array: &Array, error: Errors) -> Errors {
    let at = |i: usize| error.as_ref().map_or(0.0, |e| e[i]);
    each(array, |i, v| match at(i) {
        0.0 if DType::F16.rounded(v) == v => 0.0,
        e => e + (v.abs() + e) / 1024.0 + 1.0 / f64::from(1 << 24),
    })
}

/// What is too large for the type is infinite where it is stored.
fn stored(mut array: Array) -> Array {
    let dtype = array.ty.dtype;
    let most = if dtype == DType::F16 { f16::MAX.to_f64() } else { f64::from(f32::MAX) };
    let large = array.data.iter_mut().filter(|v| v.abs() > most);
    large.for_each(|v| *v = if dtype == DType::F16 { dtype.rounded(*v) } else { f64::from(*v as f32) });
    array
}

impl Case {
    /// What a device must give for each output, where no convolution is computed after Winograd.
    ///
    /// # Errors
    /// None for a case that could be built.
    pub fn expected(&self) -> Result<Vec<Estimate>> {
        self.expected_tiled(&|_, _, _| None)
    }

    /// The same where `tile` gives the size of Winograd's tiles.
    pub(super) fn expected_tiled(&self, tile: TileOf<'_>) -> Result<Vec<Estimate>> {
        let value = |(tensor, value): &(crate::Tensor, HostTensor)| {
            (tensor.name().unwrap_or_default(), Array::from_host(value))
        };
        let inputs: HashMap<String, Array> = self.data()?.iter().map(value).collect();
        let outputs: Vec<ValueId> = self.outputs.iter().map(|(_, t)| t.id()).collect();
        let mut estimates = estimate_tiled(&self.graph.with(Clone::clone), &outputs, &inputs, tile)?;
        if self.flows || [Fill::Denormals, Fill::Edges].contains(&self.fill()) {
            estimates.iter_mut().for_each(flushed);
        }
        if self.flows {
            // What may be said of the errors of independent terms does not hold for the values of a network.
            estimates.iter_mut().for_each(|estimate| estimate.terms = None);
        }
        Ok(estimates)
    }
}
