//! One pass of a case: the node that is measured, its data, its plan.

use super::catalog::{Pass, op};
use super::operands::operand;
use super::shapes;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::exec::{Device, Workload};
use crate::graph::{Graph, GraphData, Node, NodeId, Tensor, ValueId};
use crate::kernels::{Fused, Variant, lower, variants};
use crate::ops::{Init, Op, Role};
use crate::plan::{self, Plan, Step};
use crate::platform::block_on;
use crate::reference::Array;
use crate::tensor::{HostTensor, TensorType};
use crate::verify::{self, Line};
use std::fmt;

/// What is measured: a pass of a case.
#[derive(Debug, Clone)]
pub struct Case {
    /// The network or collection it belongs to.
    pub set: String,
    /// Its layer there.
    pub layer: String,
    /// How often the network has it.
    pub count: usize,
    /// The op's name.
    pub op: String,
    /// What names its sizes in reports: the short form, or the fields of its line where it was given as one.
    pub shape: String,
    /// The case in one line, as `wgrad parity --case` takes it.
    pub line: Line,
    /// Forward, or one of the gradients.
    pub pass: Pass,
    /// A variant to take instead of the planner's choice.
    pub variant: Option<Variant>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.op, self.pass, self.shape)?;
        self.variant.map_or(Ok(()), |v| write!(f, " {v}"))
    }
}

/// A case as a graph of one node, planned for a device, with its buffers made.
#[derive(Debug)]
pub struct Prepared {
    pub(super) op: Op,
    pub(super) line: Line,
    /// What the node reads, in the graph of the case.
    operands: Vec<ValueId>,
    pub(super) inputs: Vec<TensorType>,
    pub(super) outputs: Vec<TensorType>,
    pub(super) plan: Plan,
    pub(super) workload: Workload,
    /// Floating-point operations without those of taps in the padding.
    pub flops: u64,
    /// Floating-point operations, as libraries count them.
    pub nominal_flops: u64,
    /// Bytes of all operands and results, each once.
    pub bytes: u64,
    /// Of which size Winograd's tiles are, where the case is computed so.
    pub(super) tile: Option<usize>,
}

/// The most bytes that buffer sets for a cold cache may take together.
const COLD_BYTES: u64 = 1 << 30;
/// What is certainly larger than a cache.
const LARGER_THAN_CACHES: u64 = 256 << 20;

impl Case {
    /// The passes of a table's line that are worth measuring, with the planner's choice of variant.
    ///
    /// # Errors
    /// When the line names no op with a short form, or the shape is not one of its.
    pub fn of_table(table: &shapes::Line) -> Result<Vec<Self>> {
        let entry = op(&table.op)?;
        let line = entry.line(&table.shape)?;
        let shapes::Line { set, layer, count, op, shape } = table.clone();
        let all = passes(&line)?.into_iter().filter(|pass| entry.passes.contains(pass));
        let case = |pass| Self {
            set: set.clone(),
            layer: layer.clone(),
            count,
            op: op.clone(),
            shape: shape.to_string(),
            line: line.clone(),
            pass,
            variant: None,
        };
        Ok(all.map(case).collect())
    }

    /// Every pass of a case of the table that parity runs from, or of one like them.
    ///
    /// # Errors
    /// When the line is none, or the op has no kernel.
    pub fn of_line(set: &str, line: &Line) -> Result<Vec<Self>> {
        let text = line.to_string();
        let fields = text.strip_prefix(&line.op).unwrap_or_default().trim();
        let case = |pass| Self {
            set: set.to_owned(),
            layer: String::new(),
            count: 1,
            op: line.op.clone(),
            shape: fields.to_owned(),
            line: line.clone(),
            pass,
            variant: None,
        };
        Ok(passes(line)?.into_iter().map(case).collect())
    }

    /// Those of the passes of one case that are wanted.
    ///
    /// # Errors
    /// When one is wanted that the case does not have, and lists those it has.
    pub fn choose(passes: &[Self], wanted: &[Pass]) -> Result<Vec<Self>> {
        let find = |pass: &Pass| {
            let have: Vec<_> = passes.iter().map(|case| case.pass.to_string()).collect();
            let name = passes.first().map_or_else(String::new, |c| format!("{} {}", c.op, c.shape));
            let expected = || format!("one of {} for {name}", have.join(", "));
            let found = passes.iter().find(|case| case.pass == *pass).cloned();
            found.ok_or_else(|| Error::argument("pass", expected(), pass.to_string()))
        };
        wanted.iter().map(find).collect()
    }

    /// The variants this case could be made to run with on a device; none where there is only one.
    ///
    /// # Errors
    /// When the case is none, or has no such pass.
    pub fn variants(&self, device: &Device) -> Result<Vec<Variant>> {
        let (graph, node) = self.node()?;
        let inputs: Vec<_> = node.inputs.iter().map(|&v| graph.ty(v)).collect();
        Ok(variants(&node.op, &inputs, &device.limits()))
    }

    /// Plans the case and makes its buffers: with `cold`, as many equal sets as no cache can hold.
    ///
    /// # Errors
    /// When the case is none, has no such pass, or the device cannot hold it.
    pub fn prepare(&self, device: &Device, cold: bool) -> Result<Prepared> {
        block_on("Case::prepare_async", self.prepare_async(device, cold))
    }

    /// As [`Case::prepare`], without waiting.
    ///
    /// # Errors
    /// As [`Case::prepare`].
    pub async fn prepare_async(&self, device: &Device, cold: bool) -> Result<Prepared> {
        let (data, node) = self.node()?;
        let types = |ids: &[ValueId]| ids.iter().map(|&v| data.ty(v).clone()).collect::<Vec<_>>();
        let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
        let (in_types, out_types): (Vec<_>, Vec<_>) = (inputs.iter().collect(), outputs.iter().collect());
        let mut limits = device.limits();
        limits.variant = self.variant;
        // As in training, what is updated lies in states. A refusal is the planner's to word.
        let lowering = lower(&node.op, &Fused::default(), &in_types, &out_types, &limits);
        let (in_place, tile) = lowering.map(|l| (l.in_place, l.winograd)).unwrap_or_default();
        let (graph, results) = alone(&node.op, &inputs, &in_place)?;
        let ids: Vec<ValueId> = results.iter().map(Tensor::id).collect();
        let plan = graph.with(|data| plan::plan(data, &ids, &limits))?;
        let (flops, nominal_flops) =
            (node.op.valid_flops(&in_types, &out_types), node.op.flops(&in_types, &out_types));
        let bytes = in_types.iter().chain(&out_types).map(|ty| ty.bytes()).sum();
        let most = (COLD_BYTES / plan.memory.peak.max(1)).max(2);
        let sets = if cold { LARGER_THAN_CACHES.div_ceil(bytes).clamp(2, most) } else { 1 };
        let workload = Workload::from_plan_async(device, &plan, sets as usize).await?;
        let (op, operands, line) = (node.op, node.inputs, self.line.clone());
        Ok(Prepared {
            op,
            line,
            operands,
            inputs,
            outputs,
            plan,
            workload,
            flops,
            nominal_flops,
            bytes,
            tile,
        })
    }

    /// The work of the node that is measured: its operations, or the elements it moves where these are more.
    pub(super) fn work(&self) -> Result<u64> {
        let (graph, node) = self.node()?;
        Ok(work(&graph, &node).unwrap_or(0))
    }

    /// The node that is measured, in the graph that it comes from.
    pub(super) fn node(&self) -> Result<(GraphData, Node)> {
        let case = verify::Case::build(&self.line)?;
        let found = measured(&case).into_iter().find(|(pass, _)| *pass == self.pass);
        let missing = || Error::argument("pass", "one of this case's", self.pass.to_string());
        let (_, node) = found.ok_or_else(missing)?;
        let data = case.graph.with(Clone::clone);
        let node = data.nodes[node].clone();
        Ok((data, node))
    }
}

fn passes(line: &Line) -> Result<Vec<Pass>> {
    let case = verify::Case::build(line)?;
    if ["reshape", "flatten"].contains(&case.op()) {
        return Err(Error::argument("op", "one with a kernel: a new shape costs nothing", case.op()));
    }
    Ok(measured(&case).into_iter().map(|(pass, _)| pass).collect())
}

/// The passes of a case, and the node that each is measured by: of all that it computes and no pass before it,
/// the one with the most work, the first of equal ones.
fn measured(case: &verify::Case) -> Vec<(Pass, NodeId)> {
    let forward = case.outputs.iter().filter(|(name, _)| !name.starts_with(GRADIENT));
    let forward = (Pass::Forward, forward.map(|(_, tensor)| tensor.id()).collect());
    let all = std::iter::once(forward).chain(gradients(case).into_iter().map(|(pass, id)| (pass, vec![id])));
    case.graph.with(|graph| {
        let mut known = vec![false; graph.nodes.len()];
        let mut found = Vec::new();
        for (pass, values) in all {
            let needed = graph.reachable(&values);
            let own = (0..known.len()).filter(|&id| needed[id] && !known[id]);
            let own = own.filter_map(|id| Some((work(graph, &graph.nodes[id])?, id)));
            let largest = own.reduce(|most, next| if next.0 > most.0 { next } else { most });
            found.extend(largest.map(|(_, id)| (pass, id)));
            known.iter_mut().zip(needed).for_each(|(known, needed)| *known |= needed);
        }
        found
    })
}

/// What the names of gradients begin with.
const GRADIENT: &str = "grad_";

/// The gradient of each pass: of the bias; of the weight, or else the second operand; of the first of the others.
fn gradients(case: &verify::Case) -> Vec<(Pass, ValueId)> {
    let of =
        |(name, tensor): &'_ (String, Tensor)| Some((name.strip_prefix(GRADIENT)?.to_owned(), tensor.id()));
    let (biases, others): (Vec<_>, Vec<_>) =
        case.outputs.iter().filter_map(of).partition(|(name, _)| name.starts_with("bias"));
    let weight = others.iter().find(|(name, _)| name.starts_with("weight")).or_else(|| others.get(1));
    let input = others.iter().find(|other| weight.is_none_or(|weight| weight != *other));
    let all =
        [(Pass::InputGradient, input), (Pass::WeightGradient, weight), (Pass::BiasGradient, biases.first())];
    all.into_iter().filter_map(|(pass, found)| Some((pass, found?.1))).collect()
}

/// The work of a node that has kernels: its operations, or the elements it moves where these are more.
fn work(graph: &GraphData, node: &Node) -> Option<u64> {
    // Leaves and other names of what there is. A list with an op too few counts work that takes no time.
    if matches!(node.op, Op::Input(_) | Op::State(_) | Op::Constant(_) | Op::Table(_) | Op::Reshape(_)) {
        return None;
    }
    let types = |ids: &[ValueId]| ids.iter().map(|&v| graph.ty(v)).collect::<Vec<_>>();
    let (inputs, outputs) = (types(&node.inputs), types(&node.outputs));
    let bytes: u64 = inputs.iter().chain(&outputs).map(|ty| ty.bytes()).sum();
    Some(node.op.flops(&inputs, &outputs).max(bytes / 4))
}

/// The line with the data that its kernels are timed with.
fn timed(line: &Line) -> Line {
    let real = line.fields.iter().any(|(key, value)| key == "data" && !value.starts_with("integers"));
    if real { line.clone() } else { line.with("data", "real:1") }
}

/// An op in a graph of its own, where all that it reads is given, under the names `0`, `1` and so on. Of each
/// pair, the output is the new value of the input, which is a state.
pub(super) fn alone(
    op: &Op,
    inputs: &[TensorType],
    in_place: &[(usize, usize)],
) -> Result<(Graph, Vec<Tensor>)> {
    let graph = Graph::new();
    let leaf = |(number, ty): (usize, &TensorType)| {
        let name = number.to_string();
        match (in_place.iter().any(|(_, input)| *input == number), ty.dtype) {
            (true, _) => graph.state(&name, ty.clone(), Init::Zeros, Role::Optimizer),
            (false, DType::F16) => graph.input_f16(&name, ty.shape.clone()),
            (false, DType::F32) => graph.input(&name, ty.shape.clone()),
            (false, DType::U32) => graph.input_u32(&name, ty.shape.clone()),
        }
    };
    let leaves = inputs.iter().enumerate().map(leaf).collect::<Result<Vec<_>>>()?;
    let outputs = graph.apply(op.clone(), &leaves.iter().collect::<Vec<_>>())?;
    for &(output, input) in in_place {
        graph.assign(&leaves[input], &outputs[output])?;
    }
    Ok((graph, outputs))
}

impl Prepared {
    /// The variant that runs, and why the planner chose it, of each kernel.
    pub fn variant(&self) -> String {
        let of = |step: &Step| match step {
            Step::Dispatch(d) => format!("{}: {}", self.plan.kernels[d.kernel].name, d.why),
            Step::Copy { bytes, .. } => format!("copy of {bytes} bytes"),
        };
        let mut all: Vec<String> = self.plan.steps.iter().map(of).collect();
        all.dedup();
        all.join("; ")
    }

    /// What is timed.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// Values for every input: those of the case, with the data that `line` asks for.
    pub(super) fn values(&self, line: &Line) -> Result<Vec<HostTensor>> {
        let case = verify::Case::build(line)?;
        case.graph.with(|graph| self.operands.iter().map(|&value| operand(&case, graph, value)).collect())
    }

    /// The values that [`Prepared::fill`] gives, for the reference.
    pub(super) fn arrays(&self) -> Result<Vec<Array>> {
        Ok(self.values(&timed(&self.line))?.iter().map(Array::from_host).collect())
    }

    /// Gives every input, of every set of buffers, its value.
    pub(super) fn write(&self, values: &[HostTensor]) -> Result<()> {
        let leaves = self.plan.inputs.iter().chain(self.plan.states.iter().map(|s| &s.named));
        for leaf in leaves {
            if let Some(value) = leaf.name.parse().ok().and_then(|i: usize| values.get(i)) {
                self.workload.write(leaf.buffer, value.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Gives every input values to be timed with: those its line asks for, but real numbers instead of integers,
    /// among which are zeros that a device might skip.
    ///
    /// # Errors
    /// When the device failed.
    pub fn fill(&self) -> Result<()> {
        self.write(&self.values(&timed(&self.line))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Op and pass of every node that is measured of a line.
    fn nodes(line: &str) -> Vec<String> {
        let cases = Case::of_line("test", &line.parse().unwrap()).unwrap();
        let name = |case: &Case| format!("{} {}", case.pass, case.node().unwrap().1.op.name());
        cases.iter().map(name).collect()
    }

    #[test]
    fn a_pass_is_measured_by_the_node_that_computes_it() {
        for (line, expected) in [
            (
                "conv2d input=1x2x5x5 weight=3x2x3x3 bias",
                "fwd conv2d, dgrad conv2d_backward_input, wgrad conv2d_backward_weight, bgrad sum",
            ),
            ("linear input=2x3x6 weight=5x6 bias", "fwd matmul, dgrad matmul, wgrad matmul, bgrad sum"),
            ("max_pool2d input=1x2x4x4", "fwd max_pool2d, dgrad max_pool2d_backward"),
            ("mean input=7x3 dims=all", "fwd sum, dgrad broadcast_to"),
            ("add a=7 b=7", "fwd add"),
            ("where condition=7 a=7 b=7", "fwd where, dgrad where, wgrad where"),
            ("embedding weight=5x3 indices=7", "fwd embedding, wgrad embedding_backward"),
            ("dropout input=9 p=0.5 stream=1", "fwd dropout, dgrad dropout"),
            ("unbind input=4x6 dim=1", "fwd split, dgrad split"),
            ("unbind input=4x6 dim=1 u32", "fwd split"),
            ("sequence_mask batch=3 max_length=4", "fwd sequence_mask"),
            ("lstm sizes=3x2x4 bias", "fwd lstm, dgrad lstm_backward, wgrad matmul, bgrad sum"),
            ("gru sizes=3x2x4 bias masked", "fwd gru, dgrad gru_backward, wgrad matmul, bgrad sum"),
            ("adam param=9 lr=0.5 step=2", "fwd adam"),
            ("cross_entropy logits=4x3", "fwd cross_entropy, dgrad cross_entropy_backward"),
        ] {
            assert_eq!(nodes(line).join(", "), expected, "{line}");
        }
    }

    #[test]
    fn nothing_is_timed_with_integers() {
        let data = |line: &str| timed(&line.parse().unwrap()).to_string();
        assert_eq!(data("relu input=9"), "relu input=9 data=real:1");
        assert_eq!(data("relu data=integers:3 input=9"), "relu data=real:1 input=9");
        assert_eq!(data("relu input=9 data=special"), "relu input=9 data=special");
    }

    #[test]
    fn every_line_of_the_table_can_be_measured() {
        for line in verify::table(None).unwrap() {
            match Case::of_line("test", &line) {
                // What is moved to where it was is not moved.
                Ok(cases) if cases.is_empty() => {
                    let case = verify::Case::build(&line).unwrap();
                    let op = case.graph.with(|data| data.producer(case.outputs[0].1.id()).op.name());
                    assert!(["input", "reshape"].contains(&op), "{line}: {op}");
                }
                Ok(cases) => assert_eq!(cases.first().map(|c| c.pass), Some(Pass::Forward), "{line}"),
                Err(e) => assert!(["reshape", "flatten"].contains(&line.op.as_str()), "{line}: {e}"),
            }
        }
    }

    #[test]
    fn a_short_form_and_its_line_are_one_case() {
        let shape = shapes::Dims::parse("n2c3h6w6k4r3s3p1b1").unwrap();
        let table = shapes::Line { set: "s".into(), layer: "l".into(), count: 2, op: "conv2d".into(), shape };
        let short = Case::of_table(&table).unwrap();
        let long = Case::of_line("s", &short[0].line).unwrap();
        assert_eq!(short.len(), 4);
        for (short, long) in short.iter().zip(&long) {
            assert_eq!((short.pass, short.node().unwrap()), (long.pass, long.node().unwrap()));
        }
        assert_eq!(short[1].to_string(), "conv2d dgrad n2c3h6w6k4r3s3p1b1");
        assert_eq!(format!("{} {}", long[0].op, long[0].shape), short[0].line.to_string());
        let error = Case::choose(&nothing_but_forward(), &[Pass::WeightGradient]).unwrap_err().to_string();
        assert!(error.contains("one of fwd for argmax") && error.contains("wgrad"), "{error}");
    }

    fn nothing_but_forward() -> Vec<Case> {
        Case::of_line("test", &"argmax input=4x5 dim=1".parse().unwrap()).unwrap()
    }
}
