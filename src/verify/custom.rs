//! An op from outside the crate, held to what its author says of it.

use super::adapter::Adapter;
use super::case::Case;
use super::data::{Fill, Values};
use super::iterations::{Iterations, iterations};
use super::line::{Fields, Line};
use super::trial::{Effort, Outcome, Verdict, run};
use crate::custom::Custom;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::random::Rng;
use crate::reference::{Array, Interpreter, Precision};
use std::collections::HashMap;

const STEP: f64 = 1e-3;
const RELATIVE: f64 = 1e-7;
const ABSOLUTE: f64 = 1e-9;
/// Elements of an input whose derivatives are looked at.
const ELEMENTS: usize = 32;

/// The result of [`check_custom`].
#[derive(Debug, Clone, PartialEq)]
pub struct CustomReport {
    /// Its kernels and those of its gradient, held to the CPU functions.
    pub outcome: Outcome,
    /// Derivatives that were held to differences.
    pub derivatives: usize,
    /// Loop iterations of its launches, as stated and as counted.
    pub iterations: Vec<Iterations>,
    /// What is wrong, in words.
    pub failures: Vec<String>,
}

impl CustomReport {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Holds an op on an adapter to its CPU function, at the bound that it gives; its gradient, where it has one, likewise and to
/// 4-point central differences of step 1e-3 in f64; and its launches to the loop iterations that they state. Memory is poisoned
/// and guarded as for this crate's own ops, and runs must repeat bit for bit.
///
/// `inputs` is what stands behind the op in a case's line: a name and a shape an input, in order, then how they are filled:
/// `x=2x3x8 weight=3x4 data=real:1 seed=2`. An input with a number behind its shape, `labels=8:10`, is of `u32` below it.
///
/// ```
/// # use wgrad::custom::{Buffer, Custom, CustomOp, Kernel, Kernels, Values};
/// # use wgrad::{Mismatch, TensorType};
/// # struct Negate;
/// # impl CustomOp for Negate {
/// #     fn name(&self) -> &'static str { "negate" }
/// #     fn infer(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> { Ok(vec![inputs[0].clone()]) }
/// #     fn kernels(&self, inputs: &[&TensorType], _: &[&TensorType]) -> Result<Kernels, Mismatch> {
/// #         let text = "@compute @workgroup_size(1) fn negate(@builtin(workgroup_id) id: vec3<u32>) { y[id.x] = -x[id.x]; }";
/// #         let kernel = Kernel::new("negate", text).read("x", Buffer::Input(0)).write("y", Buffer::Output(0));
/// #         Ok(kernel.groups(inputs[0].shape.elements()).into())
/// #     }
/// #     fn eval(&self, inputs: &[Values<'_>], _: &[TensorType]) -> Option<Vec<Vec<f64>>> {
/// #         Some(vec![inputs[0].data.iter().map(|x| -x).collect()])
/// #     }
/// # }
/// use wgrad::verify::{Adapter, Effort, check_custom};
///
/// # fn main() -> wgrad::Result<()> {
/// let Ok(adapter) = Adapter::open(None, None) else { return Ok(()) }; // no GPU here
/// let report = check_custom(&Custom::new(Negate), "x=2x5 data=integers:3", &adapter, Effort::quick())?;
/// assert!(report.passed(), "{:#?}", report.failures);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the line or the op is refused, the op has no CPU function, a kernel does not compile, or the device fails.
pub fn check_custom(op: &Custom, inputs: &str, adapter: &Adapter, effort: Effort) -> Result<CustomReport> {
    let case = Case::of_custom(op, inputs)?;
    let outcome = run(&case, adapter, effort)?;
    let mut failures = Vec::new();
    if !matches!(outcome.verdict, Verdict::Pass | Verdict::Skipped(_)) {
        failures.push(format!("{}: {:?}", case.line, outcome.verdict));
    }
    let iterations = iterations(&case, adapter, &adapter.limits())?.unwrap_or_default();
    for launch in iterations.iter().filter(|launch| launch.counted > launch.stated) {
        let Iterations { kernel, stated, counted } = launch;
        failures.push(format!("{}: {kernel} states {stated} loop iterations and takes {counted}", case.line));
    }
    let derivatives = derivatives(&case, &mut failures)?;
    Ok(CustomReport { outcome, derivatives, iterations, failures })
}

impl Case {
    /// A custom op of these inputs, with its gradients where it has any: see [`check_custom`].
    ///
    /// # Errors
    /// When the line or the op is refused.
    pub fn of_custom(op: &Custom, inputs: &str) -> Result<Self> {
        let name = op.op().name();
        let line: Line = format!("{name} {inputs}").parse()?;
        let mut case = Self::empty(&line, &Fields::new(&line))?;
        let data = ["data", "seed"];
        for (key, value) in line.fields.iter().filter(|(key, _)| !data.contains(&key.as_str())) {
            let (shape, values) = described(&line, key, value, case.fill())?;
            case.input_of(key, &shape, values)?;
        }
        let inputs: Vec<Tensor> = case.inputs.iter().map(|input| input.tensor.clone()).collect();
        let outputs = case.graph.apply(op.clone(), &inputs.iter().collect::<Vec<_>>())?;
        let wrt: Vec<&Tensor> = inputs.iter().filter(|t| t.ty().dtype == DType::F32).collect();
        for (number, output) in outputs.iter().enumerate() {
            let number = if number == 0 { String::new() } else { number.to_string() };
            case.output(&format!("output{number}"), output);
            if output.ty().dtype != DType::F32 || wrt.is_empty() {
                continue;
            }
            let error = Values::Fill(case.fill().of_error());
            let grad = case.input_of(&format!("grad_output{number}"), &output.shape(), error)?;
            match output.gradients_from(&grad, &wrt) {
                Ok(found) => {
                    for (tensor, grad) in wrt.iter().zip(found) {
                        let of =
                            if number.is_empty() { String::new() } else { format!(" of output{number}") };
                        case.output(&format!("grad_{}{of}", tensor.name().unwrap_or_default()), &grad);
                    }
                }
                Err(Error::Op { op, label, expected, .. })
                    if op == "gradient" && label == name && expected == "an op with a gradient" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(case)
    }
}

/// The shape and the values of a field such as `2x3` or `8:10`.
fn described(line: &Line, key: &str, value: &str, fill: Fill) -> Result<(Vec<usize>, Values)> {
    let bad =
        || Error::argument(&format!("case '{line}', field '{key}'"), "a shape such as 2x3 or 8:10", value);
    let (sizes, below) = match value.split_once(':') {
        Some((sizes, below)) => (sizes, Some(below.parse().map_err(|_| bad())?)),
        None => (value, None),
    };
    let sizes = if sizes == "scalar" { "" } else { sizes };
    let shape = sizes.split('x').filter(|size| !sizes.is_empty() || !size.is_empty());
    let shape = shape.map(|size| size.parse().map_err(|_| bad())).collect::<Result<Vec<usize>>>()?;
    match below {
        Some(0) => Err(bad()),
        Some(below) => Ok((shape, Values::Fill(Fill::Indices(below)))),
        None => Ok((shape, Values::Fill(fill))),
    }
}

/// One evaluation in f64.
fn evaluate(output: &Tensor, inputs: &HashMap<String, Array>) -> Result<Vec<f64>> {
    let graph = output.graph().with(Clone::clone);
    let interpreter = Interpreter::new(graph, &[output.id()], Precision::F64);
    let mut results = interpreter.run(inputs, &mut HashMap::new())?;
    Ok(results.remove(&output.id()).map(|array| array.data).unwrap_or_default())
}

/// Holds every gradient of a case to differences of its output: how many were compared.
fn derivatives(case: &Case, failures: &mut Vec<String>) -> Result<usize> {
    let mut held: HashMap<String, Array> = HashMap::new();
    for (tensor, value) in case.data()? {
        held.insert(tensor.name().unwrap_or_default(), Array::from_host(&value));
    }
    let mut compared = 0;
    for (name, output) in case.outputs.iter().filter(|(name, _)| name.starts_with("output")) {
        let of = if name == "output" { String::new() } else { format!(" of {name}") };
        let upstream = held.get(&format!("grad_{name}")).map(|array| array.data.clone()).unwrap_or_default();
        for input in case.inputs.iter().filter_map(|input| input.tensor.name()) {
            let of_input = format!("grad_{input}{of}");
            let Some((_, grad)) = case.outputs.iter().find(|(name, _)| *name == of_input) else { continue };
            let rule = evaluate(grad, &held)?;
            let mut rng = Rng::new(rule.len() as u64);
            let count = rule.len().min(ELEMENTS);
            for part in 0..count {
                let (from, to) = (part * rule.len() / count, (part + 1) * rule.len() / count);
                let at = from + rng.below(to - from);
                let measured = difference(output, &upstream, &mut held, &input, at)?;
                compared += 1;
                let near = (measured - rule[at]).abs() <= ABSOLUTE + RELATIVE * rule[at].abs();
                if !near && measured.is_finite() {
                    let rule = rule[at];
                    failures.push(format!(
                        "{}: gradient of {name} by {input} at {at}: rule {rule:e}, differences {measured:e}",
                        case.line
                    ));
                    break;
                }
            }
        }
    }
    Ok(compared)
}

/// `(f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12h` of `sum(output * upstream)` along one element, differences first,
/// so that what the element does not touch cancels exactly.
fn difference(
    output: &Tensor,
    upstream: &[f64],
    inputs: &mut HashMap<String, Array>,
    name: &str,
    at: usize,
) -> Result<f64> {
    let mut sampled = |steps: f64| {
        let move_by = |inputs: &mut HashMap<String, Array>, steps: f64| {
            if let Some(value) = inputs.get_mut(name).and_then(|array| array.data.get_mut(at)) {
                *value += steps * STEP;
            }
        };
        let before = inputs.get(name).cloned();
        move_by(inputs, steps);
        let sampled = evaluate(output, inputs);
        if let Some(before) = before {
            inputs.insert(name.to_owned(), before);
        }
        sampled
    };
    let (a, b, c, d) = (sampled(-2.0)?, sampled(-1.0)?, sampled(1.0)?, sampled(2.0)?);
    let sides = a.iter().zip(&b).zip(c.iter().zip(&d));
    let slopes = sides.map(|((a, b), (c, d))| ((a - d) + 8.0 * (c - b)) / (12.0 * STEP));
    Ok(slopes.zip(upstream).map(|(slope, g)| g * slope).sum())
}

#[cfg(test)]
mod tests;
