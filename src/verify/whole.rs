//! A compiled program from end to end against the reference.

use super::estimates::Estimate;
use super::judge::{Worst, place, values};
use super::network::Network;
use super::oracle::estimate_tiled;
use super::trial::Adapter;
use crate::error::{Error, Result};
use crate::exec::Parameters;
use crate::graph::{Node, Tensor, ValueId};
use crate::kernels;
use crate::ops::Op;
use crate::reference::{Array, Interpreter, Precision};
use crate::tensor::{HostTensor, TensorType};

/// What a whole run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The outputs, in their order.
    pub outputs: Vec<Compared>,
    /// The new values of the states.
    pub states: Vec<Compared>,
}

/// A result of a whole run beside the reference's in f64.
///
/// Errors grow from node to node, and in a deep network the sum of what each may add is far above what they come to: the
/// [bound](Compared::bound) is judged by only where it is small beside the values. What the result can be expected to be off
/// by is seen from the reference itself, with every value rounded once to its type: [`Compared::rounding`].
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// The norm of the errors over that of the reference; infinite where one of them alone has NaN or infinity somewhere.
    pub relative: f64,
    /// The same of the reference whose values are rounded.
    pub rounding: f64,
    /// The largest bound of an element over the root mean square of all; infinite where one is not known.
    pub bound: f64,
    /// The largest error as a fraction of its bound, where the bound is small enough to judge by.
    pub fraction: Option<f64>,
    /// The worst element, where one is out of its bound.
    pub worst: Option<Worst>,
}

/// Bounds are judged by up to this part of the root mean square: beyond it, functions may bend within them.
const TELLING: f64 = 1.0 / 16.0;

/// See [`Network::whole`].
pub(super) fn whole(network: &Network, adapter: &Adapter) -> Result<Whole> {
    let data = network.graph.with(Clone::clone);
    let outputs = network.ids();
    let updates = data.updates.clone();
    let all: Vec<ValueId> = outputs.iter().copied().chain(updates.iter().map(|&(_, new)| new)).collect();
    let limits = adapter.limits();
    let tile = |op: &Op, inputs: &[&TensorType], outputs: &[&TensorType]| {
        kernels::winograd_tile(op, inputs, outputs, &limits)
    };
    let exact = estimate_tiled(&data, &all, &network.values, &tile)?;
    let names: Vec<String> = updates
        .iter()
        .filter_map(|&(state, _)| data.producer(state).op.leaf_name().map(str::to_owned))
        .collect();
    let mut states = network.values.clone();
    let rounded = Interpreter::new(data, &all, Precision::F32).run(&network.values, &mut states)?;
    let got = on_device(network, adapter, &names)?;
    let mut compared = Vec::new();
    for (number, (expected, got)) in exact.iter().zip(&got).enumerate() {
        let name = match number.checked_sub(outputs.len()) {
            None => network.outputs[number].0.clone(),
            Some(state) => names[state].clone(),
        };
        let moved =
            rounded.get(&all[number]).map_or(f64::INFINITY, |array| relative(&array.data, &expected.array));
        // What a gradient chooses by ties, its bound does not know.
        let judged = number < outputs.len();
        compared.push(compare(name, expected, got, moved, judged));
    }
    let states = compared.split_off(outputs.len());
    Ok(Whole { outputs: compared, states })
}

/// The outputs of one run, and the states of these names after it.
fn on_device(network: &Network, adapter: &Adapter, names: &[String]) -> Result<Vec<HostTensor>> {
    let parameters = Parameters::new(adapter.device(), 0);
    let outputs: Vec<_> = network.outputs.iter().map(|(_, output)| output).collect();
    let mut program = parameters.compile(&network.graph, &outputs)?;
    let leaves: Vec<(ValueId, String, bool)> = network.graph.with(|data| {
        let needed = data.reachable(&network.ids());
        let found = data.nodes.iter().zip(needed).filter(|(_, needed)| *needed);
        let leaf = |node: &Node| {
            let name = node.op.leaf_name()?.to_owned();
            Some((*node.outputs.first()?, name, matches!(node.op, Op::State(_))))
        };
        found.filter_map(|(node, _)| leaf(node)).collect()
    });
    let mut inputs = Vec::new();
    for (value, name, is_state) in leaves {
        let missing = || Error::argument(&name, "a value", "nothing");
        let held = network.values.get(&name).ok_or_else(missing)?.to_host()?;
        match is_state {
            true => parameters.set(&name, &held)?,
            false => inputs.push((Tensor { graph: network.graph.clone(), value }, held)),
        }
    }
    let given: Vec<_> = inputs.iter().map(|(tensor, value)| (tensor, value)).collect();
    program.run(&given)?;
    let read = network.outputs.iter().map(|(_, output)| program.read(output));
    read.chain(names.iter().map(|name| parameters.get(name))).collect()
}

/// The norm of the differences over that of what is expected.
fn relative(got: &[f64], expected: &Array) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let alike = |g: f64, e: f64| g == e || g.is_nan() && e.is_nan();
    let pairs = || got.iter().copied().zip(expected.data.iter().copied());
    let error = norm(&mut pairs().map(|(g, e)| if alike(g, e) { 0.0 } else { g - e }));
    let size = norm(&mut expected.data.iter().copied().filter(|v| v.is_finite()));
    if error == 0.0 {
        0.0
    } else if error.is_nan() {
        f64::INFINITY
    } else {
        error / size
    }
}

fn compare(name: String, expected: &Estimate, got: &HostTensor, rounding: f64, judged: bool) -> Compared {
    let got = values(got);
    let wanted = &expected.array.data;
    let squares: f64 = wanted.iter().filter(|v| v.is_finite()).map(|v| v * v).sum();
    let mean = (squares / wanted.len().max(1) as f64).sqrt();
    let largest = (0..wanted.len())
        .map(|i| expected.error_at(i))
        .fold(0.0, |most: f64, e| if e.is_finite() { most.max(e) } else { f64::INFINITY });
    let bound = if largest == 0.0 { 0.0 } else { largest / mean };
    let (mut fraction, mut worst) = (None, None);
    if judged && bound <= TELLING {
        let judgement = super::judge::fractions(&got, expected);
        let at = (0..got.len()).max_by(|&a, &b| judgement[a].total_cmp(&judgement[b])).unwrap_or(0);
        let most = judgement.get(at).copied().unwrap_or(0.0);
        fraction = Some(most);
        worst = (most > 1.0).then(|| Worst {
            index: place(at, &expected.array.ty.shape),
            got: got[at],
            expected: wanted[at],
            bound: expected.error_at(at),
        });
    }
    let relative = relative(&got, &expected.array);
    Compared { name, ty: expected.array.ty.clone(), relative, rounding, bound, fraction, worst }
}
