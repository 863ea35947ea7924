//! A compiled program from end to end against the reference.

use super::adapter::Adapter;
use super::estimates::Estimate;
use super::judge::{judge, values};
use super::network::Network;
use super::oracle::estimate_tiled;
use super::rounding::U;
use super::trial::{Failure, Outcome, Verdict};
use crate::error::{Error, Result};
use crate::exec::Parameters;
use crate::graph::{GraphData, Node, Tensor, ValueId};
use crate::kernels;
use crate::ops::{Cast, Op, Role, State};
use crate::reference::{Array, Interpreter, Precision};
use crate::tensor::{HostTensor, TensorType};

/// What a whole run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The outputs, in their order.
    pub outputs: Vec<Compared>,
    /// The new values of the states. There is a verdict on running statistics alone: where two inputs of a max-pool are nearly
    /// equal, or one of relu is nearly 0, a gradient may rightly take either way.
    pub states: Vec<Compared>,
}

/// A result of a whole run beside the reference's in f64.
///
/// An output is judged by its bound, the sum of what each node may add, where that is small beside its values. In a deep
/// network the sum is far above what the errors come to. What they should come to is seen from the reference itself, with
/// every value rounded once to its type, as [`Compared::rounding`]: kernels add in f32 and so are further off, by some ten
/// times; an output that is further off by a thousand times fails too.
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
    /// Whether that is as it must be; skipped where nothing says so, mistrusted where it is far off and a function that jumps
    /// may be the reason.
    pub outcome: Outcome,
}

impl Compared {
    /// How many times as far off it is as the reference whose values are rounded.
    pub fn times(&self) -> f64 {
        self.relative / self.rounding.max(U)
    }
}

/// Bounds are judged by up to this part of the root mean square: beyond it, functions may bend within them.
const TELLING: f64 = 1.0 / 16.0;

/// Times what rounding does beyond which no order of additions is the reason.
const GROSS: f64 = 1000.0;

impl Network {
    /// Runs the program that the adapter makes of the whole graph, its kernels merged, and compares its outputs and the new
    /// values of the states with the reference.
    ///
    /// # Errors
    /// When the device fails.
    pub fn whole(&self, adapter: &Adapter) -> Result<Whole> {
        whole(self, adapter)
    }
}

fn whole(network: &Network, adapter: &Adapter) -> Result<Whole> {
    let data = network.graph.with(Clone::clone);
    let outputs = network.ids();
    let new = data.updates.iter().map(|&(_, new)| new);
    let all: Vec<ValueId> = outputs.iter().copied().chain(new).collect();
    let state = |&(state, _): &(ValueId, ValueId)| data.producer(state).op.leaf_name().map(str::to_owned);
    let states: Vec<String> = data.updates.iter().filter_map(state).collect();
    let limits = adapter.limits();
    let tile = |op: &Op, inputs: &[&TensorType], outputs: &[&TensorType]| {
        kernels::winograd_tile(op, inputs, outputs, &limits)
    };
    let exact = estimate_tiled(&data, &all, &network.values, &tile)?;
    let is_statistic = |&(state, _): &(ValueId, ValueId)| {
        matches!(data.producer(state).op, Op::State(State { role: Role::Buffer, .. }))
    };
    let judged = outputs.iter().map(|_| true).chain(data.updates.iter().map(is_statistic));
    let jumps: Vec<Option<bool>> =
        all.iter().zip(judged).map(|(&value, judged)| judged.then(|| jumps(&data, value))).collect();
    let interpreter = Interpreter::new(data, &all, Precision::F32);
    let rounded = interpreter.run(&network.values, &mut network.values.clone())?;
    let got = on_device(network, adapter, &states)?;
    let names = network.outputs.iter().map(|(name, _)| name.clone()).chain(states);
    let mut compared = Vec::new();
    for (number, name) in names.enumerate() {
        let expected = &exact[number];
        let moved =
            rounded.get(&all[number]).map_or(f64::INFINITY, |array| relative(&array.data, &expected.array));
        compared.push(compare(name, expected, &got[number], moved, jumps[number]));
    }
    let states = compared.split_off(outputs.len());
    Ok(Whole { outputs: compared, states })
}

/// The outputs of one run, and the states of these names after it.
fn on_device(network: &Network, adapter: &Adapter, states: &[String]) -> Result<Vec<HostTensor>> {
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
    let read = outputs.into_iter().map(|output| program.read(output));
    read.chain(states.iter().map(|name| parameters.get(name))).collect()
}

/// Whether a value depends on a function that jumps, so that a small error may have a large one for consequence.
fn jumps(data: &GraphData, value: ValueId) -> bool {
    let jump = |op: &Op| match op {
        Op::Argmax(_) | Op::Argsort(_) | Op::Equal(_) | Op::GridSample(_) | Op::Custom(_) => true,
        Op::Cast(Cast { to }) => !to.is_float(),
        Op::Elementwise(elementwise) => {
            let function = elementwise.function();
            let others = ["remainder", "fmod", "hardshrink", "threshold"];
            !function.has_gradient() || others.contains(&function.name())
        }
        // Sums, products, and what moves elements.
        _ => false,
    };
    data.nodes.iter().zip(data.needed(&[value])).any(|(node, needed)| needed && jump(&node.op))
}

/// The norm of the differences over that of what is expected.
fn relative(got: &[f64], expected: &Array) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let alike = |g: f64, e: f64| g == e || g.is_nan() && e.is_nan();
    let pairs = got.iter().copied().zip(expected.data.iter().copied());
    let error = norm(&mut pairs.map(|(g, e)| if alike(g, e) { 0.0 } else { g - e }));
    let size = norm(&mut expected.data.iter().copied().filter(|v| v.is_finite()));
    match error {
        0.0 => 0.0,
        error if error.is_nan() => f64::INFINITY,
        error => error / size,
    }
}

/// A result beside what it must be. `jumps` is whether it depends on what jumps; `None` where it is skipped.
fn compare(
    name: String,
    expected: &Estimate,
    got: &HostTensor,
    rounding: f64,
    jumps: Option<bool>,
) -> Compared {
    let wanted = &expected.array.data;
    let squares: f64 = wanted.iter().filter(|v| v.is_finite()).map(|v| v * v).sum();
    let mean = (squares / wanted.len().max(1) as f64).sqrt();
    let larger = |most: f64, e: f64| if e.is_nan() { f64::INFINITY } else { most.max(e) };
    let largest = (0..wanted.len()).map(|i| expected.error_at(i)).fold(0.0, larger);
    let bound = if largest == 0.0 { 0.0 } else { largest / mean };
    let relative = relative(&values(got), &expected.array);
    let outcome = Outcome::new(std::slice::from_ref(expected));
    let mut compared = Compared { name, ty: expected.array.ty.clone(), relative, rounding, bound, outcome };
    let Some(jumps) = jumps else {
        compared.outcome.verdict = Verdict::Skipped("a state that gradients update has no bound".into());
        return compared;
    };
    let fails = |compared: &Compared, what: String, judgement| {
        let (variant, output) = ("the whole program".to_owned(), compared.name.clone());
        Verdict::Fail(Box::new(Failure { variant, output, what, judgement }))
    };
    if bound <= TELLING {
        let judgement = judge(got, &Estimate { terms: None, ..expected.clone() });
        compared.outcome.fraction = judgement.fraction;
        if !judgement.passed() {
            let what = format!("{} elements out of their bound", judgement.violations);
            compared.outcome.verdict = fails(&compared, what, Some(judgement));
        }
        return compared;
    }
    let times = compared.times();
    let what = format!("off by {relative:.1e} of its norm, {times:.0} times what rounding does");
    compared.outcome.verdict = match (times > GROSS && rounding.is_finite(), jumps) {
        (true, false) => fails(&compared, what, None),
        (true, true) => Verdict::Mistrusted(format!("{what}; a function that jumps may be the reason")),
        (false, _) => Verdict::Skipped("bounds add up to too much to judge by".into()),
    };
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One element of 64 that is `got` instead of 1, where errors of up to `bound` are allowed.
    fn verdict(got: f32, bound: f64, jumps: Option<bool>) -> Result<Verdict> {
        let array = Array { ty: TensorType::f32([64]), data: vec![1.0; 64] };
        let mut values = vec![1.0; 64];
        values[7] = got;
        let given = HostTensor::from_f32([64], values)?;
        let expected = Estimate::within(array, |_, _| bound);
        Ok(compare("y".into(), &expected, &given, 1e-7, jumps).outcome.verdict)
    }

    #[test]
    fn bounds_judge_where_they_are_small_and_rounding_where_they_are_not() -> Result<()> {
        let failed = |verdict: &Verdict| matches!(verdict, Verdict::Fail(_));
        assert_eq!(verdict(1.01, 0.02, Some(false))?, Verdict::Pass);
        assert!(failed(&verdict(1.03, 0.02, Some(false))?) && failed(&verdict(1.03, 0.02, Some(true))?));
        assert!(matches!(verdict(1.0001, 1e9, Some(false))?, Verdict::Skipped(_)));
        for got in [1.1, f32::NAN, f32::INFINITY] {
            assert!(failed(&verdict(got, f64::INFINITY, Some(false))?), "{got}");
            assert!(failed(&verdict(got, f64::NAN, Some(false))?), "{got}");
            assert!(matches!(verdict(got, 1e9, Some(true))?, Verdict::Mistrusted(_)), "{got}");
            assert!(matches!(verdict(got, 1e9, None)?, Verdict::Skipped(_)), "{got}");
        }
        Ok(())
    }
}
