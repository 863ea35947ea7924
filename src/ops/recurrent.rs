//! A recurrent layer in one direction over all steps, and its backward pass through time.
//!
//! `gates (T, B, G H)` are the inputs' products with `weight_ih`, of all steps at once. With `h` and `c` the state
//! before a step, `a = gates[t] + h weight_hh^T` in `G` runs of `H`, PyTorch's order:
//! - RNN (`G = 1`): `h = tanh(a)` or `relu(a)`
//! - LSTM (`i f g o`): `c = sigmoid(f) c + sigmoid(i) tanh(g)`, `h = sigmoid(o) tanh(c)`
//! - GRU (`r z n`): `n = tanh(gates_n + sigmoid(r) (h weight_n^T + bias_n))`, `h = (1 - sigmoid(z)) n + sigmoid(z) h`
//!
//! Where the mask is 0 the state passes unchanged, so the last step holds every sequence's final state.

use super::{Op, dims, f32s, same};
use crate::error::{Mismatch, Result};
use crate::graph::{Flow, Tensor};
use crate::ops::MatMul;
use crate::tensor::TensorType;
use std::fmt;

/// What a recurrent layer computes in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecurrentKind {
    /// Elman's net with tanh.
    RnnTanh,
    /// Elman's net with ReLU.
    RnnRelu,
    /// Long short-term memory; gates i, f, g, o (ONNX: i, o, f, c).
    Lstm,
    /// Gated recurrent unit; gates r, z, n (ONNX: z, r, h with `linear_before_reset = 1`).
    Gru,
}

impl RecurrentKind {
    /// Runs of `H` numbers of which the weights have one each.
    pub fn gates(self) -> usize {
        match self {
            RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => 1,
            RecurrentKind::Lstm => 4,
            RecurrentKind::Gru => 3,
        }
    }

    /// Tensors of a state: `h`, and the LSTM's `c`.
    pub fn states(self) -> usize {
        if self == RecurrentKind::Lstm { 2 } else { 1 }
    }

    /// Runs of `H` numbers a step saves for the backward pass: the LSTM's i, f, g, o and c before the step, the
    /// GRU's r, z, n, `h weight_n^T + bias_n` and h before the step. An RNN needs only its output.
    pub(crate) fn reserve(self) -> usize {
        match self {
            RecurrentKind::RnnTanh | RecurrentKind::RnnRelu => 0,
            RecurrentKind::Lstm | RecurrentKind::Gru => 5,
        }
    }

    /// Whether the recurrent product has a gradient of its own besides that of `gates`.
    pub(crate) fn own_hidden_gates(self) -> bool {
        self == RecurrentKind::Gru
    }
}

/// The attributes of a recurrent op. Inputs: `gates (T, B, G H), weight_hh (G H, H), h0 (B, H), [c0 (B, H)],
/// [bias_hh (G H)], [mask (T, B)]`. Outputs: `hidden (T, B, H), [reserve (T, B, 5 H)], [cells (T, B, H)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recurrent {
    /// What a step computes.
    pub kind: RecurrentKind,
    /// From the last step to the first.
    pub reverse: bool,
    /// There is a `bias_hh`: for the GRU, whose reset gate acts on it. The others add it to `gates`.
    pub bias: bool,
    /// There is a mask of the steps within each sequence.
    pub masked: bool,
}

/// The attributes of the backward pass. Inputs: `grad_hidden (T, B, H), weight_hh, reserve or hidden,
/// [grad_cells (T, B, H)], [mask]`. Outputs: `grad_gates (T, B, G H), [grad_hidden_gates (T, B, G H)],
/// grad_state (S, B, H)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecurrentBackward {
    /// The forward op's attributes.
    pub forward: Recurrent,
    /// The loss depends on the LSTM's `cells` too.
    pub grad_cells: bool,
}

impl fmt::Display for Recurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reverse, bias, masked, .. } = self;
        write!(f, "reverse {reverse} bias {bias} masked {masked}")
    }
}

impl fmt::Display for RecurrentBackward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} grad_cells {}", self.forward, self.grad_cells)
    }
}

/// Steps, batch and hidden size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecurrentSizes {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) hidden: usize,
}

impl RecurrentSizes {
    /// Of `gates (T, B, G H)`.
    pub(crate) fn of_gates(kind: RecurrentKind, gates: &TensorType) -> Result<Self, Mismatch> {
        let what = format!("gates (T, B, {} H)", kind.gates());
        let [steps, batch, width] = dims(gates, &what)?;
        Mismatch::check(width % kind.gates() == 0, what, gates.to_string())?;
        Ok(Self { steps, batch, hidden: width / kind.gates() })
    }

    /// Of `grad_hidden (T, B, H)`.
    pub(crate) fn of_hidden(hidden: &TensorType) -> Result<Self, Mismatch> {
        let [steps, batch, hidden] = dims(hidden, "hidden (T, B, H)")?;
        Ok(Self { steps, batch, hidden })
    }

    fn sequence(&self, runs: usize) -> TensorType {
        TensorType::f32([self.steps, self.batch, runs * self.hidden])
    }

    /// What the weights of the recurrent product are.
    fn check_weight(&self, kind: RecurrentKind, weight: &TensorType) -> Result<(), Mismatch> {
        same("weight_hh", &TensorType::f32([kind.gates() * self.hidden, self.hidden]), weight)
    }

    fn mask(&self) -> TensorType {
        TensorType::f32([self.steps, self.batch])
    }
}

fn take<'a>(
    inputs: &mut impl Iterator<Item = &'a TensorType>,
    what: &str,
) -> Result<&'a TensorType, Mismatch> {
    let ty = inputs.next().ok_or_else(|| Mismatch::new(what, "no such input"))?;
    f32s::<1>(&[ty])?;
    Ok(ty)
}

fn finished<'a>(mut inputs: impl Iterator<Item = &'a TensorType>) -> Result<(), Mismatch> {
    inputs.next().map_or(Ok(()), |extra| Err(Mismatch::new("no further input", extra.to_string())))
}

pub(super) fn infer(o: &Recurrent, inputs: &[&TensorType]) -> Result<Vec<TensorType>, Mismatch> {
    let inputs = &mut inputs.iter().copied();
    let kind = o.kind;
    let sizes = RecurrentSizes::of_gates(kind, take(inputs, "gates")?)?;
    sizes.check_weight(kind, take(inputs, "weight_hh")?)?;
    let state = TensorType::f32([sizes.batch, sizes.hidden]);
    for name in ["h0", "c0"].iter().take(kind.states()) {
        same(name, &state, take(inputs, name)?)?;
    }
    if o.bias {
        same("bias_hh", &TensorType::f32([kind.gates() * sizes.hidden]), take(inputs, "bias_hh")?)?;
    }
    if o.masked {
        same("mask", &sizes.mask(), take(inputs, "mask")?)?;
    }
    finished(inputs)?;
    let mut outputs = vec![sizes.sequence(1)];
    if kind.reserve() > 0 {
        outputs.push(sizes.sequence(kind.reserve()));
    }
    if kind == RecurrentKind::Lstm {
        outputs.push(sizes.sequence(1));
    }
    Ok(outputs)
}

pub(super) fn infer_backward(
    o: &RecurrentBackward,
    inputs: &[&TensorType],
) -> Result<Vec<TensorType>, Mismatch> {
    let inputs = &mut inputs.iter().copied();
    let kind = o.forward.kind;
    let sizes = RecurrentSizes::of_hidden(take(inputs, "grad_hidden")?)?;
    sizes.check_weight(kind, take(inputs, "weight_hh")?)?;
    same("reserve", &sizes.sequence(kind.reserve().max(1)), take(inputs, "reserve")?)?;
    if o.grad_cells {
        Mismatch::check(kind == RecurrentKind::Lstm, "grad_cells of an LSTM only", kind.name())?;
        same("grad_cells", &sizes.sequence(1), take(inputs, "grad_cells")?)?;
    }
    if o.forward.masked {
        same("mask", &sizes.mask(), take(inputs, "mask")?)?;
    }
    finished(inputs)?;
    let mut outputs = vec![sizes.sequence(kind.gates())];
    if kind.own_hidden_gates() {
        outputs.push(sizes.sequence(kind.gates()));
    }
    outputs.push(TensorType::f32([kind.states(), sizes.batch, sizes.hidden]));
    Ok(outputs)
}

/// The states before each step, `(T, B, H)`: the first is `h0`, the others are the outputs one step earlier.
fn states_before(o: &Recurrent, hidden: &Tensor, h0: &Tensor) -> Result<Tensor> {
    let shape = hidden.shape();
    let first = h0.reshape([1, shape[1], shape[2]])?;
    match (shape[0], o.reverse) {
        (1, _) => Ok(first),
        (steps, false) => Tensor::concat(&[&first, &hidden.narrow(0, 0, steps - 1)?], 0),
        (steps, true) => Tensor::concat(&[&hidden.narrow(0, 1, steps - 1)?, &first], 0),
    }
}

/// Errors and the states that they were multiplied with. A step whose state before it is zero is left out; the other
/// states then lie together where the forward pass wrote them.
fn weight_operands(o: &Recurrent, errors: &Tensor, hidden: &Tensor, h0: &Tensor) -> Result<(Tensor, Tensor)> {
    let others = hidden.shape()[0] - 1;
    let from_zero = h0.graph().with(|data| data.constant(h0.id())) == Some(0.0);
    if others == 0 || !from_zero {
        return Ok((errors.clone(), states_before(o, hidden, h0)?));
    }
    let (later, earlier) = if o.reverse { (0, 1) } else { (1, 0) };
    Ok((errors.narrow(0, later, others)?, hidden.narrow(0, earlier, others)?))
}

fn backward(o: &Recurrent, flow: &Flow<'_>) -> Result<Vec<Tensor>> {
    let graph = flow.outputs[0].graph();
    let zero = || graph.scalar(0.0)?.broadcast_to(flow.outputs[0].shape());
    let grad = flow.grads[0].clone().map_or_else(zero, Ok)?;
    let grad_cells = flow.grads.get(2).cloned().flatten();
    let reserve = flow.outputs.get(1).unwrap_or(&flow.outputs[0]);
    let mask = flow.inputs.last().filter(|_| o.masked);
    let inputs = [Some(&grad), Some(&flow.inputs[1]), Some(reserve), grad_cells.as_ref(), mask];
    let inputs: Vec<&Tensor> = inputs.into_iter().flatten().collect();
    let op = Op::RecurrentBackward(RecurrentBackward { forward: *o, grad_cells: grad_cells.is_some() });
    graph.apply(op, &inputs)
}

/// One node walks back through time; the gradients of weight and bias are then products over all steps at once.
pub(super) fn gradient(o: &Recurrent, flow: &Flow<'_>) -> Result<Vec<Option<Tensor>>> {
    let kind = o.kind;
    let found = backward(o, flow)?;
    let own = usize::from(kind.own_hidden_gates());
    let (grad_gates, grad_hidden_gates, grad_state) = (&found[0], &found[own], &found[own + 1]);
    let shape = grad_hidden_gates.shape();
    let hidden = shape[2] / kind.gates();
    let weight = || {
        let (errors, before) = weight_operands(o, grad_hidden_gates, &flow.outputs[0], &flow.inputs[2])?;
        let rows = before.shape()[0] * shape[1];
        let (errors, before) = (errors.reshape([rows, shape[2]])?, before.reshape([rows, hidden])?);
        let op = Op::MatMul(MatMul { trans_a: true, trans_b: false });
        errors.graph().apply(op, &[&errors, &before]).map(|mut out| out.remove(0))
    };
    let state = |s: usize| grad_state.narrow(0, s, 1)?.reshape([shape[1], hidden]);
    let mut grads = vec![Some(grad_gates.clone()), flow.wants(1, weight)?];
    for s in 0..kind.states() {
        grads.push(flow.wants(2 + s, || state(s))?);
    }
    if o.bias {
        // As the product of the inputs has it for its bias, so that the planner finds one sum where the errors are one.
        let sum = || grad_hidden_gates.reshape([shape[0] * shape[1], shape[2]])?.sum(&[0], false);
        grads.push(flow.wants(grads.len(), sum)?);
    }
    if o.masked {
        grads.push(None);
    }
    Ok(grads)
}

/// Two operations a term of the recurrent product, and some ten an element of a gate.
pub(super) fn flops(kind: RecurrentKind, sequence: &TensorType) -> u64 {
    let (elements, hidden) = (sequence.shape.elements() as u64, sequence.shape[2] as u64);
    elements * kind.gates() as u64 * (2 * hidden + 10)
}
